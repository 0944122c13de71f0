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
    """Return the waiting files after another round.

    Args:
        before: the waiting files before it.
        touched: paths that were changed in the round.
        stamps: current stamp by path, of the files that grow or were touched; files that are gone are missing.
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

    Attributes:
        whole: paths of whole files that wait for its end.
        rounds: number of rounds left.
    """

    whole: Set[str] = frozenset()
    rounds: int = 0


def pause_left(told_at: int | None, now: int, least_seconds: int, round_seconds: int) -> Pause:
    """Return the rest of an inbox's pause when a watcher starts: the previous watcher may have just reported the inbox.

    Args:
        told_at: time of the last report, in seconds of any clock; None if unknown.
        now: current time of the same clock.
        least_seconds: minimum time between two reports.
        round_seconds: minimum length of a round.
    """
    if told_at is None:
        return Pause()
    # After a clock is put back, told_at may be in the future: wait for the whole pause, not longer.
    left = least_seconds - max(now - told_at, 0)
    return Pause(rounds=max(-(-left // round_seconds), 0))


def after_pause(before: Pause, whole: Set[str], least_rounds: int) -> tuple[Pause, Set[str]]:
    """Return the pause after another round, and the files to report now.

    Args:
        before: the pause before it.
        whole: the inbox's files that are ready to report (`arrivals_to_announce`).
        least_rounds: minimum number of rounds between two reports.
    """
    waiting, left = before.whole | whole, max(before.rounds - 1, 0)
    if waiting and not left:
        return Pause(frozenset(), least_rounds), waiting
    return Pause(waiting, left), frozenset()
