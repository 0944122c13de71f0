"""What each section of a page says in one sentence, from the numbers that its table shows.

Belongs here: which sentence, and what fills it: a number, null where hidden; `Share`, in thousandths; or text. The words stand
in `texts.csv`, as `pages.says.<key>`; how a number is written is `tasks.io.pages_html`'s. To say something of another
section: a function here, its place in `SAYINGS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Share:
    """A share in thousandths; null where there is nothing to have a share of, or it is not told."""

    thousandths: int | None


@dataclass(frozen=True)
class Said:
    """A sentence: its key, and what fills its places."""

    key: str
    places: Mapping[str, Any] = field(default_factory=dict)


def _of(row: "pd.Series[Any]", name: str) -> int | None:
    return None if pd.isna(row[name]) else int(row[name])


def of_learners(total: "pd.Series[Any]") -> Said:
    """Where the learners asked for are.

    Args:
        total: chosen, the states and share; of the whole page.
    """
    if _of(total, "chosen") == 0:
        return Said("no_learners")
    names = ("chosen", "uln", "exception", "held")
    under_way = [_of(total, name) for name in ("sent", "waiting")]
    waits = None if None in under_way else sum(n for n in under_way if n is not None)
    told = {name: _of(total, name) for name in names} | {"waits": waits}
    return Said("learners", told | {"share": Share(_of(total, "share"))})


def of_needs(rows: pd.DataFrame) -> Said:
    """How many things wait for a person."""
    return Said("needs", {"number": len(rows)}) if len(rows) else Said("no_needs")


def of_codes(rows: pd.DataFrame) -> Said:
    """Which exception is the commonest; rows as `page_tables.code_rows`, or as they are told."""
    if rows.empty:
        return Said("no_exceptions")
    first = rows.iloc[0]
    if pd.isna(first["number"]):
        return Said("few_exceptions")
    wrong = (str(first["wrong_cy"]), str(first["wrong_en"]))
    return Said("exceptions", {"code": first["return_code"], "number": _of(first, "number"), "wrong": wrong})


def of_ages(rows: pd.DataFrame) -> Said:
    """How long the oldest exceptions have been open."""
    if rows.empty:
        return Said("no_exceptions")
    last = rows.iloc[-1]
    return Said("ages", {"age": last["age"], "number": _of(last, "number")})


def of_readiness(rows: pd.DataFrame) -> Said:
    """How many steps are missing."""
    return Said("readiness", {"number": len(rows)}) if len(rows) else Said("all_ready")


def of_years(rows: pd.DataFrame) -> Said:
    """In which year group the fewest learners have a ULN."""
    known = rows.dropna(subset=["share"])
    if known.empty:
        return Said("years_not_told" if len(rows) else "no_learners")
    least = known.sort_values(["share", "year"]).iloc[0]
    return Said("years", {"year": least["year"], "share": Share(_of(least, "share"))})


def of_days(rows: pd.DataFrame) -> Said:
    """When the last answers came."""
    answered = rows[(rows["answered_uln"].fillna(1) > 0) | (rows["answered_without"].fillna(1) > 0)]
    if rows.empty:
        return Said("no_days")
    if answered.empty:
        return Said("days_no_answer", {"day": rows["day"].iloc[-1]})
    return Said("days", {"first": rows["day"].iloc[0], "last": answered["day"].iloc[-1]})


def of_cycles(rows: pd.DataFrame) -> Said:
    """This cycle's share against that of the cycle before; the last row is this one."""
    if len(rows) < 2:
        return Said("no_cycle_before")
    then, now = rows.iloc[-2], rows.iloc[-1]
    before = (str(then["cycle_cy"]), str(then["cycle_en"]))
    return Said(
        "cycles", {"share": Share(_of(now, "share")), "before": before, "then": Share(_of(then, "share"))}
    )


def of_batches(rows: pd.DataFrame) -> Said:
    """How many batches there are."""
    return Said("batches", {"number": len(rows)}) if len(rows) else Said("no_batches")


#: The sentence of a section by the name of the table that it is made from.
SAYINGS: dict[str, Callable[[pd.DataFrame], Said]] = {
    "needs": of_needs,
    "exceptions": of_codes,
    "ages": of_ages,
    "readiness": of_readiness,
    "steps": of_readiness,
    "years": of_years,
    "days": of_days,
    "cycles": of_cycles,
    "batches": of_batches,
}
