"""Compare one text column with another, with Arrow's hash lookup.

pandas compares each value of a long text column in Python, which takes a hundred times as long.

Lookups between two text columns belong here. Joins on several columns, or that add several, are merges.
"""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


def is_in(values: pd.Series, others: pd.Series) -> pd.Series:
    """Whether each text occurs in the other column: bool, index of `values`; a null is in no column."""
    known = pa.array(others.astype("str").dropna(), pa.large_string())
    matches = pc.is_in(pa.array(values.astype("str"), pa.large_string()), value_set=known)
    return pd.Series(matches.to_numpy(zero_copy_only=False), index=values.index, dtype=bool)


def place_in(values: pd.Series, order: list[str]) -> pd.Series:
    """Return each text's position in a short list, from 0.

    Raises:
        ValueError: a value is missing from the list.
    """
    at = pc.index_in(pa.array(values.astype("str"), pa.large_string()), value_set=pa.array(order, pa.large_string()))
    if at.null_count:
        raise ValueError("a value that is not in the list")
    return pd.Series(at.to_numpy(zero_copy_only=False), index=values.index, dtype="int64")


def lookup(values: pd.Series, keys: pd.Series, beside: pd.Series) -> pd.Series:
    """Return for each value the text in `beside` at its key; null where the value is null or not a key. Keys are unique."""
    texts, key_texts, beside_texts = (pa.array(t.astype("str"), pa.large_string()) for t in (values, keys, beside))
    at = pc.index_in(texts, value_set=key_texts, skip_nulls=True)
    return pd.Series(beside_texts.take(at), index=values.index, dtype="str")


def composite_key(left: pd.Series, right: pd.Series) -> pd.Series:
    """Join two text columns of one length into one key, row by row; null where either is null."""
    texts = [pa.array(values.astype("str"), pa.large_string()) for values in (left, right)]
    joined = pc.binary_join_element_wise(*texts, pa.scalar("|", pa.large_string()))
    return pd.Series(joined, index=left.index, dtype="str")
