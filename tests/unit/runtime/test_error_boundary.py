"""What leaves a process: references in place of exceptions, masked log lines, no text of a warning."""

import logging
import os
import pickle
import stat
import subprocess
import sys

import pytest

from schemas.texts.faults import ServiceFault
from tasks.runtime.error_boundary import error_boundary, keep_evidence
from tests.support.paths import PROJECT

NAME, UPN = "Zzmarkername", "M660402510001"

#: Everything that a process can say about a pupil by mistake, in a process of its own: guarding is for good.
SAYS = """
import logging, sys, threading, warnings
from tasks.runtime.process_guard import install_process_guard
{guard}
logging.basicConfig(level=logging.DEBUG, stream=sys.stdout)
log = logging.getLogger("great_expectations.core")
log.warning("upn %s uln %s born %s at %s", "M660402510001", 1234567890, "1996-11-05", "LL77 7NG")
log.error("met %r and %s", ValueError("Zzmarkername"), KeyError("Zzmarkername"))
try:
    raise ValueError("Zzmarkername")
except ValueError:
    log.exception("something failed")
    logging.getLogger("prefect.flow_runs").error("failed", exc_info=True, stack_info=True)
warnings.warn("Zzmarkername M660402510001")
class Odd:
    def __del__(self):
        raise ValueError("Zzmarkername")
Odd()
thread = threading.Thread(target=lambda: int("Zzmarkername"), name="t")
thread.start(); thread.join()
raise RuntimeError("Zzmarkername")
"""


def said(root, guarded):
    line = f"install_process_guard({str(root)!r})" if guarded else ""
    return subprocess.run(
        [sys.executable, "-c", SAYS.format(guard=line)],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTHONWARNINGS")},
        check=False,
    )


def test_nothing_that_a_guarded_process_says_tells_of_a_pupil(tmp_path):
    done = said(tmp_path, guarded=True)
    everything = done.stdout + done.stderr
    for marker in (NAME, UPN, "1234567890", "1996-11-05", "LL77 7NG", "Traceback"):
        assert marker not in everything, everything
    assert "upn [UPN] uln [ULN] born [date] at [postcode]" in done.stdout
    assert "met ValueError and KeyError" in done.stdout and "UserWarning" in done.stdout
    kept = list((tmp_path / "reports" / "process" / "faults").iterdir())
    texts = [path.read_text(encoding="utf-8") for path in kept]
    assert sum(NAME in text for text in texts) >= 5, "the evidence is in the data root"
    assert all(path.name in everything for path in kept), "and is referred to"
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600}


def test_without_the_guard_it_all_would_be_told(tmp_path):
    done = said(tmp_path, guarded=False)
    assert (done.stdout + done.stderr).count(NAME) >= 7


def test_what_was_not_foreseen_is_a_reference_and_carries_nothing(tmp_path):
    def work():
        try:
            raise KeyError(NAME)
        except KeyError as error:
            raise ValueError(NAME) from error

    with pytest.raises(ServiceFault) as told:
        error_boundary(work, data=str(tmp_path), cycle="2012-01", stage="test")
    assert NAME not in str(told.value) and told.value.__context__ is None and told.value.__cause__ is None
    assert NAME.encode() not in pickle.dumps(told.value)


def test_our_own_faults_pass_without_what_they_were_made_of(tmp_path):
    def work():
        try:
            raise KeyError(NAME)
        except KeyError as error:
            raise ServiceFault("cy / en") from error

    with pytest.raises(ServiceFault, match="cy / en") as told:
        error_boundary(work, data=str(tmp_path), cycle="2012-01", stage="test")
    assert told.value.__context__ is None and told.value.__cause__ is None


def test_evidence_that_cannot_be_written_does_not_hide_the_fault(tmp_path):
    (tmp_path / "reports").write_bytes(b"a file where the folder should be")
    where = keep_evidence(str(tmp_path), "2012-01", "read", "660", ValueError(NAME))
    assert where.startswith("reports/2012-01/faults/read-660-") and NAME not in where


def test_a_surrogate_in_an_exception_is_evidence_too(tmp_path):
    where = keep_evidence(str(tmp_path), "2012-01", "read", "660", ValueError("\udcff"))
    assert "\\udcff" in (tmp_path / where).read_text(encoding="utf-8")


#: A worker whose library prints to the file behind the streams, as libraries in C do.
WORKS = """
import os
from tasks.runtime.executor import workers_for
def prints(n):
    os.write(2, b"Zzmarkername"); print("Zzmarkername", flush=True)
    return n
if __name__ == "__main__":
    with workers_for({root!r}, 2) as workers:
        assert list(workers.map(prints, range(4))) == [0, 1, 2, 3]
"""


def test_what_a_worker_prints_goes_to_the_data_root(tmp_path):
    script = tmp_path / "works.py"
    script.write_text(WORKS.format(root=str(tmp_path)), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        check=True,
    )
    assert NAME not in done.stdout + done.stderr
    kept = tmp_path / "reports" / "process" / "faults" / "workers.txt"
    assert kept.read_text(encoding="utf-8").count(NAME) == 8 and stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_the_test_process_is_not_guarded():
    """The guard changes the process for good: tests ask others."""
    assert logging.getLogRecordFactory() is logging.LogRecord
