"""Synthetic Wales: the same seed makes the same Wales, people stay themselves, what is planted is there and is true."""

import datetime as dt
import zipfile

import pandas as pd
import pytest
from lxml import etree

from expectations.catalogue import all_rules
from schemas.cycles import cycle_by_id
from schemas.faults import Refused
from schemas.plasc_layouts import all_layouts
from schemas.states import NotChosen
from schemas.tables import PUPIL_FIELDS
from tasks.core.identifiers import uln_valid, upn_check_letter_ok, upn_shape
from tasks.core.readiness import missing_things
from tasks.io.dewi_inbox import open_arrival
from tasks.io.plasc_xml import read_header, read_return
from tasks.io.reference import registration
from tasks.io.reference import schools as register
from tasks.rehearsal.synthetic_wales import NOT_READY, PLANTED, plan_wales, write_wales

CHANGES = {"mover", "new-name", "moved-house"}
MADE_OF_TWO = {"upn-twice", "upn-taken", "twin"} | {
    kind + other for kind in ("dual", "guest", "two-schools") for other in ("", "-other")
}
EVERY_KIND = set(PLANTED) | MADE_OF_TWO | CHANGES | {"sound"}


def three_schools():
    schools = register()
    secondary = schools[schools["sector_en"] == "Secondary"]
    # Of three authorities, as a rehearsal of three takes them: nothing may hang on two being neighbours.
    return secondary.iloc[:: len(secondary) // 3].head(3).reset_index(drop=True)


def plan(cycle="2012-01", seed=7, schools=None, size=60):
    return plan_wales(three_schools() if schools is None else schools, cycle_by_id(cycle), seed, size)


def whole_wales():
    schools = register()
    return schools[schools["sector_en"].isin(["Secondary", "Middle", "Special"])].reset_index(drop=True)


def tree(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def documents(root, made):
    """Each file of the truth with its content, or the reason for which it cannot be opened."""
    for row in made.to_dict("records"):
        try:
            opened = open_arrival(root / "dewi" / "inbox" / row["path"]).documents
        except Refused as refused:
            yield row, refused.reason
            continue
        member = row["member"] if isinstance(row["member"], str) else None
        yield row, next(d.data for d in opened if d.member == member)


def test_the_same_seed_makes_the_same_wales_to_the_byte(tmp_path):
    for name in ("a", "b"):
        write_wales(plan(), tmp_path / name, cycle_by_id("2012-01"))
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    assert not plan(seed=8).pupils.equals(plan(seed=7).pupils)


def test_files_that_stand_already_are_left_alone(tmp_path):
    cycle = cycle_by_id("2012-01")
    write_wales(plan(), tmp_path, cycle)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    write_wales(plan(), tmp_path, cycle)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before


# Five year groups of one ready school more or less hold all kinds; a real rehearsal has ten times as many learners.
@pytest.mark.parametrize(("cycle", "size"), [("2012-01", 60), ("2013-01", 60), ("2027-01", 100), ("2012-01", 900)])
def test_every_kind_is_planted_even_in_three_schools(cycle, size):
    assert set(plan(cycle, size=size).pupils["planted"]) == EVERY_KIND


def test_every_kind_is_planted_even_in_two_schools():
    assert set(plan(schools=three_schools().head(2), size=900).pupils["planted"]) == EVERY_KIND


def test_every_rule_has_a_kind_that_breaks_it():
    broken = {p.outcome.removeprefix("held:") for p in PLANTED.values()} | {p.rule for p in PLANTED.values()}
    assert {rule.code for rule in all_rules()} <= broken | {"UPN05", "UPN06", "GIV05", "FAM05", "MID03"}


def test_outcomes_are_words_that_the_service_uses():
    rules = {f"held:{rule.code}" for rule in all_rules()}
    assert set(plan().pupils["outcome"]) <= rules | {"sent"} | {reason.value for reason in NotChosen}


def test_planted_faults_stand_where_the_service_would_see_them():
    pupils = plan().pupils
    faulty = pupils[pupils["planted"].isin(PLANTED)]
    due = faulty["planted"].map({kind: planted.outcome for kind, planted in PLANTED.items()})
    assert (faulty["outcome"] == due).all()


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


def test_planted_ulns_are_held_ones_and_each_its_own():
    pupils = plan_wales(whole_wales(), cycle_by_id("2012-01"), 7, 60).pupils
    held = pupils.loc[pupils["planted"] == "uln-held", "uln"]
    assert len(held) > 10
    assert uln_valid(held).all()
    assert held.is_unique


def test_twins_share_home_and_birthday_but_not_the_given_name():
    pupils = plan().pupils
    twins = pupils[pupils["planted"] == "twin"]
    groups = twins.groupby(["school_number", "surname", "dob", "postcode"])["forename"]
    pairs = groups.nunique()[groups.size() == 2]
    assert len(pairs) > 3
    assert (pairs == 2).all()


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


def test_wales_is_of_the_right_size_and_sound_but_for_three_in_a_hundred():
    schools = whole_wales()
    ordinary = schools[schools["sector_en"] != "Special"]
    pupils = plan_wales(ordinary, cycle_by_id("2012-01"), 1).pupils
    # 208 schools of about 900: the published total of the list is 184,546.
    assert 180_000 < len(pupils) < 200_000
    assert pupils["planted"].isin({"sound", "twin"} | CHANGES).mean() >= 0.97
    assert set(pupils["planted"]) == EVERY_KIND


def test_readiness_is_what_the_service_finds():
    wales = plan_wales(whole_wales(), cycle_by_id("2012-01"), 1, 60)
    found = missing_things(wales.schools, wales.registration, cycle_by_id("2012-01"))
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


@pytest.mark.parametrize("cycle", ["2012-01", "2013-01", "2027-01"])
def test_returns_are_read_as_they_were_planned(tmp_path, cycle):
    wales, row = plan(cycle), cycle_by_id(cycle)
    made = write_wales(wales, tmp_path, row)
    layouts, seen, unknown = set(), set(), 0
    for file, content in documents(tmp_path, made):
        if file["outcome"] != "accepted":
            continue
        got = read_return(content, all_layouts())
        layouts.add(got.header.layout)
        unknown += sum(got.unknown_elements.values())
        planned = wales.pupils[wales.pupils["school_number"] == file["school_number"]].reset_index(drop=True)
        assert got.header.school_number == file["school_number"]
        assert row.covers(dt.date.fromisoformat(got.header.census_date))
        for field in PUPIL_FIELDS:
            # A reader may take a blank for nothing; apart from that, text as planned.
            assert got.pupils[field].fillna("").str.strip().eq(planned[field].fillna("").str.strip()).all(), field
        assert got.leavers == len(wales.leavers[wales.leavers["school_number"] == file["school_number"]]) > 0
        seen.add(file["school_number"])
    assert seen == set(wales.schools["school_number"])
    assert layouts == ({"naw-2024"} if cycle == "2027-01" else {"english-like", "naw"})
    assert unknown > 0


def test_files_that_must_be_refused_are_and_for_their_reason(tmp_path):
    cycle = cycle_by_id("2012-01")
    made = write_wales(plan(), tmp_path, cycle)
    refused = made[made["outcome"].str.startswith("quarantined:")]
    known = set(register()["school_number"])
    reasons = {}
    for file, content in documents(tmp_path, refused):
        if isinstance(content, str):
            reasons[file["path"]] = content
            continue
        try:
            header = read_header(content, all_layouts())
        except Refused as fault:
            reasons[file["path"]] = fault.reason
            continue
        in_time = cycle.covers(dt.date.fromisoformat(header.census_date))
        reasons[file["path"]] = (
            "unknown_school" if header.school_number not in known else "" if in_time else "outside_cycle"
        )
    assert reasons == {
        p: o.removeprefix("quarantined:") for p, o in zip(refused["path"], refused["outcome"], strict=True)
    }
    assert len(set(reasons.values())) == 6


def test_an_older_return_is_older_and_smaller(tmp_path):
    made = write_wales(plan(), tmp_path, cycle_by_id("2012-01"))
    older = made[made["outcome"] == "superseded"]
    assert len(older) == 2
    assert older["member"].notna().sum() == 1
    for file, content in documents(tmp_path, older):
        newer = made[(made["school_number"] == file["school_number"]) & (made["outcome"] == "accepted")]
        ((_, latest),) = documents(tmp_path, newer)
        first, second = read_return(content, all_layouts()), read_return(latest, all_layouts())
        assert first.header.header_datetime < second.header.header_datetime
        assert int(first.header.serial_no) < int(second.header.serial_no)
        assert len(first.pupils) == len(second.pupils) - 3


def test_zips_of_one_of_a_resubmission_and_of_several_schools(tmp_path):
    schools = register()
    of_la = schools[schools["la_code"].isin(["660", "666"]) & (schools["sector_en"] == "Secondary")]
    made = write_wales(plan(schools=of_la), tmp_path, cycle_by_id("2012-01"))
    zips = made[made["member"].notna()].groupby("path")["school_number"].agg(["size", "nunique"])
    assert {(int(a), int(b)) for a, b in zips.to_numpy()} >= {(1, 1), (2, 1), (2, 2)}
    with zipfile.ZipFile(tmp_path / "dewi" / "inbox" / zips.index[0]) as bundle:
        assert {info.date_time for info in bundle.infolist()} == {(2012, 1, 20, 9, 0, 0)}


def test_another_cycle_leaves_the_files_of_the_first_where_they_are(tmp_path):
    write_wales(plan("2012-01"), tmp_path, cycle_by_id("2012-01"))
    before = tree(tmp_path / "dewi")
    write_wales(plan("2013-01"), tmp_path, cycle_by_id("2013-01"))
    after = tree(tmp_path / "dewi")
    assert {path: after[path] for path in before} == before
    assert len(after) == 2 * len(before)
    assert len(set(after.values())) == len(after)


def test_registration_that_somebody_changed_is_kept(tmp_path):
    cycle, path = cycle_by_id("2012-01"), tmp_path / "reference" / "registration.csv"
    write_wales(plan(), tmp_path, cycle)
    assert len(registration(tmp_path / "reference")) == 3
    write_wales(plan(schools=register().head(5)), tmp_path, cycle)
    assert len(registration(tmp_path / "reference")) == 5
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    write_wales(plan(), tmp_path, cycle)
    assert len(registration(tmp_path / "reference")) == 5


def test_opt_outs_are_learners_of_wales_from_year_9():
    wales = plan_wales(whole_wales(), cycle_by_id("2012-01"), 1, 60)
    years = wales.pupils.drop_duplicates("true_upn").set_index("true_upn")["nc_year"]
    assert len(wales.opt_outs) > 10
    assert wales.opt_outs["upn"].is_unique
    assert not years.reindex(wales.opt_outs["upn"]).isin(["7", "8"]).any()
    assert (wales.opt_outs["recorded_on"] <= "2011-09-20").all()


def test_each_school_is_told_once_and_the_truth_stands_beside(tmp_path):
    told = []
    made = write_wales(plan(), tmp_path, cycle_by_id("2012-01"), advance=told.append)
    assert told == sorted(three_schools()["school_number"])
    truth = tmp_path / "rehearsal" / "truth" / "2012-01"
    assert pd.read_parquet(truth / "files.parquet").equals(made)
    assert len(pd.read_parquet(truth / "pupils.parquet")) == len(plan().pupils)


def test_a_school_without_a_sixth_form_has_none():
    schools = register()
    small = schools[schools["school_type_en"].str.contains("11-16")].head(2)
    assert set(plan(schools=small).pupils["nc_year"].dropna()) <= {*map(str, range(7, 12)), "X"}


def test_leavers_look_like_any_learner(tmp_path):
    write_wales(plan(), tmp_path, cycle_by_id("2012-01"))
    path = next((tmp_path / "dewi" / "inbox").rglob("*_002.xml"))
    leavers = etree.parse(path).findall(".//PupilNoLongerOnRoll//UPN")
    upns = pd.Series([e.text for e in leavers], dtype="str")
    assert upn_check_letter_ok(upns).all()
