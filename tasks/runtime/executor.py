"""The executor of a run: where calls of a pure function run, and how a failure comes back.

The interface is `concurrent.futures.Executor`: none (this process), a pool of processes, or the executor of a Dask cluster
(`tasks.runtime.dask_executor`). A call has no effect but its result. If a worker dies, its calls are repeated, with the
same results.

A flow opens the workers (`workers_for`) and passes them to the stages that gain from them; the measurements are beside
those stages. To spread a call: a function at the top of a module, arguments that can be pickled, and `Workers.map`.
"""

import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from tasks.io.data_root.data_root import DataRoot
from tasks.runtime.dask_executor import LOCAL, dask_executor, runner_named
from tasks.runtime.error_boundary import OUR_OWN
from tasks.runtime.memory import keep_memory
from tasks.runtime.process_guard import install_process_guard, redirect_output

Result = TypeVar("Result")


class WorkerError(Exception):
    """An unforeseen failure of a call: the text of its traceback, only for the evidence."""


def capture(function: Callable[..., Result], *arguments: Any) -> Result | Exception:
    """Return a function's result, or its failure: a fault of the service itself, any other exception as a WorkerError.

    Failures are values: Dask logs the text of an exception that leaves a call, and some exceptions cannot be pickled.
    """
    try:
        return function(*arguments)
    except OUR_OWN as fault:
        return fault
    except Exception as error:  # noqa: BLE001 - its text goes to the evidence
        return WorkerError("".join(traceback.format_exception(error)))


@dataclass(frozen=True)
class Workers:
    """The workers of a run: how many calls run at the same time, and the executor (None for this process)."""

    count: int = 1
    executor: Executor | None = None

    def map(self, function: Callable[..., Result], *columns: Iterable[Any]) -> Iterator[Result | Exception]:
        """Call a function with each row of the columns; yield the results (`capture`) in the order of the rows.

        In this process each call waits until its result is asked for. An executor gets two calls a worker in advance,
        so that results do not pile up. If its workers are lost, this process does the calls that are left.

        Raises:
            ServiceFault: a worker cannot be used (`tasks.runtime.dask_executor`).
        """
        waiting: deque[tuple[tuple[Any, ...], Future[Any] | None]] = deque()
        for call in zip(*columns, strict=False):
            waiting.append((call, self._submit(function, call)))
            if self.executor is None or len(waiting) > 2 * self.count:
                yield _result_of(function, *waiting.popleft())
        while waiting:
            yield _result_of(function, *waiting.popleft())

    def _submit(self, function: Callable[..., Any], call: tuple[Any, ...]) -> "Future[Any] | None":
        with suppress(BrokenExecutor):
            return self.executor.submit(capture, function, *call) if self.executor is not None else None
        return None


def _result_of(function: Callable[..., Any], call: tuple[Any, ...], future: "Future[Any] | None") -> Any:
    with suppress(BrokenExecutor):
        if future is not None:
            return future.result()
    return capture(function, *call)


#: The workers of a run that spreads nothing.
IN_PLACE = Workers()


@contextmanager
def workers_for(data: str, processes: int | None = None) -> Iterator[Workers]:
    """Open the workers of a run; none if the inbox holds too little to pay for their start.

    A process starts with the first call it gets, so a run that spreads nothing starts none. The caller holds the lock
    of the data root `data`. `processes` is the number of workers; None for that of `processes_for`.

    Raises:
        ConfigurationFault: ULN_RUNNER is wrong.
        ServiceFault: the scheduler does not answer.
    """
    runner, count = runner_named(), processes_for(data) if processes is None else processes
    if runner and (count > 1 or runner != LOCAL):
        with dask_executor(runner, count, data, become_worker) as (executor, count):
            yield Workers(count, executor)
    elif count > 1:
        # Not forked: the threads of the lake's library do not survive a fork.
        how = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(count, mp_context=how, initializer=_begin, initargs=(data,))
        try:
            yield Workers(count, pool)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    else:
        yield IN_PLACE


#: Below this many bytes of returns the start of the workers takes longer than they save.
_WORTH_WORKERS = 20 * 2**20


def processes_for(data: str) -> int:
    """Return the number of worker processes that pay for their start in a run over a data root."""
    inbox = DataRoot(Path(data)).dewi_inbox
    size = sum(path.stat().st_size for path in inbox.glob("*/*") if path.is_file())
    return processors() if size > _WORTH_WORKERS else 1


def processors() -> int:
    """Return ULN_WORKERS, or else the number of processors that this process may use."""
    wanted = os.environ.get("ULN_WORKERS", "")
    if wanted.isdigit():
        return int(wanted)
    # Not every system can list the processors that a process may use.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def become_worker(data: str) -> None:
    """Make this process a worker of the data root, permanently: log records and output go through the process guard.

    Arrow gets one thread, because the workers share the processors.
    """
    install_process_guard(data)
    redirect_output(data)
    pa.set_cpu_count(1)
    keep_memory()


def _begin(data: str) -> None:
    """Start a process of the pool. It leaves Ctrl-C to the run, and ends when the run's process ends for any reason."""
    become_worker(data)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
