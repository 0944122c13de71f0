"""The census flow: a cycle's returns from the DEWi inbox to the LRS outbox (receive .. release).

Safe to run again at any time: what was received, read and sent is remembered by the lake, not by the engine. A deployment
names a kind of cycle; which cycle of it a run is for follows from when the run was scheduled.
"""

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run

from flows.run.flow_run import Counts, FlowRun, bounded, chosen_authorities, nothing_due, root_of
from flows.run.forms import MaybeCycleId, MaybeFolder, MaybeKind, MaybeLas, MaybeMoment, MaybeSchools
from flows.run.schedule import due_cycle, scheduled_time
from schemas.texts.catalogue import bilingual
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.ledger.purged import refuse_purged
from tasks.stages.batch import batch
from tasks.stages.conserve import conserve
from tasks.stages.lrs_check import lrs_check
from tasks.stages.read import read
from tasks.stages.readiness import readiness
from tasks.stages.receive import receive
from tasks.stages.release import release
from tasks.stages.select import select
from tasks.stages.transfer import fetch, is_elsewhere
from tasks.stages.validate import validate
from tasks.stages.verify import verifies, verify

#: All Wales takes minutes, and a run that waits for another half an hour; one that takes so long is stuck.
LONGEST_SECONDS = 4 * 3600


def _run_name() -> str:
    """What the dashboard calls a run: the cycle that it is for; its kind where none is due."""
    cycle, kind, as_of = (flow_run.parameters.get(name) for name in ("cycle", "kind", "as_of"))
    if cycle is None and kind is not None:
        cycle = due_cycle(None, kind, scheduled_time(as_of))
    return f"census {cycle or kind or ''}".rstrip()


@flow(
    name="census",
    flow_run_name=_run_name,
    timeout_seconds=LONGEST_SECONDS,
    persist_result=False,
    validate_parameters=True,
)
@bounded
def census(
    cycle: MaybeCycleId = None,
    kind: MaybeKind = None,
    la: MaybeLas = None,
    school: MaybeSchools = None,
    as_of: MaybeMoment = None,
    data: MaybeFolder = None,
    check_only: bool = False,
) -> Counts | State[Counts]:
    """Derbyn ffurflenni ac anfon yr hyn sy'n ddyledus i'r LRS / Take the returns in and send what is due to the LRS.

    Args:
        cycle: Y cylch; os yn wag, ceir ef o'r math / The cycle; if empty it follows from the kind.
        kind: Math y cylch: ei gylch agored adeg trefnu'r rhediad; heb un, NothingDue / The kind of cycle: the one of it that
            is open when the run was scheduled; where none is, the run ends as NothingDue.
        la: Dim ond yr awdurdodau hyn / Only these authorities.
        school: Dim ond dysgwyr yr ysgolion hyn a gaiff eu hanfon; derbynnir ffurflenni eraill eu hawdurdodau hefyd / Only
            these schools are batched; their authorities' other returns are taken in and wait.
        as_of: Amser y rhediad, ISO; yr amser a drefnwyd os yn wag / The time the run counts as, ISO; the scheduled
            time if empty.
        data: Gwreiddyn y data / The data root; ULN_DATA or data/local if empty.
        check_only: Dim ond gofyn i wasanaeth gwe'r LRS beth fyddai'n ei ateb; ni anfonir dim / Only ask the LRS web service
            what it would answer; nothing is sent.

    Returns:
        Counts over all authorities, by `stage.count`; `faults` is 0 where everything could be done. Where nothing is due the
        state NothingDue, and nothing was written.

    Raises:
        ConfigurationFault: neither cycle nor kind is given, the cycle is of another kind, or is over: its pupils were purged.
        ServiceFault: the cycle does not balance, or no authority could be done.
    """
    at = scheduled_time(as_of)
    due = due_cycle(cycle, kind, at)
    if due is None:
        return nothing_due(bilingual("terminal.nothing_due", kind=kind, day=at[:10]))
    las, root = chosen_authorities(la, school), root_of(data)
    tour = FlowRun(las, flow="census", data=root, cycle=due, steps=8)
    with one_run_at_a_time(root):
        refuse_purged(root, due)  # with the root held: the run that it waited for may have been a purge
        _stages(tour, root, at, school, check_only=check_only)
        # A run with faults has not seen everything: the next one, or the returns run, checks what it left.
        conserved = tour.is_all_done()
        if conserved:
            tour.check(conserve, at)
        tour.publish_artifacts(at, conserved=conserved)
        tour.refuse_nothing_done()
    return tour.total()


def _stages(tour: FlowRun, root: str, at: str, schools: list[str] | None, *, check_only: bool) -> None:
    if is_elsewhere(root, "dewi_inbox"):
        tour.apart(fetch, data=root, name="dewi_inbox")
    for stage in (receive, read, select, validate):
        tour.stage(stage, as_of=at)
    if check_only:
        tour.stage(lrs_check, as_of=at, schools=schools)
    else:
        tour.stage(batch, as_of=at, schools=schools)
        tour.stage(release, as_of=at)
    tour.stage(readiness, as_of=at)
    if verifies(root):
        # Last: what stops an authority here keeps none of its batches back.
        tour.stage(verify, as_of=at)
