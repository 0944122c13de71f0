"""Read: the pupils of each accepted return, everything still text, each with its row_ref."""

import json
from functools import partial

import pyarrow.compute as pc

from tasks.runtime.chunks import Chunk, Counts, Progress, StageResult, chunks, run_chunks
from tasks.runtime.context import RunContext
from tasks.runtime.error_boundary import keep_evidence
from tasks.runtime.task import stage_task
from tasks.steps.read import ReadReturns, read_returns


@stage_task("read", "read {cycle}", retried=True, counts_new=True)
def read(data: str, cycle: str, las: list[str], as_of: str, progress: Progress | None = None) -> StageResult:  # noqa: ARG001 - every stage takes the same references
    """Read the returns of some authorities that were received and not read yet.

    Returns:
        Counts by authority: returns, records, leavers, unknown_elements, faults.
    """
    ctx = RunContext.of(data, cycle)
    write = partial(_write, ctx)
    return run_chunks("read", ctx, chunks(ctx, las), write, compute=read_returns, progress=progress)


def _write(ctx: RunContext, chunk: Chunk, returns: ReadReturns) -> dict[str, Counts]:
    counts = {la: {"returns": 0, "records": 0, "leavers": 0, "unknown_elements": 0, "faults": 0} for la in chunk.las}
    for school, fault in returns.faults:
        counts[school[:3]]["faults"] += 1
        keep_evidence(str(ctx.root.path), ctx.cycle.id, "read", school, fault)
    newly_read = returns.unread[returns.unread["sha256"].isin(returns.records)]
    if len(newly_read):
        # A return counts as read when all its pupils are in the lake. Pupils that a run wrote before it died are not written
        # again.
        stored = ctx.lake.read_arrow("pupils", ["sha256"], cycle=ctx.cycle.id, **chunk.where)["sha256"].unique()
        ctx.lake.append("pupils", returns.pupils.filter(pc.invert(pc.is_in(returns.pupils["sha256"], stored))))
        ctx.lake.upsert("received", newly_read.assign(pupils=newly_read["sha256"].map(returns.records).astype("Int64")))
    for la, rows in newly_read.groupby("la_code"):
        counts[str(la)] |= {
            "returns": len(rows),
            "records": sum(returns.records[sha256] for sha256 in rows["sha256"]),
            "leavers": int(rows["leavers"].sum()),
            "unknown_elements": sum(sum(json.loads(note).values()) for note in rows["unknown_elements"].dropna()),
        }
    return counts
