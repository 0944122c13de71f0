"""Upkeep: merge the lake's small files, and remove data whose decided retention has passed."""

import datetime as dt
from pathlib import Path

from schemas.settings.terms import Kind, all_retention
from schemas.tables import TABLES
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.io.lake import maintenance
from tasks.io.lake.lake import Lake
from tasks.maintenance.purge import purge, totals
from tasks.runtime.chunks import Counts
from tasks.runtime.task import stage_task


@stage_task("compact", "compact", retried=True)
def compact(data: str) -> Counts:
    """Merge each table's small files.

    Returns:
        Counts: tables (that had small files), files (reduction in their number).
    """
    lake = Lake.of(DataRoot(Path(data)))
    with one_run_at_a_time(data):
        spared = [maintenance.compact(lake, name) for name in TABLES]
    return {"tables": sum(n > 0 for n in spared), "files": sum(spared)}


@stage_task("purge-decided", "purge-decided")
def purge_decided(data: str, day: str) -> Counts:
    """Remove data whose decided retention has passed on `day` (ISO), and former versions of the lake.

    No run needs a former version. Its rows are in the present version too, unless a person has purged them.

    Returns:
        Counts by kind: number of files; of rows, for pupils and verifications.
    """
    kept_for = all_retention(DataRoot(Path(data)).reference / "retention.toml")
    kinds = {kind for kind, retention in kept_for.items() if retention.decided} | {Kind.LAKE_VERSIONS}
    at = dt.date.fromisoformat(day)
    return {kind.value: files for kind, (files, _) in totals(purge(data, at, at, kinds)).items() if kind in kinds}
