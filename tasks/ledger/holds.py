"""Holds: which schools are stopped because their number of learners fell far below their own last cycle's, and their release.

Nothing of a hold is stored but its release: it follows from dispositions of this cycle and of earlier ones
(`tasks.core.volume`). The rows of a school on hold wait: they go into no batch, and the counts add up. A release holds for
about as many learners as whoever decided it saw; a return with far fewer is held again.
"""

from typing import Any

import pandas as pd

from schemas.cycles import earlier_alike
from schemas.settings.volume import volume_bounds
from schemas.states import OperatorDecision, Volume
from tasks.core.volume import compared, covered
from tasks.ledger.operator_decisions import last_decided
from tasks.runtime.context import RunContext


def volumes(ctx: RunContext, **where: Any) -> pd.DataFrame:
    """The schools of a cycle, or some of them, against their last one (`volume.compared`).

    Args:
        ctx: data root, lake and cycle.
        where: which schools, such as la_code.
    """
    bounds = volume_bounds(ctx.root.reference / "volume.toml")
    before = [(cycle, _covered(ctx, cycle, **where)) for cycle in earlier_alike(ctx.cycle)]
    before = [(cycle, counts) for cycle, counts in before if len(counts)]
    if not before:  # most data roots, for their first year: nothing else is read
        return compared(pd.Series(dtype="int64"), [], pd.Series(dtype="int64"), bounds)
    released = last_decided(ctx.lake, OperatorDecision.RELEASE, cycle=ctx.cycle.id)
    seen = released.set_index("school_number")["counted"]
    return compared(_covered(ctx, ctx.cycle.id, **where), before, seen, bounds)


def _covered(ctx: RunContext, cycle: str, **where: Any) -> pd.Series:
    columns = ["school_number", "disposition", "reason"]
    return covered(ctx.lake.read("dispositions", columns, cycle=cycle, **where))


def on_hold(ctx: RunContext, **where: Any) -> list[str]:
    """The numbers of the schools that are on hold, sorted."""
    found = volumes(ctx, **where)
    return list(found.index[found["volume"] == Volume.ON_HOLD.value])
