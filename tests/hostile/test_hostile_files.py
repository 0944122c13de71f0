"""Each hostile file is refused for its reason, in bounded time and memory, measured in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.codes.quarantine_reasons import all_reasons
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tasks.io.lrs import files as lrs_files
from tasks.stages.collect import collect
from tests.hostile.hostile_files import DEWI, LRS, answers, measured, message
from tests.support.paths import PROJECT

pytestmark = pytest.mark.long

CASES = {f"{inbox}: {case}": told for inbox, files in (("dewi", DEWI), ("lrs", LRS)) for case, (_, _, told) in files.items()}  # fmt: skip
#: Above what a process has that does nothing; seconds of a processor, some ten times what the slowest file takes.
MEBIBYTES, SECONDS = 512, 30


@pytest.fixture(scope="module")
def outcomes():
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("hostile_files.py"))],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-1500:]
    return {told.pop("case"): told for told in map(json.loads, done.stdout.splitlines())}


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_for_its_reason_in_bounded_time_and_memory(outcomes, case):
    found = outcomes[case]
    assert found["said"] == CASES[case]
    assert found["mebibytes"] - outcomes["nothing"]["mebibytes"] < MEBIBYTES
    assert found["seconds"] < SECONDS


@pytest.mark.parametrize("reason", sorted(set(CASES.values()) - {"read"}))
def test_its_reason_is_told_in_both_languages(reason):
    told = all_reasons()[reason]
    assert all((told.text_cy.strip(), told.text_en.strip(), told.action_cy.strip(), told.action_en.strip()))


def test_the_measure_sees_memory_and_time():
    def wasteful():
        content = b"x" * (100 * 2**20)
        return str(sum(range(10**6)) > len(content))

    found = measured(wasteful)
    assert found["said"] == "True"
    assert found["mebibytes"] >= 100 and found["seconds"] > 0
    assert measured(lambda: os._exit(1))["said"] == "killed"


def test_a_result_too_large_is_refused_unread_and_not_copied(tmp_path, monkeypatch):
    root = DataRoot(tmp_path).create()
    content = answers("10000001,M660402510001,1000102504\n")
    (root.lrs_inbox / "large.csv").write_bytes(content + b"\n" * 99)
    (root.lrs_inbox / "sound.csv").write_bytes(content)
    monkeypatch.setattr(lrs_files, "LARGEST_RESULT", len(content))
    monkeypatch.setattr("tasks.stages.collect.LARGEST_RESULT", len(content))
    found = collect.fn(data=str(tmp_path), as_of="2012-02-12T09:15:00")
    assert (found["quarantined"], found["faults"], found["rows"]) == (1, 0, 1)
    (folder,) = (tmp_path / "quarantine").iterdir()
    assert [p.name for p in folder.iterdir()] == ["reason.json"]
    assert json.loads((folder / "reason.json").read_text(encoding="utf-8"))["reason"] == "result_too_large"
    assert Lake(root.lake).read("received", path="large.csv")["status"].tolist() == ["quarantined"]
    assert (root.lrs_inbox / "large.csv").exists()


def test_a_hostile_file_stops_none_beside_it(tmp_path):
    """In the inbox of the LRS as in that of DEWi (`tests/unit/stages/test_receive.py`)."""
    root = DataRoot(tmp_path).create()
    for case in ("entity-bomb", "nested-values", "short-rows-of-a-wide-table", "noise"):
        name, content, _ = LRS[case]
        (root.lrs_inbox / f"{case}-{name}").write_bytes(content())
    (root.lrs_inbox / "sound.csv").write_bytes(answers("10000001,M660402510001,1000102504\n"))
    (root.lrs_inbox / "a-return.xml").write_bytes(message().encode())
    found = collect.fn(data=str(tmp_path), as_of="2012-02-12T09:15:00")
    assert (found["quarantined"], found["faults"], found["rows"]) == (5, 0, 1)
