"""A pupil field more: one row of `paths.csv`, on a data root that version 0.1 made and that has a history.

The service with the field is a copy of the code in which that row is the only change; it runs in processes of its own.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.plasc.layouts import all_layouts
from schemas.tables import PUPILS
from tasks.io.lake.lake import Lake
from tests.support.paths import PACKAGES, PROJECT
from tests.support.root_of_0_1 import FIXTURES, NOTED, OPEN, PLAYED, PURGED, hashes

#: The field's element lies in a container of which the other elements are passed over; a CTF has none.
ROW = ["language", "internal", "2", *["PupilCharacteristics/Language"] * 3, "-"]
#: Processes with a copy of the code: a minute.
pytestmark = pytest.mark.long

#: What holds of a data root with a history.
SAME_ANSWERS = "tests/scenarios/test_data_root_of_0_1.py"
#: Looks at the data root, runs a census in which a school has sent its return again with the new element, and looks again.
CORRECTED = """
import datetime as dt, json, sys
from pathlib import Path
from tests.support.diary import census
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.io.lake.lake import Lake
from tasks.maintenance.doctor import run_checks
from tasks.reports.status import status_of

root = Path(sys.argv[1])
lake = Lake.of(DataRoot(root))

def look():
    rows = lake.read("pupils", ["cycle", "sha256", "language"])
    return {
        "versions": lake.versions(),
        "languages": {cycle: sorted(set(own["language"].fillna(""))) for cycle, own in rows.groupby("cycle")},
        "filled": int(rows["language"].notna().sum()),
        "sent": status_of(str(root), "2013-01")["total"]["sent"],
        "lake": [one.message.en for one in run_checks(str(root), dt.date(2013, 2, 20)) if one.check == "lake"],
        "handed_over": sorted(path.name for path in (root / "lrs" / "outbox").iterdir()),
    }

before = look()
inbox = root / "dewi" / "inbox" / "660"
sent = (inbox / "6604025_2013-01_PLASC_002.xml").read_bytes()
tag = b"<Ethnicity>WBRI</Ethnicity>"
again = sent.replace(tag, tag + b"<Language>CYM</Language>").replace(b"-17T12:00:00</DateTime>", b"-18T12:00:00</DateTime>")
(inbox / "6604025_2013-01_PLASC_003.xml").write_bytes(again)
with one_run_at_a_time(str(root)):
    total = census(root, "2013-01", "2013-02-20T02:30")
print(json.dumps({"before": before, "after": look(), "total": total}))
"""
NOTHING_NEW = """
import pytest, sys
from schemas.tables import PUPIL_FIELDS
assert PUPIL_FIELDS[-1] == "language"
sys.exit(pytest.main(sys.argv[1:]))
"""
OLDER = """
import json, sys
from schemas.texts.faults import ServiceFault
from tasks.io.data_root.run_lock import one_run_at_a_time
try:
    with one_run_at_a_time(sys.argv[1]):
        pass
except ServiceFault as fault:
    print(json.dumps({"cy": fault.args[0].cy, "en": fault.args[0].en}))
"""


@pytest.fixture(scope="module")
def newer(tmp_path_factory):
    """A copy of the code with one more row in `paths.csv`."""
    folder = tmp_path_factory.mktemp("newer")
    for package in (*PACKAGES, "data/reference", "tests/support", "tests/fixtures"):
        shutil.copytree(PROJECT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "tests/__init__.py", "tests/conftest.py", SAME_ANSWERS):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(PROJECT / name, folder / name)
    with (folder / "schemas" / "plasc" / "paths.csv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(ROW)
    return folder


def run(code, script, *arguments):
    """What a script of a process with that code printed last."""
    environment = os.environ | {"PYTHONPATH": str(code)}
    command = [sys.executable, "-W", "ignore", "-c", script, *map(str, arguments)]
    done = subprocess.run(command, env=environment, cwd=code, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def story(newer, tmp_path_factory):
    """The newer service's census of a cycle that is under way."""
    root = Path(shutil.copytree(FIXTURES / "data_root_0_1", tmp_path_factory.mktemp("story") / "root"))
    return {"root": root, **json.loads(run(newer, CORRECTED, root))}


def test_who_only_looks_sees_nulls_and_changes_nothing(story):
    before = story["before"]
    assert before["languages"] == {PURGED: [""], PLAYED: [""], OPEN: [""]}
    assert before["versions"] == Lake(FIXTURES / "data_root_0_1" / "lake").versions()
    assert before["lake"] == ["the next run adds columns of this version of the service to these tables: pupils"]


def test_a_new_return_fills_the_column_and_every_former_row_stays_null(story):
    after = story["after"]
    assert after["languages"] == {PURGED: [""], PLAYED: [""], OPEN: ["", "CYM"]}
    assert after["filled"] == story["total"]["read.records"] > 0
    assert after["versions"]["pupils"] == story["before"]["versions"]["pupils"] + 2, "the column, and the new rows"
    assert "tables open" in after["lake"][0]


def test_nobody_is_sent_again_and_what_was_published_stays_byte_for_byte(story):
    assert story["total"]["batch.batches"] == 0 and story["after"]["sent"] == story["before"]["sent"]
    assert story["after"]["handed_over"] == story["before"]["handed_over"]
    assert hashes(story["root"]) == NOTED["files"]


def test_today_s_service_reads_the_newer_lake_and_does_not_run_on_it(story):
    assert len(Lake(story["root"] / "lake").read("pupils")) == NOTED["rows"]["pupils"] + story["total"]["read.records"]
    before = Lake(story["root"] / "lake").versions()
    told = json.loads(run(PROJECT, OLDER, story["root"]))
    assert "fersiwn arall" in told["cy"] and "another version of the service" in told["en"]
    assert Lake(story["root"] / "lake").versions() == before


def test_runs_with_nothing_new_change_no_file_and_no_answer(newer, tmp_path):
    """What holds of today's service on this data root holds of the newer one: no cycle is published again."""
    chosen = ["-k", "same_answers or nothing_new", "-m", "long"]
    told = run(newer, NOTHING_NEW, SAME_ANSWERS, *chosen, "-p", "no:cacheprovider", "--basetemp", tmp_path / "of-newer")
    assert told.startswith("2 passed")


def test_the_field_is_one_that_the_service_does_not_have():
    assert ROW[0] not in PUPILS.schema.names and len(ROW) == 3 + len(all_layouts())
