"""A PNG of the states of the chosen learners, with a bar for each authority.

Typst draws it from `outcomes.typ` with its own fonts, no network and no clock, so equal content gives equal bytes. It gets
only visible numbers: a number hidden in the table is hatched in the bar. Does not belong here: which numbers are hidden
(`tasks.core.suppression`), and where the picture is shown (`flows.run.run_page`).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typst

_TEMPLATE = Path(__file__).with_name("outcomes.typ")
#: Dots per inch; makes the picture as wide as a page of the engine's dashboard.
_PPI = 96
#: Key of the legend for hidden numbers, in place of a state.
HIDDEN = "hidden"


def write_picture(bars: Sequence[Mapping[str, Any]], states: Mapping[str, str]) -> bytes:
    """Draw the picture.

    Args:
        bars: from the top: name of the authority; number of the chosen learners, as text; chosen (a count) and counts
            by state, each null where hidden.
        states: name by state, from the left; HIDDEN included.
    """
    drawn = [{"name": bar["name"], "number": bar["number"], "parts": _shares(bar, list(states))} for bar in bars]
    inputs = {"states": list(states.items()), "bars": drawn}
    fonts: Any = typst.Fonts(include_system_fonts=False, include_embedded_fonts=True)
    png: bytes = typst.compile(
        _TEMPLATE.read_bytes(),
        format="png",
        ppi=_PPI,
        font_paths=fonts,
        ignore_system_fonts=True,
        sys_inputs={"given": json.dumps(inputs, ensure_ascii=False)},
    )
    return png


def _shares(bar: Mapping[str, Any], states: Sequence[str]) -> list[tuple[str, float]]:
    """Return each state's share of the bar; where the total is hidden, the whole bar is HIDDEN."""
    chosen = bar["chosen"]
    if chosen is None:
        return [(HIDDEN, 1.0)]
    known = {state: int(bar[state]) for state in states if state != HIDDEN and bar[state] is not None}
    parts = known | {HIDDEN: chosen - sum(known.values())}
    return [(state, parts[state] / chosen) for state in states if parts.get(state)]
