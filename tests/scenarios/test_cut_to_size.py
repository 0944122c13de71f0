"""However a cycle is cut into chunks, and wherever these are worked on, it gives the same files and the same lake."""

from pathlib import Path

import pandas as pd
import pytest

from tasks.io.lake.lake import Lake
from tasks.runtime.executor import workers_for
from tasks.stages.batch import batch
from tasks.stages.read import read
from tasks.stages.receive import receive
from tasks.stages.select import select
from tasks.stages.validate import validate
from tests.support.two_authorities import CYCLE, LAS, SENT, equal, make, play
from tests.support.without_engine import run_stage

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    make(root)
    return play(root)


@pytest.mark.parametrize(
    "cut",
    [
        {
            "tasks.runtime.chunks.CHUNK_RECORDS": 200,
            "tasks.runtime.chunks.WHOLE_RECORDS": 200,
            "tasks.stages.merge._ANSWERS_TOGETHER": 40,
            "tasks.stages.collect._BYTES_TOGETHER": 5000,
        },
        {"tasks.runtime.chunks.CHUNK_RECORDS": 25},
        {
            "tasks.stages.batch._WRITTEN_AT_ONCE": 10,
            "tasks.io.lake.scan._PIECE": 25,
            "tasks.core.possible_match._AT_ONCE": 1,
            "tasks.runtime.chunks.CHUNK_RECORDS": 100,
        },
    ],
    ids=["into-authorities", "into-schools", "into-pieces"],
)
def test_the_same_whatever_the_cut(whole, tmp_path, monkeypatch, cut):
    make(tmp_path)
    for name, value in cut.items():
        monkeypatch.setattr(name, value)
    equal(play(tmp_path), whole)


def test_the_same_with_workers(whole, tmp_path):
    make(tmp_path)
    with workers_for(str(tmp_path), 2) as workers:
        equal(play(tmp_path, workers=workers), whole)


def test_a_upn_that_is_due_in_two_parts_of_a_chunk_is_in_one_batch(tmp_path, monkeypatch):
    make(tmp_path)
    for stage in (receive, read, select):
        run_stage(stage, tmp_path, CYCLE, SENT, LAS)
    lake = Lake(Path(tmp_path) / "lake")
    # Otherwise the rules would hold both records.
    lake.replace("shared_upns", lake.read("shared_upns").head(0), cycle=CYCLE)
    run_stage(validate, tmp_path, CYCLE, SENT, LAS)
    pupils = lake.read("pupils", ["upn", "row_ref", "school_number"])
    chosen = lake.read("dispositions", ["row_ref"], disposition="chosen")["row_ref"]
    shared = pupils[pupils["row_ref"].isin(chosen)].drop_duplicates(["upn", "school_number"])
    shared = set(shared.loc[shared["upn"].duplicated(), "upn"])
    assert shared, "synthetic Wales plants a UPN in two schools"
    monkeypatch.setattr("tasks.runtime.chunks.CHUNK_RECORDS", 25)
    run_stage(batch, tmp_path, CYCLE, SENT, LAS)
    sent = lake.read("batch_rows", ["upn"])["upn"]
    assert not sent.duplicated().any() and shared & set(sent)


def test_a_run_that_ends_between_two_pieces_of_the_batches_rows_goes_on_as_if_it_had_not(whole, tmp_path, monkeypatch):
    make(tmp_path)
    for stage in (receive, read, select):
        run_stage(stage, tmp_path, CYCLE, SENT, LAS)
    run_stage(validate, tmp_path, CYCLE, SENT, LAS)
    monkeypatch.setattr("tasks.runtime.chunks.CHUNK_RECORDS", 100)
    append, pieces = Lake.append, list[str]()

    def ends(lake, name, rows, transactions=()):
        if name == "batch_rows":
            pieces.append(name)
            if len(pieces) % 2 == 0:
                raise OSError("ended")
        return append(lake, name, rows, transactions)

    with monkeypatch.context() as until_then:
        until_then.setattr("tasks.stages.batch._WRITTEN_AT_ONCE", 10)
        until_then.setattr(Lake, "append", ends)
        assert batch.fn(data=str(tmp_path), cycle=CYCLE, las=LAS, as_of=SENT).faults
    lake = Lake(tmp_path / "lake")
    begun = len(lake.read("batch_rows"))
    assert 0 < begun < len(whole[1]["batch_rows"]) and lake.read("batches").empty
    run_stage(batch, tmp_path, CYCLE, SENT, LAS)
    for name in ("batch_rows", "batches"):
        found, there = (
            one.drop(columns=[c for c in ("state", "sent_at") if c in one]) for one in (lake.read(name), whole[1][name])
        )
        pd.testing.assert_frame_equal(found, there, obj=name)
