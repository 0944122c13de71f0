"""Lookups of a cycle's records that several steps share."""

from typing import Any

import pandas as pd

from schemas.lrs.profiles import all_profiles
from schemas.states import Disposition, NotChosen
from schemas.tables import SENT_FIELDS
from tasks.core.lrs_form import lrs_rows
from tasks.core.membership import among
from tasks.runtime.chunks import Chunk
from tasks.runtime.context import Ground


def chosen_rows(ground: Ground, columns: list[str], **where: Any) -> pd.DataFrame:
    """The chosen records of a cycle, or of some schools in it.

    Args:
        ground: the data root, lake and cycle.
        columns: pupil columns besides row_ref.
        where: further conditions, such as la_code.
    """
    decided = ground.lake.read("dispositions", ["row_ref", "disposition"], cycle=ground.cycle.id, **where)
    chosen = decided.loc[decided["disposition"] == Disposition.CHOSEN.value, "row_ref"]
    return ground.lake.read("pupils", ["row_ref", *columns], cycle=ground.cycle.id, row_ref=chosen, **where)


def _plain_forms(ground: Ground, pupils: pd.DataFrame) -> pd.DataFrame:
    """What would be sent of pupils' records, to compare by; whether they share is left open."""
    profile = all_profiles(ground.root.reference / "lrs")[ground.cycle.lrs_profile]
    no = pd.Series(False, index=pupils.index)
    return lrs_rows(pupils, profile, no, no)[["upn", *SENT_FIELDS]]


def current_rows(ground: Ground, chunk: Chunk) -> pd.DataFrame:
    """The rows of the schools' current returns, chosen or not: school_number, upn, enrol_status."""
    decided = ground.lake.read("dispositions", ["row_ref", "reason"], cycle=ground.cycle.id, **chunk.where)
    wanted = ["row_ref", "school_number", "upn", "enrol_status"]
    pupils = ground.lake.read("pupils", wanted, cycle=ground.cycle.id, **chunk.where)
    older = decided.loc[decided["reason"] == NotChosen.SUPERSEDED_RETURN.value, "row_ref"]
    return pupils[~among(pupils["row_ref"], older)]
