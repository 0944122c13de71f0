"""Publish again: a school gets its files again, under the next number, although nothing has changed.

The decision records the number of the school's last file. While that number is the last, the school is due, whichever run
publishes: the next returns run carries out a decision that was cut short, and no decision is carried out twice.
"""

from schemas.states import OperatorDecision
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.ledger.operator_decisions import last_decided, refuse_reason, save_decision, school_ref
from tasks.ledger.standing import purged_cycles
from tasks.operator.release_hold import DecisionResult
from tasks.runtime.context import RunContext
from tasks.stages.conserve import conserve
from tasks.stages.publish import publish_authorities


def publish_again(data: str, school: str, cycle: str, reason: str, as_of: str) -> DecisionResult:
    """Record the decision, and publish the school's authority.

    Args:
        data: the data root.
        school: the school's number.
        cycle: the cycle's id.
        reason: kept with the decision; not stored in the engine.
        as_of: the decision's time, ISO.

    Raises:
        ServiceFault: the school has had no file in the cycle, the cycle is purged or does not balance, a file could not be
            made, or the reason cannot be taken.
    """
    refuse_reason(reason, as_of)
    ctx = RunContext.of(data, cycle)
    about = {"school": school, "cycle": cycle}
    if ctx.lake.version("deliveries") < 0 or cycle in purged_cycles(data):
        raise ServiceFault(bilingual("fault.nothing_to_publish", **about))
    with one_run_at_a_time(data):
        deliveries = ctx.lake.read("deliveries", ["cycle", "number"], school_number=school)
        if not deliveries["cycle"].eq(cycle).any():
            raise ServiceFault(bilingual("fault.nothing_to_publish", **about))
        last = int(deliveries["number"].max())
        before = last_decided(ctx.lake, OperatorDecision.PUBLISH, ref=school_ref(cycle, school))
        if not before["counted"].eq(last).any():
            ref, whose = school_ref(cycle, school), {"cycle": cycle, "la_code": school[:3], "school_number": school}
            save_decision(ctx.root, OperatorDecision.PUBLISH, ref, reason, as_of, last, **whose)
        conserve.fn(data=data, cycle=cycle)
        result = publish_authorities(ctx, [school[:3]], as_of)
        now = int(ctx.lake.read("deliveries", ["number"], school_number=school)["number"].max())
    if result.faults or now == last:
        raise ServiceFault(bilingual("fault.not_published", **about))
    return DecisionResult(True, bilingual("terminal.done_publish", number=now, **about))
