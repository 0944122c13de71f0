"""Real processes of `uln`, each a fork of one that has loaded what a command loads, on an engine that stands.

A command starts in seconds where Python, pandas, Prefect and Great Expectations are loaded and Prefect's server runs, in
half a minute where not; with hundreds of kills that is the difference between minutes and hours. The forked process runs
what `uln` runs, from the reading of its arguments on, and dies of SIGKILL as any other. The process that forks has done
no work of its own: the libraries' threads do not outlive a fork, so whatever reads a lake is a child as well.
"""

import contextlib
import importlib
import json
import os
import pickle
import selectors
import socket
import subprocess
import sys
import time
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.crash import far, service
from tests.crash.points import Point, Stop, watch

#: Looks, not seconds: a machine that is held for a while holds both.
_MOST_LOOKS = 1200


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        status: its exit code, or minus the signal that ended it.
        points: what it passed, the last one where it was stopped.
        said: what it wrote to the terminal.
        loaded: the modules that it had loaded at its end.
    """

    status: int
    points: list[Point]
    said: str
    loaded: list[str]


@contextmanager
def engine(home: Path) -> Iterator[str]:
    """A Prefect server of its own.

    Args:
        home: an empty folder for its files.

    Yields:
        Its address.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PYTEST_"))}
    environment |= {
        "PREFECT_HOME": str(home),
        "PREFECT_LOGGING_SERVER_LEVEL": "CRITICAL",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port, "--no-ui"]
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=home)
        try:
            address = f"http://127.0.0.1:{port}/api"
            for _ in range(_MOST_LOOKS):
                if server.poll() is not None or _answers(f"{address}/health"):
                    break
                time.sleep(0.2)
            if server.poll() is not None or not _answers(f"{address}/health"):
                raise RuntimeError((home / "server.log").read_text(encoding="utf-8"))
            yield address
        finally:
            server.terminate()
            server.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def load(home: Path, address: str) -> None:
    """Make this process one that commands can be forked from: everything loaded, nothing done.

    Args:
        home: Prefect's own folder for these commands.
        address: of the server that they use.
    """
    os.environ |= {"PREFECT_API_URL": address, "PREFECT_HOME": str(home), "ULN_WORKERS": "1"}
    os.environ |= {"PREFECT_LOGGING_TO_API_ENABLED": "false", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    os.environ |= {"PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL", "PREFECT_CLI_PROMPT": "false"}
    import expectations.runner
    import flows.census
    import flows.cli.__main__
    import flows.lrs_returns  # noqa: F401
    import tasks.io.data_root.data_root
    import tasks.io.remote.folders
    import tasks.runtime.chunks
    import tasks.stages.collect
    import tasks.stages.merge

    expectations.runner._context()
    # One file after the other, so that the n-th point is the same one each time.
    tasks.io.data_root.data_root._AT_A_TIME = tasks.io.remote.folders._AT_ONCE = 1
    if far.in_use():
        load_also(("asyncssh", "sshfs"))
    if service.in_use():
        load_also(("tasks.io.lrs.web_service",))
    # Several chunks, so that runs are stopped between them too.
    tasks.runtime.chunks.CHUNK_RECORDS = tasks.runtime.chunks.WHOLE_RECORDS = 100
    tasks.stages.merge._ANSWERS_TOGETHER, tasks.stages.collect._BYTES_TOGETHER = 40, 5000


def load_also(modules: Iterable[str]) -> None:
    """What commands load as they run, so that the next ones need not."""
    for name in modules:
        with contextlib.suppress(ImportError):  # some are made as they are asked for, and stand in no file
            importlib.import_module(name)


def uln(*arguments: str, root: Path, stop: Stop | None = None, first: Callable[[], None] | None = None) -> Ended:
    """Run a command to its end, or to where it is stopped.

    Args:
        arguments: as a person types them, without --data.
        root: the data root.
        stop: where it is stopped.
        first: is called in the process before the command.
    """
    [end] = waited(started(*arguments, root=root, stop=stop, first=first))
    return end


@dataclass(frozen=True)
class Started:
    """A process that runs."""

    pid: int
    points: int
    said: int


def started(*arguments: str, root: Path, stop: Stop | None = None, first: Callable[[], None] | None = None) -> Started:
    """Start a command (`uln`)."""
    # Pipes, as a full disk has room in a pipe.
    told, points = os.pipe()
    heard, said = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 70
        try:
            # Nobody but who waits reads: a command whose harness is gone meets a broken pipe, and does not hang on a full one.
            os.close(told)
            os.close(heard)
            os.dup2(said, 1)
            os.dup2(said, 2)
            os.environ |= far.ways(root)
            if first is not None:
                first()
            status = _command([*arguments, "--data", str(root)], root, points, stop)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    os.close(points)
    os.close(said)
    return Started(pid, told, heard)


def _command(arguments: list[str], root: Path, points: int, stop: Stop | None) -> int:
    from flows.cli.__main__ import app

    def met(point: Point) -> None:
        os.write(points, json.dumps(asdict(point)).encode() + b"\n")

    at_end = watch(root, met, stop)
    try:
        app(arguments)
    except SystemExit as end:
        at_end()
        os.write(points, json.dumps(sorted(sys.modules)).encode() + b"\n")
        return int(end.code or 0)
    raise AssertionError("typer ends every command by SystemExit")


def waited(*processes: Started) -> list[Ended]:
    """Wait for processes that were started together."""
    texts = _read([handle for process in processes for handle in (process.points, process.said)])
    return [_ended(process, texts[process.points], texts[process.said]) for process in processes]


def _ended(process: Started, told: str, said: str) -> Ended:
    _, status = os.waitpid(process.pid, 0)
    found = [json.loads(line) for line in told.splitlines()]
    loaded = found.pop() if found and isinstance(found[-1], list) else []
    points = [Point(one["kind"], tuple(one["paths"]), one["by"]) for one in found]
    return Ended(os.waitstatus_to_exitcode(status), points, said, loaded)


def _read(handles: list[int]) -> dict[int, str]:
    """Read pipes to their end, all at once: a process may wait for another, which waits until its full pipe is read."""
    read: dict[int, bytearray] = {handle: bytearray() for handle in handles}
    with selectors.DefaultSelector() as selector:
        for handle in handles:
            selector.register(handle, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select():
                if part := os.read(key.fd, 65536):
                    read[key.fd] += part
                else:
                    selector.unregister(key.fd)
                    os.close(key.fd)
    return {handle: bytes(content).decode(errors="replace") for handle, content in read.items()}


def aside(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a process of its own, which may read lakes, and give its result back.

    Raises:
        RuntimeError: it failed; the text is its traceback.
    """
    result = os.memfd_create("result")
    pid = os.fork()
    if pid == 0:
        try:
            with os.fdopen(os.dup(result), "wb") as file:
                pickle.dump(function(*arguments), file)
        except BaseException:  # noqa: BLE001 - told to the process that asked
            with os.fdopen(os.dup(result), "wb") as file:
                file.write(traceback.format_exc().encode())
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    os.lseek(result, 0, os.SEEK_SET)
    with os.fdopen(result, "rb") as file:
        content = file.read()
    if status:
        raise RuntimeError(content.decode(errors="replace") or f"status {status}")
    return pickle.loads(content)
