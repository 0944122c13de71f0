"""Renders a page: HTML in one language from visible rows, and the style and script beside it.

Belongs here: how a cell of each kind looks, and what browsers and screen readers need. The template escapes everything.
There is no clock: the caller passes the time. Does not belong here: rows and numbers (`tasks.reports.pages`), layout
(`schemas.settings.pages`), words (`tasks.io.pages.words`), charts (`tasks.io.pages.charts`). To add a kind of column:
a line in `_CELLS`.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from schemas.settings.names import language_of
from schemas.settings.pages import WALES, WORDS, PageTable, all_needs, all_sections
from schemas.texts.catalogue import Language, text
from tasks.io.pages.charts import chart_of
from tasks.io.pages.words import BARS, HIDDEN_NUMBER, NONE, OTHER, PageContent, PageTexts, percent

_SITE = Path(__file__).with_name("site")
_DIGITS = re.compile("[0-9]+")
#: From a page to the data root.
_ROOT = "../../../../"
#: A link from a page to a file of the data root: path and content.
_TO_FILE = re.compile(rf'<a href="{re.escape(_ROOT)}([^"]+)">(.*?)</a>', re.DOTALL)
#: The code of the row of all authorities together.
_TOTAL = "total"
#: Kind of column -> CSS class; other kinds have none.
_LOOKS = {"number": "number", "share": "number", "sentence": "sentence", "name": "name", "page": "name"}


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: shown to people.
        order: sort key of the cell in its column.
        csv: value in a download, where it differs from the text.
        href: target of the cell's link.
        word: the code of the text, in a column of words.
    """

    text: str
    order: int = 0
    csv: str | None = None
    href: str | None = None
    word: str | None = None
    lang: Language | None = None
    day: str | None = None


def assets() -> dict[str, bytes]:
    """Return the style and the script that every page has beside it."""
    return {name: (_SITE / name).read_bytes() for name in ("site.css", "site.js")}


def write_page(content: PageContent, made: Mapping[str, Any]) -> dict[str, bytes]:
    """Render a page in both languages, as bytes by file name; `made` holds as_of, run and edition."""
    return {f"index.{lang}.html": _page(content, made, lang) for lang in ("cy", "en")}


def without_links(page: bytes, is_gone: Callable[[str], bool]) -> bytes:
    """Return a page with plain names in place of links to files that are gone; `is_gone` gets a path below the data root."""

    def named(link: re.Match[str]) -> str:
        return link[2] if is_gone(unescape(link[1])) else link[0]

    return _TO_FILE.sub(named, page.decode()).encode()


@cache
def _template() -> Any:
    settings = Environment(
        loader=FileSystemLoader(_SITE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return settings.get_template("page.html")


def _page(content: PageContent, made: Mapping[str, Any], lang: Language) -> bytes:
    texts = PageTexts(lang, HIDDEN_NUMBER if content.page == WALES else NONE)
    sections = [
        {
            "id": section.name,
            "title": texts(f"section.{section.name}"),
            "about": texts.first(f"about.{content.page}.{section.name}", f"about.{section.name}"),
            "tables": [
                _table(table, content, texts) for table in section.tables[content.page] if table.name in content.tables
            ],
            "chart": chart_of(section.name, content, texts),
            "sentence": texts.sentence(content.sentences[section.name]) if section.name in content.sentences else "",
        }
        for section in all_sections()
    ]
    html: str = _template().render(
        lang=lang,
        other=OTHER[lang],
        texts=texts,
        name=_name_of(content, texts),
        cycle=content.cycle.id,
        title=texts.of((content.cycle.title_cy, content.cycle.title_en)),
        sections=sections,
        made={**made, "as_of": texts.moment(made["as_of"])},
        hides_numbers=content.page == WALES,
    )
    return html.encode()


def _name_of(content: PageContent, texts: PageTexts) -> str:
    return texts.of(content.title) or texts("wales")


def _number(row: Mapping[str, Any], name: str, texts: PageTexts) -> Cell:
    value = row[name]
    return Cell(texts.missing, -1) if value is None else Cell(f"{value:,}", int(value), str(value))


def _share(row: Mapping[str, Any], name: str, _texts: PageTexts) -> Cell:
    value = row[name]
    # A share of nothing is not the same as a hidden share.
    nothing = HIDDEN_NUMBER if None in [row.get(of, 0) for of in ("chosen", *BARS)] else NONE
    return Cell(nothing, -1) if value is None else Cell(percent(value), int(value), f"{value / 10:.1f}")


def _text(row: Mapping[str, Any], name: str, texts: PageTexts) -> Cell:
    value = row[name]
    if name == "year" and not value:
        return Cell(texts("unread_year"))
    return Cell(NONE if value is None else str(value))


def _name(row: Mapping[str, Any], name: str, texts: PageTexts) -> Cell:
    source = name if name in row else f"{name}_{texts.lang}"
    if row[source] is None:
        return Cell(row.get("school_number") or texts("wales"), int(row.get(f"{source}_place") or 0))
    lang = language_of(row[source]) if source == name or row.get(f"{name}_cy") == row.get(f"{name}_en") else None
    return Cell(row[source], int(row[f"{source}_place"]), lang=None if lang == texts.lang else lang)


def _page_of(row: Mapping[str, Any], name: str, texts: PageTexts) -> Cell:
    cell = _name(row, name, texts)
    if row[f"{name}_{texts.lang}"] is None:
        return Cell(texts("wales"), 999)
    return Cell(cell.text, cell.order, href=f"../{row['la_code']}/index.{texts.lang}.html")


def _day(row: Mapping[str, Any], name: str, texts: PageTexts) -> Cell:
    iso = row[name]
    if not iso:
        return Cell(NONE, 0)
    return Cell(texts.day(iso), int(iso[:10].replace("-", "")), iso[:10], day=iso[:10])


_CELLS: dict[str, Callable[[Mapping[str, Any], str, PageTexts], Cell]] = {
    "number": _number,
    "share": _share,
    "text": _text,
    "name": _name,
    "page": _page_of,
    "day": _day,
    "sentence": lambda row, name, texts: Cell(row[f"{name}_{texts.lang}"] or NONE),
    "file": lambda row, _name, _texts: Cell(Path(row["path"]).name, href=_ROOT + row["path"]),
}


def _needs(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the needs with text, action, responsible person and link to details; the most urgent first."""
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


#: Kind of column -> possible names in a row.
_ROW_NAMES: dict[str, tuple[str, ...]] = {
    "file": ("path",),
    "sentence": ("{name}_{lang}",),
    "name": ("{name}", "{name}_{lang}"),
    "page": ("{name}_{lang}",),
}


def _in_column(rows: Sequence[dict[str, Any]], name: str, kind: str, texts: PageTexts) -> list[Cell]:
    if kind.startswith("word:"):
        codes, prefix = WORDS[kind.removeprefix("word:")]
        words = [row[name] for row in rows]
        return [Cell(text(prefix + word, texts.lang), codes.index(word), word=word) for word in words]
    cells = [_CELLS[kind](row, name, texts) for row in rows]
    if kind != "text":
        return cells
    # By number where the text begins with one: year 9 before year 10, 8-28 days before 29-90.
    order = sorted({cell.text for cell in cells}, key=lambda label: (int((_DIGITS.match(label) or ["99"])[0]), label))
    return [replace(cell, order=order.index(cell.text)) for cell in cells]


def _table(table: PageTable, content: PageContent, texts: PageTexts) -> dict[str, Any]:
    rows, present = content.tables[table.name].rows, set(content.tables[table.name].columns)
    if table.name == "needs":
        rows = _needs(rows)
        present = set().union(*rows)
    columns = {
        name: kind
        for name, kind in table.columns.items()
        if present & {template.format(name=name, lang=texts.lang) for template in _ROW_NAMES.get(kind, ("{name}",))}
    }
    cells = {name: _in_column(rows, name, kind, texts) for name, kind in columns.items()}
    lines = [
        {"cells": {name: column[n] for name, column in cells.items()}, "leads": row.get("leads")}
        for n, row in enumerate(rows)
    ]
    totals = [n for n, row in enumerate(rows) if row.get("la_code") == _TOTAL]
    names_row = next((name for name, kind in columns.items() if kind != "number"), None)
    words: list[tuple[str, str]] = []
    if table.filter in columns:
        order, prefix = WORDS[columns[table.filter].removeprefix("word:")]
        counts = Counter(row[table.filter] for row in rows)
        # Each word in the filter has its count, which often answers the question without filtering.
        words = [(word, f"{text(prefix + word, texts.lang)} ({counts[word]})") for word in order if word in counts]
    return {
        "name": table.name,
        "caption": texts(f"table.{table.name}"),
        "heads": [
            {
                "key": name,
                "title": texts.first(f"column.{table.name}.{name}", f"column.{name}"),
                "sorts": kind not in ("sentence", "file"),
                "look": _LOOKS.get(kind),
                "names": name == names_row,
            }
            for name, kind in columns.items()
        ],
        "rows": [line for n, line in enumerate(lines) if n not in totals],
        "total": [lines[n] for n in totals],
        "search": table.search,
        "filter": table.filter if words else None,
        "words": words,
        "file": f"{content.cycle.id} {_name_of(content, texts)} {table.name}.csv".replace(" ", "-"),
    }
