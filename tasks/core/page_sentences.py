"""Choose the one sentence above each section of a page, from the numbers in its table.

Belongs here: the choice of the sentence, and its values: numbers (null if hidden), shares (`Share`) and texts. Does not
belong here: the words (`texts.csv`, under `pages.says.<key>`), the format of numbers (`tasks.io.pages.words`). To add a
section's sentence: a function here and its place in `SENTENCES`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Rows of a table as shown, in order.
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Share:
    """A share in thousandths; null if the whole is zero or the share is hidden."""

    thousandths: int | None


@dataclass(frozen=True)
class Sentence:
    """A sentence: its key, and the values for its places."""

    key: str
    places: Mapping[str, Any] = field(default_factory=dict)


def of_whole_page(total: Mapping[str, Any]) -> Sentence:
    """Return the sentence on how many learners are in each state; `total` has chosen, the states and share of the page."""
    if total["chosen"] == 0:
        return Sentence("no_learners")
    waits = None if None in (total["sent"], total["waiting"]) else total["sent"] + total["waiting"]
    counts = {name: total[name] for name in ("chosen", "uln", "exception", "held")}
    return Sentence("learners", counts | {"waits": waits, "share": Share(total["share"])})


def _count_of(key: str, without: str) -> Callable[[Rows], Sentence]:
    """Make the function for a sentence on the number of rows (`key`), or `without` if there are none."""
    return lambda rows: Sentence(key, {"number": len(rows)}) if rows else Sentence(without)


def of_codes(rows: Rows) -> Sentence:
    """Return the sentence on the commonest exception; rows as `page_tables.code_rows`, numbers may be hidden."""
    if not rows:
        return Sentence("no_exceptions")
    first = rows[0]
    if first["number"] is None:
        return Sentence("few_exceptions")
    code, wrong = first.get("return_code") or first["code"], (first["wrong_cy"], first["wrong_en"])
    return Sentence("exceptions", {"code": code, "number": first["number"], "wrong": wrong})


def of_ages(rows: Rows) -> Sentence:
    """Return the sentence on how long the oldest exceptions have been open."""
    return Sentence("ages", {name: rows[-1][name] for name in ("age", "number")}) if rows else Sentence("no_exceptions")


def of_readiness(rows: Rows) -> Sentence:
    """Return the sentence on how many schools are not ready, and how many steps they lack; a row is a school's step."""
    schools = {row["school_number"] for row in rows}
    return Sentence("readiness", {"schools": len(schools), "number": len(rows)}) if rows else Sentence("all_ready")


def of_years(rows: Rows) -> Sentence:
    """Return the sentence on the year group in which the smallest share of learners has a ULN."""
    with_share = [row for row in rows if row["share"] is not None and row["year"]]
    if not with_share:
        return Sentence("years_not_told" if rows else "no_learners")
    least = min(with_share, key=lambda row: (row["share"], int(row["year"])))
    all_known = all(row["share"] is not None for row in rows if row["year"])
    return Sentence("years" if all_known else "years_told", {"year": least["year"], "share": Share(least["share"])})


def of_days(rows: Rows) -> Sentence:
    """Return the sentence on the day of the first return and of the last answers."""
    # A hidden number is not 0.
    answered = [row for row in rows if row["answered_uln"] != 0 or row["answered_without"] != 0]
    if rows and answered:
        return Sentence("days", {"first": rows[0]["day"], "last": answered[-1]["day"]})
    return Sentence("days_no_answer", {"day": rows[-1]["day"]}) if rows else Sentence("no_days")


def of_cycles(rows: Rows) -> Sentence:
    """Return the sentence that compares this cycle's share with the cycle before; the last row is this cycle."""
    if len(rows) < 2:
        return Sentence("no_cycle_before")
    then, now = rows[-2], rows[-1]
    before = (then["cycle_cy"], then["cycle_en"])
    return Sentence("cycles", {"share": Share(now["share"]), "before": before, "then": Share(then["share"])})


#: The sentence of each section, by the name of the section's table.
SENTENCES: dict[str, Callable[[Rows], Sentence]] = {
    "needs": _count_of("needs", "no_needs"),
    "exceptions": of_codes,
    "ages": of_ages,
    "readiness": of_readiness,
    # Only the kinds of steps are counted: a school may lack several, so the numbers of schools do not add up.
    "steps": _count_of("steps", "all_ready"),
    "years": of_years,
    "days": of_days,
    "cycles": of_cycles,
    "batches": _count_of("batches", "no_batches"),
}
