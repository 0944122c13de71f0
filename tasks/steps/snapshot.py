"""Snapshot: the content of a cycle's Parquet files. The stage writes them; their manifest is in `ledger.snapshots`."""

import pyarrow as pa

from schemas.states import RowState
from schemas.tables import EXCEPTION_LIVES
from tasks.core.identifiers import canonical_upn
from tasks.io.data_root.parquet_file import parquet_of
from tasks.io.lake.lake import arrow_of
from tasks.ledger.exception_life import lives_of
from tasks.ledger.standing import record_states, register_of
from tasks.runtime.chunks import Chunk, all_chunks
from tasks.runtime.context import RunContext

#: `snapshots/<cycle>/learners.parquet`: the learners who were sent or have a ULN, by school.
_NAMES = ("la_code", "school_number", "upn", "uln", "conflict", "cycle", "state", "batch_ref", "row_ref")
SNAPSHOT = pa.schema([(name, pa.string()) for name in _NAMES])


def snapshot_rows(ctx: RunContext, chunk: Chunk) -> pa.Table:
    """Return the chunk's learners: columns of SNAPSHOT, sorted by school, UPN and row_ref; chunks come by school."""
    pupils, _, standing = record_states(ctx.lake, ctx.cycle, **chunk.where)
    rows = standing[standing["state"].isin([RowState.ULN.value, RowState.SENT.value, RowState.EXCEPTION.value])]
    register = register_of(ctx.lake, ctx.cycle, upn=rows["upn"])
    rows = rows.merge(register[["upn", "uln", "conflict"]], on="upn", how="left").drop(columns="upn")
    rows = rows.merge(pupils[["row_ref", "la_code", "upn"]], on="row_ref")
    rows = rows.assign(cycle=ctx.cycle.id, upn=canonical_upn(rows["upn"]))
    rows = rows.sort_values(["school_number", "upn", "row_ref"])
    return pa.Table.from_pandas(rows[SNAPSHOT.names], schema=SNAPSHOT, preserve_index=False)


def learners_file(ctx: RunContext) -> bytes:
    """Return the content of `learners.parquet`; the cycle's rows are never in memory together."""
    return parquet_of((snapshot_rows(ctx, chunk) for chunk in all_chunks(ctx)), SNAPSHOT)


def exceptions_file(ctx: RunContext) -> bytes:
    """Return the content of `exceptions.parquet`, as the cycle sees it: what a later cycle resolved is open here."""
    return parquet_of([arrow_of(EXCEPTION_LIVES, lives_of(ctx, [ctx.cycle.id]))], EXCEPTION_LIVES.schema)
