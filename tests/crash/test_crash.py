"""A sample of `make crash`, and that its instrument sees what changes a data root, and misses nothing without a word."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.paths import PROJECT

pytestmark = pytest.mark.long

#: A process of its own: what listens to Python's own doings cannot be taken away again.
WATCHED = """
import os, sys, shutil, tempfile
from pathlib import Path
from tests.crash.points import stands, unseen, watch, Stop
root, outside = Path(sys.argv[1]), Path(sys.argv[2])
(root / "lake").mkdir(); (root / "prefect").mkdir(); (root / "old" / "below").mkdir(parents=True)
(root / "old" / "file").write_text("old")
import pandas as pd, pyarrow as pa, pyarrow.parquet as pq, deltalake
from tasks.io.lake.lake import Lake
before, met = stands(root), []
watch(root, met.append)
{planted}
print("\\n".join(f"{{p.kind}} {{' '.join(p.paths)}}" for p in met))
print("unseen", unseen(before, stands(root), met))
"""


def watched(tmp_path, planted):
    """The points that were met while some code ran, and what was missed, in lines."""
    (tmp_path / "root").mkdir()
    code = WATCHED.format(planted=planted)
    command = [sys.executable, "-W", "ignore", "-c", code, str(tmp_path / "root"), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


def test_whatever_python_does_to_a_data_root_is_a_point(tmp_path):
    planted = """
(root / "new").write_text("x")
os.replace(root / "new", root / "newer")
(root / "newer").read_text()
(root / "made").mkdir(); (root / "made").mkdir(exist_ok=True)
os.truncate(root / "newer", 0)
os.link(root / "newer", root / "twin")
(root / "twin").chmod(0o600)
(root / "twin").unlink(); (root / "twin").unlink(missing_ok=True)
shutil.rmtree(root / "old")
(outside / "elsewhere").write_text("x")
(root / "prefect" / "engine.db").write_text("x")
"""
    found = watched(tmp_path, planted)
    inside = {"os.rmdir old/below", "os.remove old/file"}  # in the order in which the system lists them
    assert inside < set(found)
    assert [line for line in found if line not in inside] == [
        "open new",
        "os.rename new newer",
        "os.mkdir made",
        "os.truncate newer",
        "os.link newer twin",
        "os.chmod twin",
        "os.remove twin",
        "os.rmdir old",
        "unseen []",
    ]


def test_whatever_is_committed_to_the_lake_is_a_point(tmp_path):
    planted = """
one, other = (pd.DataFrame({"cycle": ["2012-01"], "upn": [upn]}).astype("str") for upn in "xy")
lake = Lake(root / "lake")
lake.replace("shared_upns", one, cycle="2012-01")
lake.replace("shared_upns", one, cycle="2012-01")
lake.upsert("shared_upns", other)
lake.read("shared_upns")
deltalake.DeltaTable(str(root / "lake" / "shared_upns")).delete("upn = 'x'")
"""
    assert watched(tmp_path, planted) == [*["commit lake/shared_upns"] * 3, "unseen []"]


def test_what_is_written_past_python_and_past_the_lake_is_missed_aloud(tmp_path):
    planted = 'pq.write_table(pa.table({"a": [1]}), str(root / "native.parquet"))'
    assert watched(tmp_path, planted)[-1] == "unseen ['native.parquet']"


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """Four stops and two runs at once, as real processes."""
    report = tmp_path_factory.mktemp("crash") / "report.json"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PYTEST_"))}
    command = [sys.executable, "-W", "ignore", "-m", "tests.crash", "--sample", "--report", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, env=environment, check=False)
    assert report.exists(), done.stdout + done.stderr[-3000:]
    return done, json.loads(report.read_text(encoding="utf-8"))


def test_a_run_that_was_stopped_and_run_again_ends_as_one_that_was_not(sample):
    done, report = sample
    assert [one["wrong"] for one in report["tried"]] == [[]] * 4
    assert done.stdout.splitlines()[-1] == "crash: 4 points tried, 0 differences" and done.returncode == 0


def test_a_hand_over_that_was_begun_waits_for_a_person_and_no_other_does(sample):
    _, report = sample
    waited = {(one["how"], one["point"]["kind"]): one["waited"] for one in report["tried"] if one["act"] == "census"}
    assert waited[("killed", "os.rename")] > 0 and waited[("torn", "commit")] == 0


def test_two_runs_of_a_cycle_at_once_end_as_one(sample):
    assert sample[1]["hazards"] == {"two-at-once": []}


def test_only_the_edges_change_a_data_root(sample):
    points = [point for act in sample[1]["acts"].values() for point in act]
    assert len(points) > 50
    assert {"/".join(p["by"].split("/")[:2]) for p in points if p["kind"] != "end"} == {"tasks/io"}
    assert {p["kind"] for p in points} >= {"open", "os.rename", "os.mkdir", "commit", "end"}


@pytest.mark.engine
def test_where_the_folders_are_on_another_machine_nothing_is_lost_or_doubled_either(tmp_path):
    report = tmp_path / "report.json"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PYTEST_"))}
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "tests.crash",
        "--via",
        "sftp",
        "--sample",
        "--report",
        str(report),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, env=environment, check=False)
    assert done.stdout.splitlines()[-1] == "crash: 4 points tried, 0 differences", done.stdout + done.stderr[-3000:]
    found = json.loads(report.read_text(encoding="utf-8"))
    assert {one["point"]["kind"]: one["waited"] > 0 for one in found["tried"]} == {
        "sftp.open": True, "sftp.rename": True, "os.rename": False, "sftp.posix_rename": False,
    }  # fmt: skip
    there = [point for points in found["acts"].values() for point in points if point["kind"].startswith("sftp.")]
    assert {point["paths"][0].split("/")[1:3] == ["lrs", "outbox"] for point in there} == {True, False}
    assert all(point["by"] == "tasks/io/remote/sftp.py" for point in there)


@pytest.mark.engine
def test_by_the_web_service_only_what_nobody_can_know_waits_and_no_call_is_made_twice(tmp_path):
    report = tmp_path / "report.json"
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PYTEST_", "ULN_"))}
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "tests.crash",
        "--via",
        "soap",
        "--sample",
        "--report",
        str(report),
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, env=environment, check=False)
    assert done.stdout.splitlines()[-1] == "crash: 4 points tried, 0 differences", done.stdout + done.stderr[-3000:]
    found = json.loads(report.read_text(encoding="utf-8"))
    assert {one["point"]["kind"]: one["waited"] for one in found["tried"]} == {
        "soap.call": 1, "soap.heard": 1, "commit": 0, "os.rename": 0,
    }  # fmt: skip
    kinds = [point["kind"] for points in found["acts"].values() for point in points]
    assert kinds.count("soap.call") == kinds.count("soap.heard") > 1
