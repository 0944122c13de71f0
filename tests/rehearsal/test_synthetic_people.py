"""The people of synthetic Wales: whole and sound, and the same persons in every cycle."""

import pandas as pd
from wales_support import CHANGES, plan, whole_wales

from schemas.cycles import cycle_by_id
from schemas.tables import PUPIL_FIELDS
from tasks.core.identifiers import upn_check_letter_ok, upn_shape
from tasks.io.reference import schools as register
from tasks.rehearsal.synthetic_wales import plan_wales


def test_sound_learners_have_their_own_valid_upn_and_all_that_is_needed():
    pupils = plan_wales(whole_wales(), cycle_by_id("2012-01"), 7, 60).pupils
    sound = pupils[pupils["planted"].isin({"sound", "twin"} | CHANGES)]
    assert sound["upn"].is_unique
    assert (upn_shape(sound["upn"]) == "permanent").all()
    assert upn_check_letter_ok(sound["upn"]).all()
    assert sound["upn"].str[1:4].eq(sound["true_upn"].str[1:4]).all()
    assert sound[["surname", "forename", "gender", "dob", "nc_year", "enrol_status", "postcode"]].notna().all(axis=None)
    assert sound["postcode"].str.fullmatch(r"[A-Z]{1,2}[0-9][0-9A-Z]? [0-9][ABD-HJLNP-UW-Z]{2}").all()
    # Year 10 of 2011/12 is 14 on 31 August 2011.
    tenth = pd.to_datetime(sound.loc[sound["nc_year"] == "10", "dob"])
    assert tenth.between("1996-09-01", "1997-08-31").all()


def test_text_columns_are_text_and_absent_values_are_null():
    pupils = plan().pupils
    assert all(isinstance(pupils[c].dtype, pd.StringDtype) for c in PUPIL_FIELDS)
    assert not (pupils[list(PUPIL_FIELDS)] == "").any(axis=None)


def test_names_hold_welsh_letters_and_signs():
    pupils = plan_wales(whole_wales(), cycle_by_id("2012-01"), 7, 60).pupils
    text = "".join(pupils["surname"].dropna()) + "".join(pupils["forename"].dropna())
    assert set("âêîôûŵŷ'’-. ") <= set(text)
    assert pupils["surname"].str.startswith("ap ").any()
    assert pupils["surname"].str.startswith("ferch ").any()


def test_twins_share_home_and_birthday_but_not_the_given_name():
    pupils = plan().pupils
    twins = pupils[pupils["planted"] == "twin"]
    groups = twins.groupby(["school_number", "surname", "dob", "postcode"])["forename"]
    pairs = groups.nunique()[groups.size() == 2]
    assert len(pairs) > 3
    assert (pairs == 2).all()


def test_learners_are_the_same_people_a_year_later():
    now, later = plan("2012-01").pupils, plan("2013-01").pupils
    steady = {"sound", "twin"}
    both = now[now["planted"].isin(steady)].merge(later[later["planted"].isin(steady)], on="true_upn")
    assert len(both) > len(now) / 3
    for field in ("school_number", "surname", "forename", "middle_names", "gender", "dob", "postcode"):
        assert both[f"{field}_x"].fillna("").eq(both[f"{field}_y"].fillna("")).all(), field
    assert (both["nc_year_y"].astype(int) == both["nc_year_x"].astype(int) + 1).all()


def test_a_year_later_there_are_new_learners_leavers_movers_and_new_names():
    now, wales = plan("2012-01").pupils, plan("2013-01")
    later = wales.pupils
    new = later[~later["true_upn"].isin(now["true_upn"])]
    assert set(new["nc_year"]) == {"7"}
    gone = now[~now["true_upn"].isin(later["true_upn"])]
    assert set(gone["nc_year"].dropna()) - {"X"} <= {"11", "12", "13", "14"}
    assert set(wales.leavers["upn"]) <= set(gone["true_upn"])
    both = later.merge(now.drop_duplicates("true_upn"), on="true_upn", suffixes=("", "_before"))
    movers = both[both["planted"] == "mover"]
    assert len(movers)
    assert (movers["school_number"] != movers["school_number_before"]).all()
    renamed = both[(both["planted"] == "new-name") & both["planted_before"].eq("sound")]
    assert len(renamed)
    assert (renamed["former_surname"] == renamed["surname_before"]).all()
    housed = both[(both["planted"] == "moved-house") & both["planted_before"].eq("sound")]
    assert len(housed)
    assert (housed["postcode"] != housed["postcode_before"]).all()


def test_a_school_without_a_sixth_form_has_none():
    schools = register()
    small = schools[schools["school_type_en"].str.contains("11-16")].head(2)
    assert set(plan(schools=small).pupils["nc_year"].dropna()) <= {*map(str, range(7, 12)), "X"}
