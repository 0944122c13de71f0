"""Spreads pure functions over the machine's processors: reading returns, running rules, making schools' files.

Belongs here: how. What is spread has no effect but its result: the lake, the outboxes and the engine are the stage's own
business in the stage's own process, so that a worker can be lost at any moment and nothing with it.
To spread a step of a stage: a function at the top of a module, over things that can be pickled, and `spread`.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar

Result = TypeVar("Result")
#: The processes, and how many they are.
_pool: ContextVar[tuple[ProcessPoolExecutor | None, int]] = ContextVar("pool", default=(None, 1))


@contextmanager
def workers(count: int, warm: Callable[[], None] | None = None) -> Iterator[None]:
    """While it holds, `spread` uses that many processes; with fewer than two, or none held, it works where it is.

    Args:
        count: how many.
        warm: what each shall do at once, such as loading a slow library, while the run does without them.
    """
    if count < 2:
        yield
        return
    # Not forked: the lake's library has threads of its own, which do not outlive a fork.
    how = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(count, mp_context=how, initializer=_begin) as pool:
        for _ in range(count if warm else 0):
            pool.submit(warm)  # type: ignore[arg-type]
        token = _pool.set((pool, count))
        try:
            yield
        finally:
            _pool.reset(token)


def processors() -> int:
    """How many processors this process may use; ULN_WORKERS says otherwise."""
    wanted = os.environ.get("ULN_WORKERS", "")
    return int(wanted) if wanted.isdigit() else len(os.sched_getaffinity(0))


def parts() -> int:
    """Into how many parts it is worth to cut a piece of work."""
    return _pool.get()[1]


def spread(function: Callable[..., Result], *columns: Iterable[Any]) -> list[Result]:
    """`list(map(function, *columns))`, over the workers where there are some; in the given order.

    Raises:
        What the function raises.
    """
    pool, _ = _pool.get()
    return list(map(function, *columns) if pool is None else pool.map(function, *columns))


def attempt(function: Callable[..., Result], *columns: Iterable[Any]) -> list[Result | Exception]:
    """`spread`, with the exception in place of a result where the function raised one."""
    pool, _ = _pool.get()
    calls = list(zip(*columns, strict=False))
    if pool is None:
        tries: list[Callable[[], Result]] = [partial(function, *call) for call in calls]
    else:
        tries = [pool.submit(function, *call).result for call in calls]
    return [_tried(one) for one in tries]


def _tried(one: Callable[[], Result]) -> Result | Exception:
    try:
        return one()
    except Exception as error:  # noqa: BLE001 - it is the caller's to judge, beside the results of the others
        return error


def _begin() -> None:
    """A worker leaves Ctrl-C to the process that it works for, and ends when that one is gone, however it went."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
