"""Purge: remove the kinds of data that are past their decided retention."""

import datetime as dt
from pathlib import Path

from schemas.settings.terms import Kind, all_retention
from tasks.io.data_root.data_root import DataRoot
from tasks.maintenance.purge import purge, totals
from tasks.runtime.chunks import Counts
from tasks.runtime.task import stage_task


@stage_task("purge-decided", "purge-decided")
def purge_decided(data: str, day: str) -> Counts:
    """Remove data that is due, of the kinds whose days are decided, and former versions of the lake.

    No run needs a former version. Its rows are in the present version too, unless a person has purged them.

    Args:
        data: the data root.
        day: the day from which days are counted, ISO.

    Returns:
        Counts: files by kind; rows, of pupils.
    """
    kept_for = all_retention(DataRoot(Path(data)).reference / "retention.toml")
    kinds = {kind for kind, retention in kept_for.items() if retention.decided} | {Kind.LAKE_VERSIONS}
    at = dt.date.fromisoformat(day)
    return {kind.value: files for kind, (files, _) in totals(purge(data, at, at, kinds)).items() if kind in kinds}
