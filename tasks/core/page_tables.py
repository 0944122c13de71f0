"""Make the tables of the pages: schools, exceptions, year groups, days, cycles; hide small numbers on the page of Wales.

Belongs here: functions from rows to rows. Each returns the rows of all authorities with their la_code, and a page takes its
own. Does not belong here: reading (`tasks.reports.page_facts`), order and columns (`schemas.settings.pages`), layout
(`tasks.io.pages.html`). A share is in thousandths, null if the whole is zero. To add a table: a function here, its layout
and view, its place in `tasks.reports.pages`.
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
#: Codes of a lack that mean the school takes no part; every other lack is a step that somebody has to do.
NO_PART = ("special_not_chosen", "not_taking_part", "pupil_referral_unit")


def share(part: pd.Series, whole: pd.Series) -> pd.Series:
    """Return a part in thousandths of its whole; null where the whole is 0 or either is null."""
    wholes = whole.astype("Int64")
    shares = (part.astype("Int64") * 1000 + wholes // 2) // wholes.mask(wholes == 0)
    # 1000 means all of them: anything less is at most 999.
    return shares.mask(((shares == 1000) & (part.astype("Int64") < wholes)).fillna(False).astype(bool), 999)


def school_rows(
    register: pd.DataFrame,
    counts: pd.DataFrame,
    returned_on: pd.Series,
    lacks: pd.DataFrame,
    on_hold: Iterable[str],
) -> pd.DataFrame:
    """Return the state of every school of the register.

    Args:
        register: la_code, school_number, school_name.
        counts: by school_number: the states, and had_one; for schools with a return.
        returned_on: the day of the first accepted return, by school_number.
        lacks: school_number, code (`readiness.unmet_requirements`).
        on_hold: school numbers.

    Returns:
        la_code, school_number, school_name, state (SchoolOutcome), for_all (the state by what the school itself has done,
        without what became of its learners), chosen, the states, share, had_one, returned_on; a row for each school of the
        register, in its order.
    """
    rows = register[["la_code", "school_number", "school_name"]].reset_index(drop=True)
    count = counts.reindex(rows["school_number"]).fillna(0).astype("int64").reset_index(drop=True)
    rows = rows.assign(chosen=count[list(STATES)].sum(axis=1), **{name: count[name] for name in (*STATES, "had_one")})
    rows["returned_on"] = rows["school_number"].map(returned_on).astype("str")
    no_part = lacks.loc[lacks["code"].isin(NO_PART), "school_number"]
    has_done = {
        SchoolOutcome.NOT_TAKING_PART: is_in(rows["school_number"], no_part),
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
    # A school that is no longer ready, or no longer takes part, may have learners whom a batch took earlier.
    applies = {SchoolOutcome.NOT_TAKING_PART: rows["chosen"] == 0, SchoolOutcome.NOT_READY: rows["uln"] == 0}
    by_school = {outcome: which & applies.get(outcome, True) for outcome, which in has_done.items()}
    rows["state"] = _first(by_school | became, SchoolOutcome.NOBODY, rows.index)
    rows["for_all"] = _first(has_done, SchoolOutcome.RETURNED, rows.index)
    rows["share"] = share(rows["uln"], rows["chosen"])
    names = ["la_code", "school_number", "school_name", "state", "for_all"]
    return rows[[*names, "chosen", *STATES, "share", "had_one", "returned_on"]]


def _first(cases: Mapping[SchoolOutcome, pd.Series], otherwise: SchoolOutcome, index: pd.Index) -> pd.Series:
    words = [outcome.value for outcome in cases]
    holds = [case.to_numpy(dtype=bool) for case in cases.values()]
    return pd.Series(np.select(holds, words, otherwise.value), index=index, dtype="str")


def schools_for_all(rows: pd.DataFrame) -> pd.DataFrame:
    """Return `school_rows` as everybody may see them, without counts of learners (docs/security.md, "The page of Wales")."""
    return rows.drop(columns=["chosen", *STATES, "share", "had_one", "for_all"]).assign(state=rows["for_all"])


def authority_rows(schools: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    """Return the state of every authority: its schools, and the counts of its learners that are not hidden.

    `schools` are `schools_for_all`; `counts` are `views.CYCLE_BY_AUTHORITY`: la_code (TOTAL for the total), and counts of
    learners, null where hidden.

    Returns:
        la_code, schools (in the register, taking part), returned, not_returned, not_ready, chosen, the states, share; in the
        order of `counts`.
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
    counted = counted.reindex(counts["la_code"]).fillna(0).astype("int64").reset_index()
    rows = pd.concat([counted, counts[["chosen", *STATES]].reset_index(drop=True)], axis=1)
    return rows.assign(share=share(rows["uln"], rows["chosen"]))


def _of_state(schools: pd.DataFrame, outcome: SchoolOutcome) -> pd.Series:
    return schools[schools["state"] == outcome.value].groupby("la_code").size()


def year_of(nc_year: pd.Series) -> pd.Series:
    """Return year groups as numbers in text, such as `9`; empty where the school's value is 0 or not one or two digits."""
    text = nc_year.fillna("").str.strip()
    return text.where(text.str.fullmatch("[0-9]{1,2}"), "").str.lstrip("0").astype("str")


def year_rows(counts: pd.DataFrame) -> pd.DataFrame:
    """Return the chosen learners by year group: la_code, year, chosen, the states, share; the empty year last.

    `counts` has la_code, year, state, number; year is empty where a record's year cannot be read.
    """
    if counts.empty:
        return pd.DataFrame({name: [] for name in ("la_code", "year", "chosen", *STATES, "share")})
    wide = counts.pivot_table(index=["la_code", "year"], columns="state", values="number", aggfunc="sum", fill_value=0)
    wide = wide.reindex(columns=list(STATES), fill_value=0).astype("int64").reset_index()
    wide["chosen"] = wide[list(STATES)].sum(axis=1)
    wide = wide.assign(
        share=share(wide["uln"], wide["chosen"]), place=pd.to_numeric(wide["year"], errors="coerce").fillna(99)
    ).sort_values(["la_code", "place", "year"], ignore_index=True)
    return pd.DataFrame(wide[["la_code", "year", "chosen", *STATES, "share"]])


def day_rows(returns: pd.DataFrame, batches: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Return the counts of each day of the cycle on which anything happened.

    Args:
        returns: la_code, received_at; the accepted ones.
        batches: la_code, sent_at, rows; those handed over.
        answers: la_code, received_at, has_uln; the LRS's first answer for each learner of a batch.

    Returns:
        la_code, day, returns, batches, asked (learners in them), answered_uln, answered_without; by authority and day.
    """
    keys = ["la_code", "day"]
    sent = batches.assign(day=batches["sent_at"].str[:10]).groupby(keys)
    answered = answers.assign(day=answers["received_at"].str[:10])
    counts = pd.DataFrame(
        {
            "returns": returns.assign(day=returns["received_at"].str[:10]).groupby(keys).size(),
            "batches": sent.size(),
            "asked": sent["rows"].sum(),
            "answered_uln": answered[answered["has_uln"]].groupby(keys).size(),
            "answered_without": answered[~answered["has_uln"]].groupby(keys).size(),
        }
    )
    return counts.fillna(0).astype("int64").rename_axis(keys).reset_index().sort_values(keys, ignore_index=True)


def code_rows(lives: pd.DataFrame) -> pd.DataFrame:
    """Return the open exceptions by the LRS's code: la_code, return_code, number, schools; the commonest first."""
    by_code = still_open(lives).groupby(["la_code", "return_code"])
    counts = pd.DataFrame({"number": by_code.size(), "schools": by_code["school_number"].nunique()}).reset_index()
    return counts.sort_values(["la_code", "number", "return_code"], ascending=[True, False, True], ignore_index=True)


def age_rows(by_age: pd.DataFrame, ages: Sequence[str]) -> pd.DataFrame:
    """Return the open exceptions (`exception_life.by_age`) by age, in the order of `ages`: la_code, age, number, schools."""
    each = by_age.groupby(["la_code", "age"])
    counts = pd.DataFrame({"number": each["number"].sum(), "schools": each["school_number"].nunique()}).reset_index()
    place = counts["age"].map({age: n for n, age in enumerate(ages)})
    return counts.assign(place=place).sort_values(["la_code", "place"], ignore_index=True).drop(columns="place")


def waiting_rows(lives: pd.DataFrame, day: dt.date, bound: int) -> pd.DataFrame:
    """Return each authority's schools with open exceptions (of `lives`): most late ones first, then the longest open.

    Columns: la_code, school_number, number (open), late (open for more than `bound` days, up to `day`), oldest (days).
    """
    rows = still_open(lives)
    days = (pd.Timestamp(day) - pd.to_datetime(rows["since"], format="%Y-%m-%d")).dt.days.clip(lower=0)
    each = rows.assign(days=days, late=days > bound).groupby(["la_code", "school_number"])
    schools = pd.DataFrame({"number": each.size(), "late": each["late"].sum(), "oldest": each["days"].max()})
    order = ["la_code", "late", "oldest", "number", "school_number"]
    rows = schools.astype("int64").reset_index()
    return rows.sort_values(order, ascending=[True, False, False, False, True], ignore_index=True)


def needs_of_authorities(schools: pd.DataFrame, others: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Return what a person has to do, in every authority: la_code, need, number; only needs above 0.

    `schools` are `school_rows`; `others` has counts by la_code, by the name of the need (`schemas.settings.pages.Need`).
    """
    outcomes = (SchoolOutcome.NOT_RETURNED, SchoolOutcome.NOT_READY, SchoolOutcome.ON_HOLD)
    by_state = {outcome.value: _of_state(schools, outcome) for outcome in outcomes}
    by_learners = {name: schools.groupby("la_code")[name].sum() for name in ("exception", "held")}
    tables = [
        pd.DataFrame({"la_code": counts.index, "need": name, "number": counts.to_numpy()})
        for name, counts in {**by_state, **by_learners, **others}.items()
    ]
    rows = pd.concat(tables, ignore_index=True).astype({"number": "int64"})
    return rows[rows["number"] > 0].reset_index(drop=True)


def for_all(rows: pd.DataFrame, key: str, columns: Mapping[str, bool]) -> pd.DataFrame:
    """Return counts of learners over all authorities, as everybody may see them: small ones hidden, others rounded to five.

    Each column alone is hidden like a table with its total (`suppression.suppressed`), and then rounded. So no sum over
    columns, and no total shown elsewhere, gives a number from 1 to 4. If a column's total has to be hidden, here or
    elsewhere, the column shows only its zeros.

    Args:
        rows: la_code, the key, and the columns.
        key: the column that identifies a row.
        columns: the columns, counts of learners; False where the column's total is hidden elsewhere.

    Returns:
        The key and the columns, nullable integers; in the order of first appearance.
    """
    counts = rows.groupby(key, sort=False)[list(columns)].sum()
    shown = pd.DataFrame(index=counts.index)
    for name, total_is_known in columns.items():
        column = suppressed(counts[[name]].rename(columns={name: "of"}), {"all": ("of",)})["of"]
        hidden = not total_is_known or pd.isna(column[TOTAL])
        left = column.drop(TOTAL).mask(counts[name] > 0) if hidden else column.drop(TOTAL)
        shown[name] = to_fives(left.dropna()).reindex(left.index).astype("Int64")
    return shown.reset_index()
