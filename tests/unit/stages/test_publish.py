"""The stage: a file that may have been fetched from the outbox keeps its bytes for good."""

import hashlib
import shutil
from pathlib import Path

import pytest

from tasks.io.lake.lake import Lake
from tasks.runtime.context import RunContext
from tasks.stages.collect import collect
from tasks.stages.merge import merge
from tasks.stages.publish import publish
from tasks.steps.publish import path_of
from tests.support.learners.in_schools import A, lrs_answers, uln, upn
from tests.support.small_census import CYCLE, TUESDAY, WEDNESDAY, Killed
from tests.support.without_engine import run_stage


@pytest.fixture(scope="module")
def merged_root(handed_over_root, tmp_path_factory):
    """A learner of school A has a ULN, and nothing is published."""
    root = Path(shutil.copytree(handed_over_root, tmp_path_factory.mktemp("merged") / "root"))
    lrs_answers(root, "first.csv", {upn(1): uln(1)})
    collect.fn(data=str(root), as_of=TUESDAY)
    merge.fn(data=str(root))
    return root


@pytest.fixture(scope="module")
def died_root(merged_root, tmp_path_factory):
    """A run died when its files were in the outbox, and before the lake knew of them."""
    root = Path(shutil.copytree(merged_root, tmp_path_factory.mktemp("died") / "root"))
    append = Lake.append

    def dies_at_the_deliveries(self, name, *arguments, **more):
        if name == "deliveries":
            raise Killed
        return append(self, name, *arguments, **more)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Lake, "append", dies_at_the_deliveries)
        run_stage(publish, root, CYCLE, TUESDAY)
    return root


@pytest.fixture
def died(died_root, tmp_path):
    return Path(shutil.copytree(died_root, tmp_path / "root"))


def in_outbox(root):
    """The files for schools and authorities: path in the data root -> bytes."""
    paths = (path for path in (root / "dewi" / "outbox").rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def delivered(root):
    """The deliveries in the lake: path -> (sha256, number)."""
    rows = Lake(root / "lake").read("deliveries", ["path", "sha256", "number"])
    return {path: (sha256, number) for path, sha256, number in rows.itertuples(index=False)}


def paths(root, number):
    """The paths of school A's and authority 660's file of a number."""
    ctx = RunContext.of(str(root), CYCLE)
    return {p.relative_to(root).as_posix() for p in (path_of(ctx, A, number), path_of(ctx, "660", number))}


def test_the_same_bytes_as_a_dead_run_left_are_the_same_file(died):
    left = in_outbox(died)
    assert left.keys() == paths(died, 1)
    run_stage(publish, died, CYCLE, TUESDAY)
    assert in_outbox(died) == left
    assert delivered(died) == {path: (hashlib.sha256(content).hexdigest(), 1) for path, content in left.items()}


def test_other_bytes_than_a_dead_run_left_get_the_next_number_and_its_files_stay(died):
    left = in_outbox(died)
    run_stage(publish, died, CYCLE, WEDNESDAY)  # the files name the day on which they were made
    files = in_outbox(died)
    assert files.keys() == paths(died, 1) | paths(died, 2)
    assert {path: files[path] for path in left} == left
    assert delivered(died) == {path: (hashlib.sha256(files[path]).hexdigest(), 2) for path in paths(died, 2)}
