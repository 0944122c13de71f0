"""The bytes of a page: HTML in one language, from tables that have passed the gate; and the style and program beside it.

Belongs here: how a number, a day and a word look, and what a browser and a reader of screens need. Everything that is put
into a page is escaped by the template. Does not belong here: which rows and which numbers (`tasks.pages`), layout
(`schemas.pages`). The page has no clock: when it was made is given. To add a kind of column: a line in `_CELLS`.
"""

import datetime as dt
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from schemas.cycles import Cycle
from schemas.names import language_of
from schemas.pages import WALES, WORDS, PageTable, all_needs, all_sections
from schemas.texts import Language, all_texts, text
from tasks.io.charts import bars, lines

_SITE = Path(__file__).with_name("site")
#: What stands for a number that is not told, in official statistics too: confidential, cyfrinachol.
NOT_TOLD = "[c]"
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII).fullmatch
_NONE = "–"
_DIGITS = re.compile("[0-9]+")
#: From a page to the data root.
_ROOT = "../../../../"
_OTHER: dict[Language, Language] = {"cy": "en", "en": "cy"}
#: The code of the row of all authorities together.
_TOTAL = "total"
#: The most letters beside a bar.
_LABEL = 24
#: How a column of a kind looks; others are as they are.
_LOOKS = {"number": "number", "share": "number", "sentence": "sentence", "name": "name", "page": "name"}
#: The states that a chart has a bar for.
_BARS = ("uln", "sent", "waiting", "held", "exception")


@dataclass(frozen=True)
class PageRows:
    """Rows of a table, as they may be seen; the names of their columns, also where there is no row."""

    columns: tuple[str, ...]
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class PageContent:
    """What a page shows.

    Attributes:
        page: `schemas.pages.AUTHORITY` or WALES.
        cycle: the cycle.
        title: of the authority in Welsh and English; empty for Wales.
        tables: rows that were let through (`tasks.showing`), by the table's name.
        said: the sentence of a section, by the section's name (`page_sentences.Said`).
    """

    page: str
    cycle: Cycle
    title: tuple[str, str]
    tables: Mapping[str, PageRows]
    said: Mapping[str, Any]

    def fingerprint(self, edition: str) -> str:
        """A hash over all that the page shows, and over what shows it."""
        told = [edition, self.page, self.title, {name: table.rows for name, table in self.tables.items()}]
        return hashlib.sha256(json.dumps(told, default=int, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: what people read.
        order: the cell's place when the table is sorted by its column; a number.
        csv: what a spreadsheet gets, where that is not the text.
        href: where it leads.
        word: the word behind the text, of a column with words.
    """

    text: str
    order: int = 0
    csv: str | None = None
    href: str | None = None
    word: str | None = None
    lang: Language | None = None
    day: str | None = None


def assets() -> dict[str, bytes]:
    """The style and the program that every page has beside it."""
    return {name: (_SITE / name).read_bytes() for name in ("site.css", "site.js")}


def write_page(content: PageContent, made: Mapping[str, Any]) -> dict[str, bytes]:
    """A page in both languages.

    Args:
        content: what it shows.
        made: as_of, run, edition: when it was made, and by what.

    Returns:
        Bytes by file name.
    """
    return {f"index.{lang}.html": _page(content, made, lang) for lang in ("cy", "en")}


@cache
def _template() -> Any:
    settings = Environment(
        loader=FileSystemLoader(_SITE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return settings.get_template("page.html")


def _page(content: PageContent, made: Mapping[str, Any], lang: Language) -> bytes:
    say = _Sayer(lang, NOT_TOLD if content.page == WALES else _NONE)
    name = content.title[0 if lang == "cy" else 1] or say("wales")
    title = content.cycle.title_cy if lang == "cy" else content.cycle.title_en
    sections = [
        {
            "id": section.name,
            "title": say(f"section.{section.name}"),
            "about": say.either(f"about.{content.page}.{section.name}", f"about.{section.name}"),
            "tables": [
                _table(table, content, say) for table in section.tables[content.page] if table.name in content.tables
            ],
            "chart": _chart(section.name, content, say),
            "said": [say.sentence(content.said[section.name])] if section.name in content.said else [],
        }
        for section in all_sections()
    ]
    html: str = _template().render(
        lang=lang,
        other=_OTHER[lang],
        say=say,
        page=content.page,
        name=name,
        cycle=content.cycle.id,
        title=title,
        sections=sections,
        made={**made, "as_of": say.moment(made["as_of"])},
        not_told=NOT_TOLD if content.page == WALES else None,
    )
    return html.encode()


class _Sayer:
    """The texts of the pages in one language."""

    def __init__(self, lang: Language, missing: str) -> None:
        """With what stands where there is no number: on the page of Wales it is hidden, elsewhere there is none."""
        self.lang, self.missing = lang, missing

    def __call__(self, key: str, **places: Any) -> str:
        return text(f"pages.{key}", self.lang).format(**{name: self.of(value) for name, value in places.items()})

    def other(self, key: str) -> str:
        """The text in the other language."""
        return text(f"pages.{key}", _OTHER[self.lang])

    def either(self, *keys: str) -> str:
        """The first of some texts that there is; nothing where there is none."""
        return next((self(key) for key in keys if f"pages.{key}" in all_texts()), "")

    def sentence(self, said: Any) -> str:
        """A sentence of a section (`page_sentences.Said`)."""
        return self(f"says.{said.key}", **said.places)

    def of(self, value: Any) -> str:
        """What fills a place: a number, a day, a share, a pair in both languages, or text."""
        if value is None:
            return self.missing
        if isinstance(value, int):
            return f"{value:,}"
        if isinstance(value, tuple):
            return str(value[0 if self.lang == "cy" else 1])
        if hasattr(value, "thousandths"):
            return self.missing if value.thousandths is None else _percent(value.thousandths)
        return self.day(str(value)) if _is_day(str(value)) else str(value)

    def day(self, iso: str) -> str:
        """`4 Chwefror 2012`."""
        months = text("pages.months", self.lang).split()
        year, month, day = iso[:10].split("-")
        return f"{int(day)} {months[int(month) - 1]} {year}"

    def moment(self, iso: str) -> str:
        """A day and, where it is known, a time."""
        return self.day(iso) + (f", {iso[11:16]}" if len(iso) > 10 else "")


def _is_day(value: str) -> bool:
    if not _ISO_DAY(value):
        return False
    try:
        dt.date.fromisoformat(value)
    except ValueError:  # a code of the LRS may look like anything
        return False
    return True


def _percent(thousandths: int) -> str:
    return f"{thousandths / 10:.1f}%"


def _number(row: Mapping[str, Any], name: str, say: _Sayer) -> Cell:
    value = row[name]
    return Cell(say.missing, -1) if value is None else Cell(f"{value:,}", int(value), str(value))


def _share(row: Mapping[str, Any], name: str, _say: _Sayer) -> Cell:
    value = row[name]
    # Nothing to have a share of is not the same as what is not told.
    nothing = NOT_TOLD if None in [row.get(of, 0) for of in ("chosen", *_BARS)] else _NONE
    return Cell(nothing, -1) if value is None else Cell(_percent(value), int(value), f"{value / 10:.1f}")


def _text(row: Mapping[str, Any], name: str, say: _Sayer) -> Cell:
    value = row[name]
    if name == "year" and not value:
        return Cell(say("unread_year"))
    return Cell(_NONE if value is None else str(value))


def _name(row: Mapping[str, Any], name: str, say: _Sayer) -> Cell:
    at = name if name in row else f"{name}_{say.lang}"
    if row[at] is None:
        return Cell(row.get("school_number") or say("wales"), int(row.get(f"{at}_place") or 0))
    lang = language_of(row[at]) if at == name or row.get(f"{name}_cy") == row.get(f"{name}_en") else None
    return Cell(row[at], int(row[f"{at}_place"]), lang=None if lang == say.lang else lang)


def _page_of(row: Mapping[str, Any], name: str, say: _Sayer) -> Cell:
    cell = _name(row, name, say)
    if row[f"{name}_{say.lang}"] is None:
        return Cell(say("wales"), 999)
    return Cell(cell.text, cell.order, href=f"../{row['la_code']}/index.{say.lang}.html")


def _day(row: Mapping[str, Any], name: str, say: _Sayer) -> Cell:
    iso = row[name]
    if not iso:
        return Cell(_NONE, 0)
    return Cell(say.day(iso), int(iso[:10].replace("-", "")), iso[:10], day=iso[:10])


def _sentence(row: Mapping[str, Any], name: str, say: _Sayer) -> Cell:
    return Cell(row[f"{name}_{say.lang}"] or _NONE)


def _file(row: Mapping[str, Any], _of: str, _say: _Sayer) -> Cell:
    return Cell(Path(row["path"]).name, href=_ROOT + row["path"])


_CELLS: dict[str, Callable[[Mapping[str, Any], str, _Sayer], Cell]] = {
    "number": _number,
    "share": _share,
    "text": _text,
    "name": _name,
    "page": _page_of,
    "day": _day,
    "sentence": _sentence,
    "file": _file,
}


def _word(row: Mapping[str, Any], name: str, words: str, say: _Sayer) -> Cell:
    order, prefix = WORDS[words]
    return Cell(text(prefix + row[name], say.lang), order.index(row[name]), word=row[name])


def _needs(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """With what is to be done, who does it and where more is said; the most urgent first."""
    number = {row["need"]: row["number"] for row in rows}
    return [
        {
            **{"number": number[need.need], "who": need.who, "leads": f"#{need.section}"},
            **{"what_cy": need.text_cy, "what_en": need.text_en},
            **{"action_cy": need.action_cy, "action_en": need.action_en},
        }
        for need in all_needs()
        if need.need in number
    ]


#: Under which names a column of a kind stands in a row.
_STANDS: dict[str, tuple[str, ...]] = {
    "file": ("path",),
    "sentence": ("{name}_{lang}",),
    "name": ("{name}", "{name}_{lang}"),
    "page": ("{name}_{lang}",),
}


def _columns(table: PageTable, there: set[str], lang: Language) -> dict[str, str]:
    """The columns of a table that a page has."""
    return {
        name: kind
        for name, kind in table.columns.items()
        if there & {at.format(name=name, lang=lang) for at in _STANDS.get(kind, ("{name}",))}
    }


def _in_column(rows: Sequence[dict[str, Any]], name: str, kind: str, say: _Sayer) -> list[Cell]:
    if kind.startswith("word:"):
        return [_word(row, name, kind.removeprefix("word:"), say) for row in rows]
    cells = [_CELLS[kind](row, name, say) for row in rows]
    if kind != "text":
        return cells
    # By number where there is one: year 9 before year 10, 8-28 days before 29-90.
    order = sorted({cell.text for cell in cells}, key=lambda one: (int((_DIGITS.match(one) or ["99"])[0]), one))
    return [replace(cell, order=order.index(cell.text)) for cell in cells]


def _table(table: PageTable, content: PageContent, say: _Sayer) -> dict[str, Any]:
    rows, there = content.tables[table.name].rows, set(content.tables[table.name].columns)
    if table.name == "needs":
        rows = _needs(rows)
        there = set().union(*rows)
    columns = _columns(table, there, say.lang)
    cells = {name: _in_column(rows, name, kind, say) for name, kind in columns.items()}
    lines = [
        {
            "cells": {name: cells[name][n] for name in columns},
            "leads": row.get("leads"),
            "total": row.get("la_code") == _TOTAL,
        }
        for n, row in enumerate(rows)
    ]
    names_row = next((name for name, kind in columns.items() if kind != "number"), None)
    words: list[tuple[str, str]] = []
    if table.filter in columns:
        order, prefix = WORDS[columns[table.filter].removeprefix("word:")]
        of = Counter(row[table.filter] for row in rows)
        # How many there are of each answers the first question before anything is chosen.
        words = [(word, f"{text(prefix + word, say.lang)} ({of[word]})") for word in order if word in of]
    return {
        "name": table.name,
        "caption": say(f"table.{table.name}"),
        "heads": [
            {
                "key": name,
                "title": say.either(f"column.{table.name}.{name}", f"column.{name}"),
                "sorts": kind not in ("sentence", "file"),
                "look": _LOOKS.get(kind),
                "names": name == names_row,
            }
            for name, kind in columns.items()
        ],
        "rows": [one for one in lines if not one["total"]],
        "total": [one for one in lines if one["total"]],
        "search": table.search,
        "filter": table.filter if words else None,
        "words": words,
        "file": _file_name(content, table.name, say),
    }


def _file_name(content: PageContent, table: str, say: _Sayer) -> str:
    name = content.title[0 if say.lang == "cy" else 1] or say("wales")
    return f"{content.cycle.id} {name} {table}.csv".replace(" ", "-")


def _chart(section: str, content: PageContent, say: _Sayer) -> Markup | None:
    """The chart of a section, from its table; none where there is nothing to draw."""
    draw = _CHARTS.get(section)
    made = draw(content, say) if draw else None
    return None if made is None else Markup(made)  # noqa: S704 - the library escapes what it draws


def _bars(section: str, told: Sequence[tuple[str, int | None]], content: PageContent, say: _Sayer) -> str | None:
    """Bars of numbers, or of shares in thousandths where the section's are."""
    whole = 1000 if section in ("years", "cycles") else None
    written = _percent if whole else say.of
    named = [
        (f"{_short(label)}: {say.missing if number is None else written(number)}", number or 0)
        for label, number in told
    ]
    if not any(number for _, number in named):
        return None
    return bars(named, section, say(f"chart.{section}"), say.sentence(content.said[section]), whole)


def _short(label: str) -> str:
    """A label that fits beside its bar; the table has it whole."""
    return label if len(label) <= _LABEL else f"{label[: _LABEL - 1]}…"


def _chart_of_schools(content: PageContent, say: _Sayer) -> str | None:
    if content.page == WALES:
        total = content.tables["authorities"].rows[-1]
    else:
        rows = content.tables["schools"].rows
        total = {state: sum(row[state] for row in rows) for state in _BARS}
    return _bars("schools", [(say(f"column.{state}"), total[state]) for state in _BARS], content, say)


def _chart_of_codes(content: PageContent, say: _Sayer) -> str | None:
    told = [(str(row.get("return_code") or row["code"]), row["number"]) for row in content.tables["exceptions"].rows]
    return _bars("exceptions", told, content, say)


def _chart_of_ages(content: PageContent, say: _Sayer) -> str | None:
    return _bars("ages", [(row["age"], row["number"]) for row in content.tables["ages"].rows], content, say)


def _chart_of_years(content: PageContent, say: _Sayer) -> str | None:
    rows = content.tables["years"].rows
    return _bars(
        "years",
        [(say("year", year=row["year"]) if row["year"] else say("unread_year"), row["share"]) for row in rows],
        content,
        say,
    )


def _chart_of_cycles(content: PageContent, say: _Sayer) -> str | None:
    rows = content.tables["cycles"].rows
    told = [(row[f"cycle_{say.lang}"], row["share"]) for row in rows]
    return _bars("cycles", told, content, say) if len(rows) > 1 else None


def _chart_of_days(content: PageContent, say: _Sayer) -> str | None:
    rows = content.tables["days"].rows
    # A line over days of which some are hidden would show them as nought.
    if len(rows) < 2 or any(row[name] is None for row in rows for name in ("asked", "answered_uln")):
        return None
    days = [dt.date.fromisoformat(row["day"]) for row in rows]
    asked, answered = (list(accumulate(row[name] for row in rows)) for name in ("asked", "answered_uln"))
    shapes = (say("chart.days.line"), answered), (say("chart.days.dots"), asked)
    first, last = (say.day(rows[at]["day"]).rpartition(" ")[0] for at in (0, -1))
    return lines(days, *shapes, (first, last), "days", say("chart.days"), say.sentence(content.said["days"]))


_CHARTS: dict[str, Callable[[PageContent, _Sayer], str | None]] = {
    "schools": _chart_of_schools,
    "exceptions": _chart_of_codes,
    "ages": _chart_of_ages,
    "years": _chart_of_years,
    "days": _chart_of_days,
    "cycles": _chart_of_cycles,
}
