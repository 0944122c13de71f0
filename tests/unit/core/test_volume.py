"""Law 7 (docs/explanation/laws.md): a school whose learners are far fewer than in its own last cycle is stopped, far more is told."""

import pandas as pd
import pytest

from schemas.cycles import cycle_by_id, earlier_alike
from schemas.settings.terms import VolumeBounds
from tasks.core.volume import compared, covered

BOUNDS = VolumeBounds(far_below=0.6, far_above=1.5, least=20)
NONE = pd.Series(dtype="int64")


def volume(now, before, released=NONE, cycles=("2012-01",)):
    told = compared(pd.Series({"6604025": now}), [(c, pd.Series({"6604025": n})) for c, n in zip(cycles, before, strict=True)], released, BOUNDS)  # fmt: skip
    return told.loc["6604025", "volume"]


@pytest.mark.parametrize(
    ("now", "before", "told"),
    [
        (60, 100, "usual"),
        (59, 100, "on_hold"),
        (0, 100, "on_hold"),
        (150, 100, "usual"),
        (151, 100, "far_above"),
        (11, 20, "on_hold"),
        (1, 19, "usual"),
        (99, 19, "usual"),
    ],
)
def test_the_bounds_are_shares_of_the_last_cycle_and_small_schools_have_none(now, before, told):
    assert volume(now, [before]) == told


def test_a_first_cycle_has_no_bound():
    assert list(compared(pd.Series({"6604025": 1}), [], NONE, BOUNDS)["volume"]) == ["usual"]
    others = [("2012-01", pd.Series({"6604026": 100}))]
    told = compared(pd.Series({"6604025": 1}), others, NONE, BOUNDS)
    assert list(told["volume"]) == ["usual"] and told["in_cycle"].isna().all()


def test_of_several_cycles_the_last_in_which_the_school_had_learners_counts():
    assert volume(50, [200, 60], cycles=("2012-01", "2013-01")) == "usual"
    assert volume(50, [60, 200], cycles=("2012-01", "2013-01")) == "on_hold"
    before = [("2012-01", pd.Series({"6604025": 200})), ("2013-01", pd.Series({"6604026": 200}))]
    told = compared(pd.Series({"6604025": 50}), before, NONE, BOUNDS).loc["6604025"]
    assert (told["volume"], told["before"], told["in_cycle"]) == ("on_hold", 200, "2012-01")


def test_a_release_is_for_about_as_many_as_were_seen():
    seen = pd.Series({"6604025": 40})
    assert volume(40, [100], seen) == volume(24, [100], seen) == "released"
    assert volume(23, [100], seen) == "on_hold", "and far fewer than those are held again"
    assert volume(80, [100], seen) == "usual"


def test_counted_is_whom_the_cycle_covers_with_a_uln_or_without():
    rows = pd.DataFrame(
        [("chosen", None), *(("not_chosen", why) for why in ("uln_held", "school_not_ready", "asked_elsewhere"))]
        + [("not_chosen", why) for why in ("superseded_return", "enrolment_status", "year_group", "age")],
        columns=["disposition", "reason"],
    ).assign(school_number="6604025")
    assert covered(rows).to_dict() == {"6604025": 4}


def test_only_cycles_for_the_same_learners_are_compared():
    assert earlier_alike(cycle_by_id("2013-01")) == ["2012-01"]
    assert earlier_alike(cycle_by_id("2027-01")) == ["2026-09"]
    assert earlier_alike(cycle_by_id("2012-01")) == earlier_alike(cycle_by_id("2011-09")) == []


def test_where_nothing_is_known_there_is_no_school():
    found = compared(NONE, [], NONE, BOUNDS).reset_index()
    assert found.empty and found["school_number"].dtype == "str"
