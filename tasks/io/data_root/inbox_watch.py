"""What somebody changes in the two inboxes, round by round, and what the files there look like; for `uln watch`.

Belongs here: the disk. Does not belong here: when a file counts as whole (`tasks.core.arrivals`), asking
(`tasks.maintenance.arrivals`).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Event

from watchfiles import Change, watch

from tasks.io.data_root.data_root import DataRoot

#: How the name of a file ends that is being written.
_HALF_WRITTEN = (".part", ".tmp", ".filepart", ".crdownload")


def changes(root: DataRoot, seconds: int, stop: Event | None = None) -> Iterator[set[str]]:
    """The paths of what was changed, a round at a time; nothing changed makes an empty one.

    Args:
        root: the data root; its inboxes are there.
        seconds: a round ends when nothing has changed for so long, at the latest after twice as long.
        stop: set by whoever has had enough.
    """
    milliseconds = seconds * 1000
    for found in watch(
        root.dewi_inbox,
        root.lrs_inbox,
        step=milliseconds,
        debounce=2 * milliseconds,
        rust_timeout=milliseconds,
        yield_on_timeout=True,
        stop_event=stop,
        ignore_permission_denied=True,
    ):
        yield set(_files(found))


def _files(found: Iterable[tuple[Change, str]]) -> Iterator[str]:
    """The files that changed; of a folder that has come, or was renamed, those in it: not where its rights changed."""
    for how, name in found:
        path = Path(name)
        yield name
        if how == Change.added and path.is_dir():
            yield from map(str, path.rglob("*"))


def stamps_of(paths: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Size in bytes and time of change in nanoseconds, by path; not of what has gone, is no file or is half-written."""
    return {path: stamp for path in paths if (stamp := _stamp(Path(path))) is not None}


def _stamp(path: Path) -> tuple[int, int] | None:
    if path.name.startswith(".") or path.suffix.lower() in _HALF_WRITTEN:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if path.is_file() else None
