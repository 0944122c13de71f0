"""The service's memory: Delta Lake tables, typed by `schemas.tables`, with one atomic commit per result.

A write that would change nothing makes no commit, so a repeated run leaves the versions unchanged. A commit that must not
happen twice carries an application transaction id.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from deltalake import CommitProperties, DeltaTable, Transaction, WriterProperties, write_deltalake

from schemas.tables import TABLES, Table
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.location import LakePlace, folder_place, place_of
from tasks.io.lake.scan import GREAT, OpenedTable, conditions, opened_table, stored


class Lake:
    """The tables at a location."""

    def __init__(self, place: LakePlace | Path) -> None:
        self.place = place if isinstance(place, LakePlace) else folder_place(place)

    @classmethod
    def of(cls, root: DataRoot) -> Self:
        """Return a data root's lake.

        Raises:
            ConfigurationFault: the settings of its location are wrong.
        """
        return cls(place_of(root))

    def uri(self, name: str) -> str:
        """Return the address of a table, whether it exists or not."""
        return f"{self.place.uri}/{name}"

    def opened(self, name: str) -> DeltaTable | None:
        """Return the table in its current version; None if it does not exist yet."""
        scanner = self._scanner(name)
        return None if scanner is None else scanner.delta

    def _scanner(self, name: str) -> OpenedTable | None:
        if not DeltaTable.is_deltatable(self.uri(name), self.place.options):
            return None
        number, made = 0, 0
        if self.place.folder is not None:
            # A table that was removed and made again is another, even if its folder has the same inode number.
            log = self.place.folder / name / "_delta_log"
            first = (
                log / f"{0:020}.json"
            )  # missing if a purge shortened the log; the folder's time changes at each commit
            number, made = log.stat().st_ino, first.stat().st_mtime_ns if first.exists() else 0
        scanner = opened_table(name, self.place, number, made)
        scanner.delta.update_incremental()
        return scanner

    def version(self, name: str) -> int:
        """Return the table's version; -1 if it does not exist yet."""
        delta = self.opened(name)
        return -1 if delta is None else int(delta.version())

    def versions(self) -> dict[str, int]:
        """Return every table's version."""
        return {name: self.version(name) for name in TABLES}

    def has_moved(self, name: str, since: int) -> bool:
        """Whether a commit after a version of a table may have changed rows; a commit that only adds columns does not."""
        delta = self.opened(name)
        now = -1 if delta is None else int(delta.version())
        if delta is None or not 0 <= since < now:
            return now != since
        later = [commit.get("operation") for commit in delta.history(now - since)]
        return later != ["ADD COLUMN"] * (now - since)

    def reached(self, versions: dict[str, int]) -> bool:
        """Whether every table here has at least these versions; another machine may see a commit after its writer does."""
        return all(self.version(name) >= version for name, version in versions.items())

    def read(self, name: str, columns: list[str] | None = None, **where: Any) -> pd.DataFrame:
        """Return rows of a table, sorted as by `arrow_of`, with these columns in this order; all columns if None.

        A condition in `where` is column = value, or column = several values (a list or a Series; nulls do not count).
        The frame is empty if the table does not exist yet.
        """
        return frame_of(self.read_arrow(name, columns, **where))

    def read_arrow(self, name: str, columns: list[str] | None = None, **where: Any) -> pa.Table:
        """Like `read`, as Arrow."""
        table, scanner = TABLES[name], self._scanner(name)
        names = columns or [c.name for c in table.columns]
        schema = pa.schema([table.schema.field(n) for n in names])
        if scanner is None:
            return schema.empty_table()
        rows = scanner.rows(list(dict.fromkeys([*names, *_order(table)])), conditions(table, where))
        return _in_order(rows, table).select(names).cast(schema)

    def pieces(self, name: str, columns: list[str], **where: Any) -> Iterator[pa.Table]:
        """Yield the rows of `read_arrow` in pieces and in no order; the whole table is never in memory."""
        scanner = self._scanner(name)
        if scanner is not None:
            for rows in scanner.pieces(columns, conditions(TABLES[name], where)):
                yield rows.select(columns)

    def distinct(self, name: str, column: str, **where: Any) -> pd.Series:
        """Return the distinct values of a text column without nulls, sorted; the whole table is never in memory."""
        values, parts, size = pa.array([], pa.string()), list[pa.Array](), 0
        for rows in self.pieces(name, [column], **where):
            parts.append(rows[column].combine_chunks().cast(pa.string()).unique())
            size += len(parts[-1])
            # Not after each piece, because each merge goes through all values so far.
            if size > max(GREAT, 2 * len(values)):
                values, parts, size = pa.concat_arrays([values, *parts]).unique(), [], 0
        values = pa.concat_arrays([values, *parts]).unique().drop_null()
        return pd.Series(values.take(pc.sort_indices(values)), dtype="str")

    def sizes(self, name: str, column: str, **where: Any) -> dict[str, int]:
        """Return the number of rows by value of a text column, sorted; the whole table is never in memory.

        The column may be `schemas.tables.AREA` if the table has one (`Table.area_of`).
        """
        counts = Counter[str]()
        for rows in self.pieces(name, [column], **where):
            counts.update({row["values"]: row["counts"] for row in rows[column].value_counts().to_pylist()})
        return dict(sorted(counts.items()))

    def filled(self, name: str, column: str, **where: Any) -> int:
        """Return the number of rows in which a column is not null; the whole table is never in memory."""
        return sum(len(rows) - rows[column].null_count for rows in self.pieces(name, [column], **where))

    def replace(self, name: str, rows: pd.DataFrame | pa.Table, **where: Any) -> bool:
        """Replace the slice that `where` selects with these whole rows.

        Returns:
            False if the slice held them already.
        """
        table, delta = TABLES[name], self.opened(name)
        new = arrow_of(table, rows)
        if self.read_arrow(name, **where).equals(new):
            return False
        if delta is None:
            self._append(table, None, new, [])
        else:
            predicate = " AND ".join(f"{column} IN ({_literals(value)})" for column, value in where.items())
            self._write(table, delta, new, mode="overwrite", predicate=predicate)
        return True

    def append(self, name: str, rows: pd.DataFrame | pa.Table, transactions: Iterable[str] = ()) -> bool:
        """Add whole rows that are not in the table yet, in one commit.

        The commit carries the application transaction ids; the caller leaves out committed ones, so each is added once.

        Returns:
            False if there is nothing to add.
        """
        ids = list(transactions)
        if not len(rows) and not ids:
            return False
        self._append(TABLES[name], self.opened(name), arrow_of(TABLES[name], rows), ids)
        return True

    def _append(self, table: Table, delta: DeltaTable | None, new: pa.Table, ids: list[str]) -> None:
        properties = carrying(ids, version=table.version if delta is None else 1)
        self._write(table, delta, new, mode="append", commit_properties=properties)

    def _write(self, table: Table, delta: DeltaTable | None, rows: pa.Table, **options: Any) -> None:
        write_deltalake(
            delta or self.uri(table.name),
            stored(table, rows),
            partition_by=list(table.slices) or None,
            storage_options=self.place.options,
            writer_properties=AS_WRITTEN,
            **options,
        )

    def committed(self, name: str, transactions: Iterable[str]) -> set[str]:
        """Return those of the application transaction ids that are in the table's log."""
        delta = self.opened(name)
        return set() if delta is None else {t for t in transactions if delta.transaction_version(t) is not None}

    def upsert(
        self,
        name: str,
        rows: pd.DataFrame | pa.Table,
        transactions: Iterable[str] = (),
        known: pd.Series | None = None,
    ) -> bool:
        """Merge whole rows by key in one commit: add new ones, replace changed ones, leave equal ones.

        The commit carries the application transaction ids. `known` holds the values of the key's first column that the
        table may have, if the caller has checked; rows with others are new.

        Returns:
            False if nothing had to change.

        Raises:
            ServiceFault: as `arrow_of`, or the stored table has other columns.
        """
        table, delta = TABLES[name], self.opened(name)
        new, key = arrow_of(table, rows), list(table.key)
        wanted = list(transactions)
        where: dict[str, Any] = {key[0]: new[key[0]] if known is None else known}
        old = self.read_arrow(name, **where)
        changed = _changed_rows(old, new)
        # The search for an id reads the whole log, so search only if the ids decide whether to write at all.
        ids = sorted(set(wanted) - (set() if len(changed) else self.committed(name, wanted)))
        if not len(changed) and not ids:
            return False
        replaced = stored(table, old.join(changed.select(key), keys=key, join_type="left semi"))
        if delta is None or not len(replaced):
            # If all rows are new, append: no existing row is read or written again.
            self._append(table, delta, changed, ids)
            return True
        # The library checks the columns of an append; a merge would drop columns that the stored table lacks.
        _check_columns(table, [field.name for field in delta.schema().fields], replaced.column_names)
        on = [f"t.{k} = s.{k}" for k in key]
        # Read and rewrite only the slices that hold the old rows.
        on += [f"t.{p} IN ({_literals(replaced[p].unique().to_pylist())})" for p in table.slices]
        (
            delta.merge(
                stored(table, changed),
                " AND ".join(on),
                "s",
                "t",
                commit_properties=carrying(ids),
                writer_properties=AS_WRITTEN,
            )
            .when_matched_update_all()
            .when_not_matched_insert_all()
            .execute()
        )
        return True


#: Small row groups, because a reader or writer holds a whole one in memory, however few rows it needs.
AS_WRITTEN = WriterProperties(max_row_group_size=65_536)
#: The transaction id under which a table's log keeps its schema version; a table without it has version 1.
SCHEMA_VERSION = "schema"


def carrying(ids: list[str], version: int = 1) -> CommitProperties | None:
    """Return a commit's properties: its transaction ids, and the table's schema version if above 1."""
    marks = [Transaction(SCHEMA_VERSION, version)] if version > 1 else []
    return CommitProperties(app_transactions=[*(Transaction(t, 1) for t in ids), *marks]) if ids or marks else None


def _literals(values: str | list[str]) -> str:
    """Return values as SQL literals."""
    texts = [values] if isinstance(values, str) else sorted(values)
    return ", ".join("'" + text.replace("'", "''") + "'" for text in texts)


def _changed_rows(old: pa.Table, new: pa.Table) -> pa.Table:
    if not len(old):
        return new
    merged = frame_of(new).merge(frame_of(old), how="left", indicator=True)
    return new.filter(pa.array(merged["_merge"] == "left_only"))


def _check_columns(table: Table, present: Iterable[str], wanted: Iterable[str]) -> None:
    odd = sorted(set(present) ^ set(wanted))
    if odd:
        raise ServiceFault(bilingual("fault.table_columns", table=table.name, columns=", ".join(odd)))


def arrow_of(table: Table, rows: pd.DataFrame | pa.Table) -> pa.Table:
    """Return rows as Arrow by the table's schema, sorted by partition and key.

    Raises:
        ServiceFault: a column is missing or unknown, a required column is empty, or a key is repeated; names only
            tables and columns.
    """
    names = [c.name for c in table.columns]
    _check_columns(table, rows.column_names if isinstance(rows, pa.Table) else rows.columns, names)
    open_schema = pa.schema([f.with_nullable(True) for f in table.schema])
    if isinstance(rows, pa.Table):
        data = rows.select(names).cast(open_schema)
    else:
        data = pa.Table.from_pandas(rows[names], schema=open_schema, preserve_index=False)
    for column in table.columns:
        if column.required and data[column.name].null_count:
            raise ServiceFault(bilingual("fault.table_required", table=table.name, column=column.name))
    data = _in_order(data.cast(table.schema), table)
    if data.group_by(list(table.key)).aggregate([]).num_rows != len(data):
        raise ServiceFault(bilingual("fault.table_key", table=table.name, key=", ".join(table.key)))
    return data


def _order(table: Table) -> tuple[str, ...]:
    return (*table.partition_by, *(k for k in table.key if k not in table.partition_by))


def _in_order(rows: pa.Table, table: Table) -> pa.Table:
    """Sort rows by partition and key; stored rows mostly are sorted, and the check costs less than sorting."""
    order = _order(table)
    return rows if _is_sorted(rows, order) else rows.sort_by([(column, "ascending") for column in order])


def _is_sorted(rows: pa.Table, order: tuple[str, ...]) -> bool:
    if len(rows) < 2:
        return True
    pairs = [(values[:-1], values[1:]) for values in (rows[column].combine_chunks() for column in order)]
    right = pc.less_equal(*pairs[-1])
    for pair in reversed(pairs[:-1]):
        right = pc.or_(pc.less(*pair), pc.and_(pc.equal(*pair), right))
    return bool(pc.all(right, skip_nulls=False).as_py())


def frame_of(data: pa.Table) -> pd.DataFrame:
    """Return an Arrow table as the frame that core functions take: text as `str`, whole numbers nullable."""
    text = pd.StringDtype(na_value=float("nan"))
    frame: pd.DataFrame = data.replace_schema_metadata(None).to_pandas(
        types_mapper=lambda t: text if pa.types.is_string(t) else pd.Int64Dtype() if pa.types.is_int64(t) else None
    )
    return frame
