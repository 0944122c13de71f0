"""Select: decide a chunk's records, find the records that compete for one learner, and put both together.

The rules for one record are in `core.selection`, the rules between records in `core.one_learner`. Does not belong here:
writing (`stages.select`).
"""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pandas.util import hash_pandas_object

from schemas.cycles import up_to
from schemas.plasc.layouts import request_layouts
from schemas.states import Disposition, NotChosen
from schemas.tables import DISPOSITIONS
from tasks.core.evidence import shared_upns
from tasks.core.identifiers import canonical_upn
from tasks.core.membership import is_in, lookup
from tasks.core.readiness import unmet_requirements
from tasks.core.selection import current_returns, moments, replaced_records
from tasks.core.selection import select as decide
from tasks.io.data_root.reference import registration, schools
from tasks.io.lake.lake import arrow_of
from tasks.runtime.chunks import Chunk
from tasks.runtime.context import RunContext
from tasks.steps.records import plain_forms

_SELECTED_BY = ["row_ref", "school_number", "sha256", "upn", "former_upn", "uln", "dob", "nc_year", "enrol_status"]
_FEW_VALUES = pa.dictionary(pa.int16(), pa.string())
#: Decisions about records, each decided by itself. A null reason means chosen; only chosen records have a UPN (canonical).
#: All decisions of a cycle are in memory together: some 45 bytes a record, 10 MB for Wales, 190 MB for 4 million records.
DECIDED = pa.schema(
    [
        ("row_ref", pa.string()),
        ("upn", pa.string()),
        *((name, _FEW_VALUES) for name in ("school_number", "reason", "detail")),
    ]
)


def decisions_of(ctx: RunContext, chunk: Chunk) -> pa.Table:
    """Decide the chunk's records, each by itself: other schools do not count yet. Columns of `DECIDED`."""
    cycle, reference = ctx.cycle, ctx.root.reference
    received = ctx.lake.read("received", cycle=cycle.id, **chunk.where)
    # A return that could not be read yet counts too: an older one is out of date and must not be sent in its place.
    returns = received[(received["status"] == "accepted") & (received["kind"] == "return")]
    pupils = ctx.lake.read("pupils", _SELECTED_BY, cycle=cycle.id, **chunk.where)
    rows = decide(
        pupils,
        cycle=cycle,
        current=current_returns(returns),
        missing=unmet_requirements(schools(reference), registration(reference), cycle),
        held=_known_ulns(ctx, pupils),
        replaced=_replaced(ctx, chunk, returns),
    )
    return _decided(rows, pupils["upn"])


def stored_decisions(ctx: RunContext, chunk: Chunk) -> pa.Table:
    """Return what an earlier run decided about the chunk's records, each by itself: columns of `DECIDED`.

    A record not chosen because another school asked counts as chosen: whether one still asks is decided later.
    """
    columns = ["row_ref", "school_number", "reason", "detail"]
    rows = ctx.lake.read("dispositions", columns, cycle=ctx.cycle.id, **chunk.where)
    rows["reason"] = rows["reason"].mask(rows["reason"] == NotChosen.ASKED_ELSEWHERE.value)
    chosen = rows.loc[rows["reason"].isna(), "row_ref"]
    pupils = ctx.lake.read("pupils", ["row_ref", "upn"], cycle=ctx.cycle.id, row_ref=chosen, **chunk.where)
    return _decided(rows, lookup(rows["row_ref"], pupils["row_ref"], pupils["upn"]))


def _decided(rows: pd.DataFrame, upns: pd.Series) -> pa.Table:
    upn = canonical_upn(upns).where(rows["reason"].isna())
    return pa.Table.from_pandas(rows.assign(upn=upn)[DECIDED.names], preserve_index=False).cast(DECIDED)


def _known_ulns(ctx: RunContext, pupils: pd.DataFrame) -> pd.DataFrame:
    """Read the learners of these pupils that earlier cycles left in the register: upn, uln, dob."""
    known = ["upn", "uln", "dob"]
    if ctx.lake.version("learners") < 0:
        return pd.DataFrame({name: [] for name in known}, dtype="str")
    upns = canonical_upn(pd.concat([pupils["upn"], pupils["former_upn"]]))
    return ctx.lake.read("learners", known, cycle=up_to(ctx.cycle)[:-1], upn=upns)


def _replaced(ctx: RunContext, chunk: Chunk, returns: pd.DataFrame) -> pd.Series:
    """`replaced_records` of the chunk. Most chunks have none, because their schools send returns."""
    requests = returns[returns["layout"].isin(request_layouts())]
    if requests.empty:
        return pd.Series(dtype="str")  # pupils are not read
    columns = ["row_ref", "school_number", "sha256", "upn", "surname", "forename", "dob"]
    records = ctx.lake.read("pupils", columns, cycle=ctx.cycle.id, sha256=requests["sha256"], **chunk.where)
    return replaced_records(records, requests)


def shared_records(decided: pa.Table) -> pd.DataFrame:
    """Return the chosen records whose UPN two schools or more have chosen: row_ref, upn, school_number; few.

    `decided` has the columns of `DECIDED`, for the whole cycle.
    """
    # Hashes take half the memory of UPNs. UPNs that differ but share a hash are dropped below.
    hashes = [
        hash_pandas_object(upns.drop_null().to_pandas(), index=False, categorize=False).to_numpy()
        for upns in decided["upn"].chunks
    ]
    every = pd.Series(np.concatenate([np.array([], "uint64"), *hashes]))
    repeated = every[every.duplicated()].unique()
    masks = [upns.is_valid().to_numpy(zero_copy_only=False) for upns in decided["upn"].chunks]
    for mask, of_chosen in zip(masks, hashes, strict=True):
        mask[mask] = pd.Series(of_chosen).isin(repeated)
    rows = decided.filter(pa.chunked_array(masks, pa.bool_())).select(["row_ref", "upn", "school_number"])
    pairs = rows.to_pandas().astype("str")
    shared: pd.DataFrame = pairs[is_in(pairs["upn"], shared_upns(pairs))]
    return shared


def competing_records(ctx: RunContext, shared: pd.DataFrame) -> pd.DataFrame:
    """Return `shared_records` in the form for comparison, as `one_learner.yielding_records` takes them."""
    lake, las = ctx.lake, sorted(set(shared["school_number"].str[:3]))
    pupils = lake.read("pupils", cycle=ctx.cycle.id, la_code=las, row_ref=shared["row_ref"])
    returns = lake.read("received", ["sha256", "header_datetime"], sha256=pupils["sha256"]).set_index("sha256")
    forms = plain_forms(ctx, pupils)
    return forms.assign(
        **{name: pupils[name] for name in ("row_ref", "school_number", "enrol_status")},
        at=moments(pupils["sha256"].map(returns["header_datetime"]).astype("str")),
    )


def dispositions_of(ctx: RunContext, decided: pa.Table, yielding: pd.Series, chunk: Chunk) -> pa.Table:
    """Return the chunk's rows of `dispositions`.

    `decided` has the columns of `DECIDED`, for these schools at least; `yielding` the row_refs of records whose learner
    another school asks for.
    """
    la_codes = pc.utf8_slice_codeunits(decided["school_number"].cast(pa.string()), 0, 3)
    in_chunk = pc.is_in(la_codes, value_set=pa.array(chunk.las))
    if chunk.schools is not None:
        in_chunk = pc.is_in(decided["school_number"], value_set=pa.array(chunk.schools))
    rows = decided.filter(in_chunk).drop_columns(["upn"]).to_pandas().astype("str")
    rows["reason"] = rows["reason"].mask(is_in(rows["row_ref"], yielding), NotChosen.ASKED_ELSEWHERE.value)
    chosen = rows["reason"].isna()
    rows["disposition"] = pd.Series(Disposition.NOT_CHOSEN.value, rows.index, "str").mask(
        chosen, Disposition.CHOSEN.value
    )
    return arrow_of(DISPOSITIONS, rows.assign(cycle=ctx.cycle.id, la_code=rows["school_number"].str[:3]))
