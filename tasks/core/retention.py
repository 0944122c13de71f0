"""What may go: by what the ledger says of a file, a batch, a cycle. Never what a run still needs.

Days are texts in ISO form, as the ledger has them. Where things lie and how they are removed is `tasks.purge`'s.
"""

import pandas as pd

from schemas.states import BatchState, RowState
from schemas.tables import PUPIL_FIELDS
from tasks.core.hand_over import learners_answered
from tasks.core.membership import among


def files_taken_in(received: pd.DataFrame, untied: pd.Series) -> pd.DataFrame:
    """What the ledger says of each file that was ever taken in, with all that was in it.

    Args:
        received: sha256, container_sha256, kind, status, pupils, received_at.
        untied: the sha256 of result files in which an answer ties to nobody yet: a person has to look at them.

    Returns:
        index sha256 (of the file as it lay in an inbox); since (the last day on which something of it was recorded),
        needed (a run or a person is not done with it), refused (it, or something in it, was refused).
    """
    rows = received.assign(
        file=received["container_sha256"].fillna(received["sha256"]),
        refused=received["status"].eq("quarantined"),
        needed=(received["kind"].eq("return") & received["status"].eq("accepted") & received["pupils"].isna())
        | among(received["sha256"], untied),
    )
    found = rows.groupby("file").agg(since=("received_at", "max"), needed=("needed", "any"), refused=("refused", "any"))
    return found.rename_axis("sha256")


def settled_batches(batches: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """The batches whose files nobody needs any more: abandoned, or sent and every learner answered for.

    Args:
        batches: batch_ref, state, rows.
        answers: batch_ref, upn; the tied ones.

    Returns:
        Those rows of `batches`.
    """
    answered = batches["batch_ref"].map(learners_answered(answers)).fillna(0)
    whole = batches["state"].eq(BatchState.SENT.value) & (answered >= batches["rows"])
    return batches[whole | batches["state"].eq(BatchState.ABANDONED.value)]


def is_settled(counts: pd.DataFrame) -> bool:
    """Whether nothing of a cycle is under way: all balances, nobody waits to go, nobody waits for an answer.

    Args:
        counts: `standing.tally`.
    """
    under_way = counts[[RowState.WAITING.value, RowState.SENT.value]].to_numpy().sum()
    return bool(counts["balanced"].all()) and not under_way


#: What is left of a pupil's record: a chosen one keeps the UPN, by which it stands where it stands.
_LEFT = ("upn",)


def emptied(pupils: pd.DataFrame, chosen: pd.Series) -> pd.DataFrame:
    """Pupil records of which only their places are left, so that the counts stay, and the UPN of the chosen ones.

    Args:
        pupils: whole rows.
        chosen: the row_refs of the chosen ones.
    """
    names = [name for name in PUPIL_FIELDS if name not in _LEFT]
    gone = pd.DataFrame(None, index=pupils.index, columns=names, dtype="str")
    left = pupils[list(_LEFT)].where(among(pupils["row_ref"], chosen))
    return pd.concat([pupils.drop(columns=list(PUPIL_FIELDS)), gone, left], axis=1)[list(pupils.columns)]
