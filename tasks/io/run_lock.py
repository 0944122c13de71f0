"""One run at a time on a data root: a census during a returns run waits for it, on this machine."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from schemas.faults import ServiceFault
from schemas.texts import both

_PATIENCE_SECONDS = 1800.0


@contextmanager
def one_run_at_a_time(data: str, patience: float = _PATIENCE_SECONDS) -> Iterator[None]:
    """Hold the data root for one run.

    Args:
        data: the data root.
        patience: seconds to wait for another run.

    Raises:
        ServiceFault: the other run took longer than that.
    """
    lock = FileLock(Path(data) / "lake" / ".run.lock")
    try:
        lock.acquire(timeout=patience)
    except Timeout:
        raise ServiceFault(both("fault.run_lock")) from None
    try:
        yield
    finally:
        lock.release()
