"""The service on one machine: a Prefect server, the deployments of `prefect.yaml` and a worker, until someone ends it.

Belongs here: which of Prefect's own commands are started, in which order, and that all of them end together. Does not
belong here: schedules (`prefect.yaml`), what a run does (the flows), how processes are kept from being left over
(`flows.services.guardian`). The engine is never imported: it runs in processes of its own.
"""

import base64
import json
import os
import secrets
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

from flows.services.guardian import GRACE_SECONDS
from schemas.texts.catalogue import Bilingual, bilingual
from schemas.texts.faults import ServiceFault
from tasks.io.data_root.data_root import DataRoot, keep_private, make_folder, write_whole

CHECKOUT = Path(__file__).resolve().parents[2]
POOL = "uln"
_HOST = "127.0.0.1"
#: The first start makes the engine's database; two busy cores take minutes for it.
_START_SECONDS = 300.0
_LOOK_SECONDS = 0.3

#: What is done once the server answers, in this order; safe to do again.
_ONCE = {
    "work-pool": ["work-pool", "create", POOL, "--type", "process", "--overwrite"],
    "deploy": ["--no-prompt", "deploy", "--all"],
}

Process = subprocess.Popen[bytes]


def serve(data: str, port: int, tell: Callable[[Bilingual], None]) -> None:
    """Start all of it and stay until this process is asked to end, or a part of it ends.

    Args:
        data: the data root.
        port: where the server listens, on this machine alone.
        tell: says to whoever started it how far it is.

    Raises:
        ServiceFault: this is no checkout, the port is taken, or a part could not be started or has ended.
        KeyboardInterrupt: it was asked to end; all of it has ended.
    """
    if not (CHECKOUT / "prefect.yaml").is_file():
        raise ServiceFault(bilingual("fault.no_checkout", folder=CHECKOUT))
    keep_private()
    home = DataRoot(Path(data)).create().engine
    make_folder(home)
    _refuse_taken(port)
    word_file = home / "word"
    environment = _environment(data, home, port, _word(word_file))
    with _asked_to_end(), _together() as started:
        tell(bilingual("serve.starting"))
        server = started("server", ["server", "start", "--host", _HOST, "--port", str(port)], environment, home)
        _wait_for(server, port, home)
        for name, arguments in _ONCE.items():
            _finished(name, started(name, arguments, environment, home), home)
        # No worker is there yet: what stands as Running was left by one that has gone with its machine, or with Ctrl-C.
        end_left_runs(environment["PREFECT_API_URL"], environment["PREFECT_API_AUTH_STRING"])
        worker = started("worker", ["worker", "start", "--pool", POOL, "--name", "uln-serve"], environment, home)
        tell(bilingual("serve.ready", url=f"http://{_HOST}:{port}", word=word_file, root=data))
        while True:
            for name, process in (("server", server), ("worker", worker)):
                _refuse_ended(name, process, home)
            time.sleep(_LOOK_SECONDS)


def end_left_runs(address: str, word: str) -> int:
    """Say of the runs that nobody is at any more that they are over, as the dead cannot.

    Each holds the one place of its deployment for ever: the next nights' runs would wait for it, and none would come.

    Args:
        address: of the server's API.
        word: that lets us in.

    Returns:
        How many there were.
    """
    at_work = {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "PENDING", "CANCELLING"]}}}, "limit": 200}
    left = _asked(address, word, "flow_runs/filter", at_work)
    over = {"type": "CRASHED", "name": "Crashed", "message": bilingual("terminal.left_run")}
    for run in left:
        _asked(address, word, f"flow_runs/{run['id']}/set_state", {"state": over, "force": False})
    return len(left)


def _asked(address: str, word: str, path: str, body: dict[str, Any]) -> Any:
    lets_in = "Basic " + base64.b64encode(word.encode()).decode()
    headers = {"Content-Type": "application/json", "Authorization": lets_in}
    request = urllib.request.Request(f"{address}/{path}", json.dumps(body).encode(), headers)  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
        return json.load(answer)


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        # As the server will: what has just been let go may be taken again.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_HOST, port))
        except OSError:
            raise ServiceFault(bilingual("fault.port_taken", port=port)) from None


def _word(file: Path) -> str:
    """The word that lets people in: what the user has set, else one of its own, kept for the account alone."""
    names = ("PREFECT_SERVER_API_AUTH_STRING", "PREFECT_API_AUTH_STRING")
    own = next((os.environ[name] for name in names if os.environ.get(name)), None)
    if own is None and file.is_file():
        return file.read_text(encoding="utf-8").strip()
    word = own or f"uln:{secrets.token_urlsafe(32)}"
    write_whole(file, word.encode() + b"\n")
    return word


def _environment(data: str, home: Path, port: int, word: str) -> dict[str, str]:
    """What Prefect's commands, and through the worker the runs, have to know; nothing of another server."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PREFECT_PROFILE", "PREFECT_API_KEY")}
    paths = [str(CHECKOUT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return kept | {
        "PREFECT_HOME": str(home),
        "PREFECT_API_URL": f"http://{_HOST}:{port}/api",
        "PREFECT_SERVER_API_AUTH_STRING": word,
        "PREFECT_API_AUTH_STRING": word,
        "PREFECT_SERVER_LOGGING_LEVEL": os.environ.get("PREFECT_SERVER_LOGGING_LEVEL", "WARNING"),
        "PREFECT_CLI_PROMPT": "false",
        "PYTHONPATH": os.pathsep.join(paths),
        "ULN_CHECKOUT": str(CHECKOUT),
        "ULN_DATA": data,
    }


@contextmanager
def _together() -> Iterator[Callable[..., Process]]:
    """Starts processes that all end with it; each tells what it has to say to a file of the engine's folder."""
    running: list[Process] = []

    def start(name: str, arguments: list[str], environment: dict[str, str], home: Path) -> Process:
        with _log(home, name).open("wb") as log:
            process = subprocess.Popen(  # noqa: S603 - Prefect's own command
                [sys.executable, "-m", "flows.services.guardian", sys.executable, "-m", "prefect", *arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=CHECKOUT,
                # Ctrl-C goes to this process alone, which ends the others.
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
def _asked_to_end() -> Iterator[None]:
    """While it holds, a service manager's way of asking to end counts as Ctrl-C."""

    def stop(_signal: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait_for(server: Process, port: int, home: Path) -> None:
    """Until the server answers.

    Raises:
        ServiceFault: it has ended, or takes too long.
    """
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
    raise ServiceFault(bilingual("fault.part_ended", part="server", log=_log(home, "server")))


def _finished(name: str, process: Process, home: Path) -> None:
    """Until one of Prefect's commands has done its work.

    Raises:
        ServiceFault: it could not, or takes too long.
    """
    with suppress(subprocess.TimeoutExpired):
        if process.wait(timeout=_START_SECONDS) == 0:
            return
    raise ServiceFault(bilingual("fault.part_ended", part=name, log=_log(home, name)))


def _refuse_ended(name: str, process: Process, home: Path) -> None:
    if process.poll() is not None:
        raise ServiceFault(bilingual("fault.part_ended", part=name, log=_log(home, name)))


def _log(home: Path, name: str) -> Path:
    return home / f"{name}.log"
