"""Changes of a batch's state. No other module changes it.

Belongs here: the transition function over rows of `batches`. Does not belong here: when an event happens (`release`,
`lrs_calls`, `hand_over.by_evidence`, decisions), or the state as a person sees it (`hand_over.shown_states`).
To add a move: a row in `schemas.states.BATCH_MOVES`, a sentence in docs/reference/batch-states.md, and `make states`.
"""

import pandas as pd

from schemas.states import BATCH_MOVES, BatchEvent, BatchState

#: Events by which the service itself abandons a batch; the ledger keeps them as the reason.
_REASONS = (BatchEvent.OVERTAKEN, BatchEvent.REROUTED)


def state_after(event: BatchEvent) -> BatchState:
    """Return the state that an event leads to."""
    return next(move.after for move in BATCH_MOVES if move.event is event)


def may_change(batches: pd.DataFrame, event: BatchEvent) -> pd.Series:
    """Whether the state of each batch (null for a new one) allows an event."""
    before = [move.before.value if move.before else "" for move in BATCH_MOVES if move.event is event]
    return batches["state"].fillna("").isin(before)


def change_state(
    batches: pd.DataFrame, event: BatchEvent, which: pd.Series | None = None, *, as_of: str | None = None
) -> pd.DataFrame:
    """Return the batches after an event.

    Args:
        batches: rows of the table `batches`.
        event: the event.
        which: whether it happened to each batch, same index; None for all batches.
        as_of: time of the event, ISO; becomes sent_at if the event makes a batch SENT.

    Returns:
        The batches with their new state; sent_at is set where they are SENT, reason where the service abandons them.

    Raises:
        ValueError: a batch's state does not allow the event; the message lists the batches.
    """
    which = pd.Series(True, index=batches.index) if which is None else which
    refused = which & ~may_change(batches, event)
    if refused.any():
        raise ValueError(f"{event.value} is not allowed for batches {sorted(batches.loc[refused, 'batch_ref'])}")
    after = state_after(event)
    changed = batches.assign(state=batches["state"].mask(which, after.value))
    if after is BatchState.SENT:
        changed["sent_at"] = changed["sent_at"].mask(which, as_of)
    if event in _REASONS:
        changed["reason"] = changed["reason"].mask(which, event.value)
    return changed
