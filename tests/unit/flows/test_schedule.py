"""Which cycle people are busy with, and when a run counts as happening."""

import datetime as dt

import pytest

from flows.run.schedule import due_cycle, now, present_cycle, scheduled_time
from schemas.cycles import all_cycles, cycle_by_id, cycles_in_order, up_to
from schemas.texts.faults import ConfigurationFault, ServiceFault


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


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("2012-02-20T09:15", "2012-02-20T09:15"),
        ("2012-02-20T09:15:30.5", "2012-02-20T09:15"),
        ("2012-02-20", "2012-02-20T00:00"),
        ("20120220", "2012-02-20T00:00"),
        ("2012-W08-1", "2012-02-20T00:00"),
        ("2012-07-20T09:15Z", "2012-07-20T10:15"),
        ("2012-02-20T09:15+02:00", "2012-02-20T07:15"),
    ],
)
def test_what_the_operator_says_is_when_a_run_happens_however_it_is_written(said, at):
    assert scheduled_time(said) == now(said) == at


def test_what_is_no_time_is_refused():
    for told in (scheduled_time, now):
        with pytest.raises(ServiceFault, match="yesterday"):
            told("yesterday")


def test_cycles_are_in_the_order_of_their_censuses_and_none_sees_a_later_one():
    assert cycles_in_order() == ["pilot", "2011-09", "2012-01", "2013-01", "2026-09", "2027-01"]
    assert up_to(cycle_by_id("2012-01")) == ["pilot", "2011-09", "2012-01"]


@pytest.mark.parametrize(
    ("kind", "at", "cycle"),
    [
        ("september", "2026-08-31T23:59", None),
        ("september", "2026-09-01T00:00", "2026-09"),
        ("september", "2026-12-31T23:59", "2026-09"),
        ("september", "2027-01-01T02:30", None),
        ("january", "2027-01-01T02:30", "2027-01"),
        ("january", "2012-07-31T02:30", "2012-01"),
        ("january", "2012-08-01T02:30", None),
    ],
)
def test_a_scheduled_census_is_for_the_cycle_of_its_kind_that_is_open_on_its_day(kind, at, cycle):
    assert due_cycle(None, kind, at) == cycle


def test_a_census_is_for_the_cycle_that_was_named_on_any_day():
    assert due_cycle("2012-01", None, "2099-01-01T02:30") == "2012-01"


def test_from_a_deployment_s_form_a_cycle_of_its_kind_may_be_named_and_no_other():
    assert due_cycle("2012-01", "january", "2099-01-01T02:30") == "2012-01"
    with pytest.raises(ConfigurationFault, match="2012-01 is not a september cycle"):
        due_cycle("2012-01", "september", "2012-01-30T02:30")


def test_a_cycle_is_named_or_its_kind():
    with pytest.raises(ConfigurationFault, match="september, january"):
        due_cycle(None, None, "2012-01-30T02:30")
