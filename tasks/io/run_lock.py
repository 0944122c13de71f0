"""One run at a time on a data root: a census during a returns run waits for it, on this machine.

The system gives the lock back when its holder dies, however it dies. Whoever gets it is alone, and puts away what a run
that was killed had begun to write.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from schemas.faults import ServiceFault
from schemas.texts import both
from tasks.io.data_root import DataRoot, clear_parts

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
        clear_parts(DataRoot(Path(data)))
        yield
    finally:
        lock.release()
