"""Law 7, volume (docs/explanation/laws.md): compare a school's number of learners with that in its own last cycle.

All learners whom the cycle covers count, also those who already have a ULN: in a second year only the new ones are sent, and
they are few in every school. A school on hold does not stop the rest of Wales; a first cycle has no bound.
To count differently: `COVERED`.
"""

import pandas as pd

from schemas.settings.terms import VolumeBounds
from schemas.states import Disposition, NotChosen, Volume

#: Reasons not to choose a learner whom the cycle covers; with any other reason the cycle does not cover the learner.
COVERED = (NotChosen.ULN_HELD.value, NotChosen.SCHOOL_NOT_READY.value, NotChosen.ASKED_ELSEWHERE.value)


def covered(dispositions: pd.DataFrame) -> pd.Series:
    """Count the learners that a cycle covers, by school_number; from school_number, disposition, reason."""
    counts = dispositions["disposition"].eq(Disposition.CHOSEN.value) | dispositions["reason"].isin(COVERED)
    by_school: pd.Series = dispositions[counts].groupby("school_number").size()
    return by_school


def compared(
    now: pd.Series, before: list[tuple[str, pd.Series]], released: pd.Series, bounds: VolumeBounds
) -> pd.DataFrame:
    """Compare the schools of a cycle with each school's own last cycle.

    Args:
        now: `covered` of the cycle.
        before: the id and `covered` of earlier cycles of the same year groups, in order; a school's last cycle is the last
            in which it had learners.
        released: the number of learners when a person last released a school's hold; by school_number.
        bounds: the bounds.

    Returns:
        index school_number, sorted: learners, before (0 where it had none), in_cycle (null there), volume (`Volume`).
    """
    rows = pd.DataFrame({"learners": now}).sort_index()
    rows.index = rows.index.astype("str").rename("school_number")  # also when empty
    rows["before"], rows["in_cycle"] = 0, pd.Series(None, index=rows.index, dtype="str")
    for cycle, counts in before:
        then = counts.reindex(rows.index)
        rows["before"] = then.fillna(rows["before"]).astype("int64")
        rows["in_cycle"] = rows["in_cycle"].mask(then.notna(), cycle)
    bound = rows["before"] >= max(bounds.least, 1)
    below = bound & (rows["learners"] < rows["before"] * bounds.far_below)
    # A release covers about the number that the person saw; far fewer put the school on hold again.
    at_release = released.reindex(rows.index)
    is_released = below & (rows["learners"] >= at_release * bounds.far_below).fillna(False)
    volume = pd.Series(Volume.USUAL.value, index=rows.index, dtype="str")
    volume = volume.mask(bound & (rows["learners"] > rows["before"] * bounds.far_above), Volume.FAR_ABOVE.value)
    return rows.assign(volume=volume.mask(below, Volume.ON_HOLD.value).mask(is_released, Volume.RELEASED.value))
