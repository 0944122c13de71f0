"""Workers on other machines, by Dask: the same calls as `tasks.runtime.executor`, and the same results.

Only references travel: the network and the engine of the cluster, with its logs and pages, see the data root's path, a
number and a hash. What a worker shall do and what it has found are files of the data root
(`tasks.io.data_root.staging`), which all machines share. The lake, the outboxes and Prefect stay the run's own
process's business, so that a worker, and all of them together, may be lost at any moment.

Belongs here: how a cluster is joined and made sure of, and what a worker there does. Prefect's runner for Dask gives the
cluster; it does not run the stages, as each is one task run for all authorities. Which machines: `docs/machines.md`.
"""

import os
import pickle
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from schemas.texts.catalogue import both
from schemas.texts.faults import ConfigurationFault, ServiceFault
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.edition import edition
from tasks.io.data_root.run_lock import is_held
from tasks.io.data_root.staging import (
    NotAsStaged,
    Staged,
    appears,
    close_staging,
    let_go_of,
    open_staging,
    put_call,
    put_result,
    staged_content,
)
from tasks.io.lake.tables import Lake
from tasks.runtime.error_boundary import keep_evidence, within
from tasks.runtime.worker import all_tried, become_worker

if TYPE_CHECKING:
    from distributed import Client, Future
    from prefect_dask import DaskTaskRunner

#: What ULN_RUNNER says for a cluster of the run's own, on this machine.
LOCAL = "dask"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_JOIN_SECONDS = 60
#: How long a result is waited for before one looks whether anybody is there who could give it, and how often in vain.
_LOOK_SECONDS, _LOOKS = 5.0, 12
#: How often, and at what interval, a worker looks whether the lake is as new here as the run has seen it.
_LAKE_LOOKS, _BETWEEN_LOOKS_SECONDS = 180, 0.5


def runner_named() -> str:
    """What ULN_RUNNER says: empty, `dask`, or the address of a scheduler that may be joined.

    Raises:
        ConfigurationFault: it is none of these; or the way there is open to others, or its certificates are not named.
    """
    named = os.environ.get("ULN_RUNNER", "").strip()
    if named in ("", LOCAL):
        return named
    parts = urlsplit(named)
    if parts.scheme not in ("tcp", "tls") or not parts.hostname:
        raise ConfigurationFault("ULN_RUNNER", [both("fault.runner_named", value=named)])
    told = os.environ.get("ULN_RUNNER_OPEN", "") == "1"
    if parts.scheme == "tcp" and parts.hostname not in _LOOPBACK and not told:
        raise ConfigurationFault("ULN_RUNNER", [both("fault.runner_open", address=named)])
    return named


@contextmanager
def machines(runner: str, processes: int, data: str | None) -> Iterator["Machines"]:
    """The workers of a cluster, for one run.

    Args:
        runner: what ULN_RUNNER says (`runner_named`).
        processes: how many workers a cluster of the run's own shall have.
        data: the data root of a guarded run, by a path that is the same on all machines.

    Raises:
        ConfigurationFault: what Dask needs is not installed, or certificates are missing.
        ServiceFault: no scheduler answers there, or it has no workers.
    """
    if data is None:
        raise TypeError("machines work for a guarded run alone")
    with _runner_of(runner, processes) as held:
        try:
            client = held.client
            client.wait_for_workers(1, timeout=_JOIN_SECONDS)
        except (OSError, TimeoutError):
            raise ServiceFault(both("fault.runner_silent", address=runner)) from None
        found = Machines(client, data)
        try:
            yield found
        finally:
            found.close()


def _runner_of(runner: str, processes: int) -> "DaskTaskRunner":
    # Before Dask is imported: a terminal has words of its own for what happens.
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "critical")
    try:
        import dask  # noqa: PLC0415 - only who works on several machines needs these, and has them
        from distributed.security import Security  # noqa: PLC0415
        from prefect_dask import DaskTaskRunner  # noqa: PLC0415
    except ImportError:
        raise ConfigurationFault("ULN_RUNNER", [both("fault.runner_packages")]) from None
    if runner != LOCAL:
        security = Security()  # what Dask's own settings name
        named = (security.tls_ca_file, security.tls_client_cert, security.tls_client_key)
        if runner.startswith("tls") and not all(named):
            raise ConfigurationFault("ULN_RUNNER", [both("fault.runner_tls")])
        return DaskTaskRunner(address=runner, client_kwargs={"security": security, "timeout": _JOIN_SECONDS})
    # Other accounts of this machine reach its ports too: certificates that nobody else has, and no pages.
    dask.config.set({f"distributed.{one}.http.routes": [] for one in ("scheduler", "worker")})
    return DaskTaskRunner(
        cluster_class="distributed.LocalCluster",
        cluster_kwargs={
            "n_workers": processes,
            "threads_per_worker": 1,
            "host": "127.0.0.1",
            "protocol": "tls://",
            "security": Security.temporary(),
            "dashboard_address": "127.0.0.1:0",
            "worker_dashboard_address": "127.0.0.1:0",
            "memory_limit": 0,
        },
        client_kwargs={"timeout": _JOIN_SECONDS},
    )


class Machines:
    """The workers of a cluster, as `tasks.runtime.executor` uses them.

    Attributes:
        count: how many there were when they were joined.
    """

    def __init__(self, client: "Client", data: str) -> None:
        self.count = len(client.nthreads())
        self.data = data
        self.client = client
        self.unfit: ServiceFault | None = None
        self._numbers = count()
        self._opened: Path | None = None

    @property
    def folder(self) -> Path:
        """The run's folder for what travels; made when it is asked for, as then the run holds the data root."""
        if self._opened is None:
            self._opened = open_staging(DataRoot(Path(self.data)))
        return self._opened

    def submit(self, function: Callable[..., Any], calls: list[tuple[Any, ...]]) -> "Awaited":
        """Let a worker do some calls of a function, one after the other.

        Raises:
            ServiceFault: a worker could not be used as it is; all that follows would only meet that again.
            BrokenExecutor: the cluster is gone.
        """
        if self.unfit is not None:
            raise self.unfit
        versions = Lake.of(DataRoot(Path(self.data))).versions()
        content = pickle.dumps((function, calls, versions), protocol=pickle.HIGHEST_PROTOCOL)
        call = put_call(self.folder, next(self._numbers), content)
        key = f"{function.__name__}-{self.folder.name}-{call.name}"
        given = (self.data, edition(), self.folder.name, call.name, call.sha256)
        try:
            return Awaited(self, call, self.client.submit(carried_out, *given, key=key, pure=False))
        except Exception as error:  # noqa: BLE001 - a client that has lost its scheduler has many ways to say so
            raise self.lost(error) from None

    def warm(self, function: Callable[[], None]) -> list["Future"]:
        """Let each worker do something of its own, such as loading a library."""
        given = (warmed_up, self.data, edition(), function)
        return [self.client.submit(*given, workers=[one], pure=False) for one in self.client.nthreads()]

    def lost(self, error: BaseException) -> BrokenExecutor:
        """What is raised where the cluster is of no more use, so that the run goes on without; the evidence is kept."""
        return BrokenExecutor(keep_evidence(self.data, "process", "machines", "lost", error))

    def refused(self, error: Exception) -> ServiceFault:
        """What is raised, now and from now on, where a worker cannot be used as it is."""
        if not isinstance(error, ServiceFault):
            where = keep_evidence(self.data, "process", "machines", "unfit", error)
            error = ServiceFault(both("fault.machine_unfit", where=where))
        self.unfit = error
        return error

    def deserted(self) -> bool:
        """Whether there is no worker now, or nobody who would know."""
        try:
            return not self.client.nthreads()
        except Exception:  # noqa: BLE001 - the scheduler does not answer
            return True

    def close(self) -> None:
        """Leave nothing of the run behind."""
        if self._opened is not None:
            close_staging(self._opened)


class Awaited:
    """The results of some calls, as a worker will have found them."""

    def __init__(self, machines: Machines, call: Staged, future: "Future") -> None:
        self._machines, self._call, self._future = machines, call, future

    def result(self) -> list[Any]:
        """Wait for them.

        Raises:
            ServiceFault: the worker cannot be used as it is, such as one that sees no data root.
            BrokenExecutor: there are no workers left, or no scheduler.
        """
        run = self._machines
        try:
            result = Staged(*self._reference())
            # Dask would have a call done anew whose result was with a worker that is lost, though it has been taken.
            self._future.release()
            content = staged_content(run.folder, result)
        except _lost_by() as error:
            raise run.lost(error) from None
        except Exception as error:  # noqa: BLE001 - such as a worker that has not the service
            raise run.refused(error) from None
        if content is None:
            raise run.lost(NotAsStaged(run.folder.name))
        # Of our own making, by its hash.
        found: list[Any] = pickle.loads(content)  # noqa: S301
        let_go_of(run.folder, self._call, result)
        return found

    def _reference(self) -> tuple[str, str]:
        alone = 0
        while alone < _LOOKS:
            try:
                found: tuple[str, str] = self._future.result(timeout=_LOOK_SECONDS)
            except TimeoutError:
                alone = alone + 1 if self._machines.deserted() else 0
            else:
                return found
        raise NotAsStaged("no worker is left")


def _lost_by() -> tuple[type[Exception], ...]:
    """How one learns that the workers, or the scheduler, are lost."""
    from distributed.scheduler import KilledWorker  # noqa: PLC0415 - only who works on several machines has it

    return (OSError, CancelledError, KilledWorker)


#: A worker does one call at a time, however many threads its process was given.
_ONE_AT_A_TIME = threading.Lock()
#: What is given back where the run is over: nobody takes it.
_TO_NOBODY = Staged("", "")
#: For which data root, and which run, this worker process has been made ready.
_fit_for: set[tuple[str, str]] = set()


def carried_out(data: str, wanted: str, run: str, name: str, sha256: str) -> tuple[str, str]:
    """In a worker: do what a staged call says, and stage what was found.

    Args:
        data: the data root.
        wanted: the run's edition of the service.
        run: the name of its folder.
        name: of the call in it.
        sha256: of its content.

    Returns:
        Name and hash of the result; of a call that failed too, as that is in the result.

    Raises:
        ServiceFault: this worker cannot do it; says why and where.
    """
    with _ONE_AT_A_TIME:
        if not _sees(data):
            raise ServiceFault(both("fault.machine_root", machine=socket.gethostname(), root=data))
        _make_fit(data, wanted)
        result = within(
            lambda: _carried_out(data, run, Staged(name, sha256)), data=data, cycle="process", stage="machines"
        )
    return result.name, result.sha256


def _carried_out(data: str, run: str, call: Staged) -> Staged:
    root = DataRoot(Path(data))
    folder = root.staging / run
    # Of a run that this worker has worked for a folder that is gone says that it is over; of another perhaps only that it
    # is seen late.
    if (data, run) not in _fit_for and not appears(folder):
        return _TO_NOBODY
    content = staged_content(folder, call)
    if content is None:
        return _TO_NOBODY
    if (data, run) not in _fit_for:
        if not is_held(data):
            raise ServiceFault(both("fault.machine_lock", machine=socket.gethostname()))
        _fit_for.add((data, run))
    # By its hash what the run has put there, in a folder that nobody else can write to.
    function, calls, versions = pickle.loads(content)  # noqa: S301
    if function.__module__.partition(".")[0] != "tasks":
        raise TypeError("a worker does the service's own functions alone")
    _see_lake(Lake.of(root), versions)
    found = pickle.dumps(all_tried(function, calls), protocol=pickle.HIGHEST_PROTOCOL)
    return put_result(folder, call, found) or _TO_NOBODY


def _see_lake(lake: Lake, versions: dict[str, int]) -> None:
    for look in range(_LAKE_LOOKS):
        if look:
            time.sleep(_BETWEEN_LOOKS_SECONDS)
        if lake.reached(versions):
            return
    raise ServiceFault(both("fault.machine_late", machine=socket.gethostname()))


def warmed_up(data: str, wanted: str, function: Callable[[], None]) -> None:
    """In a worker: do what it shall do at once; what fails now is told when there is work."""
    with _ONE_AT_A_TIME:
        if _sees(data):  # a root that is being made has no lake yet
            _make_fit(data, wanted)
            within(function, data=data, cycle="process", stage="machines")


def _sees(data: str) -> bool:
    """Whether the data root is here: its lake, as the root itself is a folder too where nothing is mounted.

    Looked for before anything is told or printed there, which would make the folders on this machine's own disk.
    """
    return os.access(DataRoot(Path(data)).lake, os.R_OK | os.W_OK | os.X_OK)


def _make_fit(data: str, wanted: str) -> None:
    """Make this worker process one of the service's.

    Raises:
        ServiceFault: it has another edition of the service.
    """
    if edition() != wanted:
        raise ServiceFault(both("fault.machine_edition", machine=socket.gethostname()))
    if (data, "") not in _fit_for:
        _fit_for.clear()
        _fit_for.add((data, ""))
        become_worker(data)
