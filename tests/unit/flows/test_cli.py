"""The terminal: answers without the engine where it only reads; one sentence and an exit code where something is wrong."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.cli import invoke as uln
from tests.support.paths import PROJECT
from tests.support.returns import write_return as a_return


@pytest.mark.parametrize("command", ["status", "batches", "check", "readiness", "cycles", "metrics", "doctor"])
def test_commands_that_only_read_never_import_the_engine(command, tmp_path):
    arguments = {"check": [str(a_return(tmp_path / "r.xml"))], "status": ["2012-01", "--json"]}.get(command, [])
    code = (
        "import sys\nfrom flows.cli.__main__ import app\n"
        f"try:\n    app({[command, *arguments, '--data', str(tmp_path)]!r})\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "assert 'prefect' not in sys.modules"
    )
    # A command that ran in this process before has named an engine's home here; who has one asks the engine.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=PROJECT, env=clean, check=False
    )
    assert done.returncode == 0, done.stderr[-1500:]


def test_check_passes_a_sound_return_and_fails_one_whose_learner_would_be_held(tmp_path):
    assert uln("check", str(a_return(tmp_path / "sound.xml"))).exit_code == 0
    held = uln("check", str(a_return(tmp_path / "held.xml", postcode="")))
    assert held.exit_code == 1
    assert "PCD01" in held.output and "Enghraifft" not in held.output


def test_check_tells_why_a_file_would_be_refused(tmp_path):
    (tmp_path / "x.xml").write_text("<Message>", encoding="utf-8")
    found = uln("check", str(tmp_path / "x.xml"))
    assert found.exit_code == 1 and "XML" in found.output and "Traceback" not in found.output


def test_a_missing_file_is_one_sentence(tmp_path):
    found = uln("check", str(tmp_path / "none.xml"))
    assert found.exit_code == 1 and "none.xml" in found.output.replace("\n", "") and "Traceback" not in found.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["census", "2012-02"],
        ["census", "2012-01", "--la", "999"],
        ["census", "2012-01", "--school", "12"],
        ["census", "2012-01", "--as-of", "yesterday"],
        ["rehearse", "--schools", "few"],
        ["batches", "--state", "LOST"],
        ["trace", "M660402510001", "R681404209123"],
        ["abandon", "LRB_10000001_300120120230.CSV"],
        ["nonsense"],
    ],
    ids=[
        "no-such-cycle",
        "no-such-authority",
        "no-such-school",
        "no-date",
        "no-number",
        "no-such-state",
        "two-learners",
        "no-reason",
        "no-such-command",
    ],
)
def test_wrong_usage_is_2(arguments):
    assert uln(*arguments).exit_code == 2


def test_status_of_nothing(tmp_path):
    found = json.loads(uln("status", "2012-01", "--json", "--data", str(tmp_path)).output)
    assert found["total"]["records"] == 0 and found["total"]["balanced"] is True and found["schools"] == {}


def test_a_broken_registration_file_is_told_with_its_faults(tmp_path):
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "registration.csv").write_text("school_number,ukprn\n6604025,1\n", encoding="utf-8")
    found = uln("readiness", "--data", str(tmp_path))
    assert found.exit_code == 1 and "takes_part" in found.output and "Traceback" not in found.output


def test_rehearsal_never_mixes_with_real_returns(tmp_path):
    from flows.rehearsal import refuse_real_returns
    from schemas.texts.faults import ServiceFault
    from tasks.io.data_root.data_root import DataRoot

    root = DataRoot(tmp_path).create()
    refuse_real_returns(root)
    a_return((root.dewi_inbox / "660").mkdir() or root.dewi_inbox / "660" / "real.xml")
    with pytest.raises(ServiceFault, match="--data"):
        refuse_real_returns(root)
