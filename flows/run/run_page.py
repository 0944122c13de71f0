"""Pages of a run on the engine's dashboard: a cycle in both languages, as markdown and tables.

Belongs here: words, order and layout. Does not belong here: the choice of numbers (`tasks.reports.overview`; its rows have
passed the disclosure gate), and the engine (`flows.run.artifacts`). Actions needed come first. Welsh and English appear
together, in two columns or in one heading. A sentence has its translation below it: no column is wide enough for both.
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
from tasks.io.pages.words import HIDDEN_NUMBER
from tasks.reports.overview import WALES, Overview
from tasks.runtime.visibility import VisibleRows, sentence

#: The most batches on a page.
MOST_BATCHES = 200
_COLUMNS = ("schools", "records", "not_chosen", "chosen", "held", "waiting", "sent", "uln", "exception")
#: The picture's bars from the left: done, in progress, waiting for a person.
_BARS = tuple(s.value for s in (RowState.ULN, RowState.SENT, RowState.WAITING, RowState.HELD, RowState.EXCEPTION))


@dataclass(frozen=True)
class Page:
    """An artifact: its title, and its content (markdown or the rows of a table)."""

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
    """Return the overview page: actions needed, the cycle's state, and the run's counts (`did`, `views.STAGE_COUNTS`).

    `faults` are the service's sentences by authority, `picture` is a PNG (`outcomes_picture_of`), and `pages` is the
    address of the cycle's pages.
    """
    waits = [
        (_number(row["number"]), _side_by_side(bilingual(f"terminal.{row['what']}"))) for row in seen.waiting.rows()
    ]
    total = seen.authorities.rows()[-1]
    batches = [(_number(row["number"]), f"batch.{row['state']}") for row in seen.batch_states.rows()]
    sections: list[str] = []
    if faults:
        sections += [_head("run_page.not_done"), _sentences((la, _side_by_side(fault)) for la, fault in faults.items())]
    waiting = _sentences(waits) if waits else str(bilingual("run_page.nothing_waits"))
    sections += [_head("terminal.for_a_person"), waiting]
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
    return Page(bilingual("run_page.overview", cycle=cycle), "\n\n".join(sections) + "\n")


def authorities_page(cycle: str, rows: VisibleRows) -> Page:
    """Return a page with a row for each authority (`views.CYCLE_BY_AUTHORITY`), and the country's total.

    It is markdown, whose cells may have two lines, because the engine's own table would be twice as wide as its page. For the
    same reason it has no column for records not chosen: their number is records minus chosen.
    """
    columns = [name for name in _COLUMNS if name != "not_chosen"]
    names = _names()
    heads = [bilingual(key) for key in ("exceptions.la_code", *(f"shown.{name}" for name in columns))]
    lines = [_line(map(_in_two_lines, heads)), _line([":--", *["--:"] * len(columns)])]
    for row in rows.rows():
        cells = [_in_two_lines(names[row["la_code"]]), *(_plain(_number(row[name])) for name in columns)]
        lines.append(_line(f"**{cell}**" for cell in cells) if row["la_code"] == WALES else _line(cells))
    hidden = _plain(bilingual("run_page.hidden", cycle=cycle))
    return Page(bilingual("run_page.authorities", cycle=cycle), "\n".join([*lines, "", hidden, ""]))


def batches_page(cycle: str, batches: VisibleRows) -> Page:
    """Return a page of the batches that are not finished, by reference."""
    rows = batches.rows()
    title: str = bilingual("run_page.batches", cycle=cycle)
    if len(rows) > MOST_BATCHES:
        title = f"{title}\n\n{bilingual('run_page.more', number=len(rows) - MOST_BATCHES, cycle=cycle)}"
    table = [
        {
            _heading("batch"): str(row["batch_ref"]),
            _heading("school"): str(row["school_number"]),
            _heading("state"): str(bilingual(f"batch.{row['state']}")),
            _heading("days"): _number(row["age"]),
        }
        for row in rows[:MOST_BATCHES]
    ]
    return Page(title, table)


def rules_page(cycle: str, rules: VisibleRows) -> Page:
    """Return a page of the rules, with the number of rows tried and failed."""
    table = [
        {
            _heading("rule"): row["rule"],
            _heading("effect"): str(bilingual(f"severity.{row['severity']}")),
            _heading("tried"): _number(row["tried"]),
            _heading("failed"): _number(row["failed"]),
        }
        for row in rules.rows()
    ]
    title = f"{bilingual('run_page.rules', cycle=cycle)}\n\n{_plain(bilingual('run_page.hidden', cycle=cycle))}"
    return Page(title, table)


def outcomes_picture_of(rows: VisibleRows) -> bytes | None:
    """Draw a bar of visible numbers for each authority with returns (`views.CYCLE_BY_AUTHORITY`); None if none has any."""
    names, numbers = _names(), ("chosen", *_BARS)
    bars = [
        {"name": str(names[row["la_code"]]), "number": _number(row["chosen"]), **{name: row[name] for name in numbers}}
        for row in rows.rows()
        if row["schools"] and row["la_code"] != WALES
    ]
    states = {name: _heading(name) for name in _BARS} | {HIDDEN: str(bilingual("run_page.hidden_share"))}
    return write_picture(bars, states) if bars else None


def _totals(did: VisibleRows) -> dict[str, int]:
    """Return the stages' counts over all authorities by text key, without zeros."""
    total: dict[str, int] = {}
    for row in did.rows():
        key = f"count.{row['stage']}.{row['count']}"
        if key in all_texts() and row["number"]:
            total[key] = total.get(key, 0) + row["number"]
    return total


def _names() -> dict[str, Bilingual]:
    """Return the names of Wales and of each authority after its code; a name that both languages share appears once."""
    names = {WALES: bilingual("run_page.wales")}
    for row in authorities().to_dict("records"):
        cy, en = f"{row['la_code']} {row['la_cy']}", row["la_en"]
        names[row["la_code"]] = Bilingual(cy, cy if en == row["la_cy"] else en)
    return names


def _number(n: int | None) -> str:
    return HIDDEN_NUMBER if n is None else f"{n:,}"


def _heading(name: str) -> str:
    return str(bilingual(f"shown.{name}"))


def _head(key: str) -> str:
    return f"### {_plain(bilingual(key))}"


def _counted_lines(rows: Iterable[tuple[str, str]]) -> str:
    lines = [_line(map(_plain, (number, *_side_by_side(bilingual(key))))) for number, key in rows]
    return "\n".join([_line(["", "Cymraeg", "English"]), _line(["--:", ":--", ":--"]), *lines])


def _side_by_side(text: str) -> tuple[str, str]:
    """Return a sentence in Welsh and English; a text in one language only is repeated."""
    cy, en = (sentence(str(in_language(text, lang))) for lang in ("cy", "en"))
    return cy, en


def _in_two_lines(text: Bilingual) -> str:
    return "<br>".join(map(_plain, dict.fromkeys((text.cy, text.en))))


def _sentences(rows: Iterable[tuple[str, tuple[str, str]]]) -> str:
    return "\n".join(f"- **{_plain(first)}**: {_in_two_lines(Bilingual(cy, en))}" for first, (cy, en) in rows)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    return re.sub(r"([\\`*_|<>\[\]#~])", r"\\\1", str(text))
