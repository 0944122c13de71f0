"""Read: the pupils of each accepted return, everything still text, each with its row_ref."""

import json
from functools import partial

import pandas as pd
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


def _write(ctx: RunContext, chunk: Chunk, found: ReadReturns) -> dict[str, Counts]:
    counts = {la: {"returns": 0, "records": 0, "leavers": 0, "unknown_elements": 0, "faults": 0} for la in chunk.las}
    for school, fault in found.faults:
        counts[school[:3]]["faults"] += 1
        keep_evidence(str(ctx.root.path), ctx.cycle.id, "read", school, fault)
    notes = found.unread[found.unread["sha256"].isin(found.records)]
    if len(notes):
        # A return counts as read once all pupils stand there; what a run that died had written is not written again.
        there = ctx.lake.read_arrow("pupils", ["sha256"], cycle=ctx.cycle.id, **chunk.where)["sha256"].unique()
        ctx.lake.append("pupils", found.pupils.filter(pc.invert(pc.is_in(found.pupils["sha256"], there))))
        ctx.lake.upsert("received", notes.assign(pupils=notes["sha256"].map(found.records).astype("Int64")))
    for of_la, own in notes.groupby("la_code"):
        counts[str(of_la)] |= _counts(own, found.records)
    return counts


def _counts(notes: pd.DataFrame, records: dict[str, int]) -> Counts:
    unknown = [sum(json.loads(note).values()) for note in notes["unknown_elements"].dropna()]
    return {
        "returns": len(notes),
        "records": sum(records[sha256] for sha256 in notes["sha256"]),
        "leavers": int(notes["leavers"].sum()),
        "unknown_elements": sum(unknown),
    }
