"""One real server for all that is told to it and by it, a receiver of webhooks, a mail server, and a root whose batch is stuck.

What only some rooms need is imported where it is used, so that the tests of the other rooms begin at once.
"""

import email
import email.policy
import http.server
import json
import shutil
import threading
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller

from tests.support.servers.prefect import free_port, prefect_server

CYCLE, MONDAY, LATER = "2012-01", "2012-01-30T02:30", "2012-02-06T02:30"


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A server with the settings of the project, which looks for late runs every second or so."""
    with prefect_server(tmp_path_factory.mktemp("server")) as stands:
        yield stands


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
    from schemas.cycles import cycle_by_id
    from tasks.io.data_root.data_root import DataRoot
    from tasks.io.data_root.reference import schools
    from tasks.rehearsal.synthetic_returns import write_wales
    from tasks.rehearsal.synthetic_wales import plan_wales
    from tasks.runtime.run_log import run_log
    from tests.support.diary import census

    root = tmp_path_factory.mktemp("sent") / "root"
    DataRoot(root).create()
    taking = schools().query("school_number == '6604025'").reset_index(drop=True)
    write_wales(plan_wales(taking, cycle_by_id(CYCLE), seed=7, pupils_per_school=40), root, cycle_by_id(CYCLE))
    with run_log(str(root), "run-1", "census", CYCLE):
        census(root, CYCLE, MONDAY)
    return root


@pytest.fixture(scope="session")
def answered_root(sent_root, tmp_path_factory):
    """A week later the LRS has answered, and the school has got its files."""
    from schemas.lrs.profiles import all_profiles
    from tasks.rehearsal.lrs_stand_in import answer_outbox
    from tasks.runtime.run_log import run_log
    from tests.support.diary import returns

    root = Path(shutil.copytree(sent_root, tmp_path_factory.mktemp("answered") / "root"))
    answer_outbox(root, profiles=all_profiles(), seed=7)
    with run_log(str(root), "run-2", "lrs_returns", None):
        returns(root, CYCLE, LATER)
    return root


@pytest.fixture
def root(answered_root, tmp_path):
    return Path(shutil.copytree(answered_root, tmp_path / "root"))


@pytest.fixture
def sent(sent_root, tmp_path):
    return Path(shutil.copytree(sent_root, tmp_path / "root"))


@pytest.fixture(scope="session")
def chosen_root(tmp_path_factory):
    """Four learners of three schools are chosen, and no batch is built (`tests.support.small_census`)."""
    from tests.support.small_census import four_learners

    root = tmp_path_factory.mktemp("chosen") / "root"
    four_learners(root)
    return root


@pytest.fixture(scope="session")
def handed_over_root(chosen_root, tmp_path_factory):
    """Their batches went out on Monday."""
    from tests.support.small_census import MONDAY, next_run

    root = Path(shutil.copytree(chosen_root, tmp_path_factory.mktemp("handed-over") / "root"))
    next_run(root, MONDAY)
    return root


@pytest.fixture
def chosen(chosen_root, tmp_path):
    return Path(shutil.copytree(chosen_root, tmp_path / "root"))


@pytest.fixture
def handed_over(handed_over_root, tmp_path):
    return Path(shutil.copytree(handed_over_root, tmp_path / "root"))
