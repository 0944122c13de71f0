"""Words for the states of a record, a batch and a file; the same in code, tables, reports and tests."""

from enum import StrEnum
from typing import NamedTuple


class Disposition(StrEnum):
    """What selection decides for each pupil record."""

    CHOSEN = "chosen"
    NOT_CHOSEN = "not_chosen"


class NotChosen(StrEnum):
    """Why a record is not chosen; the first reason that applies, in this order."""

    SUPERSEDED_RETURN = "superseded_return"
    ENROLMENT_STATUS = "enrolment_status"
    YEAR_GROUP = "year_group"
    AGE = "age"
    ULN_HELD = "uln_held"
    SCHOOL_NOT_READY = "school_not_ready"
    ASKED_ELSEWHERE = "asked_elsewhere"


class Severity(StrEnum):
    """BLOCKING holds the row; WARNING is reported and the row goes on."""

    BLOCKING = "blocking"
    WARNING = "warning"


class BatchState(StrEnum):
    """READY is built; SENT has been handed over; SENT_UNCONFIRMED may have been (a person decides); ABANDONED is over."""

    READY = "READY"
    SENT = "SENT"
    SENT_UNCONFIRMED = "SENT_UNCONFIRMED"
    ABANDONED = "ABANDONED"


class BatchEvent(StrEnum):
    """Why a batch changes its state.

    HAND_OVER_BEGUN is recorded before the hand-over; HANDED_OVER and NOT_HANDED_OVER after it, if its outcome is known.
    CONFIRMED: a later run finds the file in the outbox, or the job at the web service. ANSWERED: the LRS has answered for a
    learner, so the batch arrived. OVERTAKEN: a learner in it got a ULN in another way. REROUTED: it was built for the outbox,
    and batches now go to the web service, or the reverse. RETRY and ABANDON are a person's `Decision`.
    """

    BUILT = "built"
    HAND_OVER_BEGUN = "hand_over_begun"
    HANDED_OVER = "handed_over"
    NOT_HANDED_OVER = "not_handed_over"
    CONFIRMED = "confirmed"
    ANSWERED = "answered"
    OVERTAKEN = "overtaken"
    REROUTED = "rerouted"
    RETRY = "retry"
    ABANDON = "abandon"


class BatchMove(NamedTuple):
    """An allowed change of a batch's state; before is None for a new batch."""

    before: BatchState | None
    event: BatchEvent
    after: BatchState


#: All allowed moves (law 2); each event leads to one state. `tasks.core.batch_states` applies the table, `make states`
#: draws it. A READY batch can be abandoned: an answer may show that it arrived, and others may be overdue (STUCK below).
BATCH_MOVES = (
    BatchMove(None, BatchEvent.BUILT, BatchState.READY),
    BatchMove(BatchState.READY, BatchEvent.HAND_OVER_BEGUN, BatchState.SENT_UNCONFIRMED),
    BatchMove(BatchState.SENT_UNCONFIRMED, BatchEvent.HANDED_OVER, BatchState.SENT),
    BatchMove(BatchState.SENT_UNCONFIRMED, BatchEvent.NOT_HANDED_OVER, BatchState.READY),
    BatchMove(BatchState.SENT_UNCONFIRMED, BatchEvent.CONFIRMED, BatchState.SENT),
    BatchMove(BatchState.READY, BatchEvent.ANSWERED, BatchState.SENT),
    BatchMove(BatchState.SENT_UNCONFIRMED, BatchEvent.ANSWERED, BatchState.SENT),
    BatchMove(BatchState.READY, BatchEvent.OVERTAKEN, BatchState.ABANDONED),
    BatchMove(BatchState.READY, BatchEvent.REROUTED, BatchState.ABANDONED),
    BatchMove(BatchState.SENT_UNCONFIRMED, BatchEvent.RETRY, BatchState.READY),
    BatchMove(BatchState.READY, BatchEvent.ABANDON, BatchState.ABANDONED),
    BatchMove(BatchState.SENT_UNCONFIRMED, BatchEvent.ABANDON, BatchState.ABANDONED),
    BatchMove(BatchState.SENT, BatchEvent.ABANDON, BatchState.ABANDONED),
)


class BatchShown(StrEnum):
    """A batch as people see it, never stored: derived from its state, the LRS's answers and the day.

    STUCK was handed over and has waited for answers longer than its cycle allows; ANSWERED has all answers.
    """

    READY = "READY"
    SENT_UNCONFIRMED = "SENT_UNCONFIRMED"
    SENT = "SENT"
    STUCK = "STUCK"
    ANSWERED = "ANSWERED"
    ABANDONED = "ABANDONED"


class Decision(StrEnum):
    """What a person may decide about a batch: RETRY hands it over again, ABANDON makes its learners due again."""

    RETRY = "retry"
    ABANDON = "abandon"


class JobKind(StrEnum):
    """What the LRS web service does with a batch: FULL gives ULNs, CHECK only says what the answers would be."""

    FULL = "FUL"
    CHECK = "CHK"


class OperatorDecision(StrEnum):
    """What a person may decide about a school or a file.

    RELEASE ends a school's hold, PUBLISH makes its file again, IMPORT takes in an export of processed exceptions.
    """

    RELEASE = "release"
    PUBLISH = "publish"
    IMPORT = "import"


class Volume(StrEnum):
    """A school's number of learners compared with its last cycle: ON_HOLD stops it until it is RELEASED.

    Law 7 (docs/explanation/laws.md).
    """

    USUAL = "usual"
    ON_HOLD = "on_hold"
    RELEASED = "released"
    FAR_ABOVE = "far_above"


class RowState(StrEnum):
    """The state of a chosen record (law 1, docs/explanation/laws.md)."""

    HELD = "held"
    WAITING = "waiting"
    SENT = "sent"
    ULN = "uln"
    EXCEPTION = "exception"


class SchoolOutcome(StrEnum):
    """A school's outcome in a cycle, as its authority sees it; those that need action come first.

    `tasks.core.page_tables.school_rows` gives the first that applies, trying NOT_TAKING_PART before the others. ULN: every
    learner asked for has one. NOBODY: its return has no learner whom the cycle covers.
    """

    NOT_RETURNED = "not_returned"
    NOT_READY = "not_ready"
    ON_HOLD = "on_hold"
    EXCEPTION = "exception"
    HELD = "held"
    SENT = "sent"
    RETURNED = "returned"
    ULN = "uln"
    NOBODY = "nobody"
    NOT_TAKING_PART = "not_taking_part"


class ExceptionState(StrEnum):
    """The state of an exception (`tasks.core.exception_life`), in the order in which the states are tried."""

    RESOLVED = "resolved"
    WITHDRAWN = "withdrawn"
    ASKED_AGAIN = "asked_again"
    SEEN = "seen"
    OPEN = "open"


class ExceptionCause(StrEnum):
    """What resolved or withdrew an exception.

    RESULT, EXPORT, RESUBMISSION and RETURN resolve: a ULN in a later result file, in an export of processed exceptions,
    for a later batch of the learner, or in the school's own return. LEFT and NOT_CHOSEN withdraw.
    """

    RESULT = "result"
    EXPORT = "export"
    RESUBMISSION = "resubmission"
    RETURN = "return"
    LEFT = "left"
    NOT_CHOSEN = "not_chosen"
