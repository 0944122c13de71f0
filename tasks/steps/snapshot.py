"""Snapshot: the learners of a chunk as they are published."""

import pyarrow as pa

from schemas.states import RowState
from tasks.core.identifiers import canonical_upn
from tasks.ledger.standing import record_states, register_of
from tasks.runtime.chunks import Chunk
from tasks.runtime.context import RunContext

#: `snapshots/<cycle>/learners.parquet`: the learners who were sent or have a ULN, by school.
SNAPSHOT = pa.schema(
    [
        pa.field(name, pa.string())
        for name in ("la_code", "school_number", "upn", "uln", "conflict", "cycle", "state", "batch_ref", "row_ref")
    ]
)


def snapshot_rows(ctx: RunContext, chunk: Chunk) -> pa.Table:
    """Snapshot: the chunk's learners, as SNAPSHOT; sorted by school, UPN and row_ref, as the chunks are by school."""
    pupils, _, standing = record_states(ctx.lake, ctx.cycle, **chunk.where)
    rows = standing[standing["state"].isin([RowState.ULN.value, RowState.SENT.value, RowState.EXCEPTION.value])]
    register = register_of(ctx.lake, ctx.cycle, upn=rows["upn"])
    rows = rows.merge(register[["upn", "uln", "conflict"]], on="upn", how="left").drop(columns="upn")
    rows = rows.merge(pupils[["row_ref", "la_code", "upn"]], on="row_ref")
    rows = rows.assign(cycle=ctx.cycle.id, upn=canonical_upn(rows["upn"]))
    rows = rows.sort_values(["school_number", "upn", "row_ref"])
    return pa.Table.from_pandas(rows[SNAPSHOT.names], schema=SNAPSHOT, preserve_index=False)
