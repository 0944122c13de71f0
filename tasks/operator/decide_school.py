"""Decisions about a school: release its hold, or publish its files again although nothing has changed.

A decision to publish again records the number of the school's last file. While that number is the last, the school is due,
whichever run publishes: the next returns run carries out a decision that was cut short, and none is carried out twice.
"""

from schemas.states import OperatorDecision, Volume
from schemas.texts.catalogue import Bilingual, bilingual
from schemas.texts.faults import ServiceFault
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.ledger.holds import volumes
from tasks.ledger.operator_decisions import last_decided, refuse_reason, save_decision, school_ref
from tasks.ledger.standing import purged_cycles
from tasks.runtime.context import RunContext
from tasks.stages.conserve import conserve
from tasks.stages.publish import publish_authorities


def release_hold(data: str, school: str, cycle: str, reason: str, as_of: str) -> Bilingual:
    """Release a school on hold, by its number; the next census run of the cycle batches its learners.

    The reason is kept with the decision at the time `as_of` (ISO); it is not stored in the engine. The result is one
    sentence with the next step.

    Raises:
        ServiceFault: the school is not on hold, the reason is refused, or the wait for another run is too long.
    """
    refuse_reason(reason, as_of)
    ctx, about = RunContext.of(data, cycle), {"school": school, "cycle": cycle}
    if ctx.lake.version("dispositions") < 0:  # do not create an empty lake
        raise ServiceFault(bilingual("fault.no_hold", **about))
    with one_run_at_a_time(data):
        school_volumes = volumes(ctx, la_code=school[:3], school_number=school)
        volume = school_volumes["volume"].get(school, Volume.USUAL.value)
        if volume == Volume.RELEASED.value:
            return bilingual("terminal.already_release", **about)
        if volume != Volume.ON_HOLD.value:
            raise ServiceFault(bilingual("fault.no_hold", **about))
        learners = int(school_volumes["learners"][school])
        _save(ctx, OperatorDecision.RELEASE, school, reason, as_of, learners)
    return bilingual("terminal.done_release", learners=learners, **about)


def publish_again(data: str, school: str, cycle: str, reason: str, as_of: str) -> Bilingual:
    """Record the decision, and publish the school's authority; arguments and result as for `release_hold`.

    Raises:
        ServiceFault: the school has had no file in the cycle, the cycle is purged or does not balance, a file could not be
            made, the reason is refused, or the wait for another run is too long.
    """
    refuse_reason(reason, as_of)
    ctx, about = RunContext.of(data, cycle), {"school": school, "cycle": cycle}
    if ctx.lake.version("deliveries") < 0 or cycle in purged_cycles(data):
        raise ServiceFault(bilingual("fault.nothing_to_publish", **about))
    with one_run_at_a_time(data):
        deliveries = ctx.lake.read("deliveries", ["cycle", "number"], school_number=school)
        if not deliveries["cycle"].eq(cycle).any():
            raise ServiceFault(bilingual("fault.nothing_to_publish", **about))
        last = int(deliveries["number"].max())
        before = last_decided(ctx.lake, OperatorDecision.PUBLISH, ref=school_ref(cycle, school))
        if not before["counted"].eq(last).any():
            _save(ctx, OperatorDecision.PUBLISH, school, reason, as_of, last)
        conserve.fn(data=data, cycle=cycle)
        result = publish_authorities(ctx, [school[:3]], as_of)
        now = int(ctx.lake.read("deliveries", ["number"], school_number=school)["number"].max())
    if result.faults or now == last:
        raise ServiceFault(bilingual("fault.not_published", **about))
    return bilingual("terminal.done_publish", number=now, **about)


def _save(ctx: RunContext, decision: OperatorDecision, school: str, reason: str, as_of: str, counted: int) -> None:
    about = {"cycle": ctx.cycle.id, "la_code": school[:3], "school_number": school}
    save_decision(ctx.root, decision, school_ref(ctx.cycle.id, school), reason, as_of, counted, **about)
