"""No number of learners from 1 to 4 is shown, and none can be worked out: checked by an independent solver."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.suppression import SMALL, TOTAL, suppressed, to_fives, to_two_figures, with_sums
from tests.support.audit import ranges

LEAVES = ["not_chosen", "held", "waiting", "sent", "uln", "exception"]
PARTS = {"chosen": ("held", "waiting", "sent", "uln", "exception"), "records": ("not_chosen", "chosen")}


def table(*rows):
    return pd.DataFrame(rows, columns=LEAVES, index=[str(660 + n) for n in range(len(rows))])


def assert_nothing_small_is_known(counts):
    whole, shown = with_sums(counts, PARTS), suppressed(counts, PARTS)
    kept = shown.notna()
    assert (shown[kept].fillna(0) == whole.where(kept, 0)).all(axis=None), "what is shown is true"
    assert not (kept & (whole > 0) & (whole < SMALL)).any(axis=None)
    assert kept.where(whole == 0, True).all(axis=None), "nought is shown"
    for cell, least, most in ranges(shown, PARTS, TOTAL):
        if whole.loc[cell] < SMALL:
            assert most >= SMALL - 1e-6, (cell, least, most)
            is_sum = cell[0] == TOTAL or cell[1] in PARTS
            assert is_sum or least <= 1 + 1e-6, (cell, least, most)
        assert most - least >= 1 - 1e-6, (cell, least, most)
    for insider in counts.index:
        own = shown.copy()
        own.loc[insider] = whole.loc[insider]
        small = {(row, name) for row in counts.index.drop(insider) for name in LEAVES if whole.loc[row, name] < SMALL}
        for cell, least, most in ranges(own, PARTS, TOTAL, only=small):
            assert least <= 1 + 1e-6 and most >= SMALL - 1e-6, (insider, cell, least, most)


NUMBERS = st.one_of(st.just(0), st.integers(1, 6), st.integers(0, 3000))


@settings(deadline=None, max_examples=20)
@given(st.lists(st.tuples(*[NUMBERS] * len(LEAVES)), min_size=1, max_size=4))
def test_no_small_number_can_be_worked_out(rows):
    assert_nothing_small_is_known(table(*rows))


@pytest.mark.parametrize(
    "rows",
    [
        [(0, 0, 0, 0, 0, 1)],
        [(500, 3, 0, 0, 90, 0)],
        [(500, 3, 0, 0, 90, 0), (500, 0, 0, 0, 90, 0)],
        [(500, 3, 0, 0, 90, 0), (500, 1, 0, 0, 90, 0)],
        [(1, 1, 1, 1, 1, 1)] * 3,
        [(0, 0, 0, 0, 4, 0), (0, 0, 0, 0, 0, 4)],
    ],
    ids=["alone", "one-authority", "alone-in-its-column", "two-of-a-column", "all-small", "no-rectangle"],
)
def test_the_corners(rows):
    assert_nothing_small_is_known(table(*rows))


def test_where_nothing_is_small_nothing_is_hidden():
    rows = table((500, 9, 0, 0, 90, 7), (400, 12, 0, 5, 80, 0))
    assert suppressed(rows, PARTS).equals(with_sums(rows, PARTS).astype("Int64"))


def test_the_country_s_totals_stay_where_authorities_can_hide_each_other():
    rows = table(*[(900, 20 + n, 6, 7, 300 + n, 12) for n in range(22)])
    rows.loc["665", "held"] = 3
    shown = suppressed(rows, PARTS)
    assert shown.loc[TOTAL].notna().all() and shown[["records", "chosen"]].notna().all(axis=None)
    assert int(shown.isna().sum().sum()) == 6, "two rectangles, so that neither of the others knows"


def test_the_same_counts_hide_the_same_cells():
    rows = table(*[(900, n % 7, n % 3, 0, 300 + n, n % 5) for n in range(22)])
    assert suppressed(rows, PARTS).equals(suppressed(rows.copy(), PARTS))


def test_rounded_to_five_and_to_two_figures_and_small_ones_not_at_all():
    numbers = pd.Series([0, 1, 4, 5, 7, 8, 42, 99, 1249, 1250, 36049])
    assert list(to_fives(numbers).astype(object).where(lambda n: n.notna(), None)) == [
        *(0, None, None, 5, 5, 10, 40, 100, 1250, 1250, 36050)
    ]
    assert list(to_two_figures(numbers).astype(object).where(lambda n: n.notna(), None)) == [
        *(0, None, None, 10, 10, 10, 40, 100, 1200, 1300, 36000)
    ]
