"""A rehearsal by way of other machines ends as one in the data root's folders: the same registers, the same files for schools."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from schemas.tables import TABLES
from tasks.io.lake.tables import Lake

pytestmark = pytest.mark.engine
PROJECT = Path(__file__).resolve().parents[2]


def rehearsed(place, via, cycle="2012-01"):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PYTEST_", "ULN_WAY_"))}
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        "from flows.cli.__main__ import main; main()",
        "rehearse",
        "--schools",
        "4",
    ]
    given = ["--cycle", cycle, "--via", via, "--data", str(place)]
    done = subprocess.run([*command, *given], capture_output=True, text=True, env=environment, cwd=PROJECT, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
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
