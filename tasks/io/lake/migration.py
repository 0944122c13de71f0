"""Migration of a lake that an earlier version of the service wrote: the columns that its tables lack.

A table's schema version is the number of the last change to its columns (`Column.since`). The table's log keeps it as a
transaction id, so it moves with the table; a table without it has version 1. A migration only adds columns, null in
existing rows. It rewrites no file, and the commit that adds the columns also sets the version.

To add a column: only `schemas.tables`.
"""

from enum import Enum, auto

from deltalake import DeltaTable, Schema

from schemas.tables import TABLES, Table
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.io.lake.lake import SCHEMA_VERSION, Lake, carrying
from tasks.io.lake.scan import stored


class Fit(Enum):
    """How the columns of a stored table compare with `schemas.tables`.

    SAME: they are the same. OLDER: later columns are missing, a migration adds them. OTHER: a newer version of the service
    wrote the table, or it is a table of something else.
    """

    SAME = auto()
    OLDER = auto()
    OTHER = auto()


def fit_of(table: Table, delta: DeltaTable) -> Fit:
    """Compare a stored table with its definition; reads the log only."""
    names = _columns(delta)
    later = {column.name for column in table.columns if column.since > 1}
    wanted = set(stored(table, table.schema.empty_table()).column_names)
    newer = (delta.transaction_version(SCHEMA_VERSION) or 1) > table.version
    if newer or names - wanted or wanted - names - later:
        return Fit.OTHER
    return Fit.SAME if names == wanted else Fit.OLDER


def _columns(delta: DeltaTable) -> set[str]:
    return {field.name for field in delta.schema().fields}


def older_tables(lake: Lake) -> dict[str, DeltaTable]:
    """The stored tables, by name, to which the next run adds columns.

    Raises:
        ServiceFault: a newer version of the service wrote a table, or it has unknown columns.
    """
    stored_tables = {name: delta for name, table in TABLES.items() if (delta := lake.opened(table)) is not None}
    fits = {name: fit_of(TABLES[name], delta) for name, delta in stored_tables.items()}
    for name, fit in fits.items():
        if fit is Fit.OTHER:
            raise ServiceFault(bilingual("fault.lake_newer", table=name))
    return {name: stored_tables[name] for name, fit in fits.items() if fit is Fit.OLDER}


def migrate(lake: Lake) -> list[str]:
    """Add the missing columns to a lake's tables, one commit for each table; only while the data root's lock is held.

    The next call completes an interrupted migration.

    Returns:
        The tables that got columns.

    Raises:
        ServiceFault: a newer version of the service wrote a table, or it has unknown columns; then nothing is written.
    """
    older = older_tables(lake)
    for name, delta in older.items():
        table = TABLES[name]
        missing = [c for c in Schema.from_arrow(table.schema).fields if c.name not in _columns(delta)]
        delta.alter.add_columns(missing, commit_properties=carrying([], table.version))
    return list(older)
