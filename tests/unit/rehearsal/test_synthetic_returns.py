"""The files of synthetic Wales: the same seed makes the same bytes, and they are read as they were planned."""

import datetime as dt
import zipfile
from dataclasses import replace

import pandas as pd
import pytest
from lxml import etree

from schemas.cycles import cycle_by_id
from schemas.plasc.layouts import all_layouts
from schemas.tables import PUPIL_FIELDS
from schemas.texts.faults import Refused
from tasks.core.identifiers import upn_check_letter_ok
from tasks.io.data_root.dewi_inbox import open_arrival
from tasks.io.data_root.reference import registration
from tasks.io.data_root.reference import schools as register
from tasks.io.plasc.reader import inspect, read_return
from tasks.rehearsal.synthetic_returns import write_wales
from tests.support.learners.wales import plan, three_schools


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
        unknown += sum(got.header.unknown_elements.values())
        planned = wales.pupils[wales.pupils["school_number"] == file["school_number"]].reset_index(drop=True)
        assert got.header.school_number == file["school_number"]
        assert row.covers(dt.date.fromisoformat(got.header.census_date))
        for field in PUPIL_FIELDS:
            # A reader may take a blank for nothing; apart from that, text as planned.
            assert got.pupils[field].fillna("").str.strip().eq(planned[field].fillna("").str.strip()).all(), field
        assert got.header.leavers == len(wales.leavers[wales.leavers["school_number"] == file["school_number"]]) > 0
        seen.add(file["school_number"])
    assert seen == set(wales.schools["school_number"])
    assert layouts == ({"naw-2024"} if cycle == "2027-01" else {"english-like", "naw"})
    assert unknown > 0


def test_signs_that_xml_keeps_for_itself_are_read_back(tmp_path):
    wales = plan(schools=three_schools().head(1))
    pupils = wales.pupils.assign(surname="Prawf & <Enghraifft> &amp;")
    made = write_wales(replace(wales, pupils=pupils), tmp_path, cycle_by_id("2012-01"))
    newest = made[made["outcome"] == "accepted"]
    ((_, content),) = documents(tmp_path, newest)
    assert set(read_return(content, all_layouts()).pupils["surname"]) == {"Prawf & <Enghraifft> &amp;"}


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
            header = inspect(content, all_layouts())
        except Refused as fault:
            reasons[file["path"]] = fault.reason
            continue
        in_time = cycle.covers(dt.date.fromisoformat(header.census_date))
        tests = {
            "unknown_school": header.school_number not in known,
            "la_mismatch": header.la_code != file["path"][:3],
            "outside_cycle": not in_time,
        }
        reasons[file["path"]] = ";".join(reason for reason, holds in tests.items() if holds)
    assert reasons == {
        p: o.removeprefix("quarantined:") for p, o in zip(refused["path"], refused["outcome"], strict=True)
    }
    assert len(set(reasons.values())) == 7


@pytest.mark.parametrize("count", [1, 3], ids=["one-authority", "three-authorities"])
def test_a_return_in_another_authoritys_folder_is_not_all_that_its_school_has(tmp_path, count):
    schools = three_schools().head(count)
    made = write_wales(plan(schools=schools), tmp_path, cycle_by_id("2012-01"))
    (strayed,) = made.loc[made["outcome"] == "quarantined:la_mismatch", "school_number"]
    own = made[(made["school_number"] == strayed) & (made["outcome"] == "accepted")]
    assert len(own) == (1 if strayed in set(schools["school_number"]) else 0)
    assert (strayed in set(schools["school_number"])) == (count > 1)
    assert own["path"].str.startswith(strayed[:3]).all()


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


def test_progress_is_reported_after_each_school_and_the_truth_is_kept(tmp_path):
    shares = []
    made = write_wales(plan(), tmp_path, cycle_by_id("2012-01"), progress=shares.append)
    assert shares == [1 / 3, 2 / 3, 1.0]
    truth = tmp_path / "rehearsal" / "truth" / "2012-01"
    assert pd.read_parquet(truth / "files.parquet").equals(made)
    assert len(pd.read_parquet(truth / "pupils.parquet")) == len(plan().pupils)


def test_leavers_look_like_any_learner(tmp_path):
    write_wales(plan(), tmp_path, cycle_by_id("2012-01"))
    path = next((tmp_path / "dewi" / "inbox").rglob("*_002.xml"))
    leavers = etree.parse(path).findall(".//PupilNoLongerOnRoll//UPN")
    upns = pd.Series([e.text for e in leavers], dtype="str")
    assert upn_check_letter_ok(upns).all()
