"""Maintenance of the lake's tables: what is wrong with one, fewer files, and the removal of versions that nobody needs.

No function here changes a row. Does not belong here: reading and writing rows (`tables`), new columns (`migration`), and the
decision that something is removed (`tasks.maintenance.purge`).
"""

import datetime as dt
import secrets
from contextlib import suppress
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from schemas.tables import TABLES
from tasks.io.lake.lake import AS_WRITTEN, Lake
from tasks.io.lake.migration import Fit, fit_of

#: A reader or writer has a table's files open for less than this.
LEAST_KEPT = dt.timedelta(days=7)


def damage(lake: Lake, name: str) -> str | None:
    """What is wrong with a table's files; looks at the log and at the files' sizes, and reads no rows.

    Returns:
        `unreadable`: there is no log, or it cannot be read; `columns`: a newer version of the service wrote the table, or
        it has other columns than `schemas.tables`; `files`: one that the log names is gone, or has another size. None where
        nothing is wrong, nothing is stored yet, or the next run adds the missing columns (`migration`).
    """
    table = TABLES[name]
    there = lake.place.sizes(name)
    if not there:
        return None
    try:
        delta = DeltaTable(lake.uri(table), storage_options=lake.place.options)
        added = pa.table(delta.get_add_actions(flatten=True)).to_pylist()
        fit = fit_of(table, delta)
    except Exception:  # noqa: BLE001 - whatever the library says of a broken log
        return "unreadable"
    if fit is Fit.OTHER:
        return "columns"
    whole = all(there.get(unquote(file["path"])) == file["size_bytes"] for file in added)
    return None if whole else "files"


def try_out(lake: Lake) -> None:
    """Write a table of its own to the lake's place, and remove it; raises whatever either library says of the place."""
    name = f".uln-proof-{secrets.token_hex(4)}"
    try:
        write_deltalake(f"{lake.place.uri}/{name}", pa.table({"proof": ["x"]}), storage_options=lake.place.options)
    finally:
        with suppress(OSError):
            lake.place.files.delete_dir(name)


def compact(lake: Lake, name: str) -> int:
    """Merge a table's small files, each partition's separately, in a commit that changes no row.

    Returns:
        How many files fewer there are.
    """
    delta = lake.opened(TABLES[name])
    if delta is None:
        return 0
    done = delta.optimize.compact(writer_properties=AS_WRITTEN)
    return int(done["numFilesRemoved"]) - int(done["numFilesAdded"])


def former_versions(lake: Lake, older_than: dt.timedelta) -> dict[str, tuple[int, int]]:
    """Number and bytes of the files that only older versions of a table need, for each table that has such files."""
    found: dict[str, tuple[int, int]] = {}
    for name, table in TABLES.items():
        delta = lake.opened(table)
        names = _unneeded(delta, older_than, dry_run=True) if delta is not None else []
        there = lake.place.sizes(name) if names else {}
        # The log goes on naming files that an earlier purge removed.
        sizes = [there[path] for file in names if (path := unquote(file)) in there]
        if sizes:
            found[name] = (len(sizes), sum(sizes))
    return found


def forget_versions(lake: Lake, name: str, older_than: dt.timedelta) -> None:
    """Remove the files of a table that only older versions need."""
    delta = lake.opened(TABLES[name])
    if delta is not None:
        _unneeded(delta, older_than, dry_run=False)


def shorten_logs(lake: Lake) -> None:
    """Remove log entries that no version of the last 30 days needs: they hold bounds of values that were removed.

    The library does so where a checkpoint is as old as that; so each call also leaves one for a later call. Transaction ids
    and the schema version stay in it.
    """
    for name, table in TABLES.items():
        delta = lake.opened(table)
        if delta is not None:
            delta.cleanup_metadata()
            if f"_delta_log/{delta.version():020}.checkpoint.parquet" not in lake.place.sizes(name):
                delta.create_checkpoint()


def _unneeded(delta: DeltaTable, older_than: dt.timedelta, *, dry_run: bool) -> list[str]:
    """Files that only older versions need, and those that a killed run left; removed unless it is a dry run."""
    hours = int(max(older_than, LEAST_KEPT).total_seconds() // 3600)
    # The library's own minimum, a week, is ours too; a test has less time.
    return list(delta.vacuum(hours, dry_run=dry_run, enforce_retention_duration=False, full=True))
