"""The files that arrive in the inboxes and have become whole, as they do; for `uln watch`. No engine.

What lay there before is not told: the schedule finds it, as it finds whatever a watcher has missed.
"""

from collections.abc import Iterator
from pathlib import Path
from threading import Event

from schemas.watching import Watching
from tasks.core.arrivals import Pause, Waiting, after_pause, after_round, to_tell
from tasks.io.data_root import DataRoot
from tasks.io.inbox_watch import changes, stamps_of


def arrivals(root: DataRoot, how: Watching, stop: Event | None = None) -> Iterator[list[Path]]:
    """The files that arrive, those together that become whole together; of an inbox that was told of a while ago.

    Args:
        root: the data root; its inboxes are there.
        how: when a file is whole, how long it waits for others, and how often an inbox is told of.
        stop: set by whoever has had enough.

    Yields:
        Paths, sorted.
    """
    known, seconds = Waiting(), how.arrivals.settled_seconds
    again_after = {
        root.dewi_inbox: how.starts.census_again_after_seconds,
        root.lrs_inbox: how.starts.lrs_returns_again_after_seconds,
    }
    pauses = dict.fromkeys(again_after, Pause())
    for touched in changes(root, seconds, stop):
        known = after_round(known, touched, stamps_of({*known.growing, *touched}))
        whole = to_tell(known, how.arrivals.told_within_rounds)
        if whole:
            known = Waiting(known.growing)
        told: set[Path] = set()
        for inbox, pause in pauses.items():
            own = {path for path in whole if Path(path).is_relative_to(inbox)}
            # A round takes so many seconds or longer; rounds are counted, as a clock may be put back.
            pauses[inbox], now = after_pause(pause, own, -(-again_after[inbox] // seconds))
            told |= set(map(Path, now))
        if told:
            yield sorted(told)
