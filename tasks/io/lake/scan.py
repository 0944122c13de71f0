"""A table's files on the disk: which of them may hold what is asked for, and reading them so many rows at a time.

Belongs here: what the Delta log says of each file (its partition, the least and the greatest of its values), and the scan.
Does not belong here: commits, keys and the order of rows (`tables`). The partition columns are in `schemas.tables`.
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
    """Rows as they lie in the lake: with the area, where the table has one."""
    return rows if table.area_of is None else rows.append_column(AREA, _area(rows[table.area_of]))


def _area(upns: Any) -> Any:
    """The number of the authority that allotted each UPN; a text that names none is in the area `none`."""
    number = pc.utf8_slice_codeunits(upns, 1, 4)
    return pc.fill_null(pc.if_else(pc.match_substring_regex(number, "^[0-9]{3}$"), number, "none"), "none")


def conditions(table: Table, where: dict[str, Any]) -> dict[str, pa.Array]:
    """The conditions as sets to look up in; with that on the area that follows from one on its column."""
    wanted = {column: _values(value) for column, value in where.items()}
    if table.area_of in wanted:
        wanted[AREA] = _area(wanted[table.area_of]).unique()
    return wanted


class OpenedTable:
    """A table that was opened: its log is read once, afterwards only what was added; its files are listed once a version."""

    def __init__(self, table: Table, place: LakePlace) -> None:
        self.delta = DeltaTable(f"{place.uri}/{table.name}", storage_options=place.options)
        self._table = table
        self._on, self._kind = pafs.SubTreeFileSystem(table.name, place.files), ds.ParquetFileFormat()
        self._listed_at = -1
        self._files: list[_File] = []

    def _listed(self) -> list["_File"]:
        """The table's files, in the order of their partitions, so that what is read is mostly in order already.

        Made here of what the log says of them: the library's own dataset takes longer to make than most reads last.
        """
        if self._listed_at != self.delta.version():
            added = pa.table(self.delta.get_add_actions(flatten=True)).sort_by("path").to_pylist()
            self._files = [_File(self._fragment(one), one) for one in added]
            self._listed_at = self.delta.version()
        return self._files

    def _fragment(self, added: dict[str, Any]) -> Any:
        """A file, with what the log says that holds of every row of it."""
        of = [pc.field(name) == added[f"partition.{name}"] for name in self._table.slices]
        return self._kind.make_fragment(unquote(added["path"]), self._on, reduce(operator.and_, of) if of else None)

    def rows(self, columns: list[str], where: dict[str, pa.Array]) -> pa.Table:
        """Those columns of the rows for which column is one of some values."""
        pieces = list(self.pieces(columns, where))
        return pa.concat_tables(pieces).combine_chunks() if len(pieces) > 1 else pieces[0].combine_chunks()

    def pieces(self, columns: list[str], where: dict[str, pa.Array]) -> Iterator[pa.Table]:
        """`rows`, so many at a time that a great table never stands in memory."""
        great = sum(file.rows for file in self._listed()) > GREAT
        # By partition always; by what the log has counted only where it spares much: the values must be put in order.
        # As objects: a text of a thousand characters among short ones must not make all as wide.
        ordered = {n: v for n, v in where.items() if great or n in self._table.slices}
        bounds = {name: np.sort(values.to_numpy(zero_copy_only=False)) for name, values in ordered.items()}
        files = [file for file in self._listed() if all(file.may_hold(n, wanted) for n, wanted in bounds.items())]
        others = {n: v for n, v in where.items() if n not in ordered or not all(file.holds_one(n) for file in files)}
        more = set(columns) - set(others)
        if others and len(more) > _FEW and sum(file.rows for file in files) > GREAT:
            # Of a great table the other columns, where they are many, are read only in files where there is something.
            index = "__fragment_index"
            found = [_only(piece, others)[index].unique() for piece in self._scanned(files, [*others, index])]
            files = [files[n] for n in sorted({n for part in found for n in part.to_pylist()})]
        for piece in self._scanned(files, [*columns, *others]):
            yield _only(piece, others)

    def _scanned(self, files: list["_File"], columns: list[str]) -> Iterator[pa.Table]:
        schema = stored(self._table, self._table.schema.empty_table()).schema
        dataset = ds.FileSystemDataset([file.fragment for file in files], schema, self._kind, self._on)
        names = list(dict.fromkeys(columns))
        # What is read ahead is in memory too, and the default is to read two million rows ahead.
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
class _File:
    """A file of a table, and what the log says of it."""

    fragment: Any
    added: dict[str, Any]

    @property
    def rows(self) -> int:
        return int(self.added["num_records"])

    def _bounds(self, column: str) -> tuple[str | None, str | None]:
        """The least and the greatest value of a column, by the file's partition or what the log has counted."""
        value = self.added.get(f"partition.{column}")
        return value or self.added.get(f"min.{column}"), value or self.added.get(f"max.{column}")

    def holds_one(self, column: str) -> bool:
        """Whether all rows have the same value in the column; then `may_hold` says whether it is wanted."""
        low, high = self._bounds(column)
        return low is not None and low == high and not self.added.get(f"null_count.{column}")

    def may_hold(self, column: str, wanted: np.ndarray) -> bool:
        """Whether one of these values, in order, may stand in the column."""
        low, high = self._bounds(column)
        if low is None or high is None:
            return True
        first, last = np.searchsorted(wanted, low), np.searchsorted(wanted, high, side="right")
        return bool(last > first)


#: Batches and files that are read ahead of the one that is looked at.
_AHEAD = 2
#: Rows of few columns that are looked at together; of more columns fewer. The dataset's own filter would make its table of
#: wanted values anew for every file.
_PIECE = 300_000
#: From so many rows on it is looked closer which files are worth reading.
GREAT = 1_000_000
#: Columns that are read at once with those that are asked of.
_FEW = 4


def _only(rows: pa.Table, where: dict[str, pa.Array]) -> pa.Table:
    for name, values in where.items():
        rows = rows.filter(pc.is_in(rows[name], values))
    return rows


@cache
def opened_table(name: str, place: LakePlace, _number: int, _made: int) -> OpenedTable:
    """The table, kept for the process: opening one costs more than most reads of it.

    Args:
        name: the table.
        place: where the lake lies.
        _number, _made: what differs where a table was removed and made again at the same place.
    """
    return OpenedTable(TABLES[name], place)


def _values(wanted: Any) -> pa.Array:
    """One value or several, as a set to look up in."""
    if isinstance(wanted, pa.ChunkedArray):
        return wanted.combine_chunks().cast(pa.string()).drop_null()
    if isinstance(wanted, pd.Series):
        return pa.array(wanted.astype("str"), pa.large_string(), from_pandas=True).cast(pa.string()).drop_null()
    return pa.array(sorted({wanted} if isinstance(wanted, str) else set(wanted)), pa.string())
