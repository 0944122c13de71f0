"""Batch: valid rows become LRB batches for each UKPRN: bounded, in a fixed order, known by their content."""

from functools import partial

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from tasks.core.superseding import CHANGE_FINDINGS
from tasks.io.lrs.settings import lrs_service
from tasks.ledger.findings import save
from tasks.ledger.hand_over import carry_out_decisions, settle_by_evidence
from tasks.ledger.operator_decisions import report_decisions
from tasks.runtime.chunks import (
    Chunk,
    Counts,
    Progress,
    StageResult,
    counts_by_authority,
    in_groups,
    run_chunks,
    whole_chunks,
)
from tasks.runtime.context import RunContext, moment
from tasks.runtime.task import stage_task
from tasks.steps.batch import due_batches

#: Maximum number of learners in one commit. All Wales has fewer.
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
    """Build the batches of some authorities' rows that may go now, or of only some `schools`; `as_of` names the files.

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
        # If an abandoned batch could not be taken out of the outbox, it still counts as sent: its authority stops here.
        # A loop over these few batches, not over learners.
        abandoned = ctx.lake.read("batches", ["batch_ref", "la_code"], batch_ref=list(not_yet))
        result.faults |= {la: str(not_yet[ref]) for ref, la in abandoned.itertuples(index=False) if la in las}
    return result


def _batch(ctx: RunContext, chunk: Chunk, as_of: str, only: list[str] | None) -> dict[str, Counts]:
    settle_by_evidence(ctx, chunk, as_of)
    due = due_batches(ctx, chunk, as_of, only)
    save(ctx, chunk, list(CHANGE_FINDINGS.values()), due.changed)
    if len(due.batches):
        # If a run died before it wrote the ledger, the lake has the rows already: the same reference means the same rows.
        stored = ctx.lake.read_arrow("batch_rows", ["batch_ref"], cycle=ctx.cycle.id, **chunk.where)
        known = stored["batch_ref"].unique()
        new = (rows.filter(pc.invert(pc.is_in(rows["batch_ref"], value_set=known))) for rows in due.rows)
        for together in in_groups(new, len, _WRITTEN_AT_ONCE):
            ctx.lake.append("batch_rows", pa.concat_tables(together))
        ctx.lake.upsert("batches", due.batches)
    learners = due.batches.select(["la_code", "rows"]).to_pandas().groupby("la_code")["rows"]
    changed = pd.concat([pd.Series(dtype="str"), *(part["school_number"] for part in due.changed)])
    return counts_by_authority(
        chunk.las,
        batches=learners.size(),
        learners=learners.sum(),
        changed=changed.str[:3].value_counts(),
        on_hold=pd.Series(due.on_hold, dtype="str").str[:3].value_counts(),
    )
