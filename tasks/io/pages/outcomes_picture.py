"""A picture for telling people: where the learners chosen stand, a bar for each authority, as a PNG.

It is set by Typst, from `outcomes.typ`, with its own fonts alone, without network or clock; equal content gives equal bytes.
It is drawn from what may be shown and nothing else: what is hidden in the table is hatched in the bar. Does not belong here:
what is hidden (`tasks.core.suppression`), or where the picture is seen (`flows.run.run_page`).
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import typst

_TEMPLATE = Path(__file__).with_name("outcomes.typ")
#: Dots per inch: as wide as a page of the engine's dashboard.
_PPI = 96
#: What stands in the legend's place of a state for what is not told.
HIDDEN = "hidden"


def write_picture(bars: Sequence[Mapping[str, Any]], states: Mapping[str, str]) -> bytes:
    """Draw it.

    Args:
        bars: name of the authority; number, as text, of the learners chosen; counts of them by state, null where hidden;
            chosen, null where hidden. From the top.
        states: in order from the left, what each is called; HIDDEN among them.
    """
    told = [{"name": bar["name"], "number": bar["number"], "parts": _shares(bar, list(states))} for bar in bars]
    given = {"states": list(states.items()), "bars": told}
    png: bytes = typst.compile(
        _TEMPLATE.read_bytes(),
        format="png",
        ppi=_PPI,
        font_paths=_fonts(),
        ignore_system_fonts=True,
        sys_inputs={"given": json.dumps(given, ensure_ascii=False)},
    )
    return png


def _shares(bar: Mapping[str, Any], states: Sequence[str]) -> list[tuple[str, float]]:
    """Each state's share of the bar; of one whose whole is hidden nothing can be said but that."""
    chosen = bar["chosen"]
    if chosen is None:
        return [(HIDDEN, 1.0)]
    known = {state: int(bar[state]) for state in states if state != HIDDEN and bar[state] is not None}
    parts = known | {HIDDEN: chosen - sum(known.values())}
    return [(state, parts[state] / chosen) for state in states if parts.get(state)]


@cache
def _fonts() -> Any:
    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)
