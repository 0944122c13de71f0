"""What is known of a batch's hand-over, how a person sees it, and what may be decided of it.

Belongs here: which states follow from the LRS's answers and the day, and which decisions each of them allows. Does not
belong here: where learners stand (`standing`), or how a decision is kept (`tasks.ledger.hand_over`).
Changes of state: `batch_states`. For operators: `docs/reference/batch-states.md`. To allow a decision in a further state:
`_MAY`, its row in that page, its case in the test.
"""

import datetime as dt

import numpy as np
import pandas as pd

from schemas.lrs.profiles import SOAP
from schemas.states import BatchEvent, BatchShown, BatchState, Decision
from tasks.core.batch_states import change_state, may_change
from tasks.core.identifiers import uln_valid
from tasks.core.masking import identifiers_in
from tasks.core.membership import is_in

_MAY = {
    Decision.RETRY: {BatchShown.SENT_UNCONFIRMED},
    Decision.ABANDON: {BatchShown.SENT_UNCONFIRMED, BatchShown.STUCK},
}


def allowed(decision: Decision, state: BatchShown) -> bool:
    """Whether a person may decide so of a batch in that state."""
    return state in _MAY[decision]


def shown(batches: pd.DataFrame, answered: pd.Series, day: dt.date, within: dict[str, int]) -> pd.DataFrame:
    """The batches as a person sees them.

    An answer proves that the batch arrived, whatever the ledger says; nothing else but a decision makes an abandoned one
    anything else.

    Args:
        batches: rows of the ledger.
        answered: how many of its learners the LRS has answered, by batch_ref; without those of whom none is.
        day: the day it counts as.
        within: by cycle, the days in which the LRS is expected to answer.

    Returns:
        batch_ref, file_name, cycle, la_code, school_number, state (BatchShown), since (date of the hand-over, or where
        there was none of the building), age (days since then), rows, answered; the oldest first.
    """
    said = answered.reindex(batches["batch_ref"], fill_value=0).astype("int64").set_axis(batches.index)
    days = pd.Series(within).reindex(batches["cycle"]).set_axis(batches.index)
    # A clock that went back makes nothing older than it was when it was built.
    since = batches["sent_at"].where(batches["sent_at"] >= batches["built_at"], batches["built_at"]).str[:10]
    age = (pd.Timestamp(day) - pd.to_datetime(since, format="%Y-%m-%d")).dt.days.clip(lower=0).astype("int64")
    arrived = batches["state"].eq(BatchState.SENT.value) | (may_change(batches, BatchEvent.ANSWERED) & (said > 0))
    whole = said >= batches["rows"]
    late = age > days
    cases = [arrived & whole, arrived & late, arrived]
    states = [BatchShown.ANSWERED.value, BatchShown.STUCK.value, BatchShown.SENT.value]
    place = np.select([case.to_numpy(dtype=bool) for case in cases], range(1, len(cases) + 1), default=0)
    state = batches["state"].astype("str")
    for number, name in enumerate(states, 1):
        state = state.mask(place == number, name)
    names = ["batch_ref", "file_name", "cycle", "la_code", "school_number"]
    found = batches[names].assign(state=state, since=since, age=age, rows=batches["rows"], answered=said)
    return found.sort_values(["since", "file_name"], ignore_index=True)


def learners_answered(answers: pd.DataFrame) -> pd.Series:
    """How many learners of each batch the LRS has answered, by batch_ref; one may be answered for several times.

    Args:
        answers: batch_ref, upn; the tied ones.
    """
    return answers.drop_duplicates(["batch_ref", "upn"]).groupby("batch_ref").size()


def by_evidence(
    batches: pd.DataFrame, *, answered: pd.Series, overtaken: pd.Series, by_service: bool, as_of: str
) -> pd.DataFrame:
    """The ledger after what is known without asking anybody, before anything is built or handed over.

    A batch that has an answer has arrived: it is SENT and not handed over (again). A batch that is still to go, though a
    learner in it has a ULN by now, is given up; whoever else is in it is due again. So is one that was built for the other
    way to the LRS.

    Args:
        batches: rows of the ledger.
        answered: batch_refs with an answer.
        overtaken: batch_refs with a learner who has a ULN.
        by_service: whether batches go by the web service now.
        as_of: when it counts as found.
    """
    arrived = may_change(batches, BatchEvent.ANSWERED) & is_in(batches["batch_ref"], answered)
    to_go = batches["state"].eq(BatchState.READY.value) & ~arrived
    late = to_go & is_in(batches["batch_ref"], overtaken)
    rerouted = to_go & ~late & batches["format"].eq(SOAP).ne(by_service)
    settled = change_state(batches, BatchEvent.ANSWERED, arrived, as_of=as_of)
    settled = change_state(settled, BatchEvent.OVERTAKEN, late)
    return change_state(settled, BatchEvent.REROUTED, rerouted)


_LENGTHS = range(3, 301)


def reason_fault(reason: str) -> str | None:
    """The key of the sentence that says why a reason is not taken; None where it is.

    One line that begins with a letter or a digit, so that it is a formula in no table; and nothing in it that looks like
    a UPN or a postcode, or is a ULN by its check digit: a ticket's number may have ten digits too. A name cannot be told
    from other words: that is left to whoever writes.
    """
    if len(reason) not in _LENGTHS or not reason.isprintable() or not reason[0].isalnum():
        return "fault.reason_shape"
    found = identifiers_in(reason)
    digits = pd.Series([one for sign, one in found if sign == "[ULN]"], dtype="str")
    return "fault.reason_pupil" if len(found) > len(digits) or uln_valid(digits).any() else None
