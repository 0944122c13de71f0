"""What is done for the lake once a week: many small files become few, and what has outlived its days goes.

Each commit leaves small files, and a table is read the slower the more there are. Compaction is a commit of its own that
changes no row; the files that it has put together go when their days have passed, as other former versions do.
Belongs here: what runs without a person. What only a person may remove: `tasks.purge`, by `uln purge`.
"""

import datetime as dt
from pathlib import Path

from schemas.retention import Kind, all_retention
from schemas.tables import TABLES
from tasks.io.data_root import DataRoot
from tasks.io.lake import Lake
from tasks.io.run_lock import one_run_at_a_time
from tasks.purge import purge, totals
from tasks.stage import Counts, stage_task


@stage_task("compact", "compact", retried=True)
def compact(data: str) -> Counts:
    """Put each table's small files together.

    Returns:
        Counts: tables (that had some), files (fewer than before).
    """
    lake = Lake.of(DataRoot(Path(data)))
    with one_run_at_a_time(data):
        spared = [lake.compact(name) for name in TABLES]
    return {"tables": sum(n > 0 for n in spared), "files": sum(spared)}


@stage_task("purge-decided", "purge-decided")
def purge_decided(data: str, day: str) -> Counts:
    """Remove what is due of the kinds whose days are decided, and former versions of the lake.

    No run needs a former version, and what is in one stands in the present one too, unless a person has purged it.

    Args:
        data: the data root.
        day: from which days are counted, ISO.

    Returns:
        Counts: files by kind; rows, of pupils.
    """
    kept_for = all_retention(DataRoot(Path(data)).reference / "retention.toml")
    kinds = {kind for kind, one in kept_for.items() if one.decided} | {Kind.LAKE_VERSIONS}
    at = dt.date.fromisoformat(day)
    return {kind.value: files for kind, (files, _) in totals(purge(data, at, at, kinds)).items() if kind in kinds}
