"""Builds LRB batches from valid rows: which rows, in which order, under which reference and file name.

Law 2 (docs/explanation/laws.md): building a batch is repeatable, and a learner is in at most one live batch. Does not belong
here: the LRS form of a row (`lrs_form`), changes of a batch's state (`batch_states`).
"""

import datetime as dt
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import count

import pandas as pd

from schemas.lrs.profiles import Profile
from schemas.states import RowState
from schemas.tables import SENT_FIELDS
from tasks.core.lrs_form import batch_content, batch_ref
from tasks.core.membership import is_in
from tasks.core.text_columns import sort_text


@dataclass(frozen=True)
class Batch:
    """A batch: learners of one school, and so of one UKPRN, in the order of the file."""

    ref: str
    school_number: str
    ukprn: str
    rows: pd.DataFrame


def to_send(standing: pd.DataFrame, forms: pd.DataFrame, sent: pd.DataFrame, held: pd.Series) -> pd.DataFrame:
    """Return the rows that a batch may take now.

    These are the waiting rows, and the rows with an open exception in this cycle that the school has corrected: their LRS
    form differs from every form sent for the learner in this cycle. Values that the LRS has answered are not sent again.

    Args:
        standing: `standing.derive_states`.
        forms: row_ref, upn, the sent fields, ability_to_share; the LRS form of every chosen row.
        sent: upn and the sent fields of the cycle's batches (`standing.latest_sent_rows`).
        held: row_refs with a blocking finding; never sent.

    Returns:
        row_ref, school_number, upn, known_as (the UPN by which the ledger knows the learner), the sent fields,
        ability_to_share; one row per learner, as by `first_of_each_learner`.
    """
    state = standing["state"]
    may_go = state.isin([RowState.WAITING.value, RowState.EXCEPTION.value]) & ~is_in(standing["row_ref"], held)
    rows = standing.loc[may_go, ["row_ref", "school_number", "state", "upn"]].rename(columns={"upn": "known_as"})
    rows = rows.merge(forms, on="row_ref")
    open_exception = rows["state"].eq(RowState.EXCEPTION.value)
    key = ["upn", *SENT_FIELDS]
    # Compared under the UPN that the ledger knows: a new UPN alone is not a correction.
    now = rows.assign(upn=rows["known_as"]).loc[open_exception, key].fillna("")
    # Filter first: few learners have an exception, but `sent` has every learner in the cycle's batches.
    before = sent.loc[is_in(sent["upn"].fillna(""), now["upn"]), key].fillna("").drop_duplicates().assign(was_sent=True)
    due = rows["upn"].notna().to_numpy(copy=True)
    due[open_exception.to_numpy()] &= now.merge(before, on=key, how="left")["was_sent"].isna().to_numpy()
    return first_of_each_learner(rows.loc[due, ["row_ref", "school_number", "known_as", *key, "ability_to_share"]])


def first_of_each_learner(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row per learner: a row with the new UPN before one with the former UPN, then the first school's.

    `rows` has row_ref, school_number, upn, known_as and any other columns. No upn and no known_as occurs twice in the result,
    which is sorted by school and UPN.
    """
    order = ["school_number", "upn", "row_ref"]
    ordered = sort_text(rows, order)
    if ordered["known_as"].duplicated().any():
        former = ordered["upn"].eq(ordered["known_as"])
        ordered = sort_text(pd.concat([ordered[~former], ordered[former]]).drop_duplicates("known_as"), order)
    return ordered.drop_duplicates("upn", ignore_index=True)


def build(
    rows: pd.DataFrame,
    *,
    ukprns: pd.Series,
    profile: Profile,
    fmt: str,
    cycle_id: str,
    abandoned: Collection[str] = (),
) -> list[Batch]:
    """Cut rows into batches of one school each, no longer than the profile's limit.

    Args:
        rows: `to_send`.
        ukprns: UKPRN by school_number.
        profile: the LRS layout and its limit.
        fmt: CSV, XML or SOAP.
        cycle_id: part of the reference, so that a later cycle can ask again.
        abandoned: references of abandoned batches; not used again.

    Returns:
        Batches in the order of school number and position.
    """
    ordered = sort_text(rows, ["school_number", "upn"]).reset_index(drop=True)
    content = batch_content(ordered)
    batches: list[Batch] = []
    # A school's rows are adjacent, so a batch is a slice.
    for school, positions in ordered.groupby("school_number", sort=True).indices.items():
        ukprn = str(ukprns[str(school)])
        for start in range(int(positions[0]), int(positions[-1]) + 1, profile.limit):
            end = min(start + profile.limit, int(positions[-1]) + 1)
            part = content.slice(start, end - start)
            refs = (batch_ref(part, ukprn, profile.version, fmt, cycle_id, number) for number in count())
            ref = next(candidate for candidate in refs if candidate not in abandoned)
            batches.append(Batch(ref, str(school), ukprn, ordered.iloc[start:end].reset_index(drop=True)))
    return batches


def free_minute(wanted: dt.datetime, taken: set[str], name_at: Callable[[dt.datetime], str]) -> dt.datetime:
    """Return the wanted minute, or the next one whose file name is free; file names have no seconds.

    `taken` has the names of the UKPRN's files in the ledger; `name_at` gives the file name for a minute.
    """
    minute = wanted.replace(second=0, microsecond=0)
    while name_at(minute) in taken:
        minute += dt.timedelta(minutes=1)
    return minute
