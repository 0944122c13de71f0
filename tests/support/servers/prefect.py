"""Prefect's own server on loopback, with the settings of the project, and processes that know it."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.paths import PROJECT

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


@contextmanager
def prefect_server(home: Path) -> Iterator[Server]:
    """A server that stands as long as the block does; what was started beside it ends with it."""
    port = free_port()
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
