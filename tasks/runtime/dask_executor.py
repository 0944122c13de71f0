"""The executor of a Dask cluster: runs the calls of `tasks.runtime.executor` in its workers, with the same results.

Calls and results travel sealed over the connections of the cluster, which are encrypted or do not leave this machine.
Dask sees bytes that do not print, and no exceptions, so its logs, pages and files hold no pupil's data. Writes to the lake,
the outboxes and Prefect stay in the run's own process. If a worker dies, the cluster gives its calls to another worker.

Belongs here: joining a cluster, and checking a worker before its first call. Set-up: `docs/machines.md`.
"""

import os
import pickle
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ConfigurationFault, ServiceFault
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.edition import edition
from tasks.io.data_root.run_lock import is_held
from tasks.io.lake.lake import Lake
from tasks.runtime.error_boundary import keep_evidence

#: The value of ULN_RUNNER for a cluster on this machine that the run starts itself.
LOCAL = "dask"
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_JOIN_SECONDS = 60
#: A call fails this long after the last worker is gone, unless the scheduler's settings have a time; Dask's default is never.
_NO_WORKERS_SECONDS = 60
#: How often, and at what interval, a worker checks that its view of the lake is as new as the run's.
_LAKE_LOOKS, _BETWEEN_LOOKS_SECONDS = 180, 0.5
#: No pages, because other accounts of this machine can reach its ports.
_SETTINGS: dict[str, Any] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}


def runner_named() -> str:
    """Return the value of ULN_RUNNER: empty, `dask`, or the address of a scheduler that may be joined.

    Raises:
        ConfigurationFault: the value is none of these, or the connection would leave this machine unencrypted.
    """
    runner = os.environ.get("ULN_RUNNER", "").strip()
    if runner in ("", LOCAL):
        return runner
    parts = urlsplit(runner)
    if parts.scheme not in ("tcp", "tls") or not parts.hostname:
        raise ConfigurationFault("ULN_RUNNER", [bilingual("fault.runner_named", value=runner)])
    if parts.scheme == "tcp" and parts.hostname not in _LOOPBACK:
        raise ConfigurationFault("ULN_RUNNER", [bilingual("fault.runner_open", address=runner)])
    return runner


@contextmanager
def dask_executor(
    runner: str, processes: int, data: str, become_worker: Callable[[str], None]
) -> Iterator[tuple[Executor, int]]:
    """Join a cluster for one run.

    Args:
        runner: as `runner_named` returns it.
        processes: number of workers, for a cluster that the run starts itself.
        data: path of the data root; the same on all machines.
        become_worker: turns a worker's process into one of the service.

    Yields:
        The executor, and its number of workers.

    Raises:
        ConfigurationFault: Dask is not installed, or certificates are not named.
        ServiceFault: the scheduler does not answer, or has no workers.
    """

    # A local function is pickled by value: the scheduler's machine may not have the service.
    def limit(dask_scheduler: Any, seconds: float) -> None:
        dask_scheduler.no_workers_timeout = dask_scheduler.no_workers_timeout or seconds

    with ExitStack() as stack:
        try:
            client = stack.enter_context(_client(runner, processes, stack))
            client.wait_for_workers(1, timeout=_JOIN_SECONDS)
            client.run_on_scheduler(limit, seconds=_NO_WORKERS_SECONDS)
        except (OSError, TimeoutError):
            raise ServiceFault(bilingual("fault.runner_silent", address=runner)) from None
        cluster = client.get_executor(pure=False)
        stack.callback(cluster.shutdown, wait=False)  # a run that ends early leaves no call behind
        yield DaskExecutor(cluster, data, become_worker), len(client.nthreads())


def _client(runner: str, processes: int, stack: ExitStack) -> Any:
    # Set before Dask is imported: the service reports in its own sentences, so Dask's log stays off the terminal.
    os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "critical")
    try:
        import dask  # noqa: PLC0415 - only for several machines
        from distributed import Client, LocalCluster  # noqa: PLC0415
        from distributed.security import Security  # noqa: PLC0415
    except ImportError:
        raise ConfigurationFault("ULN_RUNNER", [bilingual("fault.runner_packages")]) from None
    if runner != LOCAL:
        security = Security()  # as Dask's settings say
        certificates = (security.tls_ca_file, security.tls_client_cert, security.tls_client_key)
        if runner.startswith("tls") and not all(certificates):
            raise ConfigurationFault("ULN_RUNNER", [bilingual("fault.runner_tls")])
        return Client(runner, security=security, timeout=_JOIN_SECONDS, set_as_default=False)
    stack.enter_context(dask.config.set(_SETTINGS))
    cluster = LocalCluster(
        n_workers=processes,
        threads_per_worker=1,
        host="127.0.0.1",
        protocol="tls://",
        security=Security.temporary(),
        dashboard_address="127.0.0.1:0",
        worker_dashboard_address="127.0.0.1:0",
        memory_limit=0,
    )
    return Client(stack.enter_context(cluster), timeout=_JOIN_SECONDS, set_as_default=False)


@dataclass(frozen=True)
class Sealed:
    """A pickled call or result. It prints as its class, so that no log of Dask shows what it holds."""

    content: bytes = field(repr=False)

    @classmethod
    def of(cls, value: Any) -> "Sealed":
        """Seal a value."""
        return cls(pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL))

    def open(self) -> Any:
        """Open the sealed value."""
        return pickle.loads(self.content)  # noqa: S301 - from a member of the cluster, which has its certificates


class DaskExecutor(Executor):
    """A cluster's own executor, with sealed calls.

    A call raises BrokenExecutor if the cluster is lost, and ServiceFault if a worker cannot be used.
    """

    def __init__(self, cluster: Executor, data: str, become_worker: Callable[[str], None]) -> None:
        self._cluster, self._data, self._become_worker = cluster, data, become_worker
        self._lost = False

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> "Future[Any]":
        """Hand a call to the cluster."""
        if self._lost:
            raise BrokenExecutor("the cluster is lost")
        call = Sealed.of(partial(function, *arguments, **named))
        versions = Lake.of(DataRoot(Path(self._data))).versions()
        try:
            sealed = self._cluster.submit(do_sealed, self._data, edition(), versions, self._become_worker, call)
        except Exception as error:  # noqa: BLE001 - a client without its scheduler raises many kinds
            raise self._fault(error) from None
        future: Future[Any] = Future()
        sealed.add_done_callback(partial(self._settle, future))
        return future

    def _settle(self, future: "Future[Any]", sealed: "Future[Any]") -> None:
        try:
            result = sealed.result()
            if isinstance(result, ServiceFault):
                raise result
            future.set_result(result.open())
        except BaseException as error:  # noqa: BLE001 - CancelledError is no Exception
            future.set_exception(self._fault(error))

    def _fault(self, error: BaseException) -> Exception:
        """Return the exception that a call raises for an exception of the cluster; keep its evidence."""
        from distributed.scheduler import KilledWorker, NoValidWorkerError, NoWorkerError  # noqa: PLC0415 - only for several

        if isinstance(error, ServiceFault):
            return error
        # NoValidWorkerError too: Dask raises it for a call that arrives when no worker is left.
        workerless = KilledWorker | NoWorkerError | NoValidWorkerError
        if not isinstance(error, OSError | CancelledError | RuntimeError | workerless):
            where = keep_evidence(self._data, "process", "machines", "unfit", error)
            return ServiceFault(bilingual("fault.machine_unfit", where=where))
        if not self._lost:
            self._lost = True
            keep_evidence(self._data, "process", "machines", "lost", error)
        return BrokenExecutor("the cluster is lost")


#: A worker does one call at a time, however many threads its process has.
_ONE_AT_A_TIME = threading.Lock()


def do_sealed(
    data: str, wanted: str, versions: dict[str, int], become_worker: Callable[[str], None], call: Sealed
) -> Sealed | ServiceFault:
    """Run a call in a worker: a sealed function without arguments, whose failure comes back as a value.

    `wanted` is the run's edition of the service, `versions` are the versions of the lake's tables that the run sees.

    Returns:
        The sealed result, or a fault if this worker cannot be used.
    """
    with _ONE_AT_A_TIME:
        try:
            # Checked before anything is written: writing would create the folders on this machine's own disk.
            if not os.access(DataRoot(Path(data)).lake, os.R_OK | os.W_OK | os.X_OK):
                return ServiceFault(bilingual("fault.machine_root", machine=socket.gethostname(), root=data))
            _join(data, wanted, become_worker)
            _see_lake(Lake.of(DataRoot(Path(data))), versions)
            return Sealed.of(call.open()())
        except ServiceFault as fault:
            return fault
        except Exception as error:  # noqa: BLE001 - Dask would log its text
            where = keep_evidence(data, "process", "machines", "unfit", error)
            return ServiceFault(bilingual("fault.machine_unfit", where=where))


@lru_cache(maxsize=1)  # a process guards one data root: a worker that returns to an earlier one joins again
def _join(data: str, wanted: str, become_worker: Callable[[str], None]) -> None:
    """Check this worker's process and make it one of the service, once for the calls of a data root."""
    if edition() != wanted:
        raise ServiceFault(bilingual("fault.machine_edition", machine=socket.gethostname()))
    if not is_held(data):
        raise ServiceFault(bilingual("fault.machine_lock", machine=socket.gethostname()))
    become_worker(data)


def _see_lake(lake: Lake, versions: dict[str, int]) -> None:
    for look in range(_LAKE_LOOKS):
        if look:
            time.sleep(_BETWEEN_LOOKS_SECONDS)
        if lake.reached(versions):
            return
    raise ServiceFault(bilingual("fault.machine_late", machine=socket.gethostname()))
