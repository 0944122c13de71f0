"""Readiness: a list for each authority of what its schools still need: `reports/<cycle>/readiness/<LA>.csv`, bilingual.

Every census run writes a list again if it has changed. If an authority's schools lack nothing, its list has headings only.
`tasks.core.readiness` decides what a school lacks; the texts are in `schemas/codes/readiness.csv`.
"""

from functools import partial

from tasks.io.data_root.data_root import write_whole
from tasks.io.data_root.report_csv import write_report
from tasks.reports.readiness_lists import as_list, readiness_of
from tasks.runtime.chunks import Chunk, Counts, Progress, StageResult, run_chunks
from tasks.runtime.context import RunContext
from tasks.runtime.task import stage_task


@stage_task("readiness", "readiness {cycle}", retried=True)
def readiness(data: str, cycle: str, las: list[str], as_of: str, progress: Progress | None = None) -> StageResult:  # noqa: ARG001 - every stage takes the same references
    """Write what the schools of some authorities still need.

    Returns:
        Counts by authority: schools (that are not ready), written.
    """
    ctx = RunContext.of(data, cycle)
    return run_chunks("readiness", ctx, [Chunk(tuple(las))], partial(_write, ctx), progress=progress)


def _write(ctx: RunContext, chunk: Chunk) -> dict[str, Counts]:
    folder = ctx.root.reports(ctx.cycle.id) / "readiness"
    rows = readiness_of(str(ctx.root.path), ctx.cycle)
    by_la = {la: rows[rows["la_code"] == la] for la in chunk.las}
    return {
        la: {
            "schools": int(by_la[la]["school_number"].nunique()),
            "written": int(write_whole(folder / f"{la}.csv", write_report(as_list(by_la[la])))),
        }
        for la in chunk.las
    }
