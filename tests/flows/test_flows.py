"""The flows on a real, ephemeral engine: they complete, isolate failures, and let no pupil's data out.

The engine is slow to start, so the runs are few: the session plays one rehearsal through the terminal's entry.
"""

import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
#: Stands in names, UPNs, dates and postcodes of planted learners; must be found nowhere outside the lake and the files sent.
SURNAME, GIVEN, POSTCODE = "Zzmarkername", "Qqmarkergiven", "LL99 9ZZ"


def uln(*arguments, data, expect=0):
    """Run the terminal as a user would, in a process of its own."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, "-c", "from flows.cli import main; main()", *arguments, "--data", str(data)],
        capture_output=True,
        text=True,
        env=environment | {"PYTHONPATH": str(PROJECT)},
        cwd=PROJECT,
        timeout=280,
        check=False,
    )
    assert done.returncode == expect, done.stderr[-2000:]
    return done


@pytest.fixture(scope="session")
def played(tmp_path_factory):
    """A rehearsal of three schools, then a census with marked learners and a broken authority."""
    root = tmp_path_factory.mktemp("flows") / "root"
    first = uln("rehearse", "--schools", "3", data=root)
    source = max((root / "dewi" / "inbox").glob("*/*.xml"), key=lambda p: (p.stat().st_size, p.name))
    content = source.read_text(encoding="utf-8")
    block = next(b for b in re.findall(r"<PupilOnRoll>.*?</PupilOnRoll>", content, re.S) if "<NCyearActual>10<" in b)
    marked = block
    for tag, value in (("Surname", SURNAME + "1"), ("Forename", GIVEN), ("PostCode", POSTCODE)):
        marked = re.sub(f"<{tag}>[^<]*<", f"<{tag}>{value}<", marked)
    content = re.sub(r"<DateTime>[^<]*<", "<DateTime>2012-01-31T23:00:00<", content.replace(block, marked))
    (source.parent / "marked.xml").write_text(content, encoding="utf-8")
    second = uln("census", "2012-01", "--as-of", "2012-02-20T09:15", data=root)
    return root, first, second


def test_the_rehearsal_ends_well_and_says_what_to_look_at(played):
    _, first, second = played
    for text in ("Nesaf / Next", "dewi/outbox/", "Cydbwyso"):
        assert text in first.stdout
    assert "Traceback" not in first.stderr + second.stderr


def test_status_json_has_every_count_and_balances(played):
    root, _, _ = played
    status = json.loads(uln("status", "2012-01", "--json", data=root).stdout)
    assert set(status) == {"cycle", "total", "schools"}
    keys = {"records", "not_chosen", "held", "waiting", "sent", "uln", "exception", "balanced"}
    for row in (status["total"], *status["schools"].values()):
        assert set(row) == keys
        parts = sum(row[k] for k in keys - {"records", "not_chosen", "balanced"}) + sum(row["not_chosen"].values())
        assert row["balanced"] is True and parts == row["records"]


def test_no_pupil_s_data_in_the_engine_or_on_the_terminal(played):
    root, first, second = played
    database = root / "prefect" / "prefect.db"
    assert database.exists(), "the engine keeps its files under the data root"
    with sqlite3.connect(database) as connection:
        dump = "\n".join(connection.iterdump())
    assert "task_run" in dump and "receive 660" in dump
    from tasks.io.lake import Lake

    pupils = Lake(root / "lake").read("pupils", ["upn", "surname", "forename", "postcode"])
    assert SURNAME + "1" in set(pupils["surname"]), "the marked learner was read"
    said = "\n".join([dump, first.stdout, first.stderr, second.stdout, second.stderr])
    others = [p.read_text(errors="replace") for p in (root / "reports").rglob("*") if p.is_file()]
    others += [
        p.read_text(errors="replace") for p in (root / "prefect").rglob("*") if p.is_file() and p.suffix != ".db"
    ]
    everything = "\n".join([said, *others])
    for marker in (SURNAME, GIVEN, POSTCODE):
        assert marker not in everything
    upns = set(pupils["upn"].dropna().loc[lambda u: u.str.len() == 13])
    assert not [n for n, upn in enumerate(sorted(upns)) if upn in everything]


def test_one_task_run_per_stage_and_authority_and_an_artifact_each(played):
    root, _, _ = played
    with sqlite3.connect(root / "prefect" / "prefect.db") as connection:
        names = {row[0] for row in connection.execute("select name from task_run")}
        keys = {row[0] for row in connection.execute("select key from artifact")}
        states = {row[0] for row in connection.execute("select state_type from flow_run")}
    for stage in ("receive", "read", "select", "validate", "batch", "release"):
        assert {f"{stage} 660", f"{stage} 681"} <= names
    assert {"census-2012-01-660", "lrs-returns-2012-01-681"} <= keys
    assert states == {"COMPLETED"}


def test_returns_when_nothing_is_there(tmp_path):
    done = uln("returns", data=tmp_path)
    assert "Traceback" not in done.stderr
