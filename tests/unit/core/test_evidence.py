"""Evidence: the facts the rules look at, worked out by hand."""

import pandas as pd
import pytest

from schemas.cycles import cycle_by_id
from schemas.lrs.profiles import all_profiles
from tasks.core.dates import expected_year, iso_dates
from tasks.core.evidence import KnownUpns, evidence, repeated_upns, shared_upns

CYCLE = cycle_by_id("2012-01")  # academic year 2011; its census may fall on 2012-01-31 at the latest
PROFILE = all_profiles()["2A"]


def column(*values):
    return pd.Series(list(values), dtype="str")


def facts(rows, profile=PROFILE, **known):
    return evidence(rows, CYCLE, profile, KnownUpns(**known))


def told(values):
    return [v if pd.notna(v) else None for v in values]


@pytest.mark.parametrize(
    ("text", "real"),
    [
        ("1997-03-05", True),
        (" 1997-03-05 ", True),
        ("1996-02-29", True),
        ("1997-02-29", False),
        ("1900-02-29", False),
        ("1997-13-01", False),
        ("1997-3-5", False),
        ("05/03/1997", False),
        ("1997-03-05T00:00:00", False),
        ("19970305", False),
        ("0000-01-01", False),
        ("١٩٩٧-٠٣-٠٥", False),
        ("", False),
        (None, False),
    ],
    ids=[
        "iso", "untidy", "leap-day", "no-leap-day", "century", "month-13", "no-zeros", "british", "moment", "packed",
        "year-0", "other-digits", "blank", "absent",
    ],
)  # fmt: skip
def test_only_real_iso_dates_are_dates(text, real):
    found = iso_dates(column(text))
    assert found.dtype.kind == "M"
    assert bool(found.notna().iloc[0]) is real


def test_the_year_group_goes_by_the_age_on_31_august():
    # Born 31 August 1997: 14 on 31 August 2011, so year 10; a day later: 13, so year 9. 1992-93: 18, so year 14.
    found = expected_year(column("1997-08-31", "1997-09-01", "1993-08-31", "1992-09-01", "1997-02-30", None), CYCLE)
    assert found.dtype == "Int64"
    assert told(found) == [10, 9, 14, 14, None, None]


def test_age_counts_on_the_last_day_that_the_census_may_fall_on():
    from tests.support.learners import sound_learners

    # On 31 January 2012: the birthday itself counts, the day after does not. One born on 15 January 1999 is 13 on a
    # census day in the second half of the month, and must not be held.
    rows = sound_learners({"dob": "1999-01-15"}, {"dob": "1999-01-31"}, {"dob": "1999-02-01"}, {"dob": "x"})
    assert told(facts(rows)["age"]) == [13, 13, 12, None]


def test_year_gap_is_given_less_expected(learner):
    # 1996-11-05 is 14 on 31 August 2011: year 10. A leading zero is no matter: 012 is year 12, two beyond.
    rows = learner({"nc_year": "10"}, {"nc_year": "9"}, {"nc_year": "012"}, {"nc_year": "X"}, {"dob": None})
    assert told(facts(rows)["year_gap"]) == [0, -1, 2, None, None]
    # At 10 or at 121 the age is what is wrong, not the year group.
    assert told(facts(learner({"dob": "2001-05-05"}, {"dob": "1890-01-01"}))["year_gap"]) == [None, None]


def test_text_is_trimmed_and_null_where_blank(learner):
    rows = learner({"forename": " Siân ", "surname": "\t", "gender": " f", "nc_year": " 09 ", "enrol_status": "m "})
    found = facts(rows).iloc[0]
    assert (found["forename"], found["gender"], found["year"], found["enrol_status"]) == ("Siân", "F", "9", "M")
    assert pd.isna(found["surname"])


def test_postcodes_are_in_capitals_with_single_blanks(learner):
    rows = learner({"postcode": " ll77  7ng"}, {"postcode": "zz99 9zz"}, {"postcode": "ZZ99"}, {"postcode": ""})
    found = facts(rows)
    assert told(found["postcode"]) == ["LL77 7NG", "ZZ99 9ZZ", "ZZ99", None]
    assert told(found["postcode_plain"]) == ["home", "ZZ99", "home", None]


def test_upn_questions_are_open_only_where_the_shape_is_right(learner):
    rows = learner(
        {"upn": "M660402510001"},
        {"upn": " m660402510001"},
        {"upn": "A681404209123"},
        {"upn": "L67441030807A", "school_number": "6604026"},
        {"upn": "X1"},
        {"upn": "X1"},
        {"upn": " "},
    )
    found = facts(rows, shared=column("L67441030807A", "X1"))
    assert told(found["upn_shape"]) == ["permanent", "permanent", "permanent", "temporary", "wrong", "wrong", None]
    assert told(found["upn_check"]) == ["Y", "Y", "N", "Y", None, None, None]
    assert told(found["upn_once_in_school"]) == ["N", "N", "Y", "Y", None, None, None]
    assert told(found["upn_in_one_school"]) == ["Y", "Y", "Y", "N", None, None, None]


def test_whether_a_name_can_be_written_is_asked_of_names_without_digits_only(learner):
    rows = learner({"forename": "Siân"}, {"forename": "--"}, {"forename": "12"}, {"forename": None})
    found = facts(rows)
    assert told(found["given_writable"]) == ["Y", "N", None, None]


def test_each_kind_of_name_is_asked_for_its_characters_length_and_signs(learner):
    changes = [
        {field: value}
        for field in ("forename", "surname", "middle_names")
        for value in ("Siân", "Rhys²", "N/A", "//", " ")
    ]
    rows = learner(*changes)
    found = facts(rows)
    for n, kind in enumerate(("given", "family", "middle")):
        own = found.iloc[5 * n : 5 * n + 5]
        assert told(own[f"{kind}_plain"]) == ["Y", "N", "Y", "Y", None]
        assert told(own[f"{kind}_kept"]) == ["Y", None, "N", None, None]
        assert told(own[f"{kind}_length_ok"]) == ["Y", "Y", "Y", None, None]


def test_lengths_and_signs_are_those_of_the_profile(learner):
    own = PROFILE.model_copy(
        update={
            "name_characters": "A-Za-z ,'.-",
            "columns": tuple(
                c.model_copy(update={"max_length": 9}) if c.source == "given_name" else c for c in PROFILE.columns
            ),
        }
    )
    rows = learner({"forename": "A" * 9, "surname": "a,b"}, {"forename": "A" * 10, "surname": "a(b"})
    found = facts(rows, profile=own)
    assert told(found["given_length_ok"]) == ["Y", "N"] and told(found["family_kept"]) == ["Y", "N"]
    assert told(facts(rows)["given_length_ok"]) == ["Y", "Y"] and told(facts(rows)["family_kept"]) == ["N", "N"]


def test_a_upn_stands_twice_in_a_return_whatever_the_years_but_not_beside_s_or_g(learner):
    year_8, year_10 = {"upn": "M660402510001", "nc_year": "8"}, {"upn": "m660402510001 ", "nc_year": "10"}
    other = {"upn": "R681404209123", "enrol_status": "M"}
    current = learner(
        year_8,
        year_10,
        other,
        other | {"enrol_status": " s"},
        other | {"enrol_status": "G"},
        other | {"school_number": "6604026"},
        {"upn": None},
        {"upn": " "},
    )
    found = repeated_upns(current)
    assert found.to_dict("records") == [{"school_number": "6604025", "upn": "M660402510001"}]
    # The chosen row is told, though it stands alone among the chosen; the same UPN in another school is not.
    rows = learner(year_10, year_10 | {"school_number": "6604026"}, other)
    assert told(facts(rows, repeated=found)["upn_once_in_school"]) == ["N", "Y", "Y"]
    assert told(facts(rows)["upn_once_in_school"]) == ["Y", "Y", "Y"]


def test_a_placeholder_uln_is_none(learner):
    rows = learner({"uln": "9999999999"}, {"uln": "1000102504"}, {"uln": "1000102505"}, {"uln": "123"}, {"uln": ""})
    found = facts(rows)
    assert told(found["uln"]) == [None, "1000102504", "1000102505", "123", None]
    assert told(found["uln_check"]) == [None, "Y", "N", None, None]


def test_shared_upns_are_those_of_two_schools():
    chosen = pd.DataFrame(
        {
            "upn": column("B", "b ", "A", "A", "C", "C", None, None, " D", "D"),
            "school_number": column("1", "2", "1", "1", "1", "3", "1", "2", "2", "1"),
        }
    )
    # A stands twice in one school; the blanks are no UPN.
    assert list(shared_upns(chosen)) == ["B", "C", "D"]


def test_the_inputs_are_not_changed_and_the_order_is_kept(learner):
    rows = learner({"upn": " m660402510001 "}, {"upn": None}).iloc[::-1]
    before = rows.copy(deep=True)
    found = facts(rows)
    pd.testing.assert_frame_equal(rows, before)
    assert list(found["row_ref"]) == ["r1", "r0"]


def test_no_rows_give_no_rows_with_the_same_columns(learner):
    rows = learner({})
    assert list(facts(rows.iloc[:0]).columns) == list(facts(rows).columns)
    assert len(facts(rows.iloc[:0])) == 0
