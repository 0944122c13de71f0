"""The files that arrive in the inboxes and have become whole, as they do; for `uln watch`. No engine.

What lay there before is not told: the schedule finds it, as it finds whatever a watcher has missed.
"""

from collections.abc import Iterator
from pathlib import Path
from threading import Event

from schemas.watching import Arrivals
from tasks.core.arrivals import Waiting, after_round, to_tell
from tasks.io.data_root import DataRoot
from tasks.io.inbox_watch import changes, stamps_of


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
    for touched in changes(root, how.settled_seconds, stop):
        known = after_round(known, touched, stamps_of({*known.growing, *touched}))
        told = to_tell(known, how.told_within_rounds)
        if told:
            known = Waiting(known.growing)
            yield sorted(map(Path, told))
