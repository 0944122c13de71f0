"""The returns flow: what the LRS answered, merged and given back to the schools (collect, merge, publish).

Where batches went by the LRS web service, their answers are asked for before (ask).

Safe when nothing is there: then nothing is written.
"""

import logging

from prefect import flow

from flows.run.events import emit_waiting
from flows.run.flow_run import Counts, FlowRun, best_effort, bounded, chosen_authorities, publish_pages, root_of
from flows.run.forms import MaybeFolder, MaybeMoment
from flows.run.progress import step
from flows.run.schedule import scheduled_time
from schemas.texts.faults import ServiceFault
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.ledger.snapshots import published
from tasks.ledger.standing import cycles_with_returns, purged_cycles
from tasks.reports.batches import batches_waiting
from tasks.runtime.context import moment
from tasks.runtime.executor import Workers, workers_for
from tasks.runtime.run_log import log_batches
from tasks.stages.collect import collect
from tasks.stages.conserve import conserve
from tasks.stages.merge import merge
from tasks.stages.poll_lrs import ask, has_jobs
from tasks.stages.publish import publish
from tasks.stages.snapshot import snapshot
from tasks.stages.transfer import deliver, fetch, is_elsewhere

#: As a census's (`flows.census`); it runs every half hour, and the next ones wait for it.
LONGEST_SECONDS = 2 * 3600


@flow(
    name="lrs-returns",
    flow_run_name="lrs-returns",
    timeout_seconds=LONGEST_SECONDS,
    persist_result=False,
    validate_parameters=True,
)
@bounded
def lrs_returns(as_of: MaybeMoment = None, data: MaybeFolder = None) -> Counts:
    """Cyfuno atebion yr LRS a chyhoeddi'r hyn a newidiodd / Merge what the LRS answered and publish what that changed.

    Args:
        as_of: Amser y rhediad, ISO; yr amser a drefnwyd os yn wag / The time the run counts as, ISO; the scheduled
            time if empty.
        data: Gwreiddyn y data / The data root; ULN_DATA or data/local if empty.

    Returns:
        Counts by `stage.count`; `faults` is 0 where everything could be done.

    Raises:
        ServiceFault: a cycle does not balance, the others were published; or of no cycle that was due could any authority
            be published.
    """
    root, at = root_of(data), scheduled_time(as_of)
    total: Counts = {"faults": 0}
    unbalanced: list[str] = []
    tours: list[FlowRun] = []
    with one_run_at_a_time(root), workers_for(root) as workers:
        purged = purged_cycles(root)  # with the root held: the run that it waited for may have been a purge
        if is_elsewhere(root, "lrs_inbox"):
            total |= best_effort(fetch, "returns", data=root, name="lrs_inbox")
        if has_jobs(root):
            total |= best_effort(ask, "returns", data=root)
        step("collect", "LRS", 1)
        total |= {f"collect.{name}": n for name, n in collect(data=root, as_of=at).items()}
        total["faults"] += sum(total.get(f"{stage}.faults", 0) for stage in ("fetch", "ask", "collect"))
        step("merge", "LRS", 1)
        total |= {f"merge.{name}": n for name, n in merge(data=root).items()}
        for cycle in cycles_with_returns(root):
            if cycle in purged:
                continue
            if published(root, cycle):
                # Days go by, and a run may have died after its snapshot.
                publish_pages("lrs-returns", root, cycle, at, conserved=True)
                continue
            tour = FlowRun(chosen_authorities(None, None), flow="lrs-returns", data=root, cycle=cycle, steps=3)
            try:
                tour.check(conserve, at)
            except ServiceFault as fault:
                unbalanced.append(str(fault))
                continue
            tours.append(tour)
            _publish(tour, root, cycle, at, workers)
            for name, n in tour.total().items():
                total[name] = total.get(name, 0) + n
        waiting = batches_waiting(root, moment(at).date())
        emit_waiting(waiting)
        log_batches("wait", waiting, logging.WARNING)
        if is_elsewhere(root, "dewi_outbox"):
            total |= best_effort(deliver, "returns", data=root)
            total["faults"] += total.get("deliver.faults", 0)
    if unbalanced:
        raise ServiceFault("; ".join(unbalanced))
    # Of several cycles one alone that could be published is something done.
    if all(tour.is_nothing_done() for tour in tours):
        for tour in tours:
            tour.refuse_nothing_done()
    return total


def _publish(tour: FlowRun, root: str, cycle: str, at: str, workers: Workers) -> None:
    tour.stage(publish, as_of=at, workers=workers)
    # A school whose file could not be made is tried again by the next run: no snapshot says that all is done.
    if not tour.total()["faults"]:
        tour.step("snapshot")
        snapshot(data=root, cycle=cycle)
    tour.publish_artifacts(at, conserved=True)
