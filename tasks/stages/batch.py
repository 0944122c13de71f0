"""Batch: LRB batches for each UKPRN from the valid rows, bounded, in a fixed order, known by their content."""

from functools import partial

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from schemas.tables import BATCHES
from tasks.core.batching import first_of_each_learner
from tasks.core.superseding import CHANGE_FINDINGS
from tasks.io.lrs.settings import lrs_service
from tasks.ledger.findings import save
from tasks.ledger.hand_over import carry_out_decisions, settle_by_evidence
from tasks.ledger.operator_decisions import report_decisions
from tasks.runtime.chunks import Chunk, Counts, Progress, StageResult, chunks, run_chunks, whole_chunks
from tasks.runtime.context import RunContext, moment
from tasks.runtime.task import stage_task
from tasks.steps.batch import batches_of, due_batches, due_rows

#: Learners that are written together: all of Wales; a larger authority is written in several parts.
_WRITTEN_AT_ONCE = 125_000


@stage_task("batch", "batch {cycle}")
def batch(
    data: str,
    cycle: str,
    las: list[str],
    as_of: str,
    schools: list[str] | None = None,
    progress: Progress | None = None,
) -> StageResult:
    """Build the batches of some authorities' rows that may go now.

    Args:
        data: the data root.
        cycle: the cycle's id.
        las: the authorities' codes.
        as_of: the scheduled time; names the files.
        schools: only these schools; all if None.
        progress: hears the share that is done.

    Returns:
        Counts by authority: batches, learners, changed (records that changed since they were sent), on_hold (schools that
        wait for a person).
    """
    moment(as_of)  # a fault is reported once, before any authority begins
    ctx = RunContext.of(data, cycle)
    lrs_service(ctx.root.reference)  # likewise
    not_yet = carry_out_decisions(ctx.root, ctx.lake)
    report_decisions(ctx.root, ctx.lake)
    write = partial(_batch, ctx, as_of=as_of, only=schools)
    # Law 2: a chunk's due rows are known only when the batches of the chunk before are in the ledger.
    result = run_chunks("batch", ctx, whole_chunks(ctx, las), write, progress=progress)
    if not_yet:
        # An authority with an abandoned batch that nobody could take back stops here: the batch would count as sent.
        # A loop over these few batches, not over learners.
        abandoned = ctx.lake.read("batches", ["batch_ref", "la_code"], batch_ref=list(not_yet))
        result.faults |= {la: str(not_yet[ref]) for ref, la in abandoned.itertuples(index=False) if la in las}
    return result


def _batch(ctx: RunContext, chunk: Chunk, as_of: str, only: list[str] | None) -> dict[str, Counts]:
    settle_by_evidence(ctx, chunk, as_of)
    parts = chunks(ctx, list(chunk.las))  # so that less is in memory at a time
    batched = [due_batches(ctx, part, as_of, only) for part in parts]
    built = [part.built for part in batched]
    if _twice([part.due for part in batched]):
        # Law 2: a learner who is due in two parts goes with one of them.
        rows = pd.concat([due_rows(ctx, part, only).rows for part in parts], ignore_index=True)
        built = [batches_of(ctx, first_of_each_learner(rows), as_of)]
    save(ctx, chunk, list(CHANGE_FINDINGS.values()), [part.changed for part in batched])
    changed = pd.concat([pd.Series(dtype="str"), *(part.changed["school_number"].str[:3] for part in batched)])
    stopped = [school[:3] for part in batched for school in part.on_hold]
    del batched
    batches = pa.concat_tables([BATCHES.schema.empty_table(), *(b.batches for b in built)])
    if len(batches):
        _add_rows(ctx, chunk, [b.rows for b in built])
        ctx.lake.upsert("batches", batches)
    entries = batches.select(["la_code", "rows"]).to_pandas().groupby("la_code")["rows"].agg(["size", "sum"])
    return {
        la: {
            "batches": int(entries["size"].get(la, 0)),
            "learners": int(entries["sum"].get(la, 0)),
            "changed": int((changed == la).sum()),
            "on_hold": stopped.count(la),
        }
        for la in chunk.las
    }


def _twice(due: list[pd.DataFrame]) -> bool:
    """Whether a learner is due in two parts, under the same UPN or the same UPN of the ledger."""
    for name in ("upn", "known_as"):
        upns = pa.chunked_array(
            [pa.array(part[name], pa.large_string(), from_pandas=True) for part in due], pa.large_string()
        )
        if len(upns.unique()) < len(upns):
            return True
    return False


def _add_rows(ctx: RunContext, chunk: Chunk, built: list[pa.Table]) -> None:
    """Add the batches' rows to the lake, `_WRITTEN_AT_ONCE` at a time.

    A batch's rows follow from its reference. If a run died before it wrote the ledger, its rows are in the lake already.
    """
    stored = ctx.lake.read_arrow("batch_rows", ["batch_ref"], cycle=ctx.cycle.id, **chunk.where)
    known = stored["batch_ref"].unique()
    waiting: list[pa.Table] = []
    for rows in built:
        if waiting and sum(map(len, waiting)) + len(rows) > _WRITTEN_AT_ONCE:
            ctx.lake.append("batch_rows", pa.concat_tables(waiting))
            waiting = []
        waiting.append(rows.filter(pc.invert(pc.is_in(rows["batch_ref"], value_set=known))))
    ctx.lake.append("batch_rows", pa.concat_tables(waiting))
