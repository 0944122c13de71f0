"""Select: the disposition of every record in a chunk, and the records that compete for one learner."""

from typing import Any

import pandas as pd
import pyarrow as pa

from schemas.cycles import up_to
from schemas.plasc.layouts import request_layouts
from schemas.states import Disposition, NotChosen
from schemas.tables import DISPOSITIONS
from tasks.core.identifiers import canonical_upn
from tasks.core.readiness import missing_things
from tasks.core.selection import current_returns, moments, replaced_records
from tasks.core.selection import select as decide
from tasks.io.data_root.reference import registration, schools
from tasks.io.lake.lake import arrow_of
from tasks.runtime.chunks import Chunk
from tasks.runtime.context import RunContext
from tasks.steps.records import _plain_forms

_SELECTED_BY = ["row_ref", "school_number", "sha256", "upn", "former_upn", "uln", "dob", "nc_year", "enrol_status"]


def dispositions_of(ctx: RunContext, chunk: Chunk) -> pa.Table:
    """Select: the chunk's rows of `dispositions`.

    Args:
        ctx: data root, lake and cycle.
        chunk: the schools.
    """
    cycle = ctx.cycle
    received = ctx.lake.read("received", cycle=cycle.id, **chunk.where)
    # Also one that could not be read yet: what an older one says is out of date and must not be sent in its place.
    returns = received[(received["status"] == "accepted") & (received["kind"] == "return")]
    pupils = ctx.lake.read("pupils", [*_SELECTED_BY, "la_code"], cycle=cycle.id, **chunk.where)
    reference = ctx.root.reference
    rows = decide(
        pupils,
        cycle=cycle,
        current=current_returns(returns),
        missing=missing_things(schools(reference), registration(reference), cycle),
        held=_held(ctx, pupils),
        elsewhere=asked_elsewhere(ctx, **chunk.where),
        replaced=_replaced(ctx, chunk, returns),
    )
    return arrow_of(DISPOSITIONS, rows.assign(cycle=cycle.id, la_code=pupils["la_code"]))


def _held(ctx: RunContext, pupils: pd.DataFrame) -> pd.DataFrame:
    """What earlier cycles left in the register of these pupils: upn, uln, dob."""
    known = ["upn", "uln", "dob"]
    if ctx.lake.version("learners") < 0:
        return pd.DataFrame({name: [] for name in known}, dtype="str")
    upns = canonical_upn(pd.concat([pupils["upn"], pupils["former_upn"]]))
    return ctx.lake.read("learners", known, cycle=up_to(ctx.cycle)[:-1], upn=upns)


def _replaced(ctx: RunContext, chunk: Chunk, returns: pd.DataFrame) -> pd.Series:
    """`replaced_records` of the chunk; most have none, as their schools send returns."""
    requests = returns[returns["layout"].isin(request_layouts())]
    if requests.empty:
        return pd.Series(dtype="str")  # without a look into the pupils
    said = ["row_ref", "school_number", "sha256", "upn", "surname", "forename", "dob"]
    records = ctx.lake.read("pupils", said, cycle=ctx.cycle.id, sha256=requests["sha256"], **chunk.where)
    return replaced_records(records, requests)


def asked_elsewhere(ctx: RunContext, **where: Any) -> pd.Series:
    """The row_refs of a cycle, or of some schools in it, for whose learners another school asks."""
    reason = NotChosen.ASKED_ELSEWHERE.value
    rows = ctx.lake.read("dispositions", ["row_ref"], cycle=ctx.cycle.id, reason=reason, **where)
    found: pd.Series = rows["row_ref"]
    return found


def chosen_upns(ctx: RunContext, chunk: Chunk) -> pd.DataFrame:
    """Cross-check: which UPN a record asks with, or would if no other school did: row_ref, upn (canonical), school_number."""
    decided = ctx.lake.read("dispositions", ["row_ref", "disposition", "reason"], cycle=ctx.cycle.id, **chunk.where)
    asks = decided["disposition"].eq(Disposition.CHOSEN.value) | decided["reason"].eq(NotChosen.ASKED_ELSEWHERE.value)
    wanted = ["row_ref", "upn", "school_number"]
    rows = ctx.lake.read("pupils", wanted, cycle=ctx.cycle.id, row_ref=decided.loc[asks, "row_ref"], **chunk.where)
    return rows.assign(upn=canonical_upn(rows["upn"])).dropna()


def competing_records(ctx: RunContext, shared: pd.DataFrame) -> pd.DataFrame:
    """Cross-check: what the records of UPNs that stand in two schools say, as `one_learner.yielding_records` takes them.

    Args:
        ctx: data root, lake and cycle.
        shared: row_ref, upn, school_number; few.
    """
    lake, las = ctx.lake, sorted(set(shared["school_number"].str[:3]))
    pupils = lake.read("pupils", cycle=ctx.cycle.id, la_code=las, row_ref=shared["row_ref"])
    made = lake.read("received", ["sha256", "header_datetime"], sha256=pupils["sha256"]).set_index("sha256")
    forms = _plain_forms(ctx, pupils)
    return forms.assign(
        **{name: pupils[name] for name in ("row_ref", "school_number", "enrol_status")},
        at=moments(pupils["sha256"].map(made["header_datetime"]).astype("str")),
    )
