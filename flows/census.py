"""The census flow: a cycle's returns from the DEWi inbox to the LRS outbox (receive .. release).

Safe to run again at any time: what was received, read and sent is remembered by the lake, not by the engine.
"""

from prefect import flow

from flows.stages import Counts, Tour, bounded, chosen_authorities, root_of
from flows.when import scheduled_time
from schemas.cycles import cycle_by_id
from schemas.faults import ServiceFault
from tasks.batch import batch
from tasks.census_work import warm
from tasks.io.run_lock import one_run_at_a_time
from tasks.publish import conserve
from tasks.purge import refuse_purged
from tasks.read import read
from tasks.readiness import readiness
from tasks.receive import receive
from tasks.release import release
from tasks.select import cross_check, select
from tasks.validate import validate
from tasks.workers import processes_for, workers


@flow(name="census", flow_run_name="census {cycle}", persist_result=False, validate_parameters=True)
@bounded
def census(
    cycle: str,
    la: list[str] | None = None,
    school: list[str] | None = None,
    as_of: str | None = None,
    data: str | None = None,
) -> Counts:
    """Take a cycle's returns in and send what is due to the LRS.

    Args:
        cycle: the cycle's id, such as 2012-01.
        la: only these authorities.
        school: only these schools are batched; their authorities' other returns are taken in and wait.
        as_of: the time the run counts as, ISO; the scheduled time where None.
        data: the data root; ULN_DATA or data/local where None.

    Returns:
        Counts over all authorities, by `stage.count`; `faults` is 0 where everything could be done.

    Raises:
        ConfigurationFault: the cycle is not known, or is over: its pupils were purged.
    """
    cycle_by_id(cycle)
    las = chosen_authorities(la, school)
    root, at = root_of(data), scheduled_time(as_of)
    tour = Tour(las, flow="census", data=root, cycle=cycle, steps=9)
    with one_run_at_a_time(root), workers(processes_for(root), warm=warm):
        refuse_purged(root, cycle)  # with the root held: the run that it waited for may have been a purge
        for stage in (receive, read, select):
            tour.stage(stage, as_of=at)
        tour.step("cross-check")
        cross_check(data=root, cycle=cycle)
        tour.stage(validate, as_of=at)
        tour.stage(batch, as_of=at, schools=school)
        tour.stage(release, as_of=at)
        tour.stage(readiness, as_of=at)
        # A run with faults has not seen everything: the next one, or the returns run, checks what it left.
        conserved = not tour.total()["faults"]
        if conserved:
            tour.step("conserve")
            try:
                conserve(data=root, cycle=cycle)
            except ServiceFault as fault:
                tour.publish_artifacts(at, conserved=False, unbalanced=str(fault))
                raise
        tour.publish_artifacts(at, conserved=conserved)
    return tour.total()
