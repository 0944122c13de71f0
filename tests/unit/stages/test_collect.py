"""The stage: a file's answers are added once, whatever became of the run that took them in."""

import pandas as pd
import pytest

from tasks.io.lake.lake import Lake
from tasks.stages.collect import collect
from tests.support.learners.in_schools import B, lrs_answers, uln, upn
from tests.support.small_census import TUESDAY, WEDNESDAY, Killed, die_at


def collected(root, at):
    """The counts of the stage that are not zero."""
    return {name: n for name, n in collect.fn(data=str(root), as_of=at).items() if n}


@pytest.fixture
def answered(handed_over):
    """The LRS has answered for three of the four learners."""
    lrs_answers(handed_over, "first.csv", {upn(1): uln(1), upn(2): "RC007", upn(3, school=B): uln(3)})
    return handed_over


def test_a_file_whose_answers_a_dead_run_had_added_is_recorded_and_its_answers_are_not_added_again(
    answered, monkeypatch
):
    lake = Lake(answered / "lake")

    with monkeypatch.context() as patch, pytest.raises(Killed):
        die_at(patch, "received")
        collected(answered, TUESDAY)
    answers, version = lake.read("lrs_returns"), lake.version("lrs_returns")
    assert len(answers) == 3 and lake.read("received", kind="lrs_result").empty
    assert collected(answered, WEDNESDAY) == {"files": 1}
    assert list(lake.read("received", ["status"], kind="lrs_result")["status"]) == ["accepted"]
    pd.testing.assert_frame_equal(lake.read("lrs_returns"), answers)
    assert lake.version("lrs_returns") == version and collected(answered, WEDNESDAY) == {}


def test_beside_a_file_whose_answers_were_added_a_new_file_s_answers_are(answered):
    lake = Lake(answered / "lake")
    collected(answered, TUESDAY)
    lake.replace("received", lake.read("received").head(0), kind="lrs_result")  # as if the run had died before it
    lrs_answers(answered, "second.csv", {upn(2): uln(2)})
    assert collected(answered, WEDNESDAY) == {"files": 2, "rows": 1}
    answers = lake.read("lrs_returns", ["upn", "received_at"])
    assert sorted(answers["received_at"]) == [TUESDAY] * 3 + [WEDNESDAY]
    assert list(answers["upn"]).count(upn(2)) == 2


def test_a_commit_of_answers_names_each_of_its_files(answered):
    lrs_answers(answered, "second.csv", {upn(2): uln(2)})
    assert collected(answered, TUESDAY) == {"files": 2, "rows": 4}
    lake = Lake(answered / "lake")
    ids = {f"collect/{sha256}" for sha256 in lake.read("received", ["sha256"], kind="lrs_result")["sha256"]}
    assert len(ids) == 2 and lake.committed("lrs_returns", ids) == ids
