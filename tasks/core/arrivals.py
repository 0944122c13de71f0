"""Which of the files that arrive in an inbox are whole, and when it is time to tell of them: a function of what was seen.

Rounds of equal length follow each other. A file is whole once a round has passed in which nobody touched it and its size
and time stayed. `tasks.io.data_root.inbox_watch` looks at the disk.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field

#: A file's size in bytes, and when it was changed, in nanoseconds.
Stamp = tuple[int, int]


@dataclass(frozen=True)
class Waiting:
    """What was seen so far, and has not been told.

    Attributes:
        growing: files that may still be written, by their path, with their last stamp.
        whole: the paths of those that are not written any more.
        rounds: how many rounds the first of the whole ones has waited.
    """

    growing: Mapping[str, Stamp] = field(default_factory=dict)
    whole: Set[str] = frozenset()
    rounds: int = 0


def after_round(before: Waiting, touched: Set[str], stamps: Mapping[str, Stamp]) -> Waiting:
    """What is known after a further round.

    Args:
        before: what was known.
        touched: the paths that somebody changed in the round.
        stamps: of each path that grows or was touched, as it is now; those that have gone are missing.
    """
    settled = {path for path, stamp in stamps.items() if path not in touched and before.growing.get(path) == stamp}
    growing = {path: stamp for path, stamp in stamps.items() if path not in settled}
    # One that is written anew, or has gone, is not whole any more.
    whole = frozenset((before.whole - touched) | settled)
    return Waiting(growing, whole, before.rounds + 1 if whole else 0)


def to_tell(now: Waiting, most_rounds: int) -> Set[str]:
    """The files that are told now: all that are whole, once none grows any more or the first has waited long enough."""
    return now.whole if not now.growing or now.rounds >= most_rounds else frozenset()


@dataclass(frozen=True)
class Pause:
    """What has to pass before an inbox is told of again, so that its arrivals start a run of a deployment only so often.

    Attributes:
        whole: the paths of files that are whole and wait for it.
        rounds: how many rounds are left of it.
    """

    whole: Set[str] = frozenset()
    rounds: int = 0


def pause_left(told_at: int | None, now: int, least_seconds: int, round_seconds: int) -> Pause:
    """What is left of an inbox's pause when a watcher begins: the one before it may have told of it a moment ago.

    Args:
        told_at: when it was last told of, in seconds of any clock; None where that is not known.
        now: the same clock.
        least_seconds: between two times that it is told.
        round_seconds: how long a round is at the least.
    """
    if told_at is None:
        return Pause()
    # A clock that was put back shows a time to come: then the whole pause, and no more.
    left = least_seconds - max(now - told_at, 0)
    return Pause(rounds=max(-(-left // round_seconds), 0))


def after_pause(before: Pause, whole: Set[str], least_rounds: int) -> tuple[Pause, Set[str]]:
    """What waits after a further round, and what is told now.

    Args:
        before: what was known.
        whole: the inbox's files that have become whole in the round (`to_tell`).
        least_rounds: between two times that it is told.
    """
    waiting, left = before.whole | whole, max(before.rounds - 1, 0)
    if waiting and not left:
        return Pause(frozenset(), least_rounds), waiting
    return Pause(waiting, left), frozenset()
