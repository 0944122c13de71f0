"""Compare one text column with another, with Arrow's hash lookup.

pandas compares each value of a long text column in Python, which takes a hundred times as long.

Lookups between two text columns belong here. Joins on several columns, or that bring several along, are merges.
"""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


def is_in(values: pd.Series, others: pd.Series) -> pd.Series:
    """Whether each value occurs in another column.

    Args:
        values: text.
        others: text; nulls do not count.

    Returns:
        bool, index of `values`; False where null.
    """
    known = pa.array(others.astype("str").dropna(), pa.large_string())
    matches = pc.is_in(pa.array(values.astype("str"), pa.large_string()), value_set=known)
    return pd.Series(matches.to_numpy(zero_copy_only=False), index=values.index, dtype=bool)


def place_in(values: pd.Series, order: list[str]) -> pd.Series:
    """Return each value's position in a short list, from 0.

    Args:
        values: text.
        order: the list.

    Raises:
        ValueError: a value is missing from the list.
    """
    at = pc.index_in(pa.array(values.astype("str"), pa.large_string()), value_set=pa.array(order, pa.large_string()))
    if at.null_count:
        raise ValueError("a value that is not in the list")
    return pd.Series(at.to_numpy(zero_copy_only=False), index=values.index, dtype="int64")


def lookup(values: pd.Series, keys: pd.Series, beside: pd.Series) -> pd.Series:
    """Return, for each value, the text beside the equal key.

    Args:
        values: text.
        keys: text, each key once.
        beside: text, row by row with `keys`.

    Returns:
        text, index of `values`; null where the value is null or not among the keys.
    """
    key_texts = pa.array(keys.astype("str"), pa.large_string())
    at = pc.index_in(pa.array(values.astype("str"), pa.large_string()), value_set=key_texts, skip_nulls=True)
    beside_texts = pa.array(beside.astype("str"), pa.large_string()).take(at)
    return pd.Series(beside_texts, index=values.index, dtype="str")


def composite_key(one: pd.Series, other: pd.Series) -> pd.Series:
    """Join two texts into one key, row by row; null where either is null.

    Args:
        one: text.
        other: text, of the same length.
    """
    texts = [pa.array(values.astype("str"), pa.large_string()) for values in (one, other)]
    joined = pc.binary_join_element_wise(*texts, pa.scalar("|", pa.large_string()))
    return pd.Series(joined, index=one.index, dtype="str")
