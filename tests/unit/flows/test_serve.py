"""`uln serve`: a server, all deployments and a worker that takes runs; and nothing of it outlives the command.

One start for all, as the engine is slow to start. What a kill leaves is tried on `flows.services.guardian` alone.
"""

import datetime as dt
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from pathlib import Path

import pytest
import yaml

from flows.services.serve import end_left_runs
from tests.support.paths import PROJECT

#: Holds a guardian whose command has a child in a session of its own, which will not be asked; says all their numbers.
HOLDER = """
import subprocess, sys, time
deaf = "import signal, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('there', flush=True); time.sleep(600)"
parent = (
    "import os, subprocess, sys, time;"
    f"child = subprocess.Popen([sys.executable, '-c', {deaf!r}], start_new_session=True, stdout=subprocess.PIPE);"
    "child.stdout.readline(); print(os.getpid(), child.pid, flush=True);" + sys.argv[1]
)
guardian = subprocess.Popen(
    [sys.executable, "-m", "flows.services.guardian", sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
)
print(guardian.pid, *guardian.stdout.readline().split(), flush=True)
time.sleep(600)
"""


def environment(**more):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PYTEST_", "ULN_"))}
    return kept | {"PYTHONPATH": os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])} | more


def lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(holds, seconds):
    """Whether something comes to hold within so many seconds."""
    end = time.monotonic() + seconds
    while not (found := holds()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


@pytest.mark.parametrize(
    ("what_the_command_does", "kill"),
    [("time.sleep(600)", True), ("sys.exit(3)", False), ("os.kill(os.getpid(), 9)", False)],
    ids=["its-holder-is-killed", "it-ends", "it-is-killed"],
)
def test_whatever_ends_first_nothing_of_a_guarded_command_is_left(what_the_command_does, kill):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, what_the_command_does],
        stdout=subprocess.PIPE, text=True, env=environment(), cwd=PROJECT,
    )  # fmt: skip
    try:
        pids = [int(one) for one in holder.stdout.readline().split()]
        assert len(pids) == 3
        if kill:
            assert all(map(lives, pids))
            holder.kill()
        assert until(lambda: not any(map(lives, pids)), 30)
    finally:
        holder.kill()
        holder.communicate()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Served:
    """`uln serve`, and its API."""

    def __init__(self, root):
        self.root, self.port = root, free_port()
        code = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from flows.cli.__main__ import main; main()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, "serve", "--port", str(self.port), "--data", str(root)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(), cwd=PROJECT, start_new_session=True,
        )  # fmt: skip

    def ask(self, path, body=None, *, word=True):
        """What the API answers; HTTPError where it refuses."""
        headers = {"content-type": "application/json"}
        if word:
            own = (self.root / "prefect" / "word").read_text(encoding="utf-8").strip()
            headers["Authorization"] = f"Basic {b64encode(own.encode()).decode()}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/{path}", data, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def own_processes(self):
        """Every process that was given this data root by `uln serve`, however it was started."""
        found = []
        for place in Path("/proc").glob("[0-9]*/environ"):
            try:
                if f"ULN_DATA={self.root}\0".encode() in place.read_bytes() and lives(int(place.parent.name)):
                    found.append(int(place.parent.name))
            except OSError:
                continue
        return found


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    one = Served(tmp_path_factory.mktemp("serve") / "root")
    try:
        said = [one.process.stdout.readline() for _ in range(2)]
        assert one.process.poll() is None, "".join(said) + one.process.stdout.read()
        one.said = said
        yield one
    finally:
        one.process.kill()
        one.process.communicate()


@pytest.mark.engine
def test_it_says_in_both_languages_where_the_dashboard_is_and_not_the_word(served):
    told = served.said[1]
    assert f"http://127.0.0.1:{served.port}" in told and "dangosfwrdd" in told and "dashboard" in told
    word = (served.root / "prefect" / "word").read_text(encoding="utf-8").strip()
    assert word not in told and str(served.root / "prefect" / "word") in told
    assert (served.root / "prefect" / "word").stat().st_mode & 0o077 == 0


@pytest.mark.engine
def test_every_deployment_of_the_file_is_there_for_those_who_know_the_word(served):
    deployed = served.ask("deployments/filter", {})
    file = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))
    assert {one["name"] for one in deployed} == {one["name"] for one in file["deployments"]}
    with pytest.raises(urllib.error.HTTPError, match="401"):
        served.ask("deployments/filter", {}, word=False)
    assert until(
        lambda: served.ask("flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}), 90
    )


@pytest.mark.engine
def test_outside_its_window_a_run_ends_as_nothing_due_and_nothing_is_written(served):
    of_kind = served.ask("deployments/name/census/september-census")
    parameters = {"kind": "september", "as_of": "2026-08-31T02:30"}
    run = served.ask(f"deployments/{of_kind['id']}/create_flow_run", {"parameters": parameters})
    ended = until(lambda: (found := served.ask(f"flow_runs/{run['id']}"))["end_time"] and found, 240)
    assert ended, served.ask(f"flow_runs/{run['id']}")["state"]
    assert (ended["state_type"], ended["state_name"], ended["name"]) == ("COMPLETED", "NothingDue", "census september")
    assert "no september cycle is open" in ended["state"]["message"]
    assert not list((served.root / "lake").iterdir())


@pytest.mark.engine
def test_a_run_that_nobody_is_at_any_more_gives_its_place_back(served):
    """As after the machine went down: the engine's database says Running, and the place of the deployment is taken."""
    of_kind = served.ask("deployments/name/upkeep/upkeep")
    later = (dt.datetime.now(dt.UTC) + dt.timedelta(hours=5)).isoformat()
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": later}}
    run = served.ask(f"deployments/{of_kind['id']}/create_flow_run", {"state": state})
    for name in ("PENDING", "RUNNING"):
        served.ask(f"flow_runs/{run['id']}/set_state", {"state": {"type": name}, "force": True})
    word = (served.root / "prefect" / "word").read_text(encoding="utf-8").strip()
    assert end_left_runs(f"http://127.0.0.1:{served.port}/api", word) == 1
    assert served.ask(f"flow_runs/{run['id']}")["state_type"] == "CRASHED"
    assert end_left_runs(f"http://127.0.0.1:{served.port}/api", word) == 0


@pytest.mark.engine
def test_a_wrong_parameter_makes_no_run(served):
    of_kind = served.ask("deployments/name/census/september-census")
    with pytest.raises(urllib.error.HTTPError, match="409"):
        served.ask(f"deployments/{of_kind['id']}/create_flow_run", {"parameters": {"cycle": "2026-10"}})


@pytest.mark.engine
def test_ctrl_c_ends_all_of_it_within_seconds(served):
    assert len(served.own_processes()) >= 4, "a server and a worker, each with its guardian"
    at = time.monotonic()
    served.process.send_signal(signal.SIGINT)
    out, _ = served.process.communicate(timeout=60)
    assert time.monotonic() - at < 20
    assert served.process.returncode == 1 and "stopiwyd" in out and "Traceback" not in out
    assert served.own_processes() == []
