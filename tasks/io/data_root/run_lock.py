"""One run at a time on a data root: a census during a returns run waits for it.

The lock holds on this machine, and between machines if the locks of their shared file system do (`docs/machines.md`). The
system releases it when its holder dies for any reason. The new holder is alone and removes the unfinished files of a
killed run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.io.data_root.data_root import DataRoot, clear_parts
from tasks.io.lake.lake import Lake
from tasks.io.lake.location import remember_place
from tasks.io.lake.migration import migrate

_PATIENCE_SECONDS = 1800.0


@contextmanager
def one_run_at_a_time(data: str, patience: float = _PATIENCE_SECONDS) -> Iterator[None]:
    """Hold the data root for one run, and migrate its tables to this version's columns before the run's first stage.

    Raises:
        ServiceFault: another run took longer than `patience` seconds, or a newer version of the service wrote the lake.
        ConfigurationFault: the settings name another lake than this data root's (`tasks.io.lake.location`).
    """
    lock = _lock(data)
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        raise ServiceFault(bilingual("fault.run_lock")) from None
    try:
        root = DataRoot(Path(data))
        migrate(
            Lake.of(root)
        )  # first, so that a lake from a newer version of the service stops the run before any change
        clear_parts(root)
        remember_place(root)
        yield
    finally:
        lock.release()


def is_held(data: str) -> bool:
    """Whether a run, on this machine or another, holds the data root now.

    A worker calls this while its run holds the lock; False then means that the file system's locks do not hold between
    machines.
    """
    lock = _lock(data)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def _lock(data: str) -> FileLock:
    return FileLock(Path(data) / "lake" / ".run.lock")
