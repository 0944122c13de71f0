"""Changes in the two inboxes, round by round, and the size and time of their files; for `uln watch`.

This module looks at the disk. When a file is whole is in `tasks.core.arrivals`; `tasks.maintenance.arrivals` calls both.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Event

from watchfiles import Change, watch

from tasks.io.data_root.data_root import DataRoot

#: Suffixes of files that are still being written.
_HALF_WRITTEN = (".part", ".tmp", ".filepart", ".crdownload")


def changes(root: DataRoot, seconds: int, stop: Event | None = None) -> Iterator[set[str]]:
    """Yield the changed paths of each round, perhaps none, until the caller sets `stop`; the inboxes must exist.

    A round ends when nothing has changed for `seconds`, at the latest after twice as long.
    """
    milliseconds = seconds * 1000
    for changed in watch(
        root.dewi_inbox,
        root.lrs_inbox,
        step=milliseconds,
        debounce=2 * milliseconds,
        rust_timeout=milliseconds,
        yield_on_timeout=True,
        stop_event=stop,
        ignore_permission_denied=True,
    ):
        yield set(_files(changed))


def _files(changed: Iterable[tuple[Change, str]]) -> Iterator[str]:
    """Yield the changed paths, and the files of a folder that is new or renamed; not if only its permissions changed."""
    for change, name in changed:
        path = Path(name)
        yield name
        if change == Change.added and path.is_dir():
            yield from map(str, path.rglob("*"))


def stamps_of(paths: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return size in bytes and time of change in nanoseconds by path, for files that exist and are not half-written."""
    return {path: stamp for path in paths if (stamp := _stamp(Path(path))) is not None}


def _stamp(path: Path) -> tuple[int, int] | None:
    if path.name.startswith(".") or path.suffix.lower() in _HALF_WRITTEN:
        return None
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_size, status.st_mtime_ns) if path.is_file() else None
