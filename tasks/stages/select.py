"""Select: one disposition for every pupil record of the cycle, and the UPNs that several schools still ask for.

Whether another school asks for a learner is known only when every school's records are decided. So the stage decides all
records first, then finds the records that compete for one learner over the whole cycle, and writes each chunk's
dispositions once. A run for some authorities takes the others' decisions from the lake. Their dispositions change only
where another school now asks for a learner, or no longer does.
"""

from functools import partial

import pandas as pd
import pyarrow as pa

from schemas.states import NotChosen
from tasks.core.evidence import shared_upns
from tasks.core.membership import is_in
from tasks.core.one_learner import yielding_records
from tasks.runtime.chunks import (
    Chunk,
    Counts,
    Progress,
    StageResult,
    chunks,
    counts_by_authority,
    records_by_school,
    run_chunks,
)
from tasks.runtime.context import RunContext
from tasks.runtime.memory import release_memory
from tasks.runtime.task import stage_task
from tasks.steps.select import (
    DECIDED,
    competing_records,
    decisions_of,
    dispositions_of,
    shared_records,
    stored_decisions,
)


@stage_task("select", "select {cycle}", retried=True)
def select(data: str, cycle: str, las: list[str], as_of: str, progress: Progress | None = None) -> StageResult:  # noqa: ARG001 - every stage takes the same references
    """Decide every record of some authorities.

    Returns:
        Counts by authority: records, chosen, asked_elsewhere (records whose learner another school asks for).
    """
    ctx, decided = RunContext.of(data, cycle), dict[Chunk, pa.Table]()

    def keep(chunk: Chunk, rows: pa.Table) -> dict[str, Counts]:
        decided[chunk] = rows
        return {}

    result = run_chunks("select", ctx, chunks(ctx, las), keep, compute=decisions_of, progress=progress)
    done = [la for la in las if la not in result.faults]
    others = sorted({school[:3] for school in records_by_school(ctx)} - set(done))
    decided = {chunk: rows for chunk, rows in decided.items() if not result.faults.keys() & set(chunk.las)}
    decided |= {chunk: stored_decisions(ctx, chunk) for chunk in chunks(ctx, others)}
    shared = shared_records(pa.concat_tables([DECIDED.empty_table(), *decided.values()]))
    yielding = yielding_records(competing_records(ctx, shared))
    release_memory()
    written = run_chunks("select", ctx, list(decided), partial(_write, ctx, decided, yielding))
    left = shared_upns(shared[~is_in(shared["row_ref"], yielding)])
    ctx.lake.replace("shared_upns", pd.DataFrame({"upn": left}, dtype="str").assign(cycle=cycle), cycle=cycle)
    result.counts = {la: counts for la, counts in written.counts.items() if la in done}
    result.faults |= written.faults
    result.is_transient |= written.is_transient
    return result


def _write(ctx: RunContext, decided: dict[Chunk, pa.Table], yielding: pd.Series, chunk: Chunk) -> dict[str, Counts]:
    of_las = [rows for other, rows in decided.items() if set(other.las) & set(chunk.las)]
    rows = dispositions_of(ctx, pa.concat_tables(of_las), yielding, chunk)
    ctx.lake.replace("dispositions", rows, cycle=ctx.cycle.id, **chunk.where)
    reasons = rows.select(["la_code", "reason"]).to_pandas()
    asked_elsewhere = reasons["reason"] == NotChosen.ASKED_ELSEWHERE.value
    return counts_by_authority(
        chunk.las,
        records=reasons["la_code"].value_counts(),
        chosen=reasons.loc[reasons["reason"].isna(), "la_code"].value_counts(),
        asked_elsewhere=reasons.loc[asked_elsewhere, "la_code"].value_counts(),
    )
