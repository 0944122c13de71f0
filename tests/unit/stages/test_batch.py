"""The stage: a learner with records in two parts of the country goes out once, with one of them."""

import pytest

from tasks.io.lake.lake import Lake
from tasks.stages.batch import batch
from tasks.stages.select import select
from tests.support.learners.in_schools import A, B, upn
from tests.support.small_census import CYCLE, LAS, MONDAY, C, hand_in, three_schools
from tests.support.without_engine import run_stage

#: Two people with one UPN. The rules would hold both records; here no rule is tried, so both are due.
SHARED = {"upn": upn(1), "forename": "Angharad"}, {"upn": upn(1), "forename": "Bleddyn"}


@pytest.mark.parametrize(
    ("other", "cut"),
    [(B, "CHUNK_RECORDS"), (C, "CHUNK_RECORDS"), (C, "WHOLE_RECORDS")],
    ids=["parts-of-an-authority", "parts-of-a-chunk", "chunks"],
)
def test_a_learner_who_is_due_in_two_parts_is_in_one_batch(tmp_path, monkeypatch, other, cut):
    lake = three_schools(tmp_path)
    hand_in(lake, A, SHARED[0], {"upn": upn(2)})
    hand_in(lake, other, SHARED[1], {"upn": upn(3)})
    run_stage(select, tmp_path, CYCLE, MONDAY, LAS)
    assert len(lake.read("dispositions", disposition="chosen")) == 4
    # Each part then has the records of one school.
    monkeypatch.setattr(f"tasks.runtime.chunks.{cut}", 2)
    counts = run_stage(batch, tmp_path, CYCLE, MONDAY, LAS)
    rows = Lake(tmp_path / "lake").read("batch_rows", ["school_number", "upn"])
    wanted = [(A, upn(1)), (A, upn(2)), (other, upn(3))]
    assert sorted(zip(rows["school_number"], rows["upn"], strict=True)) == sorted(wanted)
    assert (counts["batches"], counts["learners"]) == (2, 3)
