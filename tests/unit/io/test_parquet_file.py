"""A Parquet file out of many tables: all rows, in order, and bytes that do not tell how they were cut."""

import io
import itertools

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.io.data_root import parquet_file
from tasks.io.data_root.parquet_file import parquet_of

SCHEMA = pa.schema([pa.field("school_number", pa.string()), pa.field("n", pa.int64())])


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    monkeypatch.setattr(parquet_file, "_GROUP_ROWS", 2_000)


def rows(first: int, last: int) -> pa.Table:
    numbers = list(range(first, last))
    return pa.table({"school_number": [f"{660 + n // 700}4025" for n in numbers], "n": numbers}, SCHEMA)


@pytest.mark.parametrize("bounds", [[0, 7_001], [0, 1, 1_024, 1_999, 2_000, 2_001, 6_500, 7_001], [0, 0, 2_000, 7_001]])
def test_the_bytes_are_those_of_the_rows_however_they_were_cut(bounds):
    cut = [rows(a, b) for a, b in itertools.pairwise(bounds)]
    content = parquet_of(cut, SCHEMA)
    assert content == parquet_of([rows(0, 7_001)], SCHEMA)
    assert pq.read_table(io.BytesIO(content))["n"].to_pylist() == list(range(7_001))
    assert pq.ParquetFile(io.BytesIO(content)).metadata.num_row_groups == 4


def test_pieces_of_many_chunks_make_the_same_pages():
    # Wide enough for several pages in a group: a page is looked at for its end every 1,024 rows of a chunk.
    wide = pa.table({"school_number": [f"{n:09}" * 200 for n in range(2_000)], "n": list(range(2_000))}, SCHEMA)
    chunked = pa.concat_tables([wide.slice(n, 100) for n in range(0, 2_000, 100)])
    assert parquet_of([chunked], SCHEMA) == parquet_of([wide.combine_chunks()], SCHEMA)


def test_no_rows_are_a_file_with_the_schema():
    assert pq.read_schema(io.BytesIO(parquet_of([], SCHEMA))) == SCHEMA
    assert parquet_of([], SCHEMA) == parquet_of([rows(0, 0)], SCHEMA)


def test_a_table_of_other_columns_is_refused():
    with pytest.raises(ValueError, match="not matching"):
        parquet_of([pa.table({"n": [1]})], SCHEMA)
