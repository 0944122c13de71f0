"""Lookups of a cycle's records that several steps share; what one step alone reads is in that step."""

from typing import Any

import pandas as pd

from schemas.lrs.profiles import all_profiles
from schemas.states import Disposition, NotChosen
from schemas.tables import SENT_FIELDS
from tasks.core.lrs_form import lrs_rows
from tasks.core.membership import is_in
from tasks.runtime.chunks import Chunk
from tasks.runtime.context import RunContext


def chosen_rows(ctx: RunContext, columns: list[str], **where: Any) -> pd.DataFrame:
    """Return row_ref and other columns of the chosen pupils of a cycle; `where` has further conditions, such as la_code."""
    decided = ctx.lake.read("dispositions", ["row_ref", "disposition"], cycle=ctx.cycle.id, **where)
    chosen = decided.loc[decided["disposition"] == Disposition.CHOSEN.value, "row_ref"]
    return ctx.lake.read("pupils", ["row_ref", *columns], cycle=ctx.cycle.id, row_ref=chosen, **where)


def plain_forms(ctx: RunContext, pupils: pd.DataFrame) -> pd.DataFrame:
    """Return pupils' records in the LRS's form, for comparison: upn and SENT_FIELDS; the wish to share is left open."""
    profile = all_profiles(ctx.root.reference / "lrs")[ctx.cycle.lrs_profile]
    no = pd.Series(False, index=pupils.index)
    return lrs_rows(pupils, profile, no, no)[["upn", *SENT_FIELDS]]


def current_rows(ctx: RunContext, chunk: Chunk) -> pd.DataFrame:
    """Return the rows of the schools' current returns, chosen or not: row_ref, school_number, upn, enrol_status."""
    decided = ctx.lake.read("dispositions", ["row_ref", "reason"], cycle=ctx.cycle.id, **chunk.where)
    columns = ["row_ref", "school_number", "upn", "enrol_status"]
    pupils = ctx.lake.read("pupils", columns, cycle=ctx.cycle.id, **chunk.where)
    older = decided.loc[decided["reason"] == NotChosen.SUPERSEDED_RETURN.value, "row_ref"]
    return pupils[~is_in(pupils["row_ref"], older)]
