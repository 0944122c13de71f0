"""Compact: merge the lake's small files."""

from pathlib import Path

from schemas.tables import TABLES
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.io.lake import maintenance
from tasks.io.lake.lake import Lake
from tasks.runtime.chunks import Counts
from tasks.runtime.task import stage_task


@stage_task("compact", "compact", retried=True)
def compact(data: str) -> Counts:
    """Merge each table's small files.

    Returns:
        Counts: tables (with small files), files (by how many there are fewer).
    """
    lake = Lake.of(DataRoot(Path(data)))
    with one_run_at_a_time(data):
        spared = [maintenance.compact(lake, name) for name in TABLES]
    return {"tables": sum(n > 0 for n in spared), "files": sum(spared)}
