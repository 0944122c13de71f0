"""A rehearsal by way of other machines ends as one in the data root's folders: the same registers, the same files for schools."""

import pandas as pd
import pytest

from schemas.tables import TABLES
from tasks.io.lake.lake import Lake
from tests.support.cli import alone

pytestmark = pytest.mark.engine


def rehearsed(place, via, cycle="2012-01"):
    alone("rehearse", "--schools", "4", "--cycle", cycle, "--via", via, "--data", str(place), ways={})
    return place


@pytest.fixture(scope="module")
def by_folders(tmp_path_factory):
    return rehearsed(tmp_path_factory.mktemp("folders"), "files")


def files_below(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize("via", ["sftp", "s3"])
def test_it_ends_in_the_same_registers_snapshots_and_school_files(via, by_folders, tmp_path):
    root = rehearsed(tmp_path / "root", via)
    for name in TABLES:
        there, here = (Lake(place / "lake").read(name) for place in (by_folders, root))
        pd.testing.assert_frame_equal(here, there)
    for name in ("learners.parquet", "exceptions.parquet"):
        ours, theirs = (place / "snapshots" / "2012-01" / name for place in (root, by_folders))
        assert ours.read_bytes() == theirs.read_bytes()
    assert files_below(root / "dewi" / "outbox") == files_below(by_folders / "dewi" / "outbox") != {}
    assert len(Lake(root / "lake").read("learners")) > 500


def test_nothing_comes_but_by_the_way_and_a_next_cycle_goes_on(tmp_path):
    root = rehearsed(tmp_path / "root", "sftp", "2011-09")
    there = root / "rehearsal" / "other-side"
    for folder in ("dewi/inbox", "dewi/outbox", "lrs/inbox", "lrs/outbox"):
        assert files_below(there / folder), folder
    assert files_below(there / "dewi" / "inbox") == files_below(root / "dewi" / "inbox")
    assert files_below(there / "dewi" / "outbox") == files_below(root / "dewi" / "outbox")
    rehearsed(root, "sftp", "2012-01")
    assert set(Lake(root / "lake").read("batches")["cycle"]) == {"2011-09", "2012-01"}
    assert set(Lake(root / "lake").read("batches")["state"]) == {"SENT"}
