"""Select: for every pupil record one disposition; and, once a run, which UPNs stand in two schools.

Who gives way to another school (`one_learner.yielding_records`) is known only when every school is decided. So
selection takes what the cross-check found the last time, and the cross-check, which looks at those who give way as at
those who are chosen, finds it anew: the end does not depend on the last time, and where nothing changed nothing is written.
"""

from functools import partial

import pyarrow as pa

from schemas.states import Disposition
from tasks.runtime.chunks import Chunk, Counts, Progress, StageResult, chunks, run_chunks
from tasks.runtime.context import RunContext
from tasks.runtime.task import stage_task
from tasks.steps.select import dispositions_of


@stage_task("select", "select {cycle}", retried=True)
def select(data: str, cycle: str, las: list[str], as_of: str, progress: Progress | None = None) -> StageResult:  # noqa: ARG001 - every stage takes the same references
    """Decide every record of some authorities.

    Returns:
        Counts by authority: records, chosen.
    """
    ctx = RunContext.of(data, cycle)
    write = partial(_write, ctx)
    return run_chunks("select", ctx, chunks(ctx, las), write, compute=dispositions_of, progress=progress)


def _write(ctx: RunContext, chunk: Chunk, rows: pa.Table) -> dict[str, Counts]:
    ctx.lake.replace("dispositions", rows, cycle=ctx.cycle.id, **chunk.where)
    decided = rows.select(["la_code", "disposition"]).to_pandas()
    chosen = decided[decided["disposition"] == Disposition.CHOSEN.value]
    records, asked = decided["la_code"].value_counts(), chosen["la_code"].value_counts()
    return {la: {"records": int(records.get(la, 0)), "chosen": int(asked.get(la, 0))} for la in chunk.las}
