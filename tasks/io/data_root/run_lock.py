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
#: Kinds of file systems that machines share; the beginnings of their names.
_SHARED = (
    *("nfs", "cifs", "smb", "9p", "virtiofs", "ceph", "lustre", "gpfs"),
    *("beegfs", "gfs2", "ocfs2", "afs", "glusterfs", "fuse."),
)


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
        # First, so that a lake from a newer version of the service stops the run before any change.
        migrate(Lake.of(root))
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
    try:
        with _lock(data).acquire(timeout=0):
            return False
    except Timeout:
        return True


def _lock(data: str) -> FileLock:
    return FileLock(Path(data) / "lake" / ".run.lock")


def file_system_of(path: Path, mounts: Path = Path("/proc/self/mounts")) -> str:
    """Return an existing folder's kind of file system, such as `ext4` or `nfs4`; empty without a table of mounts.

    The table has one mount per line, with its folder and kind in the second and third column.
    """
    if not mounts.is_file():
        return ""
    whole, deepest = path.resolve(), ("", "")
    for line in mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        _, place, kind, *_ = line.split(" ")
        place = place.replace(r"\040", " ")
        # Of two mounts on a folder the later one hides the earlier.
        if whole.is_relative_to(place) and len(place) >= len(deepest[0]):
            deepest = (place, kind)
    return deepest[1]


def is_shared(kind: str) -> bool:
    """Whether machines may share a file system of that kind."""
    return kind.startswith(_SHARED)
