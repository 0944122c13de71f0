"""The picture of a batch's states, made from the table of allowed moves."""

import re

from schemas.states import BATCH_MOVES, BatchState
from tests.support.paths import PROJECT

PAGE = PROJECT / "docs/reference/batch-states.md"
_PICTURE = re.compile(r"```mermaid\n.*?```", re.DOTALL)


def picture() -> str:
    """The diagram: an arrow for each pair of states, with its events; the last states lead to the end."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for move in BATCH_MOVES:
        arrows.setdefault((move.before or "[*]", move.after), []).append(move.event.replace("_", " "))
    last = [state for state in BatchState if state not in {move.before for move in BATCH_MOVES}]
    lines = [f"    {before} --> {after}: {', '.join(events)}" for (before, after), events in arrows.items()]
    lines += [f"    {state} --> [*]" for state in last]
    return "\n".join(["```mermaid", "stateDiagram-v2", *lines, "```"])


def page() -> str:
    """The page with the picture of today's table."""
    return _PICTURE.sub(lambda _: picture(), PAGE.read_text(encoding="utf-8"), count=1)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
