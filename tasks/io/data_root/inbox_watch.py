"""Changes in the two inboxes, the size and time of their files, and the times of announcements; for `uln watch`.

This module looks at the disk. `tasks.core.arrivals` decides when a file is whole; `tasks.maintenance.arrivals` calls both.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event

from watchfiles import Change, watch

from tasks.io.data_root.data_root import DataRoot, write_whole
from tasks.io.data_root.dewi_inbox import may_be_whole


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
        paths = {name for _, name in changed}
        for change, name in changed:
            # Add the files of a folder that is new or renamed; not if only its permissions changed.
            if change == Change.added and Path(name).is_dir():
                paths |= set(map(str, Path(name).rglob("*")))
        yield paths


def stamps_of(paths: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Return size in bytes and time of change in nanoseconds by path, for files that exist and are not half-written."""
    stamps = {}
    for name in paths:
        path = Path(name)
        with suppress(OSError):
            if may_be_whole(path) and path.is_file():
                status = path.stat()
                stamps[name] = (status.st_size, status.st_mtime_ns)
    return stamps


def read_announced(root: DataRoot) -> dict[str, int]:
    """Return when arrivals last started each kind of run, in seconds since 1970; empty if the file is missing or damaged."""
    try:
        stored = json.loads(root.announced_arrivals.read_bytes())
    except (FileNotFoundError, ValueError):  # the schedule starts the same runs, so a damaged file is no reason to stop
        return {}
    return {name: at for name, at in stored.items() if type(at) is int} if isinstance(stored, dict) else {}


def write_announced(root: DataRoot, times: Mapping[str, int]) -> None:
    """Keep when arrivals last started each kind of run, for the next watcher.

    Raises:
        NotWritten: the system refused, for example because the disk is full or access is denied.
    """
    write_whole(root.announced_arrivals, json.dumps(times, indent=1, sort_keys=True).encode() + b"\n")
