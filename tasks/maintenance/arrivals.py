"""The files that arrive in the inboxes and have become whole, as they do; for `uln watch`. No engine.

What lay there before is not told: the schedule finds it, as it finds whatever a watcher has missed. When an inbox was last
told of is kept in the data root: a watcher that is started again starts runs no sooner than the one before it would have.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

from schemas.settings.watching import Watching
from tasks.core.arrivals import Waiting, after_pause, after_round, pause_left, to_tell
from tasks.io.data_root.arrivals_told import read_announced, write_announced
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.inbox_watch import changes, stamps_of


def arrivals(
    root: DataRoot, how: Watching, clock: Callable[[], int], stop: Event | None = None
) -> Iterator[list[Path]]:
    """The files that arrive, those together that become whole together; of an inbox that was told of a while ago.

    Args:
        root: the data root; its inboxes are there.
        how: when a file is whole, how long it waits for others, and how often an inbox is told of.
        clock: seconds since 1970; for the next watcher.
        stop: set by whoever has had enough.

    Yields:
        Paths, sorted.

    Raises:
        NotWritten: when it told of them could not be kept.
    """
    known, seconds = Waiting(), how.arrivals.settled_seconds
    inboxes = {"census": root.dewi_inbox, "lrs-returns": root.lrs_inbox}
    again_after = {
        "census": how.starts.census_again_after_seconds,
        "lrs-returns": how.starts.lrs_returns_again_after_seconds,
    }
    last = read_announced(root.arrivals_told)
    pauses = {name: pause_left(last.get(name), clock(), least, seconds) for name, least in again_after.items()}
    for touched in changes(root, seconds, stop):
        known = after_round(known, touched, stamps_of({*known.growing, *touched}))
        whole = to_tell(known, how.arrivals.told_within_rounds)
        if whole:
            known = Waiting(known.growing)
        told: set[Path] = set()
        for starts, pause in pauses.items():
            own = {path for path in whole if Path(path).is_relative_to(inboxes[starts])}
            # A round takes so many seconds or longer; rounds are counted, as a clock may be put back.
            pauses[starts], now = after_pause(pause, own, -(-again_after[starts] // seconds))
            told |= set(map(Path, now))
            if now:
                last[starts] = clock()
        if told:
            # Before: one that dies between the two has not told, and the schedule finds what it has not told.
            write_announced(root.arrivals_told, last)
            yield sorted(told)
