"""The service's memory: Delta Lake tables, typed by `schemas.tables`, one atomic commit per result.

A write that would change nothing makes no commit, so that running again leaves the versions as they were. A commit that
must not happen twice carries an application transaction id. Knows tables and keys, not what they mean.
"""

import operator
from collections.abc import Iterable
from functools import cache, reduce
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from schemas.faults import ServiceFault
from schemas.tables import TABLES, Table
from schemas.texts import both


class Lake:
    """The tables under one folder (or, later, one URL)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _uri(self, table: Table) -> str:
        return str(self.folder / table.name)

    def _open(self, table: Table) -> DeltaTable | None:
        """The table as it is now; None where it does not exist yet."""
        if not DeltaTable.is_deltatable(self._uri(table)):
            return None
        delta = self._opened(table).delta
        delta.update_incremental()
        return delta

    def _opened(self, table: Table) -> "_Opened":
        # The folder's number in the file system: a table that was removed and made again is another.
        return _opened(self._uri(table), (self.folder / table.name).stat().st_ino)

    def version(self, name: str) -> int:
        """The table's version, -1 where it does not exist yet."""
        delta = self._open(TABLES[name])
        return -1 if delta is None else int(delta.version())

    def versions(self) -> dict[str, int]:
        """Every table's version."""
        return {name: self.version(name) for name in TABLES}

    def read(self, name: str, columns: list[str] | None = None, **where: Any) -> pd.DataFrame:
        """Rows of a table, sorted by its key.

        Args:
            name: the table.
            columns: which columns; all where None.
            where: column = value, or column = several values (a list or a Series; nulls do not count).

        Returns:
            A frame with those columns, in that order; empty where the table does not exist yet.
        """
        return frame_of(self._read_arrow(TABLES[name], columns, where))

    def _read_arrow(self, table: Table, columns: list[str] | None, where: dict[str, Any]) -> pa.Table:
        names = columns or [c.name for c in table.columns]
        schema = pa.schema([table.schema.field(n) for n in names])
        if self._open(table) is None:
            return schema.empty_table()
        wanted = list(dict.fromkeys([*names, *table.key]))
        values = {name: _values(value) for name, value in where.items()}
        rows = self._opened(table).rows(wanted, values, table.partition_by)
        return rows.sort_by([(k, "ascending") for k in table.key]).select(names).cast(schema)

    def replace(self, name: str, rows: pd.DataFrame, **where: str) -> bool:
        """Make the slice that `where` names hold exactly these rows.

        Returns:
            False where it held them already.
        """
        table = TABLES[name]
        new = arrow_of(table, rows)
        if self._read_arrow(table, None, where).equals(new):
            return False
        predicate = " AND ".join(f"{column} = '{value}'" for column, value in where.items())
        delta = self._open(table)
        write_deltalake(
            delta or self._uri(table),
            new,
            mode="overwrite" if delta else "append",
            predicate=predicate if delta else None,
            partition_by=list(table.partition_by) or None,
        )
        return True

    def append(self, name: str, rows: pd.DataFrame, transactions: Iterable[str] = ()) -> bool:
        """Add rows in one commit; with transaction ids, once only.

        Args:
            name: the table.
            rows: whole rows; none that stands there already.
            transactions: application transaction ids that the commit carries; the caller leaves out committed ones.

        Returns:
            False where there is nothing to add.
        """
        table = TABLES[name]
        ids = list(transactions)
        if rows.empty and not ids:
            return False
        write_deltalake(
            self._open(table) or self._uri(table),
            arrow_of(table, rows),
            mode="append",
            partition_by=list(table.partition_by) or None,
            commit_properties=CommitProperties(app_transactions=[Transaction(t, 1) for t in ids]) if ids else None,
        )
        return True

    def committed(self, name: str, transactions: Iterable[str]) -> set[str]:
        """Which of these application transaction ids stand in the table."""
        delta = self._open(TABLES[name])
        return set() if delta is None else {t for t in transactions if delta.transaction_version(t) is not None}

    def upsert(self, name: str, rows: pd.DataFrame, transactions: Iterable[str] = ()) -> bool:
        """Put rows in by key: new ones added, changed ones replaced, equal ones left alone, in one commit.

        Args:
            name: the table.
            rows: whole rows; each key once.
            transactions: application transaction ids that the commit carries.

        Returns:
            False where nothing had to change.
        """
        table = TABLES[name]
        new = arrow_of(table, rows)
        wanted = list(transactions)
        ids = sorted(set(wanted) - self.committed(name, wanted))
        properties = CommitProperties(app_transactions=[Transaction(t, 1) for t in ids]) if ids else None
        delta = self._open(table)
        if delta is None:
            if not len(new) and not ids:
                return False
            write_deltalake(
                self._uri(table),
                new,
                mode="append",
                partition_by=list(table.partition_by) or None,
                commit_properties=properties,
            )
            return True
        first = table.key[0]
        changed = _changed_rows(self._read_arrow(table, None, {first: new[first].to_pandas()}), new)
        if not len(changed) and not ids:
            return False
        on = " AND ".join(f"t.{k} = s.{k}" for k in table.key)
        (
            delta.merge(changed, on, source_alias="s", target_alias="t", commit_properties=properties)
            .when_matched_update_all()
            .when_not_matched_insert_all()
            .execute()
        )
        return True


class _Opened:
    """A table that was opened: its log is read once, afterwards only what was added; its files are listed once a version."""

    def __init__(self, uri: str, _folder: int) -> None:
        self.delta = DeltaTable(uri)
        self._listed_at = -1
        self._files: Any = None

    def rows(self, columns: list[str], where: dict[str, pa.Array], partition_by: tuple[str, ...]) -> pa.Table:
        """Those columns of the rows for which column is one of some values; files of other partitions are not opened."""
        slices = {name: values for name, values in where.items() if name in partition_by}
        one = [(name, "=", values[0].as_py()) for name, values in slices.items() if len(values) == 1]
        if one and len(one) == len(partition_by):
            # One slice of many: listing its own files alone is a fraction of listing all.
            files = self.delta.to_pyarrow_dataset(file_pruning_predicate=one)
        else:
            if self._listed_at != self.delta.version():
                self._files, self._listed_at = self.delta.to_pyarrow_dataset(), self.delta.version()
            files = self._files
        tests = [pc.field(name).isin(values) for name, values in slices.items()]
        wanted = list(dict.fromkeys([*columns, *where]))
        rows = files.to_table(columns=wanted, filter=reduce(operator.and_, tests) if tests else None).combine_chunks()
        # Other columns are tried in memory: a merge writes text as another Arrow type than an append does, for which the
        # dataset has no comparison.
        for name in (n for n in where if n not in partition_by):
            rows = rows.filter(pc.is_in(rows[name].cast(pa.string()), where[name]))
        return rows


#: Kept for the process: opening a table costs more than most reads of it.
_opened = cache(_Opened)


def _values(wanted: Any) -> pa.Array:
    """One value or several, as a set to look up in."""
    return pa.array(pd.Series([wanted] if isinstance(wanted, str) else wanted, dtype="str").dropna(), pa.string())


def _changed_rows(old: pa.Table, new: pa.Table) -> pa.Table:
    merged = frame_of(new).reset_index(names="at").merge(frame_of(old), how="left", indicator=True)
    same = merged.loc[merged["_merge"] == "both", "at"]
    keep = pd.Series(True, index=range(len(new)))
    keep.loc[same.to_numpy()] = False
    return new.filter(pa.array(keep.to_numpy()))


def arrow_of(table: Table, rows: pd.DataFrame) -> pa.Table:
    """Rows as Arrow by the table's schema, sorted by its key.

    Raises:
        ServiceFault: a column is missing or unknown, a required column is empty, or a key stands twice; names only
            tables and columns.
    """
    names = [c.name for c in table.columns]
    if set(rows.columns) != set(names):
        odd = sorted(set(rows.columns) ^ set(names))
        raise ServiceFault(both("fault.table_columns", table=table.name, columns=", ".join(odd)))
    data = pa.Table.from_pandas(
        rows[names], schema=pa.schema([f.with_nullable(True) for f in table.schema]), preserve_index=False
    )
    for column in table.columns:
        if column.required and data[column.name].null_count:
            raise ServiceFault(both("fault.table_required", table=table.name, column=column.name))
    if rows.duplicated(list(table.key)).any():
        raise ServiceFault(both("fault.table_key", table=table.name, key=", ".join(table.key)))
    return data.cast(table.schema).sort_by([(k, "ascending") for k in table.key])


def frame_of(data: pa.Table) -> pd.DataFrame:
    """An Arrow table as the frame that core functions take: text as `str`, whole numbers nullable."""
    text = pd.StringDtype(na_value=float("nan"))
    frame: pd.DataFrame = data.replace_schema_metadata(None).to_pandas(
        types_mapper=lambda t: text if pa.types.is_string(t) else pd.Int64Dtype() if pa.types.is_int64(t) else None
    )
    return frame
