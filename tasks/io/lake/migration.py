"""Migration of a lake that an earlier version of the service wrote: the columns that its tables lack.

A table's schema version is the number of the last change to its columns (`Column.since`). The table's log keeps it as a
transaction id, so it moves with the table; a table without it has version 1. A migration only adds columns, null in
existing rows. It rewrites no file, and the commit that adds the columns also sets the version.

A damaged table is left alone: the stage that needs it cannot open it either, and reports the fault. If the table is put
back during the run, `Lake` refuses to write to it until a migration has added the columns.

To add a column: only `schemas.tables`.
"""

from contextlib import suppress

from deltalake import DeltaTable, Schema
from deltalake.exceptions import DeltaError

from schemas.tables import TABLES, Table
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.io.lake.lake import SCHEMA_VERSION, Lake, carrying
from tasks.io.lake.scan import stored


def missing_columns(table: Table, delta: DeltaTable) -> set[str] | None:
    """Return the later columns that a stored table lacks; reads the log only.

    Returns:
        None if a newer version of the service wrote the table, or its columns differ in another way.
    """
    present = _columns(delta)
    later = {column.name for column in table.columns if column.since > 1}
    wanted = set(stored(table, table.schema.empty_table()).column_names)
    newer = (delta.transaction_version(SCHEMA_VERSION) or 1) > table.version
    return None if newer or present - wanted or wanted - present - later else wanted - present


def _columns(delta: DeltaTable) -> set[str]:
    return {field.name for field in delta.schema().fields}


def older_tables(lake: Lake) -> dict[str, DeltaTable]:
    """Return the stored tables, by name, to which the next run adds columns; without damaged ones.

    Raises:
        ServiceFault: `missing_columns` is None for a table: a newer version wrote it, or its columns differ otherwise.
        OSError: the lake's storage is away or denies access.
    """
    stored_tables: dict[str, DeltaTable] = {}
    for name in TABLES:
        with suppress(DeltaError):  # a damaged table
            delta = lake.opened(name)
            if delta is not None:
                stored_tables[name] = delta
    missing = {name: missing_columns(TABLES[name], delta) for name, delta in stored_tables.items()}
    for name, columns in missing.items():
        if columns is None:
            raise ServiceFault(bilingual("fault.lake_newer", table=name))
    return {name: stored_tables[name] for name, columns in missing.items() if columns}


def migrate(lake: Lake) -> list[str]:
    """Add the missing columns to a lake's tables, one commit for each table; only while the data root's lock is held.

    The next call completes an interrupted migration.

    Returns:
        The tables that got columns.

    Raises:
        ServiceFault, OSError: as `older_tables`; then nothing is written.
    """
    older = older_tables(lake)
    for name, delta in older.items():
        table = TABLES[name]
        missing = [field for field in Schema.from_arrow(table.schema).fields if field.name not in _columns(delta)]
        delta.alter.add_columns(missing, commit_properties=carrying([], table.version))
    return list(older)
