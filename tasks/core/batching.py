"""Which valid rows go into which LRB batch, in which order and under which name.

Design law 2: building a batch is repeatable, a learner is in at most one live batch. The LRS form of a row comes from
`lrs_form`; the ledger's states from `schemas.states.BatchState`.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from schemas.lrs_profiles import Profile
from schemas.states import RowState
from schemas.tables import SENT_FIELDS
from tasks.core.lrs_form import batch_ref, split_batches
from tasks.core.membership import among


@dataclass(frozen=True)
class Batch:
    """One batch: the learners of one UKPRN, in the order of the file."""

    ref: str
    school_number: str
    ukprn: str
    rows: pd.DataFrame


def to_send(standing: pd.DataFrame, forms: pd.DataFrame, sent: pd.DataFrame, blocked: pd.Series) -> pd.DataFrame:
    """The rows that a batch may take now.

    That is every waiting row, and a row whose exception is open in this cycle if what would be sent differs from all
    that was sent in it: the school has corrected it in a newer return. What was answered once is not asked again.

    Args:
        standing: `standing.stand`.
        forms: row_ref, upn, the sent fields, ability_to_share; the LRS form of every chosen row.
        sent: upn and the sent fields of the cycle's batches that were not abandoned.
        blocked: row_refs with a blocking finding; never sent.

    Returns:
        row_ref, school_number, upn, the sent fields, ability_to_share; sorted by school and UPN, each UPN once.
    """
    rows = standing.rename(columns={"upn": "stood_upn"}).merge(forms, on="row_ref")
    columns = list(SENT_FIELDS)
    key = ["upn", *columns]
    then = sent[key].fillna("").drop_duplicates().assign(was_sent=True)
    corrected = rows[key].fillna("").merge(then, on=key, how="left")["was_sent"].isna().to_numpy()
    waiting = rows["state"].eq(RowState.WAITING.value)
    again = rows["state"].eq(RowState.EXCEPTION.value) & corrected
    take = rows[(waiting | again) & ~among(rows["row_ref"], blocked) & rows["upn"].notna()]
    take = take.sort_values(["school_number", "upn", "row_ref"]).drop_duplicates("upn")
    found: pd.DataFrame = take[["row_ref", "school_number", "upn", *columns, "ability_to_share"]].reset_index(drop=True)
    return found


def build(rows: pd.DataFrame, *, ukprns: pd.Series, profile: Profile, fmt: str, cycle_id: str) -> list[Batch]:
    """Cut rows into batches per UKPRN, at most the profile's limit each.

    Args:
        rows: `to_send`.
        ukprns: UKPRN by school_number.
        profile: the LRS layout and its limit.
        fmt: CSV or XML.
        cycle_id: part of the reference, so that a later cycle asks anew.

    Returns:
        Batches in the order of school number and position.
    """
    batches: list[Batch] = []
    for school, of_school in rows.groupby("school_number", sort=True):
        ukprn = str(ukprns[school])
        ordered = of_school.sort_values("upn", ignore_index=True)
        for _, part in ordered.groupby(split_batches(ordered, profile.limit), sort=True):
            content = part.reset_index(drop=True)
            batches.append(
                Batch(batch_ref(content, ukprn, profile.version, fmt, cycle_id), str(school), ukprn, content)
            )
    return batches


def free_minute(wanted: dt.datetime, taken: set[str], name_at: Callable[[dt.datetime], str]) -> dt.datetime:
    """The first minute from the wanted one whose file name is not taken: names carry no seconds.

    Args:
        wanted: when the batch is built.
        taken: names of the UKPRN's files in the ledger.
        name_at: the file name for a minute.
    """
    minute = wanted.replace(second=0, microsecond=0)
    while name_at(minute) in taken:
        minute += dt.timedelta(minutes=1)
    return minute
