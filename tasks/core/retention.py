"""What may go: by what the ledger says of a file, a batch, a cycle. Never what a run still needs.

Days are texts in ISO form, as the ledger has them. Where things lie and how they are removed is `tasks.maintenance.purge`'s.
"""

import pandas as pd

from schemas.states import BatchState, RowState
from schemas.tables import PUPIL_FIELDS
from tasks.core.hand_over import learners_answered
from tasks.core.identifiers import canonical_upn
from tasks.core.membership import is_in, lookup


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
        | is_in(received["sha256"], untied),
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
        counts: `standing.count_by_school`.
    """
    under_way = counts[[RowState.WAITING.value, RowState.SENT.value]].to_numpy().sum()
    return bool(counts["balanced"].all()) and not under_way


#: What is left of a chosen pupil's record: the UPN by which the ledger knows the learner, so that it stands where it stood;
#: and the record's own, where that is another one, so that the learner is still found by it.
_LEFT = ("upn", "former_upn")


def emptied(pupils: pd.DataFrame, standing: pd.DataFrame) -> pd.DataFrame:
    """Pupil records of which only their places are left, so that the counts stay, and the UPNs of the chosen ones.

    With the date of birth goes what told that a former UPN is the same learner's (`one_learner.known_as`): so the UPN by
    which the ledger knows the learner takes the place of the record's own, and the own one that of the former.

    Args:
        pupils: whole rows; some may have been emptied before, by a purge that died.
        standing: row_ref, upn; of the chosen ones (`standing.derive_states`).

    Returns:
        Rows as given; emptied rows come back as they are.
    """
    names = [name for name in PUPIL_FIELDS if name not in _LEFT]
    gone = pd.DataFrame(None, index=pupils.index, columns=names, dtype="str")
    known, own = lookup(pupils["row_ref"], standing["row_ref"], standing["upn"]), canonical_upn(pupils["upn"])
    before = pupils["former_upn"].where(pupils[names].isna().all(axis=1))
    left = pd.DataFrame({"upn": known, "former_upn": own.mask(own.eq(known), before).where(known.notna())})
    return pd.concat([pupils.drop(columns=list(PUPIL_FIELDS)), gone, left], axis=1)[list(pupils.columns)]
