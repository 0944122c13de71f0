"""Which cycle people are busy with, and when a run counts as happening."""

import datetime as dt

import pytest

from flows.when import present_cycle, scheduled_time
from schemas.cycles import all_cycles, cycle_by_id, in_order, up_to


@pytest.mark.parametrize(
    ("day", "cycle"),
    [
        ("2012-07-31", "2012-01"),
        ("2012-08-01", "2013-01"),
        ("2026-12-31", "2026-09"),
        ("2027-01-01", "2027-01"),
        ("2099-01-01", "2027-01"),
    ],
)
def test_the_first_that_has_not_closed_else_the_last(day, cycle):
    assert present_cycle(all_cycles().values(), dt.date.fromisoformat(day)) == cycle


def test_what_the_operator_says_is_when_a_run_happens():
    assert scheduled_time("2012-02-20T09:15") == "2012-02-20T09:15"


def test_cycles_are_in_the_order_of_their_censuses_and_none_sees_a_later_one():
    assert in_order() == ["pilot", "2011-09", "2012-01", "2013-01", "2026-09", "2027-01"]
    assert up_to(cycle_by_id("2012-01")) == ["pilot", "2011-09", "2012-01"]
