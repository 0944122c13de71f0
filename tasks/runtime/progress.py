"""How far a stage has come while it works, for whoever has asked to hear of it; nobody has, unless a flow says so.

Belongs here: the share of a stage that is done, reckoned from what is cut up anyway: its lots
(`tasks.runtime.chunks.walk`), and of a lot the calls that the workers were handed (`tasks.runtime.executor`). Does not
belong here: whom it is told to, and how often (`flows.run.artifacts`). A stage needs to do nothing for it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass
class _Way:
    """How far a stage is: what it tells, the share that is behind it, and the share up to the end of its present lot."""

    tell: Callable[[float], None]
    behind: float = 0.0
    lot_ends: float = 1.0


_way: ContextVar[_Way | None] = ContextVar("way", default=None)


@contextmanager
def told_to(tell: Callable[[float], None]) -> Iterator[None]:
    """While it holds, a stage tells how far it is.

    Args:
        tell: takes the share that is done, from 0 to 1; as often as there is something to tell, and never raises.
    """
    token = _way.set(_Way(tell))
    try:
        yield
    finally:
        _way.reset(token)


def lot_begins(number: int, of: int) -> None:
    """A stage comes to its lot of that number, counted from 0."""
    way = _way.get()
    if way is not None:
        way.behind, way.lot_ends = number / of, (number + 1) / of


def calls_begin(of: int) -> Callable[[int], None]:
    """Some calls of the present lot are waited for.

    How many more there will be in the lot nobody knows, so these count as half of what is left of it.

    Args:
        of: how many.

    Returns:
        Takes how many of them are done.
    """
    way = _way.get()
    if way is None or not of:
        return lambda _: None
    begin, share = way.behind, (way.lot_ends - way.behind) / 2

    def done(calls: int) -> None:
        way.behind = begin + share * calls / of
        way.tell(way.behind)

    return done
