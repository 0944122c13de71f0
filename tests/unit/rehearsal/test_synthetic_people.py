"""The people of synthetic Wales: whole and sound, and the same persons in every cycle."""

import pandas as pd

from schemas.cycles import cycle_by_id
from schemas.tables import PUPIL_FIELDS
from tasks.core.identifiers import upn_check_letter_ok, upn_shape
from tasks.io.data_root.reference import schools as register
from tasks.rehearsal.synthetic_people import KINDS
from tasks.rehearsal.synthetic_wales import plan_wales
from tests.support.learners.wales import CHANGES, plan, whole_wales


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


def test_a_boy_is_ap_or_ab_and_a_girl_is_ferch_and_no_middle_name_is_of_both():
    people = plan_wales(whole_wales(), cycle_by_id("2012-01"), 7, 60).pupils
    sexes = {sex: people[people["planted"].isin(["sound", "twin"]) & (people["gender"] == sex)] for sex in "FM"}
    assert set(sexes["M"]["surname"].str.extract(r"^(ap|ab|ferch) ")[0].dropna()) == {"ap", "ab"}
    assert set(sexes["F"]["surname"].str.extract(r"^(ap|ab|ferch) ")[0].dropna()) == {"ferch"}
    assert people["surname"].dropna().str.fullmatch(r"ap [AEIOUWY].*|ab [^AEIOUWY].*").sum() == 0
    for field in ("forename", "middle_names"):
        assert not set(sexes["M"][field].dropna()) & set(sexes["F"][field].dropna()), field


def test_a_new_name_is_another_name():
    people = plan_wales(whole_wales(), cycle_by_id("2012-01"), 7, 60).pupils
    renamed = people[people["former_surname"].notna() & people["planted"].isin(KINDS)]
    assert len(renamed) > 500
    assert (renamed["surname"] != renamed["former_surname"]).all()


def test_common_welsh_family_names_are_common():
    names = plan_wales(whole_wales(), cycle_by_id("2012-01"), 7, 60).pupils["surname"].value_counts(normalize=True)
    common = ["Jones", "Davies", "Williams", "Evans", "Thomas", "Roberts", "Lewis", "Hughes", "Morgan", "Griffiths"]
    assert set(names.index[:10]) == set(common)
    assert 0.06 < names["Jones"] < 0.10
    assert 0.3 < names[common].sum() < 0.5
    # Nobody's weight is lost: the rarest occur too, and none is as common as the tenth of the common ones.
    assert names["Wogan"] > 0


def test_a_temporary_upn_is_made_permanent_a_year_later_and_stands_in_former_upn():
    now, later = (plan_wales(whole_wales(), cycle_by_id(c), 7, 60).pupils for c in ("2012-01", "2013-01"))
    temporary = now[now["planted"] == "upn-temporary"]
    assert len(temporary) > 100
    assert (upn_shape(temporary["upn"]) == "temporary").all()
    assert upn_check_letter_ok(temporary["upn"]).all()
    assert temporary["upn"].is_unique
    assert temporary["former_upn"].isna().all()
    made = later[later["planted"] == "upn-made-permanent"].merge(temporary, on="true_upn", suffixes=("", "_before"))
    assert len(made) > 100
    assert (made["upn"] == made["true_upn"]).all()
    assert (made["former_upn"] == made["upn_before"]).all()
    assert (made["dob"] == made["dob_before"]).all()
    # It stands there from then on.
    earlier = later[later["former_upn"].notna() & (later["planted"] == "sound")]
    assert earlier["true_upn"].isin(now.loc[now["former_upn"].notna(), "true_upn"]).all()
    assert len(earlier)


def test_who_had_a_permanent_upn_never_gets_a_temporary_one():
    cycles = ["2011-09", "2012-01", "2013-01"]
    rows = pd.concat([plan_wales(whole_wales(), cycle_by_id(c), 7, 60).pupils for c in cycles], ignore_index=True)
    rows = rows[rows["planted"].isin(KINDS)]
    before, after = upn_shape(rows["upn"]).groupby(rows["true_upn"]).agg(["first", "last"]).to_numpy().T
    assert ((before == "temporary") & (after == "permanent")).any()
    assert not ((before == "permanent") & (after == "temporary")).any()


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
    assert set(new.loc[new["planted"] != "upn-temporary", "nc_year"]) == {"7"}
    gone = now[~now["true_upn"].isin(later["true_upn"])]
    gone_from = set(gone["nc_year"].dropna().str.removeprefix("Year ")) - {"X"}
    assert gone_from <= {"11", "12", "13", "14"}
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
    assert set(plan(schools=small).pupils["nc_year"].dropna()) <= {
        *map(str, range(7, 12)),
        "X",
        *(f"Year {n}" for n in range(7, 12)),
    }
