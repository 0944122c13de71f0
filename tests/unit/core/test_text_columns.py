"""Columns walked through by Arrow give what they give value by value, on odd text too."""

import re
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.text_columns import BLANK, answers, bytes_of_width, chosen_texts, map_unique, sort_text

ODD = ["a", "ŵ", "\u0302", "1", "１", "\0", "\x1c", "\xa0", "\u2003", " ", "'", '"', ",", "\n", "\U0001f600"]
texts = st.lists(st.none() | st.text(st.sampled_from(ODD), max_size=4))


def column(*values, index=None):
    return pd.Series(list(values), index=index, dtype="str")


@settings(derandomize=True, max_examples=50, deadline=None)
@given(values=texts)
def test_once_each_is_the_judge_of_the_whole_column(values):
    whole = column(*values)
    for judge in (
        lambda text: text.str.upper(),
        lambda text: text.str.len(),
        lambda text: text.isna(),
        lambda text: pd.to_numeric(text, errors="coerce").astype("Int64"),
    ):
        pd.testing.assert_series_equal(map_unique(judge, whole), judge(whole), check_dtype=bool(values))


def test_each_value_is_judged_once_and_index_and_name_are_kept():
    seen = []

    def judge(text):
        seen.extend(text)
        return text.str.len()

    found = map_unique(judge, column("a", None, "a", "bb", index=[5, 3, 3, 1]).rename("names"))
    assert len(seen) == 3 and found.name == "names" and list(found.index) == [5, 3, 3, 1]
    assert found.fillna(-1).to_list() == [1, -1, 1, 2]


def test_blanks_are_those_of_pythons_regular_expressions():
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    assert re.findall(r"\s", every) == re.findall(f"[{BLANK}]", every)
    # And Arrow's expressions read them alike.
    blanks = column(*re.findall(r"\s", every), "a", "\u200b", "\u180e")
    assert blanks.str.replace(f"[{BLANK}]", "", regex=True).eq("").to_list() == [True] * (len(blanks) - 3) + [False] * 3


@settings(derandomize=True, max_examples=50, deadline=None)
@given(values=texts, width=st.integers(1, 5))
def test_bytes_of_width_are_the_texts_of_that_width(values, width):
    for whole in (column(*values), pd.concat([column(*values), column(*values)], ignore_index=True)):
        at, content = bytes_of_width(whole, width)
        wanted = {n: v.encode() for n, v in enumerate(whole) if isinstance(v, str) and len(v.encode()) == width}
        assert dict(zip(at.tolist(), map(bytes, content), strict=True)) == wanted
        assert content.shape == (len(wanted), width)


def test_bytes_of_a_part_of_a_column_are_its_own():
    assert bytes_of_width(column("ab", "cd", "ef").iloc[1:], 2)[1].tolist() == [[99, 100], [101, 102]]


def test_answers_are_null_where_the_question_does_not_arise():
    found = answers(pd.Series([True, False, True], index=[2, 1, 0]), where=pd.Series([True, True, False]))
    assert found.dtype == "str" and list(found.index) == [2, 1, 0]
    assert found.fillna("-").to_list() == ["Y", "N", "-"]
    assert chosen_texts(["a", "b"], np.array([1, -1, 0]), pd.RangeIndex(3)).fillna("-").to_list() == ["b", "-", "a"]


@settings(derandomize=True, max_examples=50, deadline=None)
@given(rows=st.lists(st.tuples(*[st.none() | st.text(st.sampled_from(ODD), max_size=2)] * 2)))
def test_rows_are_in_the_order_of_sort_values(rows):
    table = pd.DataFrame(rows, columns=["one", "other"], dtype="str").assign(place=range(len(rows)))
    wanted = table.sort_values(["one", "other"], kind="stable")
    pd.testing.assert_frame_equal(sort_text(table, ["one", "other"]), wanted)


@pytest.mark.parametrize("empty", [column(), column(None, None)], ids=["no-rows", "nulls"])
def test_nothing_gives_nothing(empty):
    assert map_unique(lambda text: text.str.upper(), empty).isna().all()
    assert bytes_of_width(empty, 3)[1].shape == (0, 3)
