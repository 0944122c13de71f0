"""What one worker is, on whichever machine, and how it does a call: what fails comes back as a result does.

Does not belong here: how work is shared out (`tasks.workers`, `tasks.machines`), or what the work is (`census_work`,
`returns_work`).
"""

import ctypes
import gc
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from tasks.boundary import OUR_OWN, guard, quiet_output

Result = TypeVar("Result")


class WorkFault(Exception):
    """What a worker met that was not foreseen: the text of its traceback, for the evidence and nowhere else."""


def all_tried(function: Callable[..., Result], calls: list[tuple[Any, ...]]) -> list[Result | Exception]:
    """In a worker: some calls of a function, one after the other (`tried`)."""
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


def become_worker(data: str | None) -> None:
    """Make this process a worker, for good.

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


#: Bytes that a process may keep; all Wales mostly stays below.
_KEPT = 400 * 2**20
#: Where a process has so many, and so many of them in tables, a search for dead rings, which hold some, is worth it.
_MUCH, _IN_TABLES = 550 * 2**20, 64 * 2**20


def give_back() -> None:
    """Give back what this process has and does not use, where it has much: else a long walk over lots would add up."""
    status = Path("/proc/self/statm")
    if not status.exists():
        return
    resident = int(status.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if resident > _MUCH and pa.total_allocated_bytes() > _IN_TABLES:
        gc.collect()
    if resident > _KEPT and trim is not None:
        trim(0)
