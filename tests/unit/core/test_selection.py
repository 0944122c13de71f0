"""Selection: one disposition for every record, and the first reason that holds."""

from itertools import permutations

import pandas as pd
import pytest

from schemas.cycles import cycle_by_id
from tasks.core.selection import current_returns, replaced_records, select

NOBODY = pd.DataFrame({"upn": [], "uln": [], "dob": []}, dtype="str")
READY = pd.DataFrame({"school_number": [], "code": []}, dtype="str")


def decide(rows, cycle="2012-01", missing=READY, held=NOBODY, current="s1"):
    found = select(rows, cycle=cycle_by_id(cycle), current=pd.Series({"6604025": current}), missing=missing, held=held)
    return [r if isinstance(r, str) else "chosen" for r in found["reason"]]


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({}, "chosen"),
        ({"nc_year": "8"}, "year_group"),
        ({"nc_year": "R"}, "year_group"),
        ({"enrol_status": "S"}, "enrolment_status"),
        ({"enrol_status": "G"}, "enrolment_status"),
        ({"enrol_status": "M"}, "chosen"),
        ({"enrol_status": None}, "chosen"),
        ({"sha256": "older"}, "superseded_return"),
        ({"uln": "1000102504"}, "uln_held"),
        ({"uln": "9999999999"}, "chosen"),
        ({"uln": "1000102505"}, "chosen"),
        ({"nc_year": "X", "dob": "2004-01-01"}, "year_group"),
        ({"nc_year": "X", "dob": "1996-11-05"}, "chosen"),
        ({"nc_year": None, "dob": "not a date"}, "chosen"),
        ({"nc_year": "8", "enrol_status": "S"}, "enrolment_status"),
    ],
)
def test_reason(learner, change, outcome):
    assert decide(learner(change)) == [outcome]


@pytest.mark.parametrize(
    ("cycle", "years"),
    [
        ("pilot", {9, 10, 12}),
        ("2011-09", {12, 13, 14}),
        ("2012-01", {9, 10, 11, 12, 13, 14}),
        ("2013-01", {9, 10, 11, 12, 13, 14}),
        ("2026-09", {10, 11, 12, 13, 14}),
        ("2027-01", {10, 11, 12, 13, 14}),
    ],
)
def test_year_groups_of_each_cycle(learner, cycle, years):
    rows = learner(*({"nc_year": str(y), "dob": "1990-01-01"} for y in range(1, 15)))
    assert {y for y, o in zip(range(1, 15), decide(rows, cycle), strict=True) if o == "chosen"} == years


@pytest.mark.parametrize(("dob", "outcome"), [("2012-09-01", "chosen"), ("2012-09-02", "age"), ("?", "chosen")])
def test_14_on_1_september(learner, dob, outcome):
    assert decide(learner({"dob": dob}), "2026-09") == [outcome]


def held(upn="M660402510001", uln="1000102504", dob="1996-11-05"):
    return pd.DataFrame({"upn": [upn], "uln": [uln], "dob": [dob]}).astype("str")


def test_a_uln_of_an_earlier_cycle_ends_the_choice(learner):
    assert decide(learner({}), held=held()) == ["uln_held"]
    assert decide(learner({}), held=held(upn="R681404209123")) == ["chosen"]
    assert decide(learner({}), held=held(uln=None)) == ["chosen"]


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"former_upn": "L67441030807A"}, "uln_held"),
        ({"former_upn": " l67441030807a "}, "uln_held"),
        ({"former_upn": "L67441030807A", "dob": "1996-11-06"}, "chosen"),
        ({"former_upn": "R681404209123"}, "chosen"),
        ({"former_upn": None}, "chosen"),
    ],
    ids=["former-upn", "spelled-otherwise", "another-birth-date", "unknown-upn", "none"],
)
def test_a_uln_held_under_the_former_upn_ends_it_too_where_the_birth_date_agrees(learner, change, outcome):
    assert decide(learner(change), held=held(upn="L67441030807A")) == [outcome]


def test_a_former_upn_that_is_a_twin_s_own_does_not_end_it(learner):
    rows = learner({"former_upn": "L67441030807A"}, {"upn": "L67441030807A"})
    assert decide(rows, held=held(upn="L67441030807A")) == ["chosen", "uln_held"]


def test_many_others_in_the_register_change_nothing(learner):
    rows = learner({}, {"former_upn": "L67441030807A"}, {"upn": None, "former_upn": " "}, {"upn": "R681404209123"})
    others = held().loc[[0] * 500].assign(upn=[f"X{n:012}" for n in range(500)])
    both = pd.concat([others.iloc[:250], held(upn="L67441030807A"), others.iloc[250:]], ignore_index=True)
    assert decide(rows, held=others) == ["chosen"] * 4
    assert decide(rows, held=both) == ["chosen", "uln_held", "chosen", "chosen"]
    # Also where the rows have another index than their places.
    assert decide(rows.iloc[::-1], held=both) == ["chosen", "chosen", "uln_held", "chosen"]


def test_no_records_are_none():
    from tests.support.learners import sound_learners

    found = select(
        sound_learners({}).iloc[:0], cycle=cycle_by_id("2012-01"), current=pd.Series({"6604025": "s1"}), missing=READY,
        held=held(),
    )  # fmt: skip
    assert len(found) == 0 and set(found.dtypes) == {pd.Series(["a"]).dtype}


def test_school_not_ready_names_each_missing_thing(learner):
    missing = pd.DataFrame({"school_number": ["6604025"] * 2, "code": ["lrb_missing", "ukprn_missing"]}).astype("str")
    found = select(
        learner({}), cycle=cycle_by_id("2012-01"), current=pd.Series({"6604025": "s1"}), missing=missing, held=NOBODY
    )
    assert list(found["reason"]) == ["school_not_ready"]
    assert list(found["detail"]) == ["lrb_missing;ukprn_missing"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("2012-01-20T10:00:00", "2"), ("2012-01-21T09:00:00", "1")),
        (("2012-01-20T10:00:00", "9"), ("2012-01-20T10:00:00", "10")),
        (("not a date", "99"), ("2012-01-20T10:00:00", "1")),
        (("2012-01-20", "9"), ("2012-01-20T00:00:00.5", "1")),
        (("2012-01-19T10:00:00", "9"), ("2012-01-20Z", "1")),
        (("2012-01-20T10:00:00.1234567890123", "1"), ("2012-01-20T10:00:00.123457", "0")),
        (("2012-01-20T10:00:00.12345678901", "1"), ("2012-01-20T10:00:00.1234567", "2")),
        (("2012-01-20T23:59:59", "9"), ("2012-01-20T24:00:00", "1")),
        (("2012-01-20T10:30:00+01:00", "9"), ("2012-01-20T10:00:00Z", "1")),
        (("2012-01-20T10:00:00", "9"), ("2012-01-20T09:30:00-01:00", "1")),
        (("0001-01-01", "9"), ("9999-12-31T23:59:59.9999999", "1")),
    ],
    ids=[
        *("later-date", "later-serial-number", "unreadable-date-last", "date-alone", "date-alone-with-a-zone"),
        *("many-decimals", "decimals-cut", "midnight-at-the-end", "east", "west", "first-and-last-day"),
    ],
)
def test_newest_return_counts_whatever_the_order(first, second):
    rows = [
        {"sha256": name, "school_number": "6604025", "header_datetime": at, "serial_no": serial, "layout": "naw"}
        for name, (at, serial) in (("old", first), ("new", second))
    ]
    for order in (rows, rows[::-1]):
        assert current_returns(pd.DataFrame(order).astype("str")).to_dict() == {"6604025": "new"}


def test_what_stands_in_for_a_return_counts_only_where_the_school_has_sent_none():
    rows = [
        {"sha256": "plasc", "school_number": "6604025", "header_datetime": "2012-01-17T10:00:00", "layout": "naw"},
        {"sha256": "ctf", "school_number": "6604025", "header_datetime": "2012-01-30T10:00:00", "layout": "ctf"},
        {"sha256": "old", "school_number": "6604026", "header_datetime": "2012-01-17T10:00:00", "layout": "ctf"},
        {"sha256": "new", "school_number": "6604026", "header_datetime": "2012-01-30T10:00:00", "layout": "ctf"},
    ]
    for order in permutations(rows):
        found = current_returns(pd.DataFrame(order).assign(serial_no="").astype("str"))
        assert sorted(found.items()) == [("6604025", "plasc"), ("6604026", "new"), ("6604026", "old")]


def test_of_learners_in_two_transfer_files_the_newest_counts_by_upn_or_by_name_and_birth_date():
    files = pd.DataFrame({"sha256": ["second", "first"], "school_number": "6604025", "serial_no": "", "layout": "ctf"})
    files["header_datetime"] = ["2012-01-20T10:00:00", "2012-01-19T10:00:00"]
    kept = ["surname", "forename", "dob", "upn"]
    in_first = {
        "same-upn": ["Puw", "Ann", "1996-11-05", "M660402510001"],
        "same-person": ["Rees ", "bryn", "1996-11-06", "M660402510002"],
        "alone": ["Huws", "Carys", "1996-11-07", "M660402510003"],
        "no-upn": ["Owen", "Dewi", "1996-11-08", None],
        "nobody": ["", "", "1996-11-09", None],
        "twin": ["Lewis", "Elin", "1996-11-10", "M660402510005"],
    }
    in_second = {
        "n1": ["Puw-Jones", "Anne", "1996-11-15", "m660402510001 "],
        "n2": ["REES", "Bryn", "1996-11-06", "M660402510009"],
        "n3": ["Owen", "Dewi", "1996-11-08", "M660402510004"],
        "n4": ["", "", "1996-11-09", None],
        "n5": ["Lewis", "Efa", "1996-11-10", "M660402510006"],
        "n6": ["Lewis", "Efa", "1996-11-10", "M660402510006"],
    }
    rows = [
        {"row_ref": name, "school_number": "6604025", "sha256": sha, **dict(zip(kept, said, strict=True))}
        for sha, records in (("first", in_first), ("second", in_second))
        for name, said in records.items()
    ]
    found = replaced_records(pd.DataFrame(rows).astype("str"), files.astype("str"))
    assert found.tolist() == ["same-upn", "same-person", "no-upn"]
    elsewhere = pd.DataFrame(rows).assign(school_number=["6604025"] * 6 + ["6604026"] * 6).astype("str")
    assert replaced_records(elsewhere, files.astype("str")).empty
