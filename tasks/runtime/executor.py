"""Spreads pure functions over processors: reading returns, running rules, making schools' files.

This machine's, or with ULN_RUNNER those of several (`tasks.runtime.dask_executor`); the results are the same.

Belongs here: how. What is spread has no effect but its result: the lake, the outboxes and the engine are the stage's own
business in the stage's own process, so that a worker can be lost at any moment and nothing with it.
To spread a step of a stage: a function at the top of a module, over things that can be pickled, and `spread`.
"""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from tasks.io.data_root.data_root import DataRoot
from tasks.runtime.dask_executor import LOCAL, machines, runner_named
from tasks.runtime.memory import keep_memory
from tasks.runtime.process_guard import guarded
from tasks.runtime.progress import calls_begin
from tasks.runtime.worker import all_tried, become_worker, tried

Result = TypeVar("Result")


class _Results(Protocol):
    """What will have become of some calls; raises a BrokenExecutor where the workers are lost."""

    def result(self) -> list[Any]: ...


class _Pool(Protocol):
    """Workers, of whichever kind, and how many."""

    @property
    def count(self) -> int: ...

    def submit(self, function: Callable[..., Any], calls: list[tuple[Any, ...]]) -> _Results: ...

    def warm(self, function: Callable[[], None]) -> list[Any]: ...


class _Processes:
    """Processes of this machine."""

    def __init__(self, count: int) -> None:
        self.count = count
        # Not forked: the lake's library has threads of its own, which do not outlive a fork.
        how = multiprocessing.get_context("spawn")
        self.pool = ProcessPoolExecutor(count, mp_context=how, initializer=_begin, initargs=(guarded(),))

    def submit(self, function: Callable[..., Any], calls: list[tuple[Any, ...]]) -> _Results:
        return self.pool.submit(all_tried, function, calls)

    def warm(self, function: Callable[[], None]) -> list["Future[None]"]:
        return [self.pool.submit(function) for _ in range(self.count)]


@dataclass
class _Workers:
    """The workers of a run, and how many; none any more where they were lost."""

    pool: _Pool | None
    count: int
    warming: list[Any]


_of_run: ContextVar[_Workers | None] = ContextVar("workers", default=None)


@contextmanager
def workers(count: int, warm: Callable[[], None] | None = None) -> Iterator[None]:
    """While it holds, `spread` uses that many processes; with fewer than two, or none held, it works where it is.

    Where some are held already they are used: a command starts them while the engine starts. Where ULN_RUNNER names a
    cluster that stands, its workers are used, however many they are and however little there is to do.

    Args:
        count: how many.
        warm: what each shall do at once, such as loading a slow library, while the run does without them.

    Raises:
        ConfigurationFault: ULN_RUNNER is wrong.
        ServiceFault: nobody answers there.
    """
    keep_memory()
    if _of_run.get() is not None:
        yield
        return
    runner = runner_named()
    if count < 2 and runner in ("", LOCAL):
        yield
        return
    with machines(runner, count, guarded()) if runner else _processes(count) as pool:
        token = _of_run.set(_Workers(pool, pool.count, pool.warm(warm) if warm else []))
        try:
            yield
        finally:
            _of_run.reset(token)


@contextmanager
def _processes(count: int) -> Iterator[_Pool]:
    processes = _Processes(count)
    try:
        yield processes
    finally:
        # They put their libraries away by themselves; the run need not wait for it.
        processes.pool.shutdown(wait=False, cancel_futures=True)


def warmed() -> None:
    """Wait until the workers have done what they shall do at once; whoever needs them waits for it anyway."""
    work = _of_run.get()
    for one in work.warming if work is not None else ():
        with suppress(Exception):  # what could not be done is met again where it is needed
            one.result()


#: Below so many bytes of returns, starting workers takes longer than they save.
_WORTH_WORKERS = 20 * 2**20


def processes_for(root: str) -> int:
    """How many worker processes a run over a data root is worth."""
    inbox = DataRoot(Path(root)).dewi_inbox
    size = sum(path.stat().st_size for path in inbox.glob("*/*") if path.is_file())
    return processors() if size > _WORTH_WORKERS else 1


def processors() -> int:
    """How many processors this process may use; ULN_WORKERS says otherwise."""
    wanted = os.environ.get("ULN_WORKERS", "")
    if wanted.isdigit():
        return int(wanted)
    # Not every system says what a process may use.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def parts() -> int:
    """Into how many parts it is worth to cut a piece of work."""
    work = _of_run.get()
    return 1 if work is None else work.count


def spread(function: Callable[..., Result], *columns: Iterable[Any]) -> list[Result]:
    """`list(map(function, *columns))`, over the workers where there are some; in the given order.

    Raises:
        What the function raises: the service's own faults as they are, all else as a WorkFault.
    """
    return begin(function, *columns)()


def begin(function: Callable[..., Result], *columns: Iterable[Any]) -> Callable[[], list[Result]]:
    """`spread` in two steps: the workers are handed the calls now, and the results are waited for when they are asked for.

    Between the two this process may do something else, such as writing what the workers found before. Where there are no
    workers the calls are done when they are asked for.
    """
    later = in_turn(function, *columns)
    return lambda: list(later)


def in_turn(function: Callable[..., Result], *columns: Iterable[Any]) -> Iterator[Result]:
    """`spread`, each result as soon as its turn has come, so that not all of them are in memory together.

    The workers are handed the calls at once, not when the first result is asked for.
    """
    return _or_raised(one_by_one(function, *columns))


def _or_raised(results: Iterator[Result | Exception]) -> Iterator[Result]:
    for result in results:
        if isinstance(result, Exception):
            raise result
        yield result


def attempt(function: Callable[..., Result], *columns: Iterable[Any], at_once: int = 1) -> list[Result | Exception]:
    """`spread`, with the exception in place of a result where the function raised one.

    Args:
        function: at the top of a module.
        columns: its arguments.
        at_once: calls that a worker is handed together; many where a call is short.
    """
    return list(one_by_one(function, *columns, at_once=at_once))


def one_by_one(
    function: Callable[..., Result], *columns: Iterable[Any], at_once: int = 1
) -> Iterator[Result | Exception]:
    """`attempt`, each result as soon as it is there and its turn has come: what is done with it costs the workers no time.

    The workers are handed the calls at once, not when the first result is asked for. Where a worker is lost, this process
    does the work that is left, and all that comes after in the run.
    """
    calls = list(zip(*columns, strict=False))
    work = _of_run.get()
    futures: deque[_Results] = deque()
    if work is not None and work.pool is not None:
        try:
            for n in range(0, len(calls), at_once):
                futures.append(work.pool.submit(function, calls[n : n + at_once]))
        except BrokenExecutor:
            work.pool, work.count = None, 1
    return _as_done(function, calls, futures, work)


def _as_done(
    function: Callable[..., Result],
    calls: list[tuple[Any, ...]],
    futures: deque[_Results],
    work: _Workers | None,
) -> Iterator[Result | Exception]:
    done, tell = 0, calls_begin(len(calls))
    try:
        while futures:  # a result that was handed on is not kept
            results = futures.popleft().result()
            done += len(results)
            tell(done)
            yield from results
    except BrokenExecutor:
        if work is not None:
            work.pool, work.count = None, 1
    for place, call in enumerate(calls[done:], done + 1):
        result = tried(function, *call)
        tell(place)
        yield result


def _begin(data: str | None) -> None:
    """A process of this machine leaves Ctrl-C to the one that it works for, and ends when that is gone, however it went.

    Args:
        data: the data root of a guarded run.
    """
    become_worker(data)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
