"""What stands in the pages' tables, and what the page of Wales hides of the lists that it has besides."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from tasks.core.page_sentences import SENTENCES
from tasks.core.page_tables import (
    STATES,
    age_rows,
    authority_rows,
    code_rows,
    day_rows,
    for_all,
    needs_of_authorities,
    school_rows,
    schools_for_all,
    share,
    waiting_rows,
    year_of,
    year_rows,
)
from tasks.core.suppression import TOTAL

NONE = dict.fromkeys((*STATES, "had_one"), 0)


def schools(*numbers):
    rows = [{"la_code": n[:3], "school_number": n, "school_name": f"Ysgol {n}"} for n in numbers]
    return pd.DataFrame(rows)


def counts(**by_school):
    return pd.DataFrame({n.lstrip("s"): NONE | own for n, own in by_school.items()}).T.astype("int64")


def lacking(*pairs):
    return pd.DataFrame(pairs, columns=["school_number", "code"])


def told(register, found, returned, lacks=(), on_hold=()):
    days = pd.Series(dict.fromkeys(returned, "2012-01-20"), dtype="str")
    return school_rows(register, found, days, lacking(*lacks), on_hold).set_index("school_number")


@pytest.mark.parametrize(
    ("own", "outcome"),
    [
        ({"exception": 1, "held": 1, "sent": 1, "uln": 5}, "exception"),
        ({"held": 1, "sent": 1, "uln": 5}, "held"),
        ({"sent": 1, "uln": 5, "waiting": 1}, "sent"),
        ({"waiting": 1, "uln": 5}, "returned"),
        ({"uln": 5}, "uln"),
        ({"had_one": 5}, "uln"),
        ({}, "nobody"),
    ],
)
def test_a_school_is_where_its_most_urgent_learners_are(own, outcome):
    rows = told(schools("6604025"), counts(s6604025=own), ["6604025"])
    assert rows.loc["6604025", "state"] == outcome


def test_what_a_school_has_not_done_comes_before_what_became_of_its_learners():
    register = schools("6600001", "6600002", "6600003", "6600004", "6600005")
    found = counts(s6600002={"exception": 3}, s6600003={"waiting": 9}, s6600004={})
    rows = told(
        register,
        found,
        ["6600002", "6600003", "6600004"],
        lacks=[("6600002", "lrb_late"), ("6600004", "ukprn_missing"), ("6600005", "special_not_chosen")],
        on_hold=["6600003"],
    )
    assert list(rows["state"]) == ["not_returned", "not_ready", "on_hold", "not_ready", "not_taking_part"]
    # A school whose learners have ULNs was ready when they were sent.
    ready_once = told(schools("6600002"), counts(s6600002={"uln": 3}), ["6600002"], lacks=[("6600002", "lrb_late")])
    assert ready_once.loc["6600002", "state"] == "uln"


def test_everybody_sees_of_a_school_only_what_it_has_sent_and_lacks():
    register = schools("6600001", "6600002", "6600003", "6600004", "6600005")
    lacks = [("6600002", "lrb_late"), ("6600005", "special_not_chosen")]
    there = ["6600002", "6600003", "6600004", "6600005"]
    seen = []
    for became in ({}, {"uln": 3}, {"exception": 2, "held": 1}, {"sent": 4}, {"waiting": 1}, {"had_one": 2}):
        found = counts(**{f"s{number}": became for number in there})
        rows = told(register, found, there, lacks=lacks, on_hold=["6600003"]).reset_index()
        public = schools_for_all(rows)
        assert not {"chosen", *STATES, "share", "had_one", "for_all"} & set(public.columns)
        seen.append(public["state"].tolist())
    assert seen == [["not_returned", "not_ready", "on_hold", "returned", "not_taking_part"]] * 6


def test_only_all_of_them_is_all_and_nothing_has_no_share():
    whole = pd.Series([2000, 2000, 0, 8, None], dtype="Int64")
    found = share(pd.Series([2000, 1999, 0, 1, 5], dtype="Int64"), whole)
    assert found.tolist()[:2] == [1000, 999] and found[3] == 125
    assert found[[2, 4]].isna().all()


def test_authorities_have_their_schools_and_as_many_learners_as_are_told():
    rows = told(schools("6600001", "6600002", "6610001"), counts(s6600001={"uln": 9}), ["6600001"]).reset_index()
    learners = pd.DataFrame(
        {
            "la_code": ["660", "661", TOTAL],
            "chosen": [9, 0, 9],
            **{s: pd.array([0, 0, 0], dtype="Int64") for s in STATES},
        }
    )
    learners["uln"] = pd.array([None, 0, None], dtype="Int64")
    found = authority_rows(schools_for_all(rows), learners).set_index("la_code")
    assert found.loc["660", ["schools", "returned", "not_returned"]].tolist() == [2, 1, 1]
    assert found.loc[TOTAL, ["schools", "returned", "not_returned"]].tolist() == [3, 1, 2]
    assert found["share"].isna().all()


def test_years_are_numbers_and_one_that_cannot_be_read_is_last():
    said = pd.Series(["9", " 10 ", "09", "E2", None, "x9"])
    assert year_of(said).tolist() == ["9", "10", "9", "", "", ""]
    rows = pd.DataFrame({"la_code": "660", "year": ["", "10", "9", "9"], "state": "uln", "number": [1, 2, 3, 4]})
    found = year_rows(rows)
    assert found[["year", "uln", "chosen", "share"]].values.tolist() == [
        ["9", 7, 7, 1000],
        ["10", 2, 2, 1000],
        ["", 1, 1, 1000],
    ]


@pytest.mark.parametrize(
    ("shares", "key"),
    [
        ({"9": 950, "10": 900}, "years"),
        ({"9": 950, "10": None}, "years_told"),
        ({"9": None}, "years_not_told"),
        ({}, "no_learners"),
        ({"9": 950, "": None}, "years"),
    ],
)
def test_of_shares_that_are_not_told_none_is_called_the_smallest(shares, key):
    said = SENTENCES["years"]([{"year": year, "share": one} for year, one in shares.items()])
    assert said.key == key and said.places.get("year", "9") == ("10" if shares.get("10") else "9")


def test_a_day_has_what_came_and_went_on_it():
    returns = pd.DataFrame({"la_code": "660", "received_at": ["2012-01-20T09:00", "2012-01-20T10:00"]})
    batches = pd.DataFrame({"la_code": ["660"], "sent_at": ["2012-01-30T02:30"], "rows": [7]})
    answers = pd.DataFrame({"la_code": "660", "received_at": ["2012-02-12T09:15"] * 3, "has_uln": [True, True, False]})
    found = day_rows(returns, batches, answers)
    assert found.drop(columns="la_code").values.tolist() == [
        ["2012-01-20", 2, 0, 0, 0, 0],
        ["2012-01-30", 0, 1, 7, 0, 0],
        ["2012-02-12", 0, 0, 0, 2, 1],
    ]


@pytest.fixture
def lives():
    rows = [
        ("6600001", "RC007", "open", "2012-02-12"),
        ("6600001", "RC007", "seen", "2011-09-01"),
        ("6600002", "RC007", "seen", "2012-05-01"),
        ("6600002", "RC010", "open", "2012-05-01"),
        ("6600002", "RC010", "resolved", "2012-01-01"),
    ]
    found = pd.DataFrame(rows, columns=["school_number", "return_code", "state", "since"])
    return found.assign(la_code="660")


def test_open_exceptions_by_code_the_commonest_first(lives):
    found = code_rows(lives)[["return_code", "number", "schools"]].values.tolist()
    assert found == [["RC007", 3, 2], ["RC010", 1, 1]]


def test_the_schools_whose_learners_have_waited_longest_come_first(lives):
    found = waiting_rows(lives, dt.date(2012, 5, 20), 90)[["school_number", "number", "late", "oldest"]]
    assert found.values.tolist() == [["6600001", 2, 2, 262], ["6600002", 2, 0, 19]]


def test_ages_stand_in_their_order():
    ages = pd.DataFrame(
        {"la_code": "660", "school_number": ["1", "2", "1"], "age": ["91+", "0-7", "0-7"], "number": [1, 2, 3]}
    )
    found = age_rows(ages, ("0-7", "8-28", "91+"))
    assert found[["age", "number", "schools"]].values.tolist() == [["0-7", 5, 2], ["91+", 1, 1]]


def test_what_a_person_has_to_do_is_counted_by_authority_and_nought_is_left_out():
    rows = told(schools("6600001", "6600002"), counts(s6600001={"exception": 3, "held": 0}), ["6600001"]).reset_index()
    found = needs_of_authorities(rows, {"far_above": pd.Series({"660": 0}), "quarantined": pd.Series({"661": 2})})
    assert set(map(tuple, found.values.tolist())) == {
        ("660", "not_returned", 1),
        ("660", "exception", 3),
        ("661", "quarantined", 2),
    }


def listed(numbers, *, is_told=True):
    rows = pd.DataFrame({"la_code": "660", "of": [f"k{n}" for n in range(len(numbers))], "n": numbers})
    found = for_all(rows, "of", {"n": is_told})["n"]
    return [None if pd.isna(n) else int(n) for n in found]


def test_a_small_number_of_a_list_is_hidden_with_another_and_the_rest_is_to_five():
    assert listed([3, 101, 57, 12, 0]) == [None, 100, None, None, 0]
    assert listed([2, 3]) == [None, None]
    assert listed([42]) == [40]


def test_of_a_total_that_is_hidden_elsewhere_a_list_tells_noughts_alone():
    assert listed([300, 40, 0], is_told=False) == [None, None, 0]


def test_no_small_number_of_a_list_can_be_worked_out_whoever_knows_its_total():
    """As somebody would go about it: hidden ones are at least 1, rounded ones may be two more or less."""
    random = np.random.default_rng(7)
    for _ in range(200):
        numbers = random.integers(0, 12, random.integers(2, 7)).tolist()
        shown, total = listed(numbers), sum(numbers)
        hidden = [n for n, one in zip(numbers, shown, strict=True) if one is None]
        # Who knows the numbers that are shown to the unit, and the total, knows what the hidden ones are together.
        small = [n for n in hidden if n < 5]
        assert all(one is not None or n for n, one in zip(numbers, shown, strict=True))
        assert not [n for n, one in zip(numbers, shown, strict=True) if one is not None and 0 < n < 5]
        if small and total >= 5 and len(numbers) > len(small):
            assert len(hidden) > 1, numbers
