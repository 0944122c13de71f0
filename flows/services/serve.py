"""The service on one machine: a Prefect server, the deployments of `prefect.yaml` and a worker, until someone ends it.

Belongs here: which of Prefect's commands are started, in which order, and that all of them end together. Does not belong
here: schedules (`prefect.yaml`), the work of a run (the flows), and how no process is left over (`flows.services.guardian`).
This module never imports the engine: it runs in its own processes.
"""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from flows.run.engine import PASSWORD_NAMES, server_password
from flows.services.guardian import GRACE_SECONDS
from schemas.texts.catalogue import Bilingual, bilingual
from schemas.texts.faults import ServiceFault
from tasks.io.data_root.data_root import DataRoot, keep_private, make_folder, write_whole

CHECKOUT = Path(__file__).resolve().parents[2]
POOL = "uln"
_HOST = "127.0.0.1"
#: The first start makes the engine's database, which takes minutes on two busy cores.
_START_SECONDS = 300.0
_LOOK_SECONDS = 0.3

#: Commands to run once the server answers, in this order; safe to repeat.
_ONCE = {
    "work-pool": ["work-pool", "create", POOL, "--type", "process", "--overwrite"],
    "deploy": ["--no-prompt", "deploy", "--all"],
}

Process = subprocess.Popen[bytes]


def serve(data: str, port: int, report: Callable[[Bilingual], None]) -> None:
    """Start the service and stay until this process is asked to end, or a part of the service ends.

    The server listens on this machine only. `report` is called with messages about the progress.

    Raises:
        ServiceFault: there is no `prefect.yaml`, the port is taken, or a part could not start or has ended.
        KeyboardInterrupt: this process was asked to end; all parts have ended.
    """
    if not (CHECKOUT / "prefect.yaml").is_file():
        raise ServiceFault(bilingual("fault.no_checkout", folder=CHECKOUT))
    keep_private()
    home = DataRoot(Path(data)).create().engine
    make_folder(home)
    _refuse_taken(port)
    password_file = home / "word"
    kept = password_file.read_text(encoding="utf-8").strip() if password_file.is_file() else None
    password = server_password(kept)
    write_whole(password_file, password.encode() + b"\n")
    environment = _environment(data, home, port, password)
    with _sigterm_as_ctrl_c(), _processes(environment, home) as start:
        report(bilingual("serve.starting"))
        server = start("server", ["server", "start", "--host", _HOST, "--port", str(port)])
        _wait_for(server, port, home)
        for name, arguments in _ONCE.items():
            command = start(name, arguments)
            with suppress(subprocess.TimeoutExpired):
                command.wait(timeout=_START_SECONDS)
            if command.returncode != 0:
                raise _part_ended(name, home)
        # No worker has started yet: a run in state Running was left by a worker that ended with its machine or by Ctrl-C.
        end_left_runs(environment["PREFECT_API_URL"], password)
        worker = start("worker", ["worker", "start", "--pool", POOL, "--name", "uln-serve"])
        report(bilingual("serve.ready", url=f"http://{_HOST}:{port}", word=password_file, root=data))
        while True:
            _refuse_ended("server", server, home)
            _refuse_ended("worker", worker, home)
            time.sleep(_LOOK_SECONDS)


def end_left_runs(address: str, password: str) -> int:
    """Set dead runs to crashed on the server.

    Otherwise each would hold its deployment's only slot for ever, and every later run would wait for it. `address` is the
    URL of the API. Returns the number of runs.
    """
    at_work = {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}, "limit": 200}
    left = _post(address, password, "flow_runs/filter", at_work)
    over = {"type": "CRASHED", "name": "Crashed", "message": bilingual("terminal.left_run")}
    for run in left:
        _post(address, password, f"flow_runs/{run['id']}/set_state", {"state": over, "force": False})
    return len(left)


def _post(address: str, password: str, path: str, body: dict[str, Any]) -> Any:
    credentials = "Basic " + base64.b64encode(password.encode()).decode()
    headers = {"Content-Type": "application/json", "Authorization": credentials}
    request = urllib.request.Request(f"{address}/{path}", json.dumps(body).encode(), headers)  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return json.load(answer)


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        # As the server does: a port that has just been released may be taken again.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            raise ServiceFault(bilingual("fault.port_taken", port=port)) from None


def _environment(data: str, home: Path, port: int, password: str) -> dict[str, str]:
    """Return the environment of Prefect's commands and, through the worker, of runs; without settings of other servers."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PREFECT_PROFILE", "PREFECT_API_KEY")}
    paths = [str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return kept | {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://{_HOST}:{port}/api",
        **dict.fromkeys(PASSWORD_NAMES, password),
        "PREFECT_SERVER_LOGGING_LEVEL": os.environ.get("PREFECT_SERVER_LOGGING_LEVEL", "WARNING"),
        "PREFECT_CLI_PROMPT": "false",
        "PYTHONPATH": os.pathsep.join(paths),
        "ULN_CHECKOUT": str(CHECKOUT),
        "ULN_DATA": data,
    }


@contextmanager
def _processes(environment: dict[str, str], home: Path) -> Iterator[Callable[[str, list[str]], Process]]:
    """Yield a function that starts a process; all end with the block. Each logs to a file in the engine's folder."""
    running: list[Process] = []

    def start(name: str, arguments: list[str]) -> Process:
        with (home / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - Prefect's own command
                [sys.executable, "-m", "flows.services.guardian", sys.executable, "-m", "prefect", *arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=CHECKOUT,
                # Ctrl-C reaches only this process, which ends the others.
                start_new_session=True,
            )
        running.append(process)
        return process

    try:
        yield start
    finally:
        for process in running:
            with suppress(OSError):
                process.stdin.close()  # type: ignore[union-attr]
        for process in running:
            process.wait(timeout=GRACE_SECONDS + 30)


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Treat SIGTERM, by which a service manager ends a process, as Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait_for(server: Process, port: int, home: Path) -> None:
    """Wait until the server answers; raise ServiceFault if it has ended, or takes too long."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        _refuse_ended("server", server, home)
        with (
            suppress(urllib.error.URLError, OSError),
            urllib.request.urlopen(f"http://{_HOST}:{port}/api/health", timeout=5) as answer,
        ):
            if answer.status == 200:
                return
        time.sleep(_LOOK_SECONDS)
    raise _part_ended("server", home)


def _refuse_ended(name: str, process: Process, home: Path) -> None:
    if process.poll() is not None:
        raise _part_ended(name, home)


def _part_ended(name: str, home: Path) -> ServiceFault:
    return ServiceFault(bilingual("fault.part_ended", part=name, log=home / f"{name}.log"))
