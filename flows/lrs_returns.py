"""The returns flow: collects the LRS's answers, merges them and publishes them to the schools (collect, merge, publish).

For batches sent by the LRS web service it first asks for their answers (ask). If nothing has changed since a cycle was
published, only its pages are written again, because they show ages in days.
"""

import logging

from flows.run.events import emit_waiting
from flows.run.flow_run import Counts, FlowRun, best_effort, chosen_authorities, publish_pages, root_of, service_flow
from flows.run.forms import MaybeFolder, MaybeMoment
from flows.run.progress import begin_step
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

#: A run that takes longer is stuck (see `flows.census`). The flow runs every half hour, and later runs wait for a stuck one.
LONGEST_SECONDS = 2 * 3600


@service_flow("lrs-returns", longest=LONGEST_SECONDS)
def lrs_returns(as_of: MaybeMoment = None, data: MaybeFolder = None) -> Counts:
    """Cyfuno atebion yr LRS a chyhoeddi'r hyn a newidiodd / Merge the LRS's answers and publish what changed.

    Args:
        as_of: Amser y rhediad, ISO; yr amser a drefnwyd os yn wag / The run's time, ISO; the scheduled time if empty.
        data: Gwreiddyn y data / The data root; ULN_DATA or data/local if empty.

    Returns:
        Counts by `stage.count`; `faults` is 0 if nothing failed.

    Raises:
        ServiceFault: a cycle does not balance (the others were published), or no authority of any cycle that was due could
            be published.
    """
    root, at = root_of(data), scheduled_time(as_of)
    total: Counts = {"faults": 0}
    unbalanced: list[str] = []
    runs: list[FlowRun] = []
    with one_run_at_a_time(root), workers_for(root) as workers:
        purged = purged_cycles(root)  # inside the run lock: the run that held it before may have been a purge
        if is_elsewhere(root, "lrs_inbox"):
            total |= best_effort(fetch, "returns", data=root, name="lrs_inbox")
        if has_jobs(root):
            total |= best_effort(ask, "returns", data=root)
        begin_step("collect", "LRS")
        total |= {f"collect.{name}": n for name, n in collect(data=root, as_of=at).items()}
        begin_step("merge", "LRS")
        total |= {f"merge.{name}": n for name, n in merge(data=root).items()}
        for cycle in cycles_with_returns(root):
            if cycle in purged:
                continue
            if published(root, cycle):
                # The pages show ages in days, and an earlier run may have died after its snapshot.
                publish_pages("lrs-returns", root, cycle, at, conserved=True)
                continue
            run = FlowRun(chosen_authorities(None, None), flow="lrs-returns", data=root, cycle=cycle, steps=3)
            try:
                run.check(conserve, at)
            except ServiceFault as fault:
                unbalanced.append(str(fault))
                continue
            runs.append(run)
            _publish(run, root, cycle, at, workers)
            for name, n in run.total().items():
                total[name] = total.get(name, 0) + n
        waiting = batches_waiting(root, moment(at).date())
        emit_waiting(waiting)
        log_batches("wait", waiting, logging.WARNING)
        if is_elsewhere(root, "dewi_outbox"):
            total |= best_effort(deliver, "returns", data=root)
        total["faults"] += sum(total.get(f"{stage}.faults", 0) for stage in ("fetch", "ask", "collect", "deliver"))
    if unbalanced:
        raise ServiceFault("; ".join(unbalanced))
    # If only some cycles could be published, the run has still done something.
    if runs and all(run.is_nothing_done() for run in runs):
        runs[0].refuse_nothing_done()
    return total


def _publish(run: FlowRun, root: str, cycle: str, at: str, workers: Workers) -> None:
    run.stage(publish, as_of=at, workers=workers)
    # Without a snapshot the cycle is not finished, so the next run tries again a school whose file could not be made.
    if not run.total()["faults"]:
        run.progress.step("snapshot")
        snapshot(data=root, cycle=cycle)
    run.publish_artifacts(at, conserved=True)
