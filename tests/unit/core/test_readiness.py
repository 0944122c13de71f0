"""What a school still needs before its learners may be sent."""

import pandas as pd
import pytest

from schemas.codes.readiness import lacks
from schemas.cycles import cycle_by_id
from tasks.core.readiness import side_by_side, unmatched_opt_outs, unmet_requirements

CYCLE = cycle_by_id("2012-01")  # closes on 31 July 2012
READY = {
    "school_number": "6604025",
    "ukprn": "10000001",
    "ukrlp_name": "YSGOL ENGHRAIFFT - EXAMPLE",
    "ukrlp_postcode": "LL77 7NG",
    "edubase_name": "Ysgol Enghraifft-Example",
    "edubase_postcode": "ll777ng",
    "lrb_registered_on": "2011-11-01",
    "privacy_notice_on": "2011-09-05",
    "takes_part": None,
    "wrong": None,
}
NO_UKRLP = {"ukrlp_name": None, "ukrlp_postcode": " - "}
NO_EDUBASE = {"edubase_name": None, "edubase_postcode": None}


def missing(*schools, sector="Secondary"):
    rows = pd.DataFrame([READY | s for s in schools], columns=list(READY)).astype("str")
    numbers = sorted({"6604025", *rows["school_number"]})
    register = pd.DataFrame({"school_number": numbers, "sector_en": sector})
    found = unmet_requirements(register, rows, CYCLE)
    return found.groupby("school_number")["code"].agg(list).to_dict()


def test_a_ready_school_lacks_nothing_whatever_the_spelling_of_its_two_records():
    assert missing({}) == {}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"takes_part": "N"}, "not_taking_part"),
        ({"ukprn": None}, "ukprn_missing"),
        ({"ukprn": "1000000"}, "ukprn_malformed"),
        ({"ukprn": "00000001"}, "ukprn_malformed"),
        ({"ukrlp_name": "Ysgol Arall"}, "name_differs"),
        ({"ukrlp_name": "Ysgol Enghraifft-Ëxample"}, "name_differs"),
        ({"edubase_name": None}, "name_differs"),
        ({"edubase_name": None, "ukrlp_name": None}, "name_differs"),
        ({"edubase_postcode": None, "ukrlp_postcode": None}, "postcode_differs"),
        (NO_UKRLP, "ukrlp_record_missing"),
        (NO_EDUBASE, "edubase_record_missing"),
        ({"wrong": "takes_part"}, "registration_wrong"),
        ({"edubase_postcode": "LL77 7NH"}, "postcode_differs"),
        ({"lrb_registered_on": None}, "lrb_missing"),
        ({"lrb_registered_on": "2012-08-01"}, "lrb_late"),
        ({"privacy_notice_on": None}, "privacy_notice_missing"),
        ({"privacy_notice_on": "2012-08-01"}, "privacy_notice_late"),
    ],
)
def test_each_missing_thing_is_named(change, code):
    assert missing(change) == {"6604025": [code]}


def test_two_records_that_are_not_known_are_both_told():
    assert missing(NO_UKRLP | NO_EDUBASE) == {"6604025": ["edubase_record_missing", "ukrlp_record_missing"]}


def test_a_letter_and_its_accent_may_be_one_character_or_two():
    assert missing({"ukrlp_name": "Ysgol Gŵyl Ẃ", "edubase_name": "YSGOL GW\u0302YL W\u0301"}) == {}
    assert missing({"ukrlp_name": "Ysgol Ẃ", "edubase_name": "Ysgol Ẁ"}) == {"6604025": ["name_differs"]}


def test_a_row_that_cannot_be_used_stops_its_own_school_and_is_asked_for_nothing_more():
    unusable = {"wrong": "lrb_registered_on", "lrb_registered_on": None, "privacy_notice_on": None, "edubase_name": "x"}
    found = missing(unusable, {"school_number": "6604026", "ukprn": "10000002"})
    assert found == {"6604025": ["registration_wrong"]}
    assert missing(unusable | {"takes_part": "N"}, sector="Special") == {"6604025": ["registration_wrong"]}


def test_a_registration_without_the_column_wrong_has_nothing_wrong():
    register = pd.DataFrame({"school_number": ["6604025"], "sector_en": "Secondary"})
    rows = pd.DataFrame([READY], columns=list(READY)).astype("str").drop(columns="wrong")
    assert unmet_requirements(register, rows, CYCLE).empty


def test_the_closing_day_itself_is_in_time():
    assert missing({"lrb_registered_on": "2012-07-31", "privacy_notice_on": "2012-07-31"}) == {}


def test_one_ukprn_at_two_schools_stops_both():
    found = missing({}, {"school_number": "6604026"})
    assert found == {"6604025": ["ukprn_shared"], "6604026": ["ukprn_shared"]}


def test_a_school_that_takes_no_part_is_in_nobody_s_way_and_one_that_cannot_be_read_may_be():
    assert missing({"takes_part": "N"}, {"school_number": "6604026"}) == {"6604025": ["not_taking_part"]}
    found = missing({"wrong": "takes_part"}, {"school_number": "6604026"})
    assert found == {"6604025": ["registration_wrong"], "6604026": ["ukprn_shared"]}


def test_a_school_without_a_row_is_told_so_and_nothing_else():
    assert missing({"school_number": "6604026"}) == {"6604025": ["registration_missing"]}


def test_special_schools_take_part_by_choice():
    assert missing({}, sector="Special") == {"6604025": ["special_not_chosen"]}
    assert missing({"takes_part": "N"}, sector="Special") == {"6604025": ["not_taking_part"]}
    assert missing({"takes_part": "Y"}, sector="Special") == {}
    # One of which nothing is written down has not chosen to.
    assert missing({"school_number": "6604026", "takes_part": "Y"}, sector="Special") == {
        "6604025": ["special_not_chosen"]
    }


@pytest.mark.parametrize("registered", ["Y", "N", None])
def test_pupil_referral_units_are_not_included_whatever_is_registered(registered):
    assert missing({"takes_part": registered}, sector="PRU") == {"6604025": ["pupil_referral_unit"]}
    assert missing({"school_number": "6604026"}, sector="PRU")["6604025"] == ["pupil_referral_unit"]


def test_what_the_two_registers_say_stands_side_by_side_and_what_was_found_beside_it():
    rows = pd.DataFrame(
        [
            READY | {"ukrlp_name": "Un", "edubase_name": "Dau", "lrb_registered_on": "2012-08-01"},
            READY | {"school_number": "6604026", "ukprn": "123", "ukrlp_postcode": None},
            READY | {"school_number": "6604027", "ukprn": "10000009", "lrb_registered_on": None},
        ],
        columns=list(READY),
    ).astype("str")
    register = pd.DataFrame({"school_number": rows["school_number"], "sector_en": "Secondary"})
    found = side_by_side(unmet_requirements(register, rows, CYCLE), rows).set_index(["school_number", "code"])
    assert found.astype("object").where(found.notna(), None).to_dict("index") == {
        ("6604025", "lrb_late"): {"ukrlp": None, "edubase": None, "found": "2012-08-01"},
        ("6604025", "name_differs"): {"ukrlp": "Un", "edubase": "Dau", "found": None},
        ("6604026", "postcode_differs"): {"ukrlp": None, "edubase": "ll777ng", "found": None},
        ("6604026", "ukprn_malformed"): {"ukrlp": None, "edubase": None, "found": "123"},
        ("6604027", "lrb_missing"): {"ukrlp": None, "edubase": None, "found": None},
    }


def test_a_school_that_does_not_take_part_is_asked_for_nothing_more():
    assert missing({"takes_part": "N", "ukprn": None, "lrb_registered_on": None}) == {"6604025": ["not_taking_part"]}


def test_every_lack_that_is_found_has_its_text_and_every_text_is_used():
    everything = {"ukprn": None, "ukrlp_name": "x", "ukrlp_postcode": "x", "lrb_registered_on": None}
    found = missing(
        {"school_number": "6604026", "privacy_notice_on": None, **everything},
        {
            "school_number": "6604027",
            "ukprn": "x",
            "lrb_registered_on": "2013-01-01",
            "privacy_notice_on": "2013-01-01",
        },
        {"school_number": "6604028"},
        {"school_number": "6604029", "takes_part": "N"},
        {"school_number": "6604030"},
        {"school_number": "6604031", "wrong": "school_number"},
        {"school_number": "6604032", **NO_UKRLP, **NO_EDUBASE},
    )
    others = [codes for sector in ("Special", "PRU") for codes in missing({}, sector=sector).values()]
    assert {code for codes in (*found.values(), *others) for code in codes} == {lack.code for lack in lacks()}


def test_opt_outs_of_nobody_are_counted():
    recorded = pd.DataFrame({"upn": ["A1", " a1 ", "B2", "C3", "c3", None, " "]}, dtype="str")
    # A1 is a pupil; B2 and C3 (once) are not; two rows name nobody.
    assert unmatched_opt_outs(recorded, pd.Series(["a1 ", None, "D4"], dtype="str")) == 4
    assert unmatched_opt_outs(recorded.iloc[:2], pd.Series(["A1"], dtype="str")) == 0
    assert unmatched_opt_outs(recorded.iloc[:0], pd.Series([], dtype="str")) == 0
