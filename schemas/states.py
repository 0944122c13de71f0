"""The words for what becomes of a record, a batch and a file; the same in code, tables, reports and tests."""

from enum import StrEnum


class Disposition(StrEnum):
    """What selection decides for every pupil record."""

    CHOSEN = "chosen"
    NOT_CHOSEN = "not_chosen"


class NotChosen(StrEnum):
    """Why a record is not chosen, in the order in which the reasons are tried: the first that holds is given."""

    SUPERSEDED_RETURN = "superseded_return"
    ENROLMENT_STATUS = "enrolment_status"
    YEAR_GROUP = "year_group"
    AGE = "age"
    ULN_HELD = "uln_held"
    SCHOOL_NOT_READY = "school_not_ready"
    ASKED_ELSEWHERE = "asked_elsewhere"


class Severity(StrEnum):
    """BLOCKING holds the row back; WARNING is told and the row goes on."""

    BLOCKING = "blocking"
    WARNING = "warning"


class BatchState(StrEnum):
    """READY is built; SENT stands in the LRS outbox; SENT_UNCONFIRMED waits for a person; ABANDONED is over."""

    READY = "READY"
    SENT = "SENT"
    SENT_UNCONFIRMED = "SENT_UNCONFIRMED"
    ABANDONED = "ABANDONED"


class BatchShown(StrEnum):
    """A batch as a person sees it: its state, and what follows from the LRS's answers and the day (never stored).

    STUCK was handed over and has waited for its answers longer than its cycle allows; ANSWERED lacks none.
    """

    READY = "READY"
    SENT_UNCONFIRMED = "SENT_UNCONFIRMED"
    SENT = "SENT"
    STUCK = "STUCK"
    ANSWERED = "ANSWERED"
    ABANDONED = "ABANDONED"


class Decision(StrEnum):
    """What a person may decide of a batch: RETRY hands it over again, ABANDON makes its learners due again."""

    RETRY = "retry"
    ABANDON = "abandon"


class JobKind(StrEnum):
    """What the LRS web service is asked to do with a batch: FULL gives ULNs, CHECK says what it would answer."""

    FULL = "FUL"
    CHECK = "CHK"


class OperatorDecision(StrEnum):
    """What a person may decide of a school or a file.

    RELEASE lets a school on hold go, PUBLISH gives it its file again, IMPORT takes in an export of processed exceptions.
    """

    RELEASE = "release"
    PUBLISH = "publish"
    IMPORT = "import"


class Volume(StrEnum):
    """A school's number of learners against its last cycle's: ON_HOLD stops it until it is RELEASED.

    Law 7 (docs/explanation/laws.md).
    """

    USUAL = "usual"
    ON_HOLD = "on_hold"
    RELEASED = "released"
    FAR_ABOVE = "far_above"


class RowState(StrEnum):
    """Where a chosen record stands (law 1, docs/explanation/laws.md)."""

    HELD = "held"
    WAITING = "waiting"
    SENT = "sent"
    ULN = "uln"
    EXCEPTION = "exception"


class SchoolOutcome(StrEnum):
    """Where a school is in a cycle, as its authority sees it: the first that holds; what waits for somebody comes first.

    ULN: each learner who was asked for has one. NOBODY: its return has no learner whom the cycle covers.
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
    """Where an exception is in its life (`tasks.core.exception_life`), in the order in which the states are tried."""

    RESOLVED = "resolved"
    WITHDRAWN = "withdrawn"
    ASKED_AGAIN = "asked_again"
    SEEN = "seen"
    OPEN = "open"


class ExceptionCause(StrEnum):
    """What resolved an exception, or withdrew it.

    RESULT, EXPORT, RESUBMISSION and RETURN resolve: a ULN in a later result file, in an export of processed exceptions,
    for a later batch of the learner, or in the school's own return. LEFT and NOT_CHOSEN withdraw.
    """

    RESULT = "result"
    EXPORT = "export"
    RESUBMISSION = "resubmission"
    RETURN = "return"
    LEFT = "left"
    NOT_CHOSEN = "not_chosen"
