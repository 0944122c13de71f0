"""What is planted in synthetic Wales: every kind is there, where the service would see it, and its truth is true."""

import pytest

from expectations.rule_catalogue import all_rules
from schemas.cycles import cycle_by_id
from schemas.states import NotChosen
from schemas.texts.faults import ConfigurationFault
from tasks.core.identifiers import uln_valid
from tasks.core.readiness import unmet_requirements
from tasks.rehearsal.synthetic_wales import KINDS, NOT_READY, PLANTED, plan_wales
from tests.support.learners.wales import CHANGES, LIKE_ANOTHER, plan, three_schools, whole_wales


# Five year groups of one ready school more or less hold all kinds; a real rehearsal has ten times as many learners.
@pytest.mark.parametrize(("cycle", "size"), [("2012-01", 80), ("2013-01", 80), ("2027-01", 120), ("2012-01", 900)])
def test_every_kind_is_planted_even_in_three_schools(cycle, size):
    assert set(plan(cycle, size=size).pupils["planted"]) == KINDS


def test_every_kind_is_planted_even_in_two_schools():
    assert set(plan(schools=three_schools().head(2), size=900).pupils["planted"]) == KINDS


def test_every_rule_has_a_kind_that_breaks_it():
    pupils = plan().pupils
    broken = set(pupils["outcome"].str.removeprefix("held:")) | set(pupils["warning"].dropna())
    # A second UPN is one of a learner who was sent before: no single return has it.
    assert {rule.code for rule in all_rules()} - {"UPN07"} <= broken


def test_outcomes_are_words_that_the_service_uses():
    rules = {f"held:{rule.code}" for rule in all_rules()}
    assert set(plan().pupils["outcome"]) <= rules | {"sent"} | {reason.value for reason in NotChosen}


def test_planted_faults_stand_where_the_service_would_see_them():
    pupils = plan().pupils
    faulty = pupils[pupils["planted"].isin(PLANTED)]
    due = faulty["planted"].map({kind: planted.outcome for kind, planted in PLANTED.items()})
    assert (faulty["outcome"] == due).all()
    rule = faulty["planted"].map({kind: planted.rule for kind, planted in PLANTED.items()})
    assert (faulty["warning"].fillna("") == rule).all()
    temporary = pupils[(pupils["planted"] == "upn-temporary") & (pupils["outcome"] == "sent")]
    assert set(temporary["warning"]) == {"UPN04"}
    assert pupils.loc[~pupils["planted"].isin([*PLANTED, "upn-temporary"]), "warning"].isna().all()


def test_what_is_planted_is_what_its_name_says():
    pupils = plan().pupils

    def only(kind, field):
        found = pupils.loc[pupils["planted"] == kind, field]
        assert len(found)
        return found

    assert only("upn-small-letters", "upn").str.fullmatch("[a-z][0-9]{12}").all()
    assert only("upn-blanks", "upn").str.fullmatch(" [A-Z][0-9]{12} ").all()
    assert only("dob-day-first", "dob").str.fullmatch(r"[0-3][0-9]/[01][0-9]/19[0-9]{2}").all()
    assert only("year-in-words", "nc_year").str.fullmatch(r"Year [0-9]{1,2}").all()
    assert only("given-control", "forename").str.contains("\t").all()
    assert only("family-control", "surname").str.contains("\x85").all()


def test_a_seed_below_nought_is_refused_in_both_languages():
    with pytest.raises(ConfigurationFault, match=r"--seed: mae'r hedyn -1 .* / the seed -1 is below 0"):
        plan(seed=-1)


def test_planted_ulns_are_held_ones_and_each_its_own():
    pupils = plan_wales(whole_wales(), cycle_by_id("2012-01"), 7, 60).pupils
    held = pupils.loc[pupils["planted"] == "uln-held", "uln"]
    assert len(held) > 10
    assert uln_valid(held).all()
    assert held.is_unique


@pytest.mark.parametrize(("kind", "statuses"), [("dual", "MS"), ("guest", "MG"), ("two-schools", "MM")])
def test_a_learner_in_two_schools_has_one_upn_and_two_ready_schools(kind, statuses):
    wales = plan()
    here = wales.pupils[wales.pupils["planted"] == kind].set_index("upn")
    there = wales.pupils[wales.pupils["planted"] == f"{kind}-other"].set_index("upn")
    assert set(here.index) == set(there.index)
    assert (here["school_number"] != there["school_number"].reindex(here.index)).all()
    assert set(here["enrol_status"]) | set(there["enrol_status"]) == set(statuses)
    ready = wales.schools.loc[wales.schools["readiness"] == "ready", "school_number"]
    assert here["school_number"].isin(ready).all()
    assert there["school_number"].isin(ready).all()


def test_a_upn_that_stands_twice_stands_twice_in_one_school():
    pupils = plan().pupils
    twice = pupils[pupils["planted"].isin(["upn-twice", "upn-taken"])]
    assert (twice.groupby(["school_number", "upn"]).size() == 2).all()


def test_wales_is_of_the_right_size_and_sound_but_for_three_in_a_hundred():
    schools = whole_wales()
    ordinary = schools[schools["sector_en"] != "Special"]
    pupils = plan_wales(ordinary, cycle_by_id("2012-01"), 1).pupils
    # 208 schools of about 900: the published total of the list is 184,546.
    assert 180_000 < len(pupils) < 200_000
    assert pupils["planted"].isin({"sound", "twin"} | CHANGES | LIKE_ANOTHER).mean() >= 0.97
    assert set(pupils["planted"]) == KINDS


def test_readiness_is_what_the_service_finds():
    wales = plan_wales(whole_wales(), cycle_by_id("2012-01"), 1, 60)
    found = unmet_requirements(wales.schools, wales.registration, cycle_by_id("2012-01"))
    codes = {
        "not-taking-part": "not_taking_part",
        "no-ukprn": "ukprn_missing",
        "no-lrb": "lrb_missing",
        "no-privacy-notice": "privacy_notice_missing",
        "edubase-differs": "postcode_differs",
    }
    unready = wales.schools[wales.schools["readiness"] != "ready"]
    assert dict(zip(found["school_number"], found["code"], strict=True)) == dict(
        zip(unready["school_number"], unready["readiness"].map(codes), strict=True)
    )
    assert len(found) == len(unready)
    assert set(unready["readiness"]) == set(NOT_READY) | {"not-taking-part"}
    not_special = unready[unready["sector_en"] != "Special"]
    assert 4 <= len(not_special) <= 8
    refused = wales.pupils[wales.pupils["outcome"] == "school_not_ready"]
    assert set(refused["school_number"]) <= set(unready["school_number"])
    assert not wales.pupils.loc[wales.pupils["outcome"] == "sent", "school_number"].isin(unready["school_number"]).any()


def test_opt_outs_are_learners_of_wales_from_year_9():
    wales = plan_wales(whole_wales(), cycle_by_id("2012-01"), 1, 60)
    years = wales.pupils.drop_duplicates("true_upn").set_index("true_upn")["nc_year"]
    assert len(wales.opt_outs) > 10
    assert wales.opt_outs["upn"].is_unique
    assert not years.reindex(wales.opt_outs["upn"]).isin(["7", "8"]).any()
    assert (wales.opt_outs["recorded_on"] <= "2011-09-20").all()
