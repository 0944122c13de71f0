"""Maintenance of the lake's tables: damage checks, compaction, and the removal of old versions.

No function here changes a row. Rows are read and written in `lake`, columns are added in `migration`, and
`tasks.maintenance.purge` decides on removals.
"""

import datetime as dt
import secrets
from contextlib import suppress
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from schemas.tables import TABLES
from tasks.io.lake.lake import AS_WRITTEN, Lake
from tasks.io.lake.migration import missing_columns

#: A reader or writer has a table's files open for less than this.
LEAST_KEPT = dt.timedelta(days=7)


def damage(lake: Lake, name: str) -> str | None:
    """Return the kind of damage to a table's files, from the log and the files' sizes; reads no rows.

    Returns:
        `unreadable`: the log is missing or unreadable; `columns`: a newer version of the service wrote the table, or its
        columns differ from `schemas.tables`; `files`: a file in the log is missing or has another size. None if nothing is
        wrong, nothing is stored yet, or the next run adds the missing columns (`migration`).
    """
    sizes = lake.place.sizes(name)
    if not sizes:
        return None
    try:
        delta = DeltaTable(lake.uri(name), storage_options=lake.place.options)
        added = pa.table(delta.get_add_actions(flatten=True)).to_pylist()
        other = missing_columns(TABLES[name], delta) is None
    except Exception:  # noqa: BLE001 - the library may raise anything on a broken log
        return "unreadable"
    if other:
        return "columns"
    whole = all(sizes.get(unquote(file["path"])) == file["size_bytes"] for file in added)
    return None if whole else "files"


def try_out(lake: Lake) -> None:
    """Write a test table to the lake's location and remove it; raises any fault of writing, no OSError of removal."""
    name = f".uln-proof-{secrets.token_hex(4)}"
    try:
        write_deltalake(f"{lake.place.uri}/{name}", pa.table({"proof": ["x"]}), storage_options=lake.place.options)
    finally:
        with suppress(OSError):
            lake.place.files.delete_dir(name)


def compact(lake: Lake, name: str) -> int:
    """Merge a table's small files within each partition, in a commit that changes no row.

    Returns:
        Reduction in the number of files.
    """
    delta = lake.opened(name)
    if delta is None:
        return 0
    done = delta.optimize.compact(writer_properties=AS_WRITTEN)
    return int(done["numFilesRemoved"]) - int(done["numFilesAdded"])


def former_versions(lake: Lake, older_than: dt.timedelta) -> dict[str, tuple[int, int]]:
    """Return the number and bytes of the files that only older versions need, by table, for tables with such files."""
    result: dict[str, tuple[int, int]] = {}
    for name in TABLES:
        names = _unneeded(lake, name, older_than, dry_run=True)
        sizes = lake.place.sizes(name) if names else {}
        # The log still names files that an earlier purge removed.
        unneeded = [sizes[path] for file in names if (path := unquote(file)) in sizes]
        if unneeded:
            result[name] = (len(unneeded), sum(unneeded))
    return result


def forget_versions(lake: Lake, name: str, older_than: dt.timedelta) -> None:
    """Remove the files of a table that only older versions need."""
    _unneeded(lake, name, older_than, dry_run=False)


def _unneeded(lake: Lake, name: str, older_than: dt.timedelta, *, dry_run: bool) -> list[str]:
    """Return the files that only older versions need or a killed run left; remove them unless `dry_run`."""
    delta = lake.opened(name)
    hours = int(max(older_than, LEAST_KEPT).total_seconds() // 3600)
    # LEAST_KEPT equals the library's own minimum of a week; tests use a shorter one.
    return [] if delta is None else delta.vacuum(hours, dry_run, enforce_retention_duration=False, full=True)


def shorten_logs(lake: Lake) -> None:
    """Remove log entries that no version of the last 30 days needs, because they hold bounds of removed values.

    The library removes them only if a checkpoint is that old, so each call also writes one for a later call. Checkpoints
    keep the transaction ids and the schema version.
    """
    for name in TABLES:
        delta = lake.opened(name)
        if delta is not None:
            delta.cleanup_metadata()
            if f"_delta_log/{delta.version():020}.checkpoint.parquet" not in lake.place.sizes(name):
                delta.create_checkpoint()
