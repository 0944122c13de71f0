"""What a diary does day by day, without the engine: schools hand in, a census runs, the LRS answers, the returns run."""

from schemas.cycles import cycle_by_id
from schemas.lrs.profiles import all_profiles
from tasks.io.data_root.reference import schools
from tasks.rehearsal.lrs_stand_in import answer_outbox
from tasks.rehearsal.synthetic_returns import write_wales
from tasks.rehearsal.synthetic_wales import plan_wales
from tasks.stages.batch import batch
from tasks.stages.collect import collect
from tasks.stages.conserve import conserve
from tasks.stages.merge import merge
from tasks.stages.publish import publish
from tasks.stages.read import read
from tasks.stages.receive import receive
from tasks.stages.release import release
from tasks.stages.select import select
from tasks.stages.snapshot import snapshot
from tasks.stages.validate import validate
from tests.support.without_engine import run_stage

#: The cycle of the diaries, and days of its first week.
CYCLE = "2012-01"
MONDAY, TUESDAY, WEDNESDAY = "2012-01-30T02:30", "2012-01-31T02:30", "2012-02-01T02:30"
NAMES = ["6604025", "6604026", "6604027", "6604028"]


def make(root, cycle_id):
    """Four schools hand in the returns of a cycle, planted cases among them."""
    register = schools()
    taking = register[register["school_number"].isin(NAMES)].reset_index(drop=True)
    cycle = cycle_by_id(cycle_id)
    write_wales(plan_wales(taking, cycle, seed=7, pupils_per_school=150), root, cycle)


def census(root, cycle, at):
    """A census run of authority 660; the counts of its stages."""
    total = {}
    for stage in (receive, read, select):
        total |= {f"{stage.name}.{k}": n for k, n in run_stage(stage, root, cycle, at).items()}
    for stage in (validate, batch, release):
        total |= {f"{stage.name}.{k}": n for k, n in run_stage(stage, root, cycle, at).items()}
    return total


def returns(root, cycle, at):
    """A returns run that publishes a cycle; its counts."""
    total = collect.fn(data=str(root), as_of=at) | {f"merge.{k}": n for k, n in merge.fn(data=str(root)).items()}
    conserve.fn(data=str(root), cycle=cycle)
    total |= {f"publish.{k}": n for k, n in run_stage(publish, root, cycle, at).items()}
    snapshot.fn(data=str(root), cycle=cycle)
    return total


def contents(root):
    """What others are handed and the snapshots: path -> bytes."""
    places = ("lrs/outbox", "dewi/outbox", "snapshots")
    return {
        p.relative_to(root).as_posix(): p.read_bytes()
        for d in places
        for p in sorted((root / d).rglob("*"))
        if p.is_file()
    }


def outbox(root):
    """The batch files that wait for the LRS: name -> bytes."""
    return {p.name: p.read_bytes() for p in (root / "lrs" / "outbox").iterdir()}


def answered_by_lrs(root, files):
    """The LRS answers these files, which it was handed whatever the ledger thinks."""
    before = outbox(root)
    for name in before:
        (root / "lrs" / "outbox" / name).unlink()
    for name, content in files.items():
        (root / "lrs" / "outbox" / name).write_bytes(content)
    answer_outbox(root, profiles=all_profiles(), seed=7)
    for name in files:
        (root / "lrs" / "outbox" / name).unlink()
    for name, content in before.items():
        (root / "lrs" / "outbox" / name).write_bytes(content)
