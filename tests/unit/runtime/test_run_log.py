"""The run's own log: every field, one object a line, its owner's alone, and nothing of a pupil."""

import json
import logging
import stat

import pytest

from flows.run.artifacts import log_fault
from schemas.texts.faults import ServiceFault
from schemas.views import BATCHES_NAMED
from tasks.io.lake.lake import Lake
from tasks.runtime.process_guard import install_process_guard
from tasks.runtime.run_log import log_batches, log_stage_faults, run_log
from tasks.runtime.visibility import check_visible


def lines(root):
    return [
        json.loads(line) for path in sorted((root / "logs").glob("*.jsonl")) for line in path.read_text().splitlines()
    ]


def told(root, event):
    return [line for line in lines(root) if line.get("event") == event]


def test_a_run_tells_of_its_stages_batches_and_schools(root):
    said = lines(root)
    assert all({"time", "level", "run", "flow", "message"} <= set(line) and " / " in line["message"] for line in said)
    assert [line["run"] for line in told(root, "run_began")] == ["run-1", "run-2"]
    stages = [line["stage"] for line in told(root, "stage_done") if line["run"] == "run-1"]
    assert stages == ["receive", "read", "select", "validate", "batch", "release"]
    assert all(
        line["milliseconds"] >= 0 and line["cycle"] == "2012-01"
        for line in said
        if line["run"] == "run-1" and "stage" in line and "milliseconds" in line
    )
    batch = Lake(root / "lake").read("batches").iloc[0]
    (handed,) = told(root, "batch")
    assert handed["batch"] == batch["batch_ref"] and handed["rows"] == batch["rows"]
    assert (handed["authority"], handed["school"], handed["stage"]) == ("660", "6604025", "release")
    (published,) = told(root, "school_published")
    assert published["school"] == "6604025" and published["ulns"] > 0


def test_what_waits_and_what_failed_have_their_level(root):
    batch = Lake(root / "lake").read("batches")[["batch_ref", "cycle", "la_code", "school_number", "state"]]
    with pytest.raises(ServiceFault), run_log(str(root), "run-3", "lrs_returns", None):
        log_batches("wait", check_visible(BATCHES_NAMED, batch), logging.WARNING)
        log_stage_faults("publish", "2012-01", {"660": "of M660402510001"})
        raise ServiceFault("x")
    levels = {line["event"]: line["level"] for line in lines(root) if line["run"] == "run-3"}
    assert levels == {"run_began": "INFO", "batch": "WARNING", "fault": "ERROR", "run_failed": "ERROR"}
    assert "[UPN]" in told(root, "fault")[0]["message"]


def test_of_other_libraries_the_warnings_are_kept_masked_and_without_their_extras(root):
    install_process_guard(str(root))
    with run_log(str(root), "run-4", "census", "2012-01"):
        other = logging.getLogger("other")
        other.warning("of %s, born %s", "M660402510001", "1996-11-05", extra={"pupil": "Zzmarkername"})
        other.error("failed", exc_info=ValueError("Zzmarkername"))
        logging.getLogger("prefect").info("a run goes on")
    ours = [line for line in lines(root) if line["run"] == "run-4" and "event" not in line]
    assert [line["message"].partition(" (")[0] for line in ours] == ["of [UPN], born [date]", "failed"]
    assert "Zzmarkername" not in str(ours)


def test_a_fault_that_the_engine_logs_too_is_in_the_run_log_once(root, monkeypatch):
    monkeypatch.setattr("flows.run.artifacts.get_run_logger", lambda: logging.getLogger("the engine"))
    with run_log(str(root), "run-5", "census", "2012-01"):
        log_fault("publish", "cy / en")
        log_stage_faults("publish", "2012-01", {"660": "cy / en"})
    assert [line.get("event") for line in lines(root) if line["run"] == "run-5" and line["level"] == "ERROR"] == [
        "fault"
    ]


def test_nobody_else_reads_it_and_no_pupil_stands_in_it(root):
    for path in (root / "logs", *(root / "logs").iterdir()):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077
    said = "".join(path.read_text() for path in (root / "logs").iterdir())
    people = Lake(root / "lake").read("pupils", ["upn", "surname", "forename", "postcode"])
    people = people[people["surname"].notna()]
    assert len(people) > 10 and not [
        v for c in ("upn", "postcode") for v in people[c].dropna() if len(v) > 5 and v in said
    ]
    assert not [name for name in people["surname"] if f"{name} " in said or f"{name}," in said]


def test_a_full_disk_stops_no_run(root):
    for path in (root / "logs").iterdir():
        path.unlink()
    (root / "logs").rmdir()
    (root / "logs").write_text("a file where the folder should be")
    with run_log(str(root), "run-5", "census", "2012-01"):
        pass


def test_a_run_within_a_run_is_told_once(root):
    before = len(lines(root))
    with run_log(str(root), "outer", "rehearsal", "2012-01"), run_log(str(root), "inner", "census", "2012-01"):
        pass
    assert [(line["run"], line["event"]) for line in lines(root)[before:]] == [
        ("outer", "run_began"), ("inner", "run_began"), ("inner", "run_ended"), ("outer", "run_ended"),
    ]  # fmt: skip
