"""The stage: a snapshot that a dying run left half moved is never taken for a whole one."""

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from tasks.ledger.snapshots import published
from tasks.stages.collect import collect
from tasks.stages.merge import merge
from tasks.stages.snapshot import snapshot
from tests.support.learners.in_schools import B, lrs_answers, uln, upn
from tests.support.small_census import CYCLE, TUESDAY, Killed

TABLES = {"learners.parquet", "exceptions.parquet"}


@pytest.fixture(scope="module")
def merged_root(handed_over_root, tmp_path_factory):
    """A snapshot was taken; since then the LRS's answers have changed both of its tables."""
    root = Path(shutil.copytree(handed_over_root, tmp_path_factory.mktemp("merged") / "root"))
    snapshot.fn(data=str(root), cycle=CYCLE)
    lrs_answers(root, "first.csv", {upn(1): uln(1), upn(3, school=B): "RC007"})
    collect.fn(data=str(root), as_of=TUESDAY)
    merge.fn(data=str(root))
    return root


@pytest.fixture
def merged(merged_root, tmp_path):
    return Path(shutil.copytree(merged_root, tmp_path / "root"))


def files_of(root):
    """The snapshot's files: name -> bytes."""
    return {path.name: path.read_bytes() for path in (root / "snapshots" / CYCLE).iterdir() if path.suffix != ".part"}


def is_whole(files):
    """Whether the manifest names the bytes of both tables."""
    named = json.loads(files["manifest.json"])["sha256"]
    return named == {name: hashlib.sha256(files[name]).hexdigest() for name in TABLES}


def snapshot_dies_after(patch, number):
    """Let the process end when that number of the snapshot's files are moved."""
    replace, moved = os.replace, []

    def replaced(part, place):
        if "snapshots" in Path(place).parts:
            if len(moved) == number:
                raise Killed
            moved.append(place)
        replace(part, place)

    patch.setattr(os, "replace", replaced)


@pytest.mark.parametrize(
    ("earlier", "number"), [(True, 1), (True, 2), (False, 2)], ids=["second-after-1", "second-after-2", "first-after-2"]
)
def test_a_snapshot_whose_run_died_between_two_moves_counts_as_not_taken(merged, monkeypatch, earlier, number):
    if not earlier:
        shutil.rmtree(merged / "snapshots" / CYCLE)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        snapshot_dies_after(patch, number)
        snapshot.fn(data=str(merged), cycle=CYCLE)
    left = files_of(merged)
    assert ("manifest.json" in left) == earlier, "the manifest is moved last"
    assert not earlier or not is_whole(left)
    assert not published(str(merged), CYCLE), "so the next run takes it again"
    snapshot.fn(data=str(merged), cycle=CYCLE)
    assert is_whole(files_of(merged)) and published(str(merged), CYCLE)
