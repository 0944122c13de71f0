"""Progress of a flow, reported to an optional callback that the terminal sets.

The engine's dashboard does not need it: it shows the task runs.
"""

from collections.abc import Callable
from contextvars import ContextVar

#: Called with the stage's word, its subject (an authority or a cycle), and its number of steps.
listener: ContextVar[Callable[[str, str, int], None] | None] = ContextVar("listener", default=None)


def step(stage: str, about: str, of: int) -> None:
    """Report that one step of a stage begins."""
    report = listener.get()
    if report is not None:
        report(stage, about, of)
