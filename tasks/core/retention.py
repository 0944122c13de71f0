"""Decide what may be removed, by what the ledger knows of a file, a batch or a cycle; never anything that a run still needs.

Days are texts in ISO form, as in the ledger. `tasks.maintenance.purge` knows the places and removes.
"""

import pandas as pd

from schemas.states import BatchState, RowState
from schemas.tables import PUPIL_FIELDS
from tasks.core.hand_over import learners_answered
from tasks.core.identifiers import canonical_upn
from tasks.core.membership import is_in, lookup


def files_taken_in(received: pd.DataFrame, untied: pd.Series) -> pd.DataFrame:
    """Return what the ledger knows of each file that was ever taken in, with all its contents.

    `received` has sha256, container_sha256, kind, status, pupils, received_at; `untied` the sha256 of result files with an
    answer that ties to nobody yet: a person has to look at them.

    Returns:
        index sha256 (of the file as it was in an inbox); since (the last day on which any of it was recorded), needed (a run
        or a person is not done with it), refused (it, or something in it, was refused).
    """
    rows = received.assign(
        file=received["container_sha256"].fillna(received["sha256"]),
        refused=received["status"].eq("quarantined"),
        needed=(received["kind"].eq("return") & received["status"].eq("accepted") & received["pupils"].isna())
        | is_in(received["sha256"], untied),
    )
    files = rows.groupby("file").agg(since=("received_at", "max"), needed=("needed", "any"), refused=("refused", "any"))
    return files.rename_axis("sha256")


def settled_batches(batches: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Return the batches whose files nobody needs any more: abandoned, or sent with an answer for every learner.

    `batches` has batch_ref, state, rows; `answers` batch_ref and upn, of tied answers.
    """
    answered = batches["batch_ref"].map(learners_answered(answers)).fillna(0)
    complete = batches["state"].eq(BatchState.SENT.value) & (answered >= batches["rows"])
    return batches[complete | batches["state"].eq(BatchState.ABANDONED.value)]


def is_settled(counts: pd.DataFrame) -> bool:
    """Whether a cycle is settled: its counts (`standing.count_by_school`) balance; nobody waits to go or for an answer."""
    open_records = counts[[RowState.WAITING.value, RowState.SENT.value]].to_numpy().sum()
    return bool(counts["balanced"].all()) and not open_records


#: What stays of a chosen pupil's record: the UPN by which the ledger knows the learner, which keeps the record's state; and
#: the record's own UPN, if it differs, by which the learner is still found.
_LEFT = ("upn", "former_upn")


def emptied(pupils: pd.DataFrame, standing: pd.DataFrame) -> pd.DataFrame:
    """Empty pupil records: the rows stay, so that the counts stay, and so do the UPNs of the chosen ones.

    The date of birth goes, and with it the proof that a former UPN is the same learner's (`one_learner.known_as`). So the UPN
    by which the ledger knows the learner becomes the record's UPN, and the record's own becomes the former one.

    Args:
        pupils: whole rows; an interrupted purge may have emptied some before.
        standing: row_ref, upn; of the chosen ones (`standing.derive_states`).

    Returns:
        The rows in the same order; rows emptied before are unchanged.
    """
    names = [name for name in PUPIL_FIELDS if name not in _LEFT]
    gone = pd.DataFrame(None, index=pupils.index, columns=names, dtype="str")
    known, upn = lookup(pupils["row_ref"], standing["row_ref"], standing["upn"]), canonical_upn(pupils["upn"])
    before = pupils["former_upn"].where(pupils[names].isna().all(axis=1))
    left = pd.DataFrame({"upn": known, "former_upn": upn.mask(upn.eq(known), before).where(known.notna())})
    return pd.concat([pupils.drop(columns=list(PUPIL_FIELDS)), gone, left], axis=1)[list(pupils.columns)]
