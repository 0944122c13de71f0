"""A pupil field more: one row of `paths.csv`, on a data root that has a history.

The service with the field is a copy of the code in which that row is the only change; it runs in a process of its own.
"""

import csv
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_operators_diary import census, contents, returns

from schemas.lrs.profiles import all_profiles
from schemas.plasc.layouts import all_layouts
from schemas.tables import PUPILS
from tasks.io.lake.tables import Lake
from tasks.rehearsal.lrs_stand_in import answer_outbox

PROJECT = Path(__file__).resolve().parents[2]
CYCLE, NEXT = "2012-01", "2013-01"
MONDAY, ANSWERED = "2012-01-30T02:30", "2012-02-12T09:15"
#: The field's element lies in a container of which the other elements are passed over; a CTF has none.
ROW = ["language", "internal", "2", *["PupilCharacteristics/Language"] * 3, "-"]
#: What the newer service does, and what it sees before, between and after.
NEWER = """
import datetime as dt, json, sys
from pathlib import Path
from test_operators_diary import census, returns
from schemas.cycles import cycle_by_id
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.reference import schools
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.io.lake.tables import Lake
from tasks.maintenance.doctor import examined
from tasks.rehearsal import synthetic_returns
from tasks.rehearsal.synthetic_wales import plan_wales
from tasks.reports.status import status_of

root = Path(sys.argv[1])
lake, seen = Lake.of(DataRoot(root)), {}

def look(when):
    rows = lake.read("pupils", ["cycle", "language"])
    health = [one.what.en for one in examined(str(root), dt.date(2012, 2, 13)) if one.check == "lake"]
    seen[when] = {
        "versions": lake.versions(),
        "languages": {c: sorted(set(own["language"].fillna(""))) for c, own in rows.groupby("cycle")},
        "status": status_of(str(root), "2012-01")["total"],
        "lake": health,
        "handed_over": sorted(path.name for path in (root / "lrs" / "outbox").iterdir()),
    }

look("before")
with one_run_at_a_time(str(root)):
    census(root, "2012-01", "2012-02-13T02:30")
    returns(root, "2012-01", "2012-02-13T09:15")
look("migrated")

written = synthetic_returns._return
def with_language(*args, **kwargs):
    tag = b"<Ethnicity>WBRI</Ethnicity>"
    return written(*args, **kwargs).replace(tag, tag + b"<Language>CYM</Language>")
synthetic_returns._return = with_language
taking = schools().query("school_number in ['6604025', '6604026']").reset_index(drop=True)
cycle = cycle_by_id("2013-01")
synthetic_returns.write_wales(plan_wales(taking, cycle, seed=7, pupils_per_school=60), root, cycle)
with one_run_at_a_time(str(root)):
    total = census(root, "2013-01", "2013-01-28T02:30")
look("a year on")
print(json.dumps(seen | {"total": total}))
"""


def hashes(root):
    """What was published and handed over; not the manifest, which names the versions of the lake's tables."""
    return {
        path: hashlib.sha256(content).hexdigest()
        for path, content in contents(root).items()
        if not path.endswith("manifest.json")
    }


def newer_code(folder):
    """A copy of the code with one more row in `paths.csv`."""
    for package in ("schemas", "expectations", "tasks", "data/reference"):
        shutil.copytree(PROJECT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    with (folder / "schemas" / "plasc" / "paths.csv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerow(ROW)
    return folder


def run(code, script, *arguments):
    tests = [PROJECT / "tests", PROJECT / "tests" / "scenarios"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, [code, *tests]))}
    command = [sys.executable, "-W", "ignore", "-c", script, *map(str, arguments)]
    done = subprocess.run(command, env=environment, cwd=code, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def story(built_root, tmp_path_factory):
    """A cycle played by today's service, and the newer one's run of it and of the next."""
    folder = tmp_path_factory.mktemp("another-field")
    root = Path(shutil.copytree(built_root, folder / "root"))
    census(root, CYCLE, MONDAY)
    answer_outbox(root, profiles=all_profiles(), seed=7)
    returns(root, CYCLE, ANSWERED)
    before = hashes(root)
    seen = run(newer_code(folder / "code"), NEWER, root)
    return {"root": root, "published": before, **seen}


def test_who_only_looks_sees_nulls_and_changes_nothing(story):
    before = story["before"]
    assert before["languages"] == {CYCLE: [""]}
    assert before["lake"] == ["the next run adds columns of this version of the service to these tables: pupils"]
    assert before["versions"]["pupils"] + 1 == story["migrated"]["versions"]["pupils"], "one commit, of the run"


def test_the_run_that_adds_the_column_sends_nobody_and_counts_as_before(story):
    before, after = story["before"], story["migrated"]
    assert after["handed_over"] == before["handed_over"] and after["status"] == before["status"]
    assert "tables open" in after["lake"][0]
    unmoved = [name for name in before["versions"] if name != "pupils"]
    assert [after["versions"][name] for name in unmoved] == [before["versions"][name] for name in unmoved]


def test_what_was_published_and_handed_over_stays_byte_for_byte(story):
    now = hashes(story["root"])
    assert story["published"] and {path: now.get(path) for path in story["published"]} == story["published"]
    assert any(path.endswith(".parquet") for path in now) and any(path.endswith(".zip") for path in now)


def test_a_new_return_fills_the_column_and_former_rows_stay_null(story):
    assert story["a year on"]["languages"] == {CYCLE: [""], NEXT: ["CYM"]}
    assert story["total"]["read.records"] > 0 and story["total"]["release.learners"] > 0
    assert set(story["before"]["handed_over"]) < set(story["a year on"]["handed_over"])


def test_today_s_service_reads_the_newer_lake_and_does_not_run_on_it(story):
    assert len(Lake(story["root"] / "lake").read("pupils", cycle=NEXT)) == story["total"]["read.records"]
    told = run(PROJECT, OLDER, story["root"])
    assert "fersiwn arall" in told["cy"] and "another version of the service" in told["en"]


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


def test_the_field_is_one_that_the_service_does_not_have():
    assert ROW[0] not in PUPILS.schema.names and len(ROW) == 3 + len(all_layouts())
