"""How a run's page looks on the engine's dashboard: what is told of a cycle, in both languages, as markdown and tables.

Belongs here: words, order and layout. Does not belong here: which numbers are told (`tasks.reports.overview`; what
comes in has passed the gate), and the engine (`flows.run.artifacts`). What a person has to do comes first. Welsh and
English stand side by
side: under one another where there are sentences, which no column is wide enough for; else in columns or one heading.
To add an artifact: a page here, its title `run_page.<name>` in `schemas/texts/texts.csv`.
"""

import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.states import RowState
from schemas.texts.catalogue import Bilingual, all_texts, bilingual, in_language
from tasks.io.data_root.reference import authorities
from tasks.io.pages.outcomes_picture import HIDDEN, write_picture
from tasks.reports.overview import WALES, Overview
from tasks.runtime.visibility import VisibleRows, sentence

#: What stands for a number that is not told, in official statistics too: confidential, cyfrinachol.
NOT_TOLD = "[c]"
#: As long as a page may get.
MOST_BATCHES = 200
_COLUMNS = ("schools", "records", "not_chosen", "chosen", "held", "waiting", "sent", "uln", "exception")
#: In the picture from the left: what is done, what goes on, what waits for somebody.
_BARS = tuple(s.value for s in (RowState.ULN, RowState.SENT, RowState.WAITING, RowState.HELD, RowState.EXCEPTION))


@dataclass(frozen=True)
class Page:
    """An artifact: the last word of its key, its title, and markdown or the rows of a table."""

    name: str
    title: str
    content: str | list[dict[str, str]]


def overview_page(
    cycle: str,
    seen: Overview,
    did: VisibleRows,
    faults: Mapping[str, str],
    picture: bytes | None = None,
    pages: str | None = None,
) -> Page:
    """What waits for a person, where the cycle stands, and what the run did.

    Args:
        cycle: its id.
        seen: what is told of it.
        did: rows of `views.STAGE_COUNTS`: what the run did.
        faults: what could not be done, one of the service's sentences each, by authority.
        picture: `outcomes_picture_of`.
        pages: where the cycle's pages are (`tasks.reports.pages.address_of`).
    """
    waits = [
        (_number(row["number"]), _side_by_side(bilingual(f"terminal.{row['what']}"))) for row in seen.waiting.rows()
    ]
    total = seen.authorities.rows()[-1]
    batches = [(_number(row["number"]), f"batch.{row['state']}") for row in seen.batch_states.rows()]
    sections: list[str] = []
    if faults:
        sections += [_head("run_page.not_done"), _sentences((la, _side_by_side(told)) for la, told in faults.items())]
    nothing = str(bilingual("run_page.nothing_waits"))
    sections += [_head("terminal.for_a_person"), _sentences(waits) if waits else nothing]
    sections += [_head("run_page.so_far"), _counted_lines((_number(total[name]), f"shown.{name}") for name in _COLUMNS)]
    if batches:
        sections += [_head("run_page.batch_states"), _counted_lines(batches)]
    if picture is not None:
        data = base64.b64encode(picture).decode()
        sections += [_head("run_page.outcomes"), f"![{bilingual('run_page.picture')}](data:image/png;base64,{data})"]
    done = _totals(did)
    if done:
        sections += [_head("run_page.did"), _counted_lines((_number(n), key) for key, n in done.items())]
    if pages:
        sections += [_head("run_page.pages"), f"<{pages}>" if "://" in pages else f"`{pages}`"]
    sections.append(_plain(bilingual("run_page.hidden", cycle=cycle)))
    return Page("overview", bilingual("run_page.overview", cycle=cycle), "\n\n".join(sections) + "\n")


def authorities_page(cycle: str, told: VisibleRows) -> Page:
    """A row for each authority, and the country's total.

    As markdown, whose cells may have two lines: a table of the engine's own would be twice as wide as its page. What is not
    chosen is in no column of its own for the same reason; it is what the records have more than the chosen.
    """
    columns = [name for name in _COLUMNS if name != "not_chosen"]
    names = _names()
    heads = [bilingual(key) for key in ("exceptions.la_code", *(f"shown.{name}" for name in columns))]
    lines = [_line(map(_in_two_lines, heads)), _line([":--", *["--:"] * len(columns)])]
    for row in told.rows():
        cells = [_in_two_lines(names[row["la_code"]]), *(_plain(_number(row[name])) for name in columns)]
        lines.append(_line(f"**{cell}**" for cell in cells) if row["la_code"] == WALES else _line(cells))
    hidden = _plain(bilingual("run_page.hidden", cycle=cycle))
    return Page("authorities", bilingual("run_page.authorities", cycle=cycle), "\n".join([*lines, "", hidden, ""]))


def batches_page(cycle: str, told: VisibleRows) -> Page:
    """The batches that are not over, by reference."""
    rows = told.rows()
    title: str = bilingual("run_page.batches", cycle=cycle)
    if len(rows) > MOST_BATCHES:
        title = f"{title}\n\n{bilingual('run_page.more', number=len(rows) - MOST_BATCHES, cycle=cycle)}"
    table = [
        {
            _heading("batch"): row["batch_ref"],
            _heading("school"): row["school_number"],
            _heading("state"): bilingual(f"batch.{row['state']}"),
            _heading("days"): _number(row["age"]),
        }
        for row in rows[:MOST_BATCHES]
    ]
    return Page("batches", title, [{k: str(v) for k, v in row.items()} for row in table])


def rules_page(cycle: str, told: VisibleRows) -> Page:
    """The rules, with rows tried and failed."""
    table = [
        {
            _heading("rule"): row["rule"],
            _heading("effect"): str(bilingual(f"severity.{row['severity']}")),
            _heading("tried"): _number(row["tried"]),
            _heading("failed"): _number(row["failed"]),
        }
        for row in told.rows()
    ]
    title = f"{bilingual('run_page.rules', cycle=cycle)}\n\n{_plain(bilingual('run_page.hidden', cycle=cycle))}"
    return Page("rules", title, table)


def outcomes_picture_of(told: VisibleRows) -> bytes | None:
    """A bar for each authority (`views.CYCLE_BY_AUTHORITY`) with returns, drawn from what is told of it; None without."""
    names = _names()
    bars = [
        {
            "name": str(names[row["la_code"]]),
            "number": _number(row["chosen"]),
            **{name: row[name] for name in ("chosen", *_BARS)},
        }
        for row in told.rows()
        if row["schools"] and row["la_code"] != WALES
    ]
    states = {name: str(bilingual(f"shown.{name}")) for name in _BARS} | {
        HIDDEN: str(bilingual("run_page.hidden_share"))
    }
    return write_picture(bars, states) if bars else None


def _totals(did: VisibleRows) -> dict[str, int]:
    """What the stages counted in all authorities together, by the text's key; what there is none of is left out."""
    total: dict[str, int] = {}
    for row in did.rows():
        key = f"count.{row['stage']}.{row['count']}"
        if key in all_texts() and row["number"]:
            total[key] = total.get(key, 0) + row["number"]
    return total


def _names() -> dict[str, Bilingual]:
    """What each authority is called, its code before it, once; and the country."""
    names = {WALES: bilingual("run_page.wales")}
    for row in authorities().to_dict("records"):
        cy, en = f"{row['la_code']} {row['la_cy']}", row["la_en"]
        names[row["la_code"]] = Bilingual(cy, cy if en == row["la_cy"] else en)
    return names


def _number(n: int | None) -> str:
    return NOT_TOLD if n is None else f"{n:,}"


def _heading(name: str) -> str:
    return str(bilingual(f"shown.{name}"))


def _head(key: str) -> str:
    return f"### {_plain(bilingual(key))}"


def _counted_lines(rows: Iterable[tuple[str, str]]) -> str:
    """Numbers, each with what it counts."""
    return _lines((number, _side_by_side(bilingual(key))) for number, key in rows)


def _side_by_side(told: str) -> tuple[str, str]:
    """A sentence in each language; one that is no more than one text stands in both columns."""
    cy, en = (sentence(str(in_language(told, lang))) for lang in ("cy", "en"))
    return cy, en


def _lines(rows: Iterable[tuple[str, tuple[str, str]]]) -> str:
    lines = [_line(map(_plain, (first, cy, en))) for first, (cy, en) in rows]
    return "\n".join([_line(["", "Cymraeg", "English"]), _line(["--:", ":--", ":--"]), *lines])


def _in_two_lines(told: Bilingual) -> str:
    return "<br>".join(map(_plain, dict.fromkeys((told.cy, told.en))))


def _sentences(rows: Iterable[tuple[str, tuple[str, str]]]) -> str:
    """What each is about, and its sentence."""
    return "\n".join(f"- **{_plain(first)}**: {_in_two_lines(Bilingual(cy, en))}" for first, (cy, en) in rows)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """A text in which nothing is markdown."""
    return re.sub(r"([\\`*_|<>\[\]#~])", r"\\\1", str(text))
