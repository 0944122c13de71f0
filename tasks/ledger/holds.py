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
from tasks.runtime.context import Ground


def volumes(ground: Ground, **where: Any) -> pd.DataFrame:
    """The schools of a cycle, or some of them, against their last one (`volume.compared`).

    Args:
        ground: the data root, lake and cycle.
        where: which schools, such as la_code.
    """
    bounds = volume_bounds(ground.root.reference / "volume.toml")
    before = [(cycle, _covered(ground, cycle, **where)) for cycle in earlier_alike(ground.cycle)]
    before = [(cycle, counts) for cycle, counts in before if len(counts)]
    if not before:  # most data roots, for their first year: nothing else is read
        return compared(pd.Series(dtype="int64"), [], pd.Series(dtype="int64"), bounds)
    released = last_decided(ground.lake, OperatorDecision.RELEASE, cycle=ground.cycle.id)
    seen = released.set_index("school_number")["counted"]
    return compared(_covered(ground, ground.cycle.id, **where), before, seen, bounds)


def _covered(ground: Ground, cycle: str, **where: Any) -> pd.Series:
    columns = ["school_number", "disposition", "reason"]
    return covered(ground.lake.read("dispositions", columns, cycle=cycle, **where))


def on_hold(ground: Ground, **where: Any) -> list[str]:
    """The numbers of the schools that are on hold, sorted."""
    found = volumes(ground, **where)
    return list(found.index[found["volume"] == Volume.ON_HOLD.value])
