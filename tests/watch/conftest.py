"""One real server for all that is told to it and by it, a receiver of webhooks, a mail server, and a root whose batch is stuck."""

import email
import email.policy
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from tests_support import walked

from schemas.cycles import cycle_by_id
from schemas.lrs.profiles import all_profiles
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.reference import schools
from tasks.rehearsal.lrs_stand_in import answer_outbox
from tasks.rehearsal.synthetic_returns import write_wales
from tasks.rehearsal.synthetic_wales import plan_wales
from tasks.runtime.run_log import run_log
from tasks.stages.batch import batch
from tasks.stages.collect import collect
from tasks.stages.conserve import conserve
from tasks.stages.cross_check import cross_check
from tasks.stages.merge import merge
from tasks.stages.publish import publish
from tasks.stages.read import read
from tasks.stages.receive import receive
from tasks.stages.release import release
from tasks.stages.select import select
from tasks.stages.validate import validate

PROJECT = Path(__file__).resolve().parents[2]
CYCLE, MONDAY, LATER = "2012-01", "2012-01-30T02:30", "2012-02-06T02:30"
#: On two busy cores a server takes a minute to start, on two that many others want five.
PATIENCE = 600


def until(found, patience=PATIENCE):
    """What `found` answers as soon as it is something; what it answered last where it never is."""
    end = time.monotonic() + patience
    while not (answer := found()) and time.monotonic() < end:
        time.sleep(0.2)
    return answer


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def plain_environment():
    return {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PYTEST_", "ULN_"))}


@dataclass
class Server:
    """A server that stands, and how it is asked."""

    url: str
    environment: dict[str, str]
    started: list[subprocess.Popen] = field(default_factory=list)

    def asked(self, path, body=None):
        """What its API answers."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def answers(self):
        """Whether it stands."""
        try:
            return self.asked("/health") is True
        except (urllib.error.URLError, OSError):
            return False

    def events(self, name):
        """The events of that name."""
        return self.asked("/events/filter", {"filter": {"event": {"name": [name]}}})["events"]

    def begin(self, *command, **more):
        """A process that knows the server."""
        process = subprocess.Popen(
            [sys.executable, *command], env=self.environment | more, cwd=PROJECT, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.started.append(process)
        return process

    def run(self, *command, expect=0, **more):
        """Run it to its end; what it said."""
        process = self.begin(*command, **more)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == expect, err[-3000:]
        return out + err

    def uln(self, *arguments, expect=0, **more):
        """A command of the service."""
        return self.run(
            "-W", "ignore", "-c", "from flows.cli.__main__ import main; main()", *arguments, expect=expect, **more
        )


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A server with the settings of the project, which looks for late runs every second or so."""
    home, port = tmp_path_factory.mktemp("server"), free_port()
    environment = plain_environment() | {"PREFECT_HOME": str(home), "PYTHONPATH": str(PROJECT), "ULN_LANG": "en"}
    environment |= {"ULN_CHECKOUT": str(PROJECT), "DO_NOT_TRACK": "1"}
    its_own = environment | {"PREFECT_UI_ENABLED": "false", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    log = (home / "server.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)],
        env=its_own, cwd=PROJECT, stdout=log, stderr=log,
    )  # fmt: skip
    url = f"http://127.0.0.1:{port}/api"
    stands = Server(url, environment | {"PREFECT_API_URL": url})
    try:
        assert until(lambda: stands.answers() or process.poll() is not None) is True and process.poll() is None
        yield stands
    finally:
        for one in stands.started:
            if one.poll() is None:
                one.kill()
                one.wait(timeout=60)
            for stream in (one.stdout, one.stderr):
                stream.close()
        process.terminate()
        process.wait(timeout=60)
        log.close()


@pytest.fixture(scope="session")
def hook():
    """A receiver of webhooks: its address, and what it was told."""
    told = []

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Nothing on the terminal."""

    receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{receiver.server_port}/told", told
    receiver.shutdown()
    receiver.server_close()


@pytest.fixture(scope="session")
def mailbox():
    """A mail server: its address, and what came: (from, to, subject, text)."""
    came = []

    async def taken(_handler, _server, _session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        text = message.get_body(("plain",)).get_content()
        came.append((envelope.mail_from, envelope.rcpt_tos, str(message["Subject"]), text))
        return "250 OK"

    controller = Controller(type("Handler", (), {"handle_DATA": taken})(), hostname="127.0.0.1", port=free_port())
    controller.start()
    yield f"smtp://127.0.0.1:{controller.port}?from=uln@example.org", came
    controller.stop()


@pytest.fixture(scope="session")
def sent_root(tmp_path_factory):
    """A school's returns went out on Monday; the LRS has not answered. The run has kept its log."""
    root = tmp_path_factory.mktemp("sent") / "root"
    DataRoot(root).create()
    taking = schools().query("school_number == '6604025'").reset_index(drop=True)
    write_wales(plan_wales(taking, cycle_by_id(CYCLE), seed=7, pupils_per_school=40), root, cycle_by_id(CYCLE))
    with run_log(str(root), "run-1", "census", CYCLE):
        for stage in (receive, read, select):
            walked(stage, root, CYCLE, MONDAY)
        cross_check.fn(data=str(root), cycle=CYCLE)
        for stage in (validate, batch, release):
            walked(stage, root, CYCLE, MONDAY)
    return root


@pytest.fixture(scope="session")
def answered_root(sent_root, tmp_path_factory):
    """A week later the LRS has answered, and the school has got its files."""
    root = Path(shutil.copytree(sent_root, tmp_path_factory.mktemp("answered") / "root"))
    answer_outbox(root, profiles=all_profiles(), seed=7)
    with run_log(str(root), "run-2", "lrs_returns", None):
        collect.fn(data=str(root), as_of=LATER)
        merge.fn(data=str(root))
        conserve.fn(data=str(root), cycle=CYCLE)
        walked(publish, root, CYCLE, LATER)
    return root


@pytest.fixture
def root(answered_root, tmp_path):
    return Path(shutil.copytree(answered_root, tmp_path / "root"))


@pytest.fixture
def sent(sent_root, tmp_path):
    return Path(shutil.copytree(sent_root, tmp_path / "root"))
