"""Release a school's hold: an operator's decision, checked and recorded."""

from dataclasses import dataclass

from schemas.states import OperatorDecision, Volume
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.ledger.holds import volumes
from tasks.ledger.operator_decisions import refuse_reason, save_decision, school_ref
from tasks.runtime.context import RunContext


@dataclass(frozen=True)
class DecisionResult:
    """Result of a decision about a school or a file.

    Attributes:
        changed: False if it had no effect left, and nothing was written.
        message: one sentence in both languages, with the next step.
    """

    changed: bool
    message: str


def release_hold(data: str, school: str, cycle: str, reason: str, as_of: str) -> DecisionResult:
    """Release a school on hold; the next census run of the cycle batches its learners.

    Args:
        data: the data root.
        school: the school's number.
        cycle: the cycle's id.
        reason: kept with the decision; not stored in the engine.
        as_of: the decision's time, ISO.

    Raises:
        ServiceFault: the school is not on hold, or the reason cannot be taken.
    """
    refuse_reason(reason, as_of)
    ctx = RunContext.of(data, cycle)
    about = {"school": school, "cycle": cycle}
    if ctx.lake.version("dispositions") < 0:  # do not create an empty lake
        raise ServiceFault(bilingual("fault.no_hold", **about))
    with one_run_at_a_time(data):
        school_volumes = volumes(ctx, la_code=school[:3], school_number=school)
        volume = school_volumes["volume"].get(school, Volume.USUAL.value)
        if volume == Volume.RELEASED.value:
            return DecisionResult(False, bilingual("terminal.already_release", **about))
        if volume != Volume.ON_HOLD.value:
            raise ServiceFault(bilingual("fault.no_hold", **about))
        learners = int(school_volumes["learners"][school])
        ref, whose = school_ref(cycle, school), {"cycle": cycle, "la_code": school[:3], "school_number": school}
        save_decision(ctx.root, OperatorDecision.RELEASE, ref, reason, as_of, learners, **whose)
    return DecisionResult(True, bilingual("terminal.done_release", learners=learners, **about))
