"""Look-ups of one text column in another, held to what pandas gives."""

import pandas as pd
import pytest

from tasks.core.membership import lookup, place_in

VALUES = pd.Series(["b", None, "a", "x", "b"], index=[7, 3, 3, 0, 1], dtype="str")


def test_what_stands_beside_an_equal_is_what_a_map_gives():
    keys, beside = pd.Series(["a", "b", "c"], dtype="str"), pd.Series(["1", None, "3"], dtype="str")
    found = lookup(VALUES, keys, beside)
    pd.testing.assert_series_equal(found, VALUES.map(dict(zip(keys, beside, strict=True))).astype("str"))
    assert lookup(VALUES, keys[:0], beside[:0]).isna().all()
    assert lookup(VALUES[:0], keys, beside).empty


def test_a_place_is_that_of_the_list_and_a_value_outside_it_is_no_place():
    values = VALUES.fillna("a").replace("x", "b")
    pd.testing.assert_series_equal(place_in(values, ["b", "a"]), values.map({"b": 0, "a": 1}).astype("int64"))
    for wrong in (VALUES, values):
        with pytest.raises(ValueError, match="list"):
            place_in(wrong, ["a"])
