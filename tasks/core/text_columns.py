"""Work on long text columns: judge each distinct value once, turn texts of fixed width into bytes, write Y and N.

A country's rows hold few different names, dates and codes. So work that is slow in Python (regular expressions, dates,
transliteration) runs once per spelling; Arrow's dictionary finds the spellings.

How to process a column belongs here. What a value means belongs to the caller (`identifiers`, `evidence`, ...).
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

#: The blanks of Python's regular expressions, as the inside of brackets, so that Arrow's can match the same ones.
BLANK = "\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"

#: The blanks of XML: the schema of a transfer file ignores these around a value, and no others.
XML_BLANK = " \t\r\n"

_TEXT = pd.StringDtype(na_value=np.nan)


def map_unique(judge: Callable[[pd.Series], pd.Series], text: pd.Series) -> pd.Series:
    """Return `judge(text)` with index and name of `text`, calling `judge` once for all distinct values, null among them.

    Its answer for a value must depend on that value only.
    """
    at, distinct = pd.factorize(text.astype("str"), use_na_sentinel=False)
    answers = judge(pd.Series(distinct, dtype="str"))
    return pd.Series(answers.array.take(at), index=text.index, name=text.name)


def as_text(values: pa.Array, index: pd.Index) -> pd.Series:
    """Return Arrow text as a pandas column."""
    return pd.Series(values.to_pandas(types_mapper=lambda _: _TEXT).array, index=index)


def capitals(text: pd.Series) -> pd.Series:
    """Put a to z into capitals. Other letters stay as they are, because Unicode's capital of ſ is S, and that of ı is I."""
    values = pa.array(text.astype("str"), pa.large_string())
    return pd.Series(as_text(pc.ascii_upper(values), text.index), name=text.name)


def chosen_texts(texts: list[str], places: np.ndarray, index: pd.Index) -> pd.Series:
    """Return the text at each place; null where the place is less than 0."""
    return as_text(pa.array(texts, pa.large_string()).take(pa.array(places, mask=places < 0)), index)


def answers(truth: pd.Series, *, where: pd.Series) -> pd.Series:
    """Return Y or N where the question arises, else null."""
    places = truth.to_numpy(dtype=bool).astype(np.int8)
    places[~where.to_numpy(dtype=bool)] = -1
    return chosen_texts(["N", "Y"], places, truth.index)


def sort_text(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Sort rows by text columns, as `sort_values` does."""
    keys = pa.table({name: pa.array(rows[name].astype("str"), pa.large_string()) for name in by})
    return rows.take(pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in by]).to_numpy())


def bytes_of_width(text: pd.Series, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the texts of exactly `width` bytes of UTF-8 as numbers: their places, and a row of bytes for each.

    In ASCII these are the texts of that many characters.
    """
    values = pa.array(text.astype("str"), pa.large_string())
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    fits = pc.fill_null(pc.equal(pc.binary_length(values), width), False)
    places = np.flatnonzero(fits.to_numpy(zero_copy_only=False))
    if not len(places):
        return places, np.zeros((0, width), dtype=np.uint8)
    kept = values.filter(fits)
    start = int(np.frombuffer(kept.buffers()[1], dtype=np.int64)[kept.offset])
    content = np.frombuffer(kept.buffers()[2], dtype=np.uint8)[start : start + len(places) * width]
    return places, content.reshape(-1, width)
