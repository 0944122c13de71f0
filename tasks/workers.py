"""Spreads pure functions over the machine's processors: reading returns, running rules, making schools' files.

Belongs here: how. What is spread has no effect but its result: the lake, the outboxes and the engine are the stage's own
business in the stage's own process, so that a worker can be lost at any moment and nothing with it.
To spread a step of a stage: a function at the top of a module, over things that can be pickled, and `spread`.
"""

import ctypes
import gc
import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from tasks.boundary import OUR_OWN, guard, guarded, quiet_output
from tasks.io.data_root import DataRoot

Result = TypeVar("Result")


class WorkFault(Exception):
    """What a worker met that was not foreseen: the text of its traceback, for the evidence and nowhere else."""


@dataclass
class _Workers:
    """The processes of a run, and how many; none any more where one was lost."""

    pool: ProcessPoolExecutor | None
    count: int
    warming: list["Future[None]"]


_of_run: ContextVar[_Workers | None] = ContextVar("workers", default=None)


@contextmanager
def workers(count: int, warm: Callable[[], None] | None = None) -> Iterator[None]:
    """While it holds, `spread` uses that many processes; with fewer than two, or none held, it works where it is.

    Where some are held already they are used: a command starts them while the engine starts.

    Args:
        count: how many.
        warm: what each shall do at once, such as loading a slow library, while the run does without them.
    """
    keep_memory()
    if count < 2 or _of_run.get() is not None:
        yield
        return
    # Not forked: the lake's library has threads of its own, which do not outlive a fork.
    how = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=how, initializer=_begin, initargs=(guarded(),))
    warming = [pool.submit(warm) for _ in range(count)] if warm else []
    token = _of_run.set(_Workers(pool, count, warming))
    try:
        yield
    finally:
        _of_run.reset(token)
        # They put their libraries away by themselves; the run need not wait for it.
        pool.shutdown(wait=False, cancel_futures=True)


def warmed() -> None:
    """Wait until the workers have done what they shall do at once; whoever needs them waits for it anyway."""
    work = _of_run.get()
    if work is not None:
        wait(work.warming)


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
    futures: deque[Future[list[Result | Exception]]] = deque()
    if work is not None and work.pool is not None:
        try:
            for n in range(0, len(calls), at_once):
                futures.append(work.pool.submit(_all_tried, function, calls[n : n + at_once]))
        except BrokenProcessPool:
            work.pool, work.count = None, 1
    return _as_done(function, calls, futures, work)


def _as_done(
    function: Callable[..., Result],
    calls: list[tuple[Any, ...]],
    futures: "deque[Future[list[Result | Exception]]]",
    work: _Workers | None,
) -> Iterator[Result | Exception]:
    done = 0
    try:
        while futures:  # a result that was handed on is not kept
            results = futures.popleft().result()
            done += len(results)
            yield from results
    except BrokenProcessPool:
        if work is not None:
            work.pool, work.count = None, 1
    for call in calls[done:]:
        yield tried(function, *call)


def _all_tried(function: Callable[..., Result], calls: list[tuple[Any, ...]]) -> list[Result | Exception]:
    results = [tried(function, *call) for call in calls]
    give_back()
    return results


def tried(function: Callable[..., Result], *call: Any) -> Result | Exception:
    """The result, or the exception that the function raised; one that was not foreseen as a WorkFault."""
    try:
        return function(*call)
    except OUR_OWN as fault:
        return fault
    except Exception as error:  # noqa: BLE001 - not every exception gets from one process to another; its text does
        return WorkFault("".join(traceback.format_exception(error)))


def _begin(data: str | None) -> None:
    """A worker leaves Ctrl-C to the process that it works for, and ends when that one is gone, however it went.

    It is one of several, so that Arrow's own threads would only be in each other's way; and it makes much that lives as
    long as a call, which the search for rings of dead objects need not look through every few hundred of them.

    Args:
        data: the data root of a guarded run; what the worker tells and prints goes there too.
    """
    if data is not None:
        guard(data)
        quiet_output(data)
    pa.set_cpu_count(1)
    gc.set_threshold(100_000, 50, 100)
    keep_memory()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


#: Parameters of the C library's `mallopt`, and the largest value that it takes for the second.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_LARGEST_MMAP_THRESHOLD = 32 * 2**20


def keep_memory() -> None:
    """Let this process keep the memory that it has used, for its next use.

    A stage's tables come and go; where each time the pages are given back and fetched anew, that costs up to a half of
    the whole work on a virtual machine. The peak is what it would be. Other C libraries than glibc are left as they are.
    """
    pa.set_memory_pool(pa.system_memory_pool())
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        mallopt(_M_TRIM_THRESHOLD, 2**30)
        # What one thread has given back is then there for another too.
        mallopt(_M_ARENA_MAX, 1)


#: Bytes that a process may keep; all Wales stays below.
_KEPT = 600 * 2**20


def give_back() -> None:
    """Give back what this process has and does not use, where it has much: else a long walk over lots would add up."""
    status = Path("/proc/self/statm")
    if not status.exists():
        return
    resident = int(status.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if resident > _KEPT and trim is not None:
        trim(0)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
