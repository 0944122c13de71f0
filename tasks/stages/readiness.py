"""Readiness: a list for each authority of what its schools still need: `reports/<cycle>/readiness/<LA>.csv`, bilingual.

Every census run writes it anew where it has changed; an authority whose schools lack nothing has a list with headings only.
What a school lacks is decided in `tasks.core.readiness`, and told in `schemas/codes/readiness.csv`.
"""

from functools import partial

from tasks.io.data_root.data_root import write_whole
from tasks.io.data_root.report_csv import write_report
from tasks.reports.readiness_lists import as_list, readiness_of
from tasks.runtime.chunks import Chunk, Counts, Progress, StageResult, run_chunks
from tasks.runtime.context import Ground
from tasks.runtime.task import stage_task


@stage_task("readiness", "readiness {cycle}", retried=True)
def readiness(data: str, cycle: str, las: list[str], as_of: str, progress: Progress | None = None) -> StageResult:  # noqa: ARG001 - every stage takes the same references
    """Write what the schools of some authorities still need.

    Returns:
        Counts by authority: schools (that are not ready), written.
    """
    ground = Ground.of(data, cycle)
    return run_chunks("readiness", ground, [Chunk(tuple(las))], partial(_write, ground), progress=progress)


def _write(ground: Ground, chunk: Chunk) -> dict[str, Counts]:
    folder = ground.root.reports(ground.cycle.id) / "readiness"
    rows = readiness_of(str(ground.root.path), ground.cycle)
    own = {la: rows[rows["la_code"] == la] for la in chunk.las}
    return {
        la: {
            "schools": int(own[la]["school_number"].nunique()),
            "written": int(write_whole(folder / f"{la}.csv", write_report(as_list(own[la])))),
        }
        for la in chunk.las
    }
