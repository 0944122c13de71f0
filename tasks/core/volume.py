"""Law 7, volume (docs/explanation/laws.md): whether a school's number of learners is far from that of its own last cycle.

Counted are the learners whom the cycle covers, also those who have a ULN already: only the new ones are asked for in a second
year, and they are few in every school. Wales goes on whatever one school's number is; a first cycle has no bound.
To count differently: `COVERED`.
"""

import pandas as pd

from schemas.settings.volume import VolumeBounds
from schemas.states import Disposition, NotChosen, Volume

#: Why a learner whom the cycle covers was not chosen; the other reasons say that it does not cover him or her.
COVERED = (NotChosen.ULN_HELD.value, NotChosen.SCHOOL_NOT_READY.value, NotChosen.ASKED_ELSEWHERE.value)


def covered(dispositions: pd.DataFrame) -> pd.Series:
    """How many learners a cycle covers in each school.

    Args:
        dispositions: school_number, disposition, reason; of one cycle.

    Returns:
        By school_number; without schools that have none.
    """
    counts = dispositions["disposition"].eq(Disposition.CHOSEN.value) | dispositions["reason"].isin(COVERED)
    found: pd.Series = dispositions[counts].groupby("school_number").size()
    return found


def compared(
    now: pd.Series, before: list[tuple[str, pd.Series]], released: pd.Series, bounds: VolumeBounds
) -> pd.DataFrame:
    """The schools of a cycle against what each had in its own last one.

    Args:
        now: `covered` of the cycle.
        before: the id and `covered` of earlier cycles of the same year groups, in order; a school's last is the last in
            which it had learners.
        released: how many learners a school had when a person last released its hold; by school_number.
        bounds: the bounds.

    Returns:
        index school_number, sorted: learners, before (0 where it had none), in_cycle (null likewise), volume (`Volume`).
    """
    rows = pd.DataFrame({"learners": now}).sort_index()
    rows.index = rows.index.astype("str").rename("school_number")  # also where there is none
    rows["before"], rows["in_cycle"] = 0, pd.Series(None, index=rows.index, dtype="str")
    for cycle, counts in before:
        then = counts.reindex(rows.index)
        rows["before"] = then.fillna(rows["before"]).astype("int64")
        rows["in_cycle"] = rows["in_cycle"].mask(then.notna(), cycle)
    bound = rows["before"] >= max(bounds.least, 1)
    below = bound & (rows["learners"] < rows["before"] * bounds.far_below)
    # Whoever released the hold saw that many; far fewer than those are news again.
    seen = released.reindex(rows.index)
    of_seen = below & (rows["learners"] >= seen * bounds.far_below).fillna(False)
    volume = pd.Series(Volume.USUAL.value, index=rows.index, dtype="str")
    volume = volume.mask(bound & (rows["learners"] > rows["before"] * bounds.far_above), Volume.FAR_ABOVE.value)
    return rows.assign(volume=volume.mask(below, Volume.ON_HOLD.value).mask(of_seen, Volume.RELEASED.value))
