"""Whether values stand in another column: Arrow's hash lookup, as pandas asks each value of a long text column in Python.

Belongs here: this one question. Joins that bring something along are merges.
"""

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc


def among(values: pd.Series, others: pd.Series) -> pd.Series:
    """Whether each value occurs in another column.

    Args:
        values: text.
        others: text; nulls do not count.

    Returns:
        bool, index of `values`; False where null.
    """
    known = pa.array(others.astype("str").dropna(), pa.large_string())
    found = pc.is_in(pa.array(values.astype("str"), pa.large_string()), value_set=known)
    return pd.Series(found.to_numpy(zero_copy_only=False), index=values.index, dtype=bool)
