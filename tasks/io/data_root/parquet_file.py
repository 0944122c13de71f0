"""A Parquet file out of tables that come one after the other, so that no process holds all of its rows.

Belongs here: how such a file is written; its rows, their order and where it stands are the stage's business.
"""

import io
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

#: Rows of a row group: its bounds are those of the file and not of the tables that it came in.
_GROUP_ROWS = 128 * 1024


def parquet_of(tables: Iterable[pa.Table], schema: pa.Schema) -> bytes:
    """A Parquet file of all the tables' rows, in the given order; equal rows give equal bytes, however they were cut.

    Args:
        tables: with the schema's columns.
        schema: of the file; holds also where there are no rows.
    """
    buffer = io.BytesIO()
    with pq.ParquetWriter(buffer, schema.remove_metadata(), compression="zstd") as file:
        waiting: list[pa.Table] = []
        for table in tables:
            waiting.append(table.cast(schema).replace_schema_metadata(None))
            while sum(map(len, waiting)) >= _GROUP_ROWS:
                rows = pa.concat_tables(waiting)
                _write(file, rows.slice(0, _GROUP_ROWS))
                waiting = [rows.slice(_GROUP_ROWS)]
        if any(map(len, waiting)):
            _write(file, pa.concat_tables(waiting))
    return buffer.getvalue()


def _write(file: pq.ParquetWriter, rows: pa.Table) -> None:
    # In one piece: pages end where pieces do.
    file.write_table(rows.combine_chunks(), row_group_size=_GROUP_ROWS)
