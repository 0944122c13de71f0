"""Holds: which schools are stopped because their number of learners fell far below their own last cycle's, and their release.

Nothing of a hold is stored but its release: it follows from dispositions of this cycle and of earlier ones
(`tasks.core.volume`). The rows of a school on hold wait: they go into no batch, and the counts add up. A release holds for
about as many learners as whoever decided it saw; a return with far fewer is held again.
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from schemas.cycles import earlier_alike
from schemas.faults import ServiceFault
from schemas.states import OperatorDecision, Volume
from schemas.texts import both
from schemas.views import VOLUMES
from schemas.volume import volume_bounds
from tasks.core.volume import compared, covered
from tasks.decisions import keep, last_decided, refuse_reason, school_ref
from tasks.ground import Ground
from tasks.io.run_lock import one_run_at_a_time
from tasks.showing import shown


@dataclass(frozen=True)
class Told:
    """What became of a decision of a school or a file.

    Attributes:
        changed: False where it was so already, and nothing was written.
        told: one sentence in both languages, with the next step.
    """

    changed: bool
    told: str


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


def unusual(ground: Ground) -> dict[str, list[str]]:
    """The schools that are on hold and those far above their last cycle, by the text's key under `terminal.`."""
    found = shown(VOLUMES, volumes(ground).reset_index()).frame
    line = found["school_number"] + ": " + found["learners"].astype("str")
    line += " (" + found["in_cycle"].fillna("") + ": " + found["before"].astype("str") + ")"
    keys = {"on_hold": Volume.ON_HOLD, "far_above": Volume.FAR_ABOVE}
    return {key: list(line[found["volume"] == volume.value]) for key, volume in keys.items()}


def release_hold(data: str, school: str, cycle: str, reason: str, as_of: str) -> Told:
    """Let a school that is on hold go; the next census run of the cycle batches its learners.

    Args:
        data: the data root.
        school: its number.
        cycle: the cycle's id.
        reason: why; kept with the decision, and nowhere in the engine.
        as_of: the time it counts as, ISO.

    Raises:
        ServiceFault: the school is not on hold, or the reason cannot be taken.
    """
    refuse_reason(reason, as_of)
    ground = Ground.of(data, cycle)
    about = {"school": school, "cycle": cycle}
    if ground.lake.version("dispositions") < 0:  # where nothing is, nothing is made
        raise ServiceFault(both("fault.no_hold", **about))
    with one_run_at_a_time(data):
        found = volumes(ground, la_code=school[:3], school_number=school)
        volume = found["volume"].get(school, Volume.USUAL.value)
        if volume == Volume.RELEASED.value:
            return Told(False, both("terminal.already_release", **about))
        if volume != Volume.ON_HOLD.value:
            raise ServiceFault(both("fault.no_hold", **about))
        learners = int(found["learners"][school])
        ref, whose = school_ref(cycle, school), {"cycle": cycle, "la_code": school[:3], "school_number": school}
        keep(ground.root, OperatorDecision.RELEASE, ref, reason, as_of, learners, **whose)
    return Told(True, both("terminal.done_release", learners=learners, **about))
