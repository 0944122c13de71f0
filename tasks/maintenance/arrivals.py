"""Files that arrive in the inboxes and are complete, for `uln watch`. No engine.

Files that were there before the watch are not announced: the schedule finds them, and any that a watcher has missed. The
time of an inbox's last announcement is kept in the data root, so that a restarted watcher keeps to the pause after it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event

from schemas.settings.terms import Watching
from tasks.core.arrivals import Waiting, after_pause, after_round, arrivals_to_announce, pause_left
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.inbox_watch import changes, read_announced, stamps_of, write_announced


def arrivals(
    root: DataRoot, how: Watching, clock: Callable[[], int], stop: Event | None = None
) -> Iterator[list[Path]]:
    """Yield the sorted paths of complete files, those completed together; an inbox is announced only after its pause.

    The inboxes must exist. `clock` returns seconds since 1970; its times are kept for the next watcher. `stop` ends it.

    Raises:
        NotWritten: the time of the announcement could not be saved.
    """
    known, seconds, starts = Waiting(), how.arrivals.settled_seconds, how.starts
    inboxes = {"census": root.dewi_inbox, "lrs-returns": root.lrs_inbox}
    again_after = {"census": starts.census_again_after_seconds, "lrs-returns": starts.lrs_returns_again_after_seconds}
    last = read_announced(root)
    pauses = {name: pause_left(last.get(name), clock(), least, seconds) for name, least in again_after.items()}
    for touched in changes(root, seconds, stop):
        known = after_round(known, touched, stamps_of({*known.growing, *touched}))
        whole = arrivals_to_announce(known, how.arrivals.told_within_rounds)
        if whole:
            known = Waiting(known.growing)
        due: set[Path] = set()
        for flow, pause in pauses.items():
            arrived = {path for path in whole if Path(path).is_relative_to(inboxes[flow])}
            # Rounds are counted, not time, because a clock may be put back; a round takes `seconds` or longer.
            pauses[flow], now = after_pause(pause, arrived, -(-again_after[flow] // seconds))
            due |= set(map(Path, now))
            if now:
                last[flow] = clock()
        if due:
            # Save first: if the watcher dies before it announces the files, the schedule finds them.
            write_announced(root, last)
            yield sorted(due)
