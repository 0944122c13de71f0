"""How a flow tells whoever started it how far it is; nobody listens unless a terminal has asked to.

The engine's dashboard needs none of this: it sees the task runs.
"""

from collections.abc import Callable
from contextvars import ContextVar

#: Called with the stage's word, what it is about (an authority or a cycle), and how many steps it has.
listener: ContextVar[Callable[[str, str, int], None] | None] = ContextVar("listener", default=None)


def step(stage: str, about: str, of: int) -> None:
    """One step of a stage begins."""
    tell = listener.get()
    if tell is not None:
        tell(stage, about, of)
