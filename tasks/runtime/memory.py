"""Memory that a process keeps between stages."""

import ctypes
import gc
import os
from pathlib import Path

import pyarrow as pa

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


def release_memory() -> None:
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
