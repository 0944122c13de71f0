"""The hand-over of a batch as a person sees it, and the decisions that it allows.

Belongs here: states that follow from the LRS's answers and the day, and the decisions allowed in each. Does not belong
here: changes of state (`batch_states`), states of records (`standing`), saving a decision (`tasks.ledger.hand_over`).
To allow a decision in another state: `_ALLOWED_IN`, its row in `docs/reference/batch-states.md`, its case in the test.
"""

import datetime as dt

import pandas as pd

from schemas.lrs.profiles import SOAP
from schemas.states import BatchEvent, BatchShown, BatchState, Decision
from tasks.core.batch_states import change_state, may_change
from tasks.core.identifiers import uln_valid
from tasks.core.masking import identifiers_in
from tasks.core.membership import is_in

_ALLOWED_IN = {
    Decision.RETRY: {BatchShown.SENT_UNCONFIRMED},
    Decision.ABANDON: {BatchShown.SENT_UNCONFIRMED, BatchShown.STUCK},
}


def allowed(decision: Decision, state: BatchShown) -> bool:
    """Whether a person may take a decision about a batch in this state."""
    return state in _ALLOWED_IN[decision]


def shown_states(batches: pd.DataFrame, answered: pd.Series, day: dt.date, within: dict[str, int]) -> pd.DataFrame:
    """Return the batches as a person sees them.

    An answer proves that a batch arrived, whatever the ledger says. Only an abandoned batch stays abandoned.

    Args:
        batches: rows of the ledger.
        answered: number of learners the LRS has answered for, by batch_ref; batches without answers are missing.
        day: the day up to which ages count.
        within: days in which the LRS is expected to answer, by cycle.

    Returns:
        batch_ref, file_name, cycle, la_code, school_number, state (BatchShown), since (date of the hand-over; where there was
        none, of the building), age (days since then), rows, answered; the oldest first.
    """
    number_answered = answered.reindex(batches["batch_ref"], fill_value=0).astype("int64").set_axis(batches.index)
    days = pd.Series(within).reindex(batches["cycle"]).set_axis(batches.index)
    # If the clock was put back, sent_at may precede built_at: no batch is older than its building.
    since = batches["sent_at"].where(batches["sent_at"] >= batches["built_at"], batches["built_at"]).str[:10]
    age = (pd.Timestamp(day) - pd.to_datetime(since, format="%Y-%m-%d")).dt.days.clip(lower=0).astype("int64")
    sent = batches["state"].eq(BatchState.SENT.value)
    arrived = sent | (may_change(batches, BatchEvent.ANSWERED) & (number_answered > 0))
    cases = [
        (arrived & (number_answered >= batches["rows"]), BatchShown.ANSWERED.value),
        (arrived & (age > days), BatchShown.STUCK.value),
        (arrived, BatchShown.SENT.value),
    ]
    state = batches["state"].astype("str").case_when(cases)
    names = ["batch_ref", "file_name", "cycle", "la_code", "school_number"]
    rows = batches[names].assign(state=state, since=since, age=age, rows=batches["rows"], answered=number_answered)
    return rows.sort_values(["since", "file_name"], ignore_index=True)


def learners_answered(answers: pd.DataFrame) -> pd.Series:
    """Return the number of learners the LRS has answered for, by batch_ref; a learner with several answers counts once.

    `answers` has batch_ref and upn, of tied answers.
    """
    return answers.drop_duplicates(["batch_ref", "upn"]).groupby("batch_ref").size()


def by_evidence(
    batches: pd.DataFrame, *, answered: pd.Series, overtaken: pd.Series, by_service: bool, as_of: str
) -> pd.DataFrame:
    """Return the batches after the changes that need no person, before any batch is built or handed over.

    A batch with an answer has arrived: it becomes SENT and is not handed over (again). A READY batch is abandoned if one of
    its learners has a ULN by now, or if it was built for the other way to the LRS (file or web service). Its learners without
    a ULN are due again.

    Args:
        batches: rows of the ledger.
        answered: batch_refs with an answer.
        overtaken: batch_refs with a learner who has a ULN.
        by_service: whether batches go by the web service now.
        as_of: time of these changes, ISO.
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
    """Return the text key of the fault in a reason; None where the reason is accepted.

    A reason is one line that begins with a letter or a digit, so that no spreadsheet reads it as a formula. Nothing in it may
    look like a UPN or a postcode, or be a ULN with a valid check digit (a ticket number may have ten digits). A name
    cannot be recognised, so the writer must leave it out.
    """
    if len(reason) not in _LENGTHS or not reason.isprintable() or not reason[0].isalnum():
        return "fault.reason_shape"
    identifiers = identifiers_in(reason)
    digits = pd.Series([text for sign, text in identifiers if sign == "[ULN]"], dtype="str")
    return "fault.reason_pupil" if len(identifiers) > len(digits) or uln_valid(digits).any() else None
