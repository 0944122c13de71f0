"""Choose the one sentence above each section of a page, from the numbers in its table.

Which sentence, and its values, belong here: a number (null where hidden), `Share` (in thousandths) or text. The words are in
`texts.csv`, under `pages.says.<key>`; `tasks.io.pages.html` formats numbers. To add a section's sentence: a function here
and its place in `SAYINGS`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Rows of a table as shown, in order.
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Share:
    """A share in thousandths; null where the whole is empty or the share is hidden."""

    thousandths: int | None


@dataclass(frozen=True)
class Said:
    """A sentence: its key, and the values for its places."""

    key: str
    places: Mapping[str, Any] = field(default_factory=dict)


def of_whole_page(total: Mapping[str, Any]) -> Said:
    """Return the sentence on how many learners are in each state, from chosen, the states and share of the whole page."""
    if total["chosen"] == 0:
        return Said("no_learners")
    under_way = [total[name] for name in ("sent", "waiting")]
    waits = None if None in under_way else sum(under_way)
    counts = {name: total[name] for name in ("chosen", "uln", "exception", "held")}
    return Said("learners", counts | {"waits": waits, "share": Share(total["share"])})


def of_needs(rows: Rows) -> Said:
    """Return the sentence on how many things a person has to do."""
    return Said("needs", {"number": len(rows)}) if rows else Said("no_needs")


def of_codes(rows: Rows) -> Said:
    """Return the sentence on the commonest exception; rows as `page_tables.code_rows`, or as shown to everybody."""
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
    """Return the sentence on how long the oldest exceptions have been open."""
    return Said("ages", {name: rows[-1][name] for name in ("age", "number")}) if rows else Said("no_exceptions")


def of_readiness(rows: Rows) -> Said:
    """Return the sentence on how many schools lack something, and how many steps are missing; a row is a school's step."""
    schools = {row["school_number"] for row in rows}
    return Said("readiness", {"schools": len(schools), "number": len(rows)}) if rows else Said("all_ready")


def of_steps(rows: Rows) -> Said:
    """Return the sentence on the number of kinds of steps missing; their schools do not add up, as one may lack several."""
    return Said("steps", {"number": len(rows)}) if rows else Said("all_ready")


def of_years(rows: Rows) -> Said:
    """Return the sentence on the year group in which the smallest share of learners has a ULN."""
    with_share = [row for row in rows if row["share"] is not None and row["year"]]
    if not with_share:
        return Said("years_not_told" if rows else "no_learners")
    least = min(with_share, key=lambda row: (row["share"], int(row["year"])))
    all_known = all(row["share"] is not None for row in rows if row["year"])
    return Said("years" if all_known else "years_told", {"year": least["year"], "share": Share(least["share"])})


def of_days(rows: Rows) -> Said:
    """Return the sentence on the day of the first return and of the last answers."""
    # A hidden number is not 0.
    answered = [row for row in rows if row["answered_uln"] != 0 or row["answered_without"] != 0]
    if not rows:
        return Said("no_days")
    if not answered:
        return Said("days_no_answer", {"day": rows[-1]["day"]})
    return Said("days", {"first": rows[0]["day"], "last": answered[-1]["day"]})


def of_cycles(rows: Rows) -> Said:
    """Return the sentence that compares this cycle's share with the cycle before; the last row is this cycle."""
    if len(rows) < 2:
        return Said("no_cycle_before")
    then, now = rows[-2], rows[-1]
    before = (then["cycle_cy"], then["cycle_en"])
    return Said("cycles", {"share": Share(now["share"]), "before": before, "then": Share(then["share"])})


def of_batches(rows: Rows) -> Said:
    """Return the sentence on how many batches there are."""
    return Said("batches", {"number": len(rows)}) if rows else Said("no_batches")


#: The sentence of each section, by the name of the section's table.
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
