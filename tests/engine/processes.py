"""Starts PostgreSQL, Prefect's server and workers as processes of their own, and ends them, by their ids, whatever happens.

Each is given what a person would give it (README, "On a server"), with shorter waits between Prefect's own looks. What is
not installed is told in a sentence (`NotInstalled`), never passed over.
"""

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.engine.names import POOL
from tests.support.paths import PROJECT

#: Every process of a session has it in its environment, those that workers start too.
_MARK = "ULN_ENGINE_TESTS"
_SESSION = uuid.uuid4().hex
#: A user and a word, as Prefect's settings take them.
WORD = "team:a long word"
#: Puts a process into the world that goes when the one that started it is killed (Debian's util-linux).
_DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL"]


class NotInstalled(Exception):
    """What these tests need and this machine has not; the text says how to get it."""


class DidNotHappen(AssertionError):
    """Something that was waited for; the text says what, and what the processes said last."""


def waited(what: str, look: Callable[[], Any], seconds: float = 1800.0, said: Path | None = None) -> Any:
    """Look until there is something to see, and give it back.

    Raises:
        DidNotHappen: it was not there in time.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    last = said.read_text(encoding="utf-8", errors="replace")[-3000:] if said and said.exists() else ""
    raise DidNotHappen(f"not within {seconds:.0f} s: {what}\n{last}")


def environment(**own: str) -> dict[str, str]:
    """This process's own environment without what concerns Prefect, pytest and the service, and with what is given."""
    passed = ("PREFECT_", "PYTEST_", "ULN_", "COV_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(passed)}
    quiet = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "GX_ANALYTICS_ENABLED": "false"}
    return kept | quiet | {_MARK: _SESSION, "PYTHONPATH": str(PROJECT), "PREFECT_CLI_PROMPT": "false"} | own


@contextmanager
def running(
    command: list[str], log: Path, env: dict[str, str], stop: signal.Signals = signal.SIGTERM, **how: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """A process, ended at the end: asked first, then killed."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            [*_DIES_WITH_US, *command], env=env, stdout=out, stderr=out, stdin=subprocess.DEVNULL, **how
        )
    try:
        yield process
    finally:
        process.send_signal(stop)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def end_what_is_left() -> None:
    """Kill, each by its id, whatever these tests have started and that is still there, such as the runs of a killed worker."""
    mark = f"{_MARK}={_SESSION}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(folder.name) != os.getpid() and mark in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)


def postgres_programs(debian: Path = Path("/usr/lib/postgresql")) -> Path:
    """Where Debian, or the PATH, has PostgreSQL's programs.

    Raises:
        NotInstalled: nowhere.
    """
    found = sorted(debian.glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name))
    elsewhere = shutil.which("initdb")
    if not found and elsewhere is None:
        raise NotInstalled("These tests need PostgreSQL: apt-get install postgresql (.ci/run does it).")
    return (found[-1] if found else Path(str(elsewhere)).resolve()).parent


@contextmanager
def postgres() -> Iterator[Path]:
    """A PostgreSQL with an empty database, on a unix socket that only its account and root may enter.

    Yields:
        The folder of its socket.

    Raises:
        NotInstalled: there is no PostgreSQL.
    """
    programs = postgres_programs()
    # PostgreSQL refuses to be root's.
    account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    how: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []} if account else {}
    home = Path(tempfile.mkdtemp(prefix="uln-postgres-"))  # short: the path of a socket has 107 characters at most
    env = environment(PGUSER="prefect", PGHOST=str(home))

    def run(program: str, *arguments: str) -> int:
        command = [str(programs / program), *arguments]
        return subprocess.run(command, env=env, cwd=home, capture_output=True, check=False, **how).returncode

    try:
        if account:
            os.chown(home, account.pw_uid, account.pw_gid)
        data = str(home / "data")
        made = run("initdb", "-D", data, "-U", "prefect", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "-N")
        if made:
            raise DidNotHappen(f"initdb ended with {made}")
        # Compiling takes the query behind a run's picture from a fifth of a second to more than Prefect waits for an answer.
        settings = ["-k", str(home), "-c", "listen_addresses=", "-c", "fsync=off", "-c", "jit=off"]
        log = home / "postgres.log"
        # SIGINT: it does not wait for those that are connected.
        with running([str(programs / "postgres"), "-D", data, *settings], log, env, signal.SIGINT, cwd=home, **how):
            waited("PostgreSQL answers", lambda: run("pg_isready") == 0, said=log)
            run("createdb", "prefect")
            yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def on(database: Path) -> str:
    """The address of a database as Prefect's settings take it."""
    return f"postgresql+asyncpg://prefect@/prefect?host={database}"


def dumped(database: Path) -> str:
    """All that stands in a database, as text."""
    command = [str(postgres_programs() / "pg_dump"), "--host", str(database), "--username", "prefect", "prefect"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=1800).stdout


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def server(home: Path, database: str) -> Iterator[str]:
    """Prefect's server, with its pages and its scheduler, behind a word.

    Args:
        home: an empty folder for its files.
        database: its address.

    Yields:
        The address of its API.
    """
    import httpx

    port = _free_port()
    env = environment(
        PREFECT_HOME=str(home),
        PREFECT_SERVER_DATABASE_CONNECTION_URL=database,
        PREFECT_SERVER_API_AUTH_STRING=WORD,
        PREFECT_API_AUTH_STRING=WORD,
        PREFECT_SERVER_UI_STATIC_DIRECTORY=str(home / "ui"),
        # Looks at what is scheduled, and at who waits for a place, more often than every minute.
        PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS="5",
        PREFECT_SERVER_DEPLOYMENTS_CONCURRENCY_SLOT_WAIT_SECONDS="2",
    )
    log = home / "server.log"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    address = f"http://127.0.0.1:{port}/api"

    def ready() -> bool:
        if process.poll() is not None:
            raise DidNotHappen(log.read_text(encoding="utf-8", errors="replace")[-3000:])
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{address}/ready", timeout=10).status_code == 200
        return False

    with running(command, log, env, cwd=PROJECT) as process:
        waited("Prefect's server is ready", ready, said=log)
        yield address


def client(address: str, home: Path, **own: str) -> dict[str, str]:
    """The environment of whoever uses the server: terminals and workers."""
    return environment(
        PREFECT_API_URL=address, PREFECT_API_AUTH_STRING=WORD, PREFECT_HOME=str(home), ULN_CHECKOUT=str(PROJECT), **own
    )


def prefect(*arguments: str, env: dict[str, str]) -> str:
    """A command of Prefect from the checkout, as an operator types it; what it said.

    Raises:
        DidNotHappen: it failed.
    """
    command = [sys.executable, "-m", "prefect", *arguments]
    done = subprocess.run(command, env=env, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=1800)
    if done.returncode:
        raise DidNotHappen(f"prefect {' '.join(arguments)}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def uln(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A command of the service, as an operator types it."""
    command = [sys.executable, "-c", "from flows.cli.__main__ import main; main()", *arguments]
    return subprocess.run(command, env=env, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=1800)


@dataclass(frozen=True)
class Hold:
    """Where a worker's runs are held; see `hold/sitecustomize.py`."""

    folder: Path

    def arm_at_hand_over(self, root: Path, after: int) -> None:
        """Hold a run when it has put so many files into the LRS outbox and is about to put the next."""
        self._arm({"event": "os.rename", "below": str(root / "lrs" / "outbox"), "after": after})

    def arm_at_delivery(self, root: Path, after: int) -> None:
        """Hold a run when it has put so many files into the DEWi outbox and is about to put the next."""
        self._arm({"event": "os.rename", "below": str(root / "dewi" / "outbox"), "after": after})

    def arm_when_table_stands(self, root: Path, table: str) -> None:
        """Hold a run soon after the first commit of a table of the lake."""
        self._arm({"stands": str(root / "lake" / table / "_delta_log" / f"{0:020}.json")})

    def _arm(self, moment: dict[str, Any]) -> None:
        part = self.folder / "arming"
        part.write_text(json.dumps(moment), encoding="utf-8")
        part.rename(self.folder / "armed")

    def release(self) -> None:
        """Let them go on, and hold no other."""
        (self.folder / "armed").unlink(missing_ok=True)
        for one in (*self.folder.glob("held-*"), *self.folder.glob("asks-*")):
            one.unlink()

    def held(self) -> int:
        """The id of the process that is held, once one is."""
        return int(waited("a run is held", lambda: sorted(self.folder.glob("held-*")))[0].name.removeprefix("held-"))

    def another_asks(self, held: int) -> None:
        """Wait until another process than the one that is held asks for the data root, which that one has."""
        waited("another run asks", lambda: [p for p in self.folder.glob("asks-*") if p.name != f"asks-{held}"])


@dataclass(frozen=True)
class Worker:
    """A worker of the pool that runs.

    Attributes:
        pid: its process.
        log: what it said.
    """

    pid: int
    log: Path


@contextmanager
def worker(
    home: Path, address: str, hold: Hold, name: str = "one", limit: int | None = None, **own: str
) -> Iterator[Worker]:
    """A worker of the pool.

    Args:
        home: Prefect's own folder for it.
        address: of the server's API.
        hold: where its runs are held.
        name: its name.
        limit: how many runs it has at a time; where it has one, a run that is retried as soon as it has crashed ends the
            worker (Prefect 3.8.8: `already holding one of this CapacityLimiter's tokens`).
        own: more of its environment, such as ULN_DATA.
    """
    env = client(address, home, ULN_HOLD=str(hold.folder), PREFECT_WORKER_QUERY_SECONDS="1", **own)
    env["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent / "hold"), str(PROJECT)])
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--name", name]
    command += ["--limit", str(limit)] if limit is not None else []
    log = home / f"worker-{name}.log"
    with running(command, log, env, cwd=PROJECT) as process:
        yield Worker(process.pid, log)


def kill(*pids: int) -> None:
    """SIGKILL, and wait until they are gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for pid in pids:
        waited(f"process {pid} is gone", lambda pid=pid: _is_gone(pid))


def _is_gone(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"
    return True
