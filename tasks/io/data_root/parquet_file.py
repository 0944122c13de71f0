"""Write a Parquet file from a sequence of tables, so that no process holds all of its rows.

The rows, their order and the file's path are decided by the stage.
"""

import io
from collections.abc import Iterable

import pyarrow as pa
import pyarrow.parquet as pq

#: Rows of a row group, however the incoming tables are cut.
_GROUP_ROWS = 128 * 1024


def parquet_of(tables: Iterable[pa.Table], schema: pa.Schema) -> bytes:
    """Return a Parquet file of the tables' rows in order; equal rows give equal bytes, however they are cut.

    The tables have the schema's columns. Without rows the file still has the schema.
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
    # Combined, because pages end where pieces do.
    file.write_table(rows.combine_chunks(), row_group_size=_GROUP_ROWS)
