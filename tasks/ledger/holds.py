"""Holds: schools stopped because their number of learners fell far below their own last cycle's, and releases of holds.

Only the release of a hold is stored. The hold itself follows from the dispositions of this and earlier cycles
(`tasks.core.volume`). The rows of a school on hold go into no batch, and the counts still add up. A release is valid for
about the number of learners that the person saw; if a new return has far fewer, the school is on hold again.
"""

from typing import Any

import pandas as pd

from schemas.cycles import earlier_alike
from schemas.settings.terms import volume_bounds
from schemas.states import OperatorDecision, Volume
from tasks.core.volume import compared, covered
from tasks.ledger.operator_decisions import last_decided
from tasks.runtime.context import RunContext


def volumes(ctx: RunContext, **where: Any) -> pd.DataFrame:
    """Compare schools of a cycle with their own last cycle (`volume.compared`); `where` selects schools, e.g. by la_code."""
    bounds = volume_bounds(ctx.root.reference / "volume.toml")
    before = [(cycle, _covered(ctx, cycle, **where)) for cycle in earlier_alike(ctx.cycle)]
    before = [(cycle, counts) for cycle, counts in before if len(counts)]
    if not before:  # most data roots in their first year: read nothing else
        return compared(pd.Series(dtype="int64"), [], pd.Series(dtype="int64"), bounds)
    released = last_decided(ctx.lake, OperatorDecision.RELEASE, cycle=ctx.cycle.id)
    seen = released.set_index("school_number")["counted"]
    return compared(_covered(ctx, ctx.cycle.id, **where), before, seen, bounds)


def _covered(ctx: RunContext, cycle: str, **where: Any) -> pd.Series:
    columns = ["school_number", "disposition", "reason"]
    return covered(ctx.lake.read("dispositions", columns, cycle=cycle, **where))


def on_hold(ctx: RunContext, **where: Any) -> list[str]:
    """Return the numbers of the schools on hold, sorted."""
    schools = volumes(ctx, **where)
    return list(schools.index[schools["volume"] == Volume.ON_HOLD.value])
