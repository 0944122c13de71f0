"""A census and its returns by the web service, badly; then everything that they left is searched for the secrets.

One process and one engine play it all, as the engine is slow to start; the service stands in this one.
"""

import os
import subprocess
import sys
from collections import deque

import pytest
from cryptography.hazmat.primitives import serialization

from tasks.io.lake.lake import Lake
from tasks.rehearsal import lrs_web_stand_in
from tasks.rehearsal.certificates import make_certificates
from tasks.rehearsal.lrs_web_stand_in import Fault, serving, settings_of
from tests.support.marked_pupils import UPNS, prepare, told
from tests.support.paths import PROJECT

pytestmark = pytest.mark.long

#: The organisation's, one that it has no more, and the key's.
PASSWORD, FORMER, PASSPHRASE = "Zz0rganisation16", "Qq0rganisation16", "Xxpassphrase of the key"
SECRETS = (PASSWORD, FORMER, PASSPHRASE)

PLAY = """
import os, sys
from flows.cli import __main__ as cli
from flows.run.engine import configure_engine
root, former, password = sys.argv[1], *(os.environ.pop(name) for name in ("FORMER", "PASSWORD"))
configure_engine(root)

def run(*arguments):
    return cli.app([*arguments, "--data", root], standalone_mode=False)

def census(day):
    return run("census", "2012-01", "--as-of", f"2012-01-{day}T09:15")

def returns(minute):
    return run("returns", "--as-of", f"2012-02-12T09:{minute}")

def crashing(number, step):
    # The call is under way, and what it said stands in the frames around this one.
    import tasks.io.lrs.web_service as service
    read, seen = service._read_reply, []
    def broken(status, content):
        seen.append(status)
        if len(seen) == number:
            raise ValueError("odd")
        return read(status, content)
    service._read_reply = broken
    try:
        return step()
    finally:
        service._read_reply = read

ended = {}
os.environ["ULN_LRS_PASSWORD"] = former
ended["wrong"] = census(29)
os.environ["ULN_LRS_PASSWORD"] = password
ended["refused"] = census(30)
crashing(2, lambda: census(31))
ended["odd"] = returns("15")
ended["crash"] = crashing(1, lambda: returns("45"))
os.environ["ULN_LRS_VERIFY_ULNS"] = "maybe"
ended["setting"] = run("census", "2012-01", "--as-of", "2012-02-13T09:15")
del os.environ["ULN_LRS_VERIFY_ULNS"]
for words in (["doctor"], ["status"], ["batches"]):
    try:
        ended[words[0]] = run(*words)
    except BaseException as error:
        ended[words[0]] = type(error).__name__
print("ended", ended)
"""


def locked(key, where):
    """A private key under a passphrase."""
    held = serialization.load_pem_private_key(key.read_bytes(), None)
    under = serialization.BestAvailableEncryption(PASSPHRASE.encode())
    path = where / "locked.pem"
    path.write_bytes(held.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, under))
    return path


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """What it left: the data root, the process's home and place for temporary files, and what it printed."""
    certificates = make_certificates(tmp_path_factory.mktemp("certificates"))
    key = locked(certificates.caller, tmp_path_factory.mktemp("key"))
    where = tmp_path_factory.mktemp("secrets")
    root = where / "root"
    prepare(root)
    for name in ("home", "tmp"):
        (where / name).mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PYTEST_", "XDG_", "ULN_"))}
    own = {"HOME": str(where / "home"), "TMPDIR": str(where / "tmp"), "PYTHONPATH": str(PROJECT), "ULN_WORKERS": "1"}
    own |= {"PREFECT_LOGGING_LEVEL": "DEBUG", "PREFECT_LOGGING_EXTRA_LOGGERS": "urllib3,zeep,requests,tasks,flows"}
    own |= {"ULN_LRS_KEY_PASSWORD": PASSPHRASE, "FORMER": FORMER, "PASSWORD": PASSWORD}
    with pytest.MonkeyPatch.context() as patch, serving(where / "lrs", certificates) as lrs:
        patch.setattr(lrs_web_stand_in, "PASSWORD", PASSWORD)
        lrs.planned["SubmitBatch"] = deque([None, "WSEC0006"])
        lrs.planned["GetSubmitBatchOutput"] = deque([Fault.ODD])
        said = settings_of(lrs, certificates) + f'key = "{key}"\ncalls_at_once = 1\n'
        (root / "reference" / "lrs_service.toml").write_text(said, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-c", PLAY, str(root)], capture_output=True, env=kept | own, cwd=PROJECT, check=False
        )
    (where / "stdout").write_bytes(done.stdout)
    (where / "stderr").write_bytes(done.stderr)
    return where


def found_in(where):
    """Every secret that stands, in whatever encoding, in anything that was left: (file, secret)."""
    spelled = {one: [one.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be")] for one in SECRETS}
    found = []
    for path in sorted(p for p in where.rglob("*") if p.is_file()):
        content = path.read_bytes() + path.name.encode()
        found += [
            (path.relative_to(where).as_posix(), one)
            for one, ways in spelled.items()
            if any(w in content for w in ways)
        ]
    return found


def test_it_went_as_badly_as_it_should(played):
    out, err = ((played / name).read_text(encoding="utf-8") for name in ("stdout", "stderr"))
    assert "ended {'wrong': 1, 'refused': 1, " in out and "'setting': 1" in out, (out[-3000:], err[-3000:])
    messages = " ".join(map(str, told(played, "select message from log")))
    assert all(code in messages for code in ("WSEC0005", "WSEC0006", "ODD_ANSWER")), messages[-3000:]
    assert "verify_ulns" in out + err
    evidence = [path.read_text(encoding="utf-8") for path in (played / "root").glob("reports/*/faults/*")]
    assert any("ValueError: odd" in text and "_read_reply" in text for text in evidence)
    batches = Lake(played / "root" / "lake").read("batches")
    assert sorted(batches["state"]) == ["SENT", "SENT_UNCONFIRMED"], (
        "the call that crashed is one of which nobody knows"
    )
    jobs = b"".join(path.read_bytes() for path in (played / "lrs").rglob("*.xml"))
    assert all(upn.encode() in jobs for upn in UPNS), "the calls were made"


def test_no_secret_is_in_anything_that_was_left(played):
    names = {path.name for path in played.rglob("*") if path.is_file()}
    assert {"prefect.db", "stdout", "stderr", "lrs_service.toml"} <= names and any((played / "root" / "lake").iterdir())
    assert found_in(played) == []


@pytest.mark.parametrize("secret", SECRETS, ids=["password", "former", "passphrase"])
@pytest.mark.parametrize("code", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_secret_that_is_planted_is_found(tmp_path, secret, code):
    (tmp_path / "kept").write_bytes(b"\x00before " + secret.encode(code))
    assert found_in(tmp_path) == [("kept", secret)]
