"""What stands in the tables of the pages: where each school is, exceptions, year groups, days, cycles; and what Wales hides.

Belongs here: rows from rows. Every function gives the rows of all authorities at once, each with its la_code, and a page
takes its own. Does not belong here: reading (`tasks.reports.pages`), order, columns and words
(`schemas.settings.pages`), how it looks (`tasks.io.pages.html`). A share is in thousandths, null where there is nothing
to have a share of. To add a table: a function here, its layout and view, its place in `tasks.reports.pages`.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from schemas.states import RowState, SchoolOutcome
from tasks.core.exception_life import still_open
from tasks.core.membership import is_in
from tasks.core.suppression import TOTAL, suppressed, to_fives

STATES = tuple(state.value for state in RowState)
#: What a school may lack because it takes no part; the others are a step that somebody has to do.
NO_PART = ("special_not_chosen", "not_taking_part", "pupil_referral_unit")
#: Why a record is not chosen whose learner has a ULN already.
HAD_ONE = "uln_held"


def share(part: pd.Series, whole: pd.Series) -> pd.Series:
    """A part in thousandths of its whole; null where the whole is nought or either is not known."""
    of = whole.astype("Int64")
    found = (part.astype("Int64") * 1000 + of // 2) // of.mask(of == 0)
    # Only all of them is all.
    return found.mask(((found == 1000) & (part.astype("Int64") < of)).fillna(False).astype(bool), 999)


def school_rows(
    register: pd.DataFrame,
    counts: pd.DataFrame,
    returned_on: pd.Series,
    lacks: pd.DataFrame,
    on_hold: Iterable[str],
) -> pd.DataFrame:
    """Where every school of the register is.

    Args:
        register: la_code, school_number, school_name.
        counts: by school_number: the states, and had_one; of schools with a return.
        returned_on: the day of the first accepted return, by school_number.
        lacks: school_number, code (`readiness.missing_things`).
        on_hold: school numbers.

    Returns:
        la_code, school_number, school_name, state (SchoolOutcome), for_all (the same by what the school has done alone,
        whatever became of its learners), chosen, the states, share, had_one, returned_on; a row for each school of the
        register, in its order.
    """
    rows = register[["la_code", "school_number", "school_name"]].reset_index(drop=True)
    own = counts.reindex(rows["school_number"]).fillna(0).astype("int64").reset_index(drop=True)
    rows = rows.assign(chosen=own[list(STATES)].sum(axis=1), **{name: own[name] for name in (*STATES, "had_one")})
    rows["returned_on"] = rows["school_number"].map(returned_on).astype("str")
    has_done = {
        SchoolOutcome.NOT_TAKING_PART: is_in(
            rows["school_number"], lacks.loc[lacks["code"].isin(NO_PART), "school_number"]
        ),
        SchoolOutcome.NOT_RETURNED: rows["returned_on"].isna(),
        SchoolOutcome.NOT_READY: is_in(rows["school_number"], lacks["school_number"]),
        SchoolOutcome.ON_HOLD: rows["school_number"].isin(list(on_hold)),
    }
    became = {
        SchoolOutcome.EXCEPTION: rows["exception"] > 0,
        SchoolOutcome.HELD: rows["held"] > 0,
        SchoolOutcome.SENT: rows["sent"] > 0,
        SchoolOutcome.RETURNED: rows["waiting"] > 0,
        SchoolOutcome.ULN: rows["chosen"] + rows["had_one"] > 0,
    }
    # A school that is not ready any more, or takes no part any more, may have learners who went out before.
    once = {
        SchoolOutcome.NOT_TAKING_PART: rows["chosen"] == 0,
        SchoolOutcome.NOT_READY: rows["uln"] == 0,
    }
    as_its_own = {outcome: which & once.get(outcome, True) for outcome, which in has_done.items()}
    rows["state"] = _first(as_its_own | became, SchoolOutcome.NOBODY, rows.index)
    rows["for_all"] = _first(has_done, SchoolOutcome.RETURNED, rows.index)
    rows["share"] = share(rows["uln"], rows["chosen"])
    names = ["la_code", "school_number", "school_name", "state", "for_all"]
    return rows[[*names, "chosen", *STATES, "share", "had_one", "returned_on"]]


def _first(cases: Mapping[SchoolOutcome, pd.Series], otherwise: SchoolOutcome, index: pd.Index) -> pd.Series:
    words = [outcome.value for outcome in cases]
    holds = [case.to_numpy(dtype=bool) for case in cases.values()]
    return pd.Series(np.select(holds, words, otherwise.value), index=index, dtype="str")


def schools_for_all(rows: pd.DataFrame) -> pd.DataFrame:
    """Where every school is, as everybody may see it (docs/security.md, "The page of Wales").

    Args:
        rows: `school_rows`.

    Returns:
        The rows with for_all as their state, and no count of learners.
    """
    return rows.drop(columns=["chosen", *STATES, "share", "had_one", "for_all"]).assign(state=rows["for_all"])


def authority_rows(schools: pd.DataFrame, told: pd.DataFrame) -> pd.DataFrame:
    """Where every authority is: its schools, and its learners as far as they are told.

    Args:
        schools: `schools_for_all`.
        told: `views.CYCLE_BY_AUTHORITY`: la_code, and counts with hidden ones null; the total's la_code is TOTAL.

    Returns:
        la_code, schools (of the register, that take part), returned, not_returned, not_ready, chosen, the states, share; in
        the order of `told`.
    """
    part = schools[schools["state"] != SchoolOutcome.NOT_TAKING_PART.value]
    whole = pd.concat([part, part.assign(la_code=TOTAL)])
    counted = pd.DataFrame(
        {
            "schools": whole.groupby("la_code").size(),
            "returned": whole[whole["returned_on"].notna()].groupby("la_code").size(),
            "not_returned": _of_state(whole, SchoolOutcome.NOT_RETURNED),
            "not_ready": _of_state(whole, SchoolOutcome.NOT_READY),
        }
    )
    counted = counted.reindex(told["la_code"]).fillna(0).astype("int64").reset_index()
    learners = told[["chosen", *STATES]].reset_index(drop=True)
    rows = pd.concat([counted, learners], axis=1)
    return rows.assign(share=share(rows["uln"], rows["chosen"]))


def _of_state(schools: pd.DataFrame, outcome: SchoolOutcome) -> pd.Series:
    return schools[schools["state"] == outcome.value].groupby("la_code").size()


def year_of(said: pd.Series) -> pd.Series:
    """Year groups as numbers in text, `9` to `14`; empty where what a school said is none."""
    text = said.fillna("").str.strip()
    return text.where(text.str.fullmatch("[0-9]{1,2}"), "").str.lstrip("0").astype("str")


def year_rows(counts: pd.DataFrame) -> pd.DataFrame:
    """Learners asked for by year group.

    Args:
        counts: la_code, year, state, number; year is empty where a record's cannot be read.

    Returns:
        la_code, year, chosen, the states, share; by authority and year, an unread year last.
    """
    if counts.empty:
        return pd.DataFrame({name: [] for name in ("la_code", "year", "chosen", *STATES, "share")})
    wide = counts.pivot_table(index=["la_code", "year"], columns="state", values="number", aggfunc="sum", fill_value=0)
    wide = wide.reindex(columns=list(STATES), fill_value=0).astype("int64").reset_index()
    wide["chosen"] = wide[list(STATES)].sum(axis=1)
    place = pd.to_numeric(wide["year"], errors="coerce").fillna(99)
    wide = wide.assign(place=place).sort_values(["la_code", "place", "year"], ignore_index=True).drop(columns="place")
    wide = wide.assign(share=share(wide["uln"], wide["chosen"]))
    return pd.DataFrame(wide[["la_code", "year", "chosen", *STATES, "share"]])


def day_rows(returns: pd.DataFrame, batches: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """What happened on each day of the cycle on which anything did.

    Args:
        returns: la_code, received_at; the accepted ones.
        batches: la_code, sent_at, rows; those handed over.
        answers: la_code, received_at, has_uln; the LRS's first answer for each learner of a batch.

    Returns:
        la_code, day, returns, batches, asked (learners in them), answered_uln, answered_without; by authority and day.
    """
    sent = batches.assign(day=batches["sent_at"].str[:10])
    came = answers.assign(day=answers["received_at"].str[:10])
    keys = ["la_code", "day"]
    found = pd.DataFrame(
        {
            "returns": returns.assign(day=returns["received_at"].str[:10]).groupby(keys).size(),
            "batches": sent.groupby(keys).size(),
            "asked": sent.groupby(keys)["rows"].sum(),
            "answered_uln": came[came["has_uln"]].groupby(keys).size(),
            "answered_without": came[~came["has_uln"]].groupby(keys).size(),
        }
    )
    return found.fillna(0).astype("int64").rename_axis(keys).reset_index().sort_values(keys, ignore_index=True)


def code_rows(lives: pd.DataFrame) -> pd.DataFrame:
    """The open exceptions by the LRS's code: la_code, return_code, number, schools; the commonest first."""
    of = still_open(lives).groupby(["la_code", "return_code"])
    found = pd.DataFrame({"number": of.size(), "schools": of["school_number"].nunique()}).reset_index()
    return found.sort_values(["la_code", "number", "return_code"], ascending=[True, False, True], ignore_index=True)


def age_rows(by_age: pd.DataFrame, ages: Sequence[str]) -> pd.DataFrame:
    """The open exceptions by how long their learners have waited: la_code, age, number, schools.

    Args:
        by_age: `exception_life.by_age`.
        ages: the ages, rising.
    """
    of = by_age.groupby(["la_code", "age"])
    found = pd.DataFrame({"number": of["number"].sum(), "schools": of["school_number"].nunique()}).reset_index()
    place = found["age"].map({age: n for n, age in enumerate(ages)})
    return found.assign(place=place).sort_values(["la_code", "place"], ignore_index=True).drop(columns="place")


def waiting_rows(lives: pd.DataFrame, day: dt.date, bound: int) -> pd.DataFrame:
    """The schools with open exceptions, those whose learners have waited longest first.

    Args:
        lives: `exception_life.lives`.
        day: until which days are counted.
        bound: after how many days an exception has been open for long.

    Returns:
        la_code, school_number, number (open), late (for more than the bound), oldest (days).
    """
    rows = still_open(lives)
    days = (pd.Timestamp(day) - pd.to_datetime(rows["since"], format="%Y-%m-%d")).dt.days.clip(lower=0)
    of = rows.assign(days=days, late=days > bound).groupby(["la_code", "school_number"])
    found = pd.DataFrame({"number": of.size(), "late": of["late"].sum(), "oldest": of["days"].max()}).reset_index()
    found = found.astype({"number": "int64", "late": "int64", "oldest": "int64"})
    order = ["la_code", "late", "oldest", "number", "school_number"]
    return found.sort_values(order, ascending=[True, False, False, False, True], ignore_index=True)


def needs_of_authorities(schools: pd.DataFrame, others: Mapping[str, pd.Series]) -> pd.DataFrame:
    """What a person has to do, in every authority.

    Args:
        schools: `school_rows`.
        others: counts by la_code, by the name of the need (`schemas.settings.pages.Need`).

    Returns:
        la_code, need, number; none that is nought.
    """
    of_states = {
        name: _of_state(schools, outcome)
        for name, outcome in (
            ("not_returned", SchoolOutcome.NOT_RETURNED),
            ("not_ready", SchoolOutcome.NOT_READY),
            ("on_hold", SchoolOutcome.ON_HOLD),
        )
    }
    own_learners = {name: schools.groupby("la_code")[name].sum() for name in ("exception", "held")}
    found = [
        pd.DataFrame({"la_code": counts.index, "need": name, "number": counts.to_numpy()})
        for name, counts in {**of_states, **own_learners, **others}.items()
    ]
    rows = pd.concat(found, ignore_index=True).astype({"number": "int64"})
    return rows[rows["number"] > 0].reset_index(drop=True)


def for_all(rows: pd.DataFrame, key: str, columns: Mapping[str, bool]) -> pd.DataFrame:
    """A list of learners of all authorities together, as everybody may see it: small numbers hidden, the others to five.

    Every column by itself is hidden as a table with its total is (`suppression.suppressed`), and then rounded, so that no sum
    over columns, and no total told elsewhere, gives a number from 1 to 4. Where even the total of a column has to be hidden,
    or is hidden elsewhere, the column tells nothing but noughts.

    Args:
        rows: la_code, the key, and the columns.
        key: what a row is of.
        columns: counts of learners; whether the column's total is told elsewhere (or nowhere), and not hidden there.

    Returns:
        The key and the columns, nullable integers; in the order of first appearance.
    """
    counts = rows.groupby(key, sort=False)[list(columns)].sum()
    told = pd.DataFrame(index=counts.index)
    for name, is_told in columns.items():
        own = suppressed(counts[[name]].rename(columns={name: "of"}), {"all": ("of",)})["of"]
        hidden = not is_told or pd.isna(own[TOTAL])
        left = own.drop(TOTAL).mask(counts[name] > 0) if hidden else own.drop(TOTAL)
        told[name] = _fives(left)
    return told.reset_index()


def _fives(numbers: pd.Series) -> pd.Series:
    known = numbers.dropna()
    return to_fives(known).reindex(numbers.index).astype("Int64")
