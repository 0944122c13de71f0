"""The stage: a file that is merged is not merged again, whatever it changed."""

import pytest

from tasks.io.lake.lake import Lake
from tasks.stages.collect import collect
from tasks.stages.merge import merge
from tests.support.learners.in_schools import B, lrs_answers, uln, upn
from tests.support.small_census import TUESDAY, Killed, die_at

NOTHING = {"files": 0, "learners": 0, "ulns": 0, "exceptions": 0, "conflicts": 0}
FIRST = {upn(1): uln(1), upn(2): "RC007"}


def answers(root, name, said):
    """A file of the LRS comes and is collected."""
    lrs_answers(root, name, said)
    assert collect.fn(data=str(root), as_of=TUESDAY)["files"] == 1


def merged(root):
    return merge.fn(data=str(root))


def versions(root):
    """The versions of the tables that merging writes."""
    return [Lake(root / "lake").version(name) for name in ("learners", "exceptions")]


def test_a_file_is_merged_once_and_a_later_one_alone(handed_over):
    answers(handed_over, "first.csv", FIRST)
    assert merged(handed_over) == NOTHING | {"files": 1, "learners": 2, "ulns": 1, "exceptions": 1}
    before = versions(handed_over)
    assert merged(handed_over) == NOTHING and versions(handed_over) == before
    answers(handed_over, "second.csv", {upn(3, school=B): uln(3)})
    assert merged(handed_over) == NOTHING | {"files": 1, "learners": 1, "ulns": 1}, "the first file is not merged again"
    assert merged(handed_over) == NOTHING


def test_a_file_that_changes_nothing_is_merged_once_too(handed_over):
    answers(handed_over, "first.csv", {upn(1): uln(1)})
    merged(handed_over)
    answers(handed_over, "again.csv", {upn(1): uln(1) + " "})
    assert merged(handed_over) == NOTHING | {"files": 1, "learners": 1, "ulns": 1}
    before = versions(handed_over)
    assert merged(handed_over) == NOTHING and versions(handed_over) == before


def test_a_run_that_dies_between_the_exceptions_and_the_register_is_made_up_for(handed_over, monkeypatch):
    lake = Lake(handed_over / "lake")
    answers(handed_over, "first.csv", FIRST)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        die_at(patch, "learners")
        merged(handed_over)
    assert lake.read("learners").empty and len(lake.read("exceptions")) == 1
    assert merged(handed_over)["files"] == 1
    assert len(lake.read("learners")) == 2 and len(lake.read("exceptions")) == 1
