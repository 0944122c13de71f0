"""What each section of a page says in one sentence, from the numbers that its table shows.

Belongs here: which sentence, and what fills it: a number, null where hidden; `Share`, in thousandths; or text. The words
stand in `texts.csv`, as `pages.says.<key>`; how a number is written is `tasks.io.pages.html`'s. To say something of another
section: a function here, its place in `SAYINGS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Rows of a table as they are shown, in order.
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Share:
    """A share in thousandths; null where there is nothing to have a share of, or it is not told."""

    thousandths: int | None


@dataclass(frozen=True)
class Said:
    """A sentence: its key, and what fills its places."""

    key: str
    places: Mapping[str, Any] = field(default_factory=dict)


def of_whole_page(total: Mapping[str, Any]) -> Said:
    """Where the learners asked for are.

    Args:
        total: chosen, the states and share; of the whole page.
    """
    if total["chosen"] == 0:
        return Said("no_learners")
    under_way = [total[name] for name in ("sent", "waiting")]
    waits = None if None in under_way else sum(under_way)
    told = {name: total[name] for name in ("chosen", "uln", "exception", "held")}
    return Said("learners", told | {"waits": waits, "share": Share(total["share"])})


def of_needs(rows: Rows) -> Said:
    """How many things wait for a person."""
    return Said("needs", {"number": len(rows)}) if rows else Said("no_needs")


def of_codes(rows: Rows) -> Said:
    """Which exception is the commonest; rows as `page_tables.code_rows`, or as they are told."""
    if not rows:
        return Said("no_exceptions")
    first = rows[0]
    if first["number"] is None:
        return Said("few_exceptions")
    wrong = (first["wrong_cy"], first["wrong_en"])
    return Said(
        "exceptions", {"code": first.get("return_code") or first["code"], "number": first["number"], "wrong": wrong}
    )


def of_ages(rows: Rows) -> Said:
    """How long the oldest exceptions have been open."""
    return Said("ages", {name: rows[-1][name] for name in ("age", "number")}) if rows else Said("no_exceptions")


def of_readiness(rows: Rows) -> Said:
    """How many schools lack something, and how many steps those are; a row is a step of a school."""
    schools = {row["school_number"] for row in rows}
    return Said("readiness", {"schools": len(schools), "number": len(rows)}) if rows else Said("all_ready")


def of_steps(rows: Rows) -> Said:
    """How many kinds of steps are missing; a school may lack several, so that their schools do not add up."""
    return Said("steps", {"number": len(rows)}) if rows else Said("all_ready")


def of_years(rows: Rows) -> Said:
    """In which year group the fewest learners have a ULN."""
    known = [row for row in rows if row["share"] is not None and row["year"]]
    if not known:
        return Said("years_not_told" if rows else "no_learners")
    least = min(known, key=lambda row: (row["share"], int(row["year"])))
    whole = all(row["share"] is not None for row in rows if row["year"])
    return Said("years" if whole else "years_told", {"year": least["year"], "share": Share(least["share"])})


def of_days(rows: Rows) -> Said:
    """When the first return came and the last answers."""
    # What is not told is not nought.
    answered = [row for row in rows if row["answered_uln"] != 0 or row["answered_without"] != 0]
    if not rows:
        return Said("no_days")
    if not answered:
        return Said("days_no_answer", {"day": rows[-1]["day"]})
    return Said("days", {"first": rows[0]["day"], "last": answered[-1]["day"]})


def of_cycles(rows: Rows) -> Said:
    """This cycle's share against that of the cycle before; the last row is this one."""
    if len(rows) < 2:
        return Said("no_cycle_before")
    then, now = rows[-2], rows[-1]
    before = (then["cycle_cy"], then["cycle_en"])
    return Said("cycles", {"share": Share(now["share"]), "before": before, "then": Share(then["share"])})


def of_batches(rows: Rows) -> Said:
    """How many batches there are."""
    return Said("batches", {"number": len(rows)}) if rows else Said("no_batches")


#: The sentence of a section by the name of the table that it is made from.
SAYINGS: dict[str, Callable[[Rows], Said]] = {
    "needs": of_needs,
    "exceptions": of_codes,
    "ages": of_ages,
    "readiness": of_readiness,
    "steps": of_steps,
    "years": of_years,
    "days": of_days,
    "cycles": of_cycles,
    "batches": of_batches,
}
