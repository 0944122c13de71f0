"""Long text columns: each distinct value judged once, bytes of fixed width as numbers, truths as Y and N.

A country's rows hold few names, dates and codes, so what is slow in Python (regular expressions, dates, transliteration)
is done for each spelling once; Arrow's dictionary says which those are.

Belongs here: how a column is walked through. What a value means stands with who asks (`identifiers`, `evidence`, ...).
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

#: What Python's regular expressions call blank, as the inside of brackets: with it named, Arrow's take the pattern.
BLANK = "\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"

#: What XML calls blank: the schema of a transfer file looks past these around a value, and past no others.
XML_BLANK = " \t\r\n"

_TEXT = pd.StringDtype(na_value=np.nan)


def map_unique(judge: Callable[[pd.Series], pd.Series], text: pd.Series) -> pd.Series:
    """`judge(text)`, asked of each distinct value once.

    Args:
        judge: its answer to a value must be the value's alone.
        text: a text column; a null is a value, too.

    Returns:
        What the judge returns; index and name of `text`.
    """
    at, distinct = pd.factorize(text.astype("str"), use_na_sentinel=False)
    answers = judge(pd.Series(distinct, dtype="str"))
    return pd.Series(answers.array.take(at), index=text.index, name=text.name)


def as_text(values: pa.Array, index: pd.Index) -> pd.Series:
    """Arrow text as a pandas column."""
    return pd.Series(values.to_pandas(types_mapper=lambda _: _TEXT).array, index=index)


def capitals(text: pd.Series) -> pd.Series:
    """Text with a to z in capitals. Other letters stay what they are: Unicode's own capital of ſ is S, that of ı is I.

    Args:
        text: a text column.
    """
    values = pa.array(text.astype("str"), pa.large_string())
    return pd.Series(as_text(pc.ascii_upper(values), text.index), name=text.name)


def chosen_texts(texts: list[str], places: np.ndarray, index: pd.Index) -> pd.Series:
    """For each place the text that stands there; null where the place is less than 0."""
    return as_text(pa.array(texts, pa.large_string()).take(pa.array(places, mask=places < 0)), index)


def answers(truth: pd.Series, *, where: pd.Series) -> pd.Series:
    """Y or N where the question arises, else null."""
    places = truth.to_numpy(dtype=bool).astype(np.int8)
    places[~where.to_numpy(dtype=bool)] = -1
    return chosen_texts(["N", "Y"], places, truth.index)


def sort_text(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Rows sorted by text columns, as `sort_values` sorts them."""
    keys = pa.table({name: pa.array(rows[name].astype("str"), pa.large_string()) for name in by})
    return rows.take(pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in by]).to_numpy())


def bytes_of_width(text: pd.Series, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The texts of exactly that many bytes of UTF-8, as numbers: of plain ASCII, those of that many characters.

    Args:
        text: a text column.
        width: bytes.

    Returns:
        Which rows they are, as places, and a row of bytes for each.
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
