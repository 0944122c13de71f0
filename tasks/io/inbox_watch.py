"""Watches the two inboxes for files that arrive, and says which have become whole; for `uln watch`.

Belongs here: the disk. Does not belong here: when a file counts as whole (`tasks.core.arrivals`), and who is told (`flows`).
What lay there before is not told: the schedule finds it, as it finds whatever a watcher has missed.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from threading import Event

from watchfiles import watch

from schemas.watching import Arrivals
from tasks.core.arrivals import Stamp, Waiting, after_round, to_tell
from tasks.io.data_root import DataRoot

#: What names begin and end with while a file is being written, and the service's own marks.
_HALF_WRITTEN = (".part", ".tmp", ".filepart", ".crdownload")


def arrivals(root: DataRoot, how: Arrivals, stop: Event | None = None) -> Iterator[list[Path]]:
    """The files that arrive, those together that become whole together.

    Args:
        root: the data root; its inboxes are there.
        how: when a file is whole, and how long it waits for others.
        stop: set by whoever has had enough.

    Yields:
        Paths, sorted.
    """
    known = Waiting()
    milliseconds = how.settled_seconds * 1000
    # A round ends when nothing has changed for so long; at the latest after twice as long.
    rounds = watch(
        root.dewi_inbox,
        root.lrs_inbox,
        step=milliseconds,
        debounce=2 * milliseconds,
        rust_timeout=milliseconds,
        yield_on_timeout=True,
        stop_event=stop,
        ignore_permission_denied=True,
    )
    for changes in rounds:
        touched = set(_files(Path(path) for _, path in changes))
        stamps = {path: stamp for path in {*known.growing, *touched} if (stamp := _stamp(Path(path))) is not None}
        known = after_round(known, touched, stamps)
        told = to_tell(known, how.told_within_rounds)
        if told:
            known = Waiting(known.growing)
            yield sorted(map(Path, told))


def _files(paths: Iterable[Path]) -> Iterator[str]:
    """The files that changed; of a folder that has come, or was renamed, those in it."""
    for path in paths:
        yield str(path)
        if path.is_dir():
            yield from map(str, path.rglob("*"))


def _stamp(path: Path) -> Stamp | None:
    """Size and time; None for what is no file, or is not meant to be looked at yet."""
    if path.name.startswith(".") or path.suffix.lower() in _HALF_WRITTEN:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if path.is_file() else None
