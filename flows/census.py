"""The census flow: a cycle's returns from the DEWi inbox to the LRS outbox (receive .. release).

It can be run again at any time, because the lake, not the engine, remembers which files were received and read, and which
batches were sent. A deployment names a kind of cycle; the run's scheduled time decides which cycle of that kind it handles.
"""

from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed

from flows.run.flow_run import Counts, FlowRun, chosen_authorities, root_of, service_flow
from flows.run.forms import MaybeCycleId, MaybeFolder, MaybeKind, MaybeLas, MaybeMoment, MaybeSchools
from flows.run.schedule import due_cycle, scheduled_time
from schemas.texts.catalogue import bilingual
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.ledger.standing import refuse_purged
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

#: All Wales takes minutes; waiting for another run adds up to half an hour. A run that takes longer than this is stuck.
LONGEST_SECONDS = 4 * 3600


def _run_name() -> str:
    """Return the run's name on the dashboard: its cycle, or the kind where no cycle is due."""
    cycle, kind, as_of = (flow_run.parameters.get(name) for name in ("cycle", "kind", "as_of"))
    if cycle is None and kind is not None:
        cycle = due_cycle(None, kind, scheduled_time(as_of))
    return f"census {cycle or kind or ''}".rstrip()


@service_flow("census", longest=LONGEST_SECONDS, run_name=_run_name)
def census(
    cycle: MaybeCycleId = None,
    kind: MaybeKind = None,
    la: MaybeLas = None,
    school: MaybeSchools = None,
    as_of: MaybeMoment = None,
    data: MaybeFolder = None,
    check_only: bool = False,
) -> Counts | State[Counts]:
    """Derbyn ffurflenni ac anfon yr hyn sy'n ddyledus i'r LRS / Receive returns and send what is due to the LRS.

    Args:
        cycle: Y cylch; os yn wag, ceir ef o'r math / The cycle; if empty it follows from the kind.
        kind: Math y cylch: y cylch a oedd ar agor ar amser y rhediad; heb un, NothingDue / The kind of cycle: the run takes
            the cycle of this kind that is open at the run's time; if there is none, the run ends as NothingDue.
        la: Dim ond yr awdurdodau hyn / Only these authorities.
        school: Dim ond dysgwyr yr ysgolion hyn a gaiff eu hanfon; derbynnir ffurflenni eraill eu hawdurdodau hefyd / Only
            these schools' learners are sent; their authorities' other returns are received and wait.
        as_of: Amser y rhediad, ISO; yr amser a drefnwyd os yn wag / The run's time, ISO; the scheduled time if empty.
        data: Gwreiddyn y data / The data root; ULN_DATA or data/local if empty.
        check_only: Dim ond gofyn i wasanaeth gwe'r LRS beth fyddai'n ei ateb; ni anfonir dim / Only ask the LRS web service
            what it would answer; nothing is sent.

    Returns:
        Counts over all authorities, by `stage.count`; `faults` is 0 if nothing failed. If no cycle is due, the state
        NothingDue, and nothing was written.

    Raises:
        ConfigurationFault: neither cycle nor kind is given, the cycle is of another kind, or its pupils were purged.
        ServiceFault: the cycle does not balance, or every authority failed.
    """
    at = scheduled_time(as_of)
    due = due_cycle(cycle, kind, at)
    if due is None:
        # A state with its own name, so that the list of runs shows it.
        message = bilingual("terminal.nothing_due", kind=kind, day=at[:10])
        return Completed(name="NothingDue", message=message, data={"faults": 0})
    las, root = chosen_authorities(la, school), root_of(data)
    run = FlowRun(las, flow="census", data=root, cycle=due, steps=8)
    with one_run_at_a_time(root):
        refuse_purged(root, due)  # inside the run lock: the run that held it before may have been a purge
        _stages(run, root, at, school, check_only=check_only)
        # A run with faults has not seen everything: the next census or returns run makes the check.
        conserved = run.is_all_done()
        if conserved:
            run.check(conserve, at)
        run.publish_artifacts(at, conserved=conserved)
        run.refuse_nothing_done()
    return run.total()


def _stages(run: FlowRun, root: str, at: str, schools: list[str] | None, *, check_only: bool) -> None:
    if is_elsewhere(root, "dewi_inbox"):
        run.best_effort(fetch, data=root, name="dewi_inbox")
    for stage in (receive, read, select, validate):
        run.stage(stage, as_of=at)
    if check_only:
        run.stage(lrs_check, as_of=at, schools=schools)
    else:
        run.stage(batch, as_of=at, schools=schools)
        run.stage(release, as_of=at)
    run.stage(readiness, as_of=at)
    if verifies(root):
        # Last, so that a failure here keeps back none of the authority's batches.
        run.stage(verify, as_of=at)
