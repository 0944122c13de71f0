"""When a file that arrives in an inbox is whole, and when to report it.

An inbox is watched in rounds of equal length. A file is whole after a round in which nobody touched it and its size and time
did not change. Does not belong here: looking at the disk (`tasks.io.data_root.inbox_watch`).
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

#: A file's size in bytes, and its time of change in nanoseconds.
Stamp = tuple[int, int]


@dataclass(frozen=True)
class Waiting:
    """Files that were seen and are not reported yet.

    Attributes:
        growing: last stamp by path, of files that may still be written.
        whole: paths of whole files.
        rounds: number of rounds that the first whole file has waited.
    """

    growing: Mapping[str, Stamp] = field(default_factory=dict)
    whole: Set[str] = frozenset()
    rounds: int = 0


def after_round(before: Waiting, touched: Set[str], stamps: Mapping[str, Stamp]) -> Waiting:
    """Return the waiting files after another round, in which the paths `touched` were changed.

    `stamps` has the current stamp by path of files that grow or were touched; files that are gone are missing.
    """
    settled = {path for path, stamp in stamps.items() if path not in touched and before.growing.get(path) == stamp}
    growing = {path: stamp for path, stamp in stamps.items() if path not in settled}
    # A file that is written again, or is gone, is no longer whole.
    whole = frozenset((before.whole - touched) | settled)
    return Waiting(growing, whole, before.rounds + 1 if whole else 0)


def arrivals_to_announce(now: Waiting, most_rounds: int) -> Set[str]:
    """Return the files to report now: all whole files, once no file grows or the first has waited `most_rounds`."""
    return now.whole if not now.growing or now.rounds >= most_rounds else frozenset()


@dataclass(frozen=True)
class Pause:
    """The pause before an inbox is reported again. It limits how often arrivals start a run of a deployment.

    `whole` has the paths of whole files that wait for its end, `rounds` the number of rounds left.
    """

    whole: Set[str] = frozenset()
    rounds: int = 0


def pause_left(reported_at: int | None, now: int, least_seconds: int, round_seconds: int) -> Pause:
    """Return the rest of an inbox's pause when a watcher starts: the previous watcher may have just reported the inbox.

    Times are seconds of any clock; `reported_at` is None if unknown. A round takes at least `round_seconds`.
    """
    if reported_at is None:
        return Pause()
    # After a clock is put back, reported_at may be in the future: wait for the whole pause, not longer.
    left = least_seconds - max(now - reported_at, 0)
    return Pause(rounds=max(-(-left // round_seconds), 0))


def after_pause(before: Pause, whole: Set[str], least_rounds: int) -> tuple[Pause, Set[str]]:
    """Return the pause after another round, and the files to report now.

    `whole` are the files that are ready to report (`arrivals_to_announce`). Two reports are at least `least_rounds` apart.
    """
    waiting, left = before.whole | whole, max(before.rounds - 1, 0)
    if waiting and not left:
        return Pause(frozenset(), least_rounds), waiting
    return Pause(waiting, left), frozenset()
