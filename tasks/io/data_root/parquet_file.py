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
    buffer, waiting = io.BytesIO(), schema.remove_metadata().empty_table()
    with pq.ParquetWriter(buffer, waiting.schema, compression="zstd") as file:
        for table in tables:
            waiting = pa.concat_tables([waiting, table.cast(schema).replace_schema_metadata(None)])
            while len(waiting) >= _GROUP_ROWS:
                # Combined, because pages end where pieces do.
                file.write_table(waiting.slice(0, _GROUP_ROWS).combine_chunks(), row_group_size=_GROUP_ROWS)
                waiting = waiting.slice(_GROUP_ROWS)
        if len(waiting):
            file.write_table(waiting.combine_chunks(), row_group_size=_GROUP_ROWS)
    return buffer.getvalue()
