"""Marked pupils walk through a census and two returns runs, well and badly; then everything that others may see is searched.

One process and one engine play it all, as the engine is slow to start.
"""

import os
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path

import pytest

from tasks.io.lake.lake import Lake
from tests.support.marked_pupils import BORN, MARKERS, SURNAME, ULNS, UPNS, prepare, told
from tests.support.paths import PROJECT

pytestmark = pytest.mark.long

#: Where pupils' data is at home.
AT_HOME = ("lake", "dewi", "lrs", "quarantine", "snapshots", "reference")


#: What goes wrong: everything that could tell of a pupil does.
PLAY = """
import logging, os, sys, threading, urllib.request, urllib.error, warnings
from pathlib import Path
from flows.cli import __main__ as cli
from flows.run.engine import configure_engine
root, met = sys.argv[1], Path(sys.argv[2])
configure_engine(root)

def run(*arguments):
    return cli.app([*arguments, "--data", root], standalone_mode=False)

def census():
    import tasks.steps.validate as work, tasks.stages.receive as receiving
    sound, reads = work.apply_rules, receiving.sha256_of
    def broken(chosen, *arguments, **more):
        from prefect.server.api.server import SubprocessASGIServer
        try:
            urllib.request.urlopen(urllib.request.Request(SubprocessASGIServer().api_url + "/flow_runs/filter", b"{}"))
            met.write_text("let in")
        except urllib.error.HTTPError as refused:
            met.write_text(str(refused.code))
        told = chosen.to_csv()
        upn = chosen["upn"].iloc[0]
        for name in ("great_expectations.core", "prefect.task_runs", "prefect.flow_runs", "other"):
            logging.getLogger(name).error("of %s, born %s", upn, "1996-11-05")
            logging.getLogger(name).warning("met %r", ValueError(told))
            logging.getLogger(name).error("failed", exc_info=ValueError(told))
        warnings.warn(told)
        thread = threading.Thread(target=lambda: int(told)); thread.start(); thread.join()
        if (chosen["la_code"] == "681").any():
            raise ValueError(told)
        return sound(chosen, *arguments, **more)
    def unreadable(path):
        if path.name.startswith("unreadable"):
            raise ValueError(path.read_text(encoding="utf-8"))
        return reads(path)
    work.apply_rules, receiving.sha256_of = broken, unreadable
    return run("census", "2012-01", "--as-of", "2012-01-29T09:15")

def returns():
    return run("returns", "--as-of", "2012-02-12T09:15")

def crashing_returns():
    import flows.lrs_returns as module
    def crash(data):
        from tasks.io.lake.lake import Lake
        from tasks.io.data_root.data_root import DataRoot
        raise KeyError(Lake(DataRoot(Path(data)).lake).read("pupils").to_csv())
    module.cycles_with_returns = crash
    return run("returns", "--as-of", "2012-02-13T09:15")

#FIRST
ended = {}
looks = {"status": ["status"], "batches": ["batches"], "readiness": ["readiness"],
    "exceptions": ["exceptions"], "purge": ["purge", "--before", "2020-01-01"]}
parts = {"census": census, "returns": returns, "crash": crashing_returns}
for name, part in (parts | {name: lambda words=words: run(*words) for name, words in looks.items()}).items():
    if name == "returns":
        for path in Path(root, "answers").iterdir():
            path.rename(Path(root, "lrs", "inbox", path.name))
    ended[name] = part()
print("ended", ended)
"""


def play(where, first=""):
    """Play it in a process of its own, whose home and place for temporary files are searched too."""
    root = where / "root"
    prepare(root)
    for name in ("home", "tmp"):
        (where / name).mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PYTEST_", "XDG_", "ULN_"))}
    # Every line to the engine, of every library.
    extra = "great_expectations,other,py.warnings,tasks,flows"
    own = {"HOME": str(where / "home"), "TMPDIR": str(where / "tmp"), "PYTHONPATH": str(PROJECT), "ULN_WORKERS": "1"}
    own |= {"PREFECT_LOGGING_LEVEL": "DEBUG", "PREFECT_LOGGING_EXTRA_LOGGERS": extra}
    done = subprocess.run(
        [sys.executable, "-c", PLAY.replace("#FIRST", first), str(root), str(where / "met.txt")],
        capture_output=True,
        env=kept | own,
        cwd=PROJECT,
        check=False,
        umask=0o022,
    )
    (where / "stdout").write_bytes(done.stdout)
    (where / "stderr").write_bytes(done.stderr)
    return where


def at_home(path, root):
    parts = path.relative_to(root).parts if path.is_relative_to(root) else ()
    return bool(parts) and (parts[0] in AT_HOME or "faults" in parts)


def found_in(where):
    """Every marker that stands, in whatever encoding, in something that others may see: (file, marker)."""
    spelled = {m: [m.encode(code) for code in ("utf-8", "utf-16-le", "utf-16-be")] for m in MARKERS}
    found = []
    for path in sorted(p for p in where.rglob("*") if p.is_file() and not at_home(p, where / "root")):
        # With its name: that is seen wherever the file is.
        content = path.read_bytes() + path.name.encode()
        found += [
            (path.relative_to(where).as_posix(), m) for m, ways in spelled.items() if any(w in content for w in ways)
        ]
    return found


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    return play(tmp_path_factory.mktemp("privacy"))


def test_it_went_as_badly_as_it_should(played):
    out, err = ((played / name).read_text(encoding="utf-8") for name in ("stdout", "stderr"))
    assert "ended {'census': 1, 'returns': None, 'crash': 1, 'status': None, 'batches': None, " in out, (
        out[-2000:],
        err[-2000:],
    )
    root = played / "root"
    lake = Lake(root / "lake")
    assert set(lake.read("pupils")["surname"]) == {SURNAME}
    assert ULNS[0] in set(lake.read("learners")["uln"]) and SURNAME in set(
        lake.read("lrs_returns")["return_code"].str.title()
    )
    assert len(list((root / "quarantine").iterdir())) >= 5
    texts = [p.read_text(encoding="utf-8") for p in root.glob("reports/*/faults/*")]
    assert sum(SURNAME in text for text in texts) >= 6, "the evidence is kept, where it belongs"
    messages = told(played, "select message from log")
    assert len(messages) > 40 and any("of [UPN], born [date]" in m for m in messages)
    assert any("met ValueError" in m for m in messages) and any("UserWarning" in m for m in messages)
    assert {"census-2012-01-overview", "census-2012-01-authorities"} <= set(told(played, "select key from artifact"))


def test_no_marker_is_where_others_may_see_it(played):
    seen = [p for p in played.rglob("*") if p.is_file() and not at_home(p, played / "root")]
    assert {"prefect.db", "stdout", "stderr"} <= {p.name for p in seen}, "what is searched is there"
    assert found_in(played) == []


@pytest.mark.parametrize("place", ["log", "artifact", "wal", "result", "terminal", "home", "utf-16"])
def test_a_marker_that_is_planted_is_found(played, tmp_path, place):
    where = tmp_path / "where"
    shutil.copytree(played, where, ignore=shutil.ignore_patterns("lake", "dewi"))
    engine = where / "root" / "prefect"
    connection = sqlite3.connect(engine / "prefect.db")
    if place == "log":
        connection.execute("update log set message = message || ? where id = (select id from log limit 1)", (UPNS[0],))
    if place in ("artifact", "wal"):
        if place == "wal":
            connection.execute("pragma journal_mode = wal")
        connection.execute("update artifact set data = ?", (f'[{{"count": "{SURNAME}"}}]',))
    connection.commit()
    if place == "wal":
        assert (engine / "prefect.db-wal").stat().st_size > 0
    for name, path in (("result", engine / "storage" / "0a1b"), ("home", where / "home" / ".gx" / "x.yml")):
        if name == place:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(BORN[0].encode())
    if place in ("terminal", "utf-16"):
        text = (where / "stderr").read_bytes()
        (where / "stderr").write_bytes(
            text + (ULNS[0].encode() if place == "terminal" else SURNAME.encode("utf-16-be"))
        )
    found = found_in(where)
    connection.close()
    assert found, "the search is blind there"


def test_everything_it_wrote_is_its_owner_s_alone_though_the_terminal_lets_others_read(played):
    root = played / "root"
    engine = {p.name for p in (root / "prefect").rglob("*")}
    assert "prefect.db" in engine
    given = {root / "answers", *(root / "lrs" / "inbox").iterdir(), *(root / "dewi" / "inbox").rglob("*")}
    given |= {root / "reference" / "registration.csv"}
    loose = [p for p in (root, *root.rglob("*")) if p not in given and stat.S_IMODE(p.stat().st_mode) & 0o077]
    assert loose == []


def test_the_run_s_own_server_answers_nobody_else(played):
    assert (played / "met.txt").read_text() == "401"


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def asked(port, word=None):
    headers = {"Content-Type": "application/json"}
    headers |= {"Authorization": f"Basic {b64encode(word.encode()).decode()}"} if word else {}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/api/flow_runs/filter", b"{}", headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code


def listening(port):
    """The addresses on which somebody listens at a port, as the kernel writes them."""
    lines = [line.split() for n in ("tcp", "tcp6") for line in Path(f"/proc/net/{n}").read_text().splitlines()[1:]]
    return {one[1].split(":")[0] for one in lines if one[3] == "0A" and int(one[1].split(":")[1], 16) == port}


def test_a_server_with_the_shipped_settings_is_on_loopback_and_with_a_word_refuses_whoever_has_none(played, tmp_path):
    # Its database is made already: making one takes longer than all else.
    shutil.copytree(played / "root" / "prefect", tmp_path / "prefect")
    port, word = free_port(), "team:word"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PYTEST_"))}
    own = {"PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_SERVER_API_AUTH_STRING": word}
    own |= {"PREFECT_API_AUTH_STRING": word, "PREFECT_UI_ENABLED": "false"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    server = subprocess.Popen(
        command, cwd=PROJECT, env=kept | own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 240
        while not listening(port) and time.monotonic() < until and server.poll() is None:
            time.sleep(0.1)
        assert listening(port) == {"0100007F"}, "127.0.0.1 alone"
        assert asked(port) == asked(port, "team:wrong") == 401
        assert asked(port, word) == 200
    finally:
        server.terminate()
        server.wait(timeout=60)
