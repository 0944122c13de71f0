"""The scan of a table: choose the files that may hold the wanted rows, and read them in pieces.

The choice uses the Delta log's facts about each file: its partition, and the least and greatest values of its columns.
Commits, keys and the order of rows are in `lake`, the partition columns in `schemas.tables`.
"""

import operator
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, reduce
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.fs as pafs
from deltalake import DeltaTable

from schemas.tables import AREA, TABLES, Table
from tasks.io.lake.location import LakePlace


def stored(table: Table, rows: pa.Table) -> pa.Table:
    """Return rows as the lake stores them: with the area, if the table has one."""
    return rows if table.area_of is None else rows.append_column(AREA, _area(rows[table.area_of]))


def _area(upns: Any) -> Any:
    """Return the number of the authority that allotted each UPN; `none` for a text without one."""
    number = pc.utf8_slice_codeunits(upns, 1, 4)
    return pc.fill_null(pc.if_else(pc.match_substring_regex(number, "^[0-9]{3}$"), number, "none"), "none")


def conditions(table: Table, where: dict[str, Any]) -> dict[str, pa.Array]:
    """Return the conditions as sets of values; a condition on the area's source column adds one on the area."""
    wanted = {column: _values(value) for column, value in where.items()}
    if table.area_of in wanted:
        wanted[AREA] = _area(wanted[table.area_of]).unique()
    return wanted


class OpenedTable:
    """An open table: its log is read once, then only its new entries; its files are listed once a version."""

    def __init__(self, table: Table, place: LakePlace) -> None:
        self.delta = DeltaTable(f"{place.uri}/{table.name}", storage_options=place.options)
        self._table = table
        self._on, self._kind = pafs.SubTreeFileSystem(table.name, place.files), ds.ParquetFileFormat()
        self._files_of_version = -1
        self._files: list[_DataFile] = []

    def _data_files(self) -> list["_DataFile"]:
        """Return the table's files in the order of their partitions, so that rows mostly come in order.

        They are made from the log, because the library's own dataset takes longer to make than most reads last.
        """
        if self._files_of_version != self.delta.version():
            added = pa.table(self.delta.get_add_actions(flatten=True)).sort_by("path").to_pylist()
            self._files = [_DataFile(self._fragment(file), file) for file in added]
            self._files_of_version = self.delta.version()
        return self._files

    def _fragment(self, added: dict[str, Any]) -> Any:
        """Return a file with its partition values as the condition that every row of it meets."""
        same = [pc.field(name) == added[f"partition.{name}"] for name in self._table.slices]
        return self._kind.make_fragment(unquote(added["path"]), self._on, reduce(operator.and_, same) if same else None)

    def rows(self, columns: list[str], where: dict[str, pa.Array]) -> pa.Table:
        """Return these columns of the rows that meet the conditions."""
        return pa.concat_tables(self.pieces(columns, where)).combine_chunks()

    def pieces(self, columns: list[str], where: dict[str, pa.Array]) -> Iterator[pa.Table]:
        """Yield `rows` in pieces, so that a great table is never whole in memory."""
        stored_files = self._data_files()
        great = sum(file.rows for file in stored_files) > GREAT
        # Choose by partition always; by the log's bounds only in a great table, because sorting the wanted values takes time.
        # Sort as objects: in a fixed-width array a text of a thousand characters would make every value as wide.
        ordered = {n: v for n, v in where.items() if great or n in self._table.slices}
        bounds = {name: np.sort(values.to_numpy(zero_copy_only=False)) for name, values in ordered.items()}
        files = [file for file in stored_files if all(file.may_hold(n, wanted) for n, wanted in bounds.items())]
        others = {
            n: v for n, v in where.items() if n not in ordered or not all(file.has_one_value(n) for file in files)
        }
        more = set(columns) - set(others)
        if others and len(more) > _FEW and sum(file.rows for file in files) > GREAT:
            # Many other columns of a great table: first find the files with matching rows, then read only those.
            index = "__fragment_index"
            fragments = [_only(piece, others)[index].unique() for piece in self._scanned(files, [*others, index])]
            files = [files[n] for n in sorted({n for part in fragments for n in part.to_pylist()})]
        for piece in self._scanned(files, [*columns, *others]):
            yield _only(piece, others)

    def _scanned(self, files: list["_DataFile"], columns: list[str]) -> Iterator[pa.Table]:
        schema = stored(self._table, self._table.schema.empty_table()).schema
        dataset = ds.FileSystemDataset([file.fragment for file in files], schema, self._kind, self._on)
        names = list(dict.fromkeys(columns))
        # Rows read ahead are in memory too; the default reads two million rows ahead.
        scanner = dataset.scanner(columns=names, batch_readahead=_AHEAD, fragment_readahead=_AHEAD)
        most = _PIECE // max(1, len(names) - _FEW)
        piece: list[pa.RecordBatch] = []
        for batch in scanner.to_batches():
            piece.append(batch)
            if sum(map(len, piece)) > most:
                yield pa.Table.from_batches(piece)
                piece = []
        yield pa.Table.from_batches(piece, scanner.projected_schema)


@dataclass(frozen=True)
class _DataFile:
    """A file of a table, and its entry in the log."""

    fragment: Any
    added: dict[str, Any]

    @property
    def rows(self) -> int:
        return int(self.added["num_records"])

    def _bounds(self, column: str) -> tuple[str | None, str | None]:
        """Return the least and greatest value of a column, from the file's partition or the log's statistics."""
        value = self.added.get(f"partition.{column}")
        return value or self.added.get(f"min.{column}"), value or self.added.get(f"max.{column}")

    def has_one_value(self, column: str) -> bool:
        """Whether all rows have the same value in the column; then `may_hold` decides for all of them."""
        low, high = self._bounds(column)
        return low is not None and low == high and not self.added.get(f"null_count.{column}")

    def may_hold(self, column: str, wanted: np.ndarray) -> bool:
        """Whether the column may hold any of these sorted values."""
        low, high = self._bounds(column)
        if low is None or high is None:
            return True
        first, last = np.searchsorted(wanted, low), np.searchsorted(wanted, high, side="right")
        return bool(last > first)


#: Batches and files that are read ahead.
_AHEAD = 2
#: Rows of few columns that are filtered together; fewer rows of more columns. The dataset's own filter would build its set
#: of wanted values again for every file.
_PIECE = 300_000
#: A table with more rows is great: its files are chosen more closely.
GREAT = 1_000_000
#: Up to this number of other columns are read together with those of the conditions.
_FEW = 4


def _only(rows: pa.Table, where: dict[str, pa.Array]) -> pa.Table:
    for name, values in where.items():
        rows = rows.filter(pc.is_in(rows[name], values))
    return rows


@cache
def opened_table(name: str, place: LakePlace, _number: int, _made: int) -> OpenedTable:
    """Return the table, kept open for the process, because opening it costs more than most reads.

    `_number` and `_made` differ if a table was removed and made again at the same location.
    """
    return OpenedTable(TABLES[name], place)


def _values(wanted: Any) -> pa.Array:
    """Return one value, or several, as text without nulls."""
    if isinstance(wanted, pa.ChunkedArray):
        return wanted.combine_chunks().cast(pa.string()).drop_null()
    if isinstance(wanted, pd.Series):
        return pa.array(wanted.astype("str"), pa.large_string(), from_pandas=True).cast(pa.string()).drop_null()
    return pa.array(sorted({wanted} if isinstance(wanted, str) else set(wanted)), pa.string())
