"""A cycle of two authorities, played to its end: what must come out the same however its work is cut, spread or carried."""

import pandas as pd

from schemas.cycles import cycle_by_id
from schemas.lrs.profiles import all_profiles
from schemas.tables import TABLES
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.reference import schools
from tasks.io.lake.lake import Lake
from tasks.rehearsal.lrs_stand_in import answer_outbox
from tasks.rehearsal.synthetic_returns import write_wales
from tasks.rehearsal.synthetic_wales import plan_wales
from tasks.runtime.executor import IN_PLACE
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
from tests.support.diary import contents
from tests.support.without_engine import run_stage

CYCLE, LAS = "2012-01", ["660", "661"]
SENT, BACK = "2012-01-29T09:15:00", "2012-02-12T09:15:00"


def make(root):
    """Four schools of two authorities hand in."""
    DataRoot(root).create()
    register = schools()
    taking = register[register["school_number"].isin(["6604025", "6604026", "6614002", "6614003"])]
    cycle = cycle_by_id(CYCLE)
    write_wales(plan_wales(taking.reset_index(drop=True), cycle, seed=3, pupils_per_school=80), root, cycle)


def lrs(root):
    """The LRS answers what lies in the outbox."""
    answer_outbox(root, profiles=all_profiles(), seed=3)


def until_published(root, lrs=lrs, las=LAS):
    """A cycle of some authorities until its files for schools are due."""
    for stage in (receive, read, select):
        run_stage(stage, root, CYCLE, SENT, las)
    for stage in (validate, batch, release):
        run_stage(stage, root, CYCLE, SENT, las)
    conserve.fn(data=str(root), cycle=CYCLE)
    lrs(root)
    collect.fn(data=str(root), as_of=BACK)
    merge.fn(data=str(root))
    conserve.fn(data=str(root), cycle=CYCLE)


def play(root, lrs=lrs, workers=IN_PLACE):
    """A cycle of two authorities from inbox to snapshots; everything it left, but for the Delta versions."""
    until_published(root, lrs)
    run_stage(publish, root, CYCLE, BACK, LAS, workers=workers)
    snapshot.fn(data=str(root), cycle=CYCLE)
    files = {name: content for name, content in contents(root).items() if not name.endswith("manifest.json")}
    lake = Lake(root / "lake")
    return files, {name: lake.read(name) for name in TABLES}


def equal(found, whole):
    """The same files and the same tables as `whole`, which `play` gave for another root."""
    assert found[0].keys() == whole[0].keys() and len(found[0]) >= 8
    assert [name for name, content in found[0].items() if content != whole[0][name]] == []
    for name, rows in found[1].items():
        pd.testing.assert_frame_equal(rows, whole[1][name], obj=name)
