"""An operator's diary: two cycles, from inbox to outbox, as the stages walk them (without the engine).

Each entry does what a person or the schedule would do and looks at what that person would look at.
"""

import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from lxml import etree
from openpyxl import load_workbook

from schemas.lrs.profiles import all_profiles
from schemas.tables import PUPIL_FIELDS
from tasks.core.selection import current_returns
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.dewi_inbox import open_arrival
from tasks.io.lake.lake import Lake
from tasks.rehearsal.lrs_stand_in import answer_outbox, processed_exceptions
from tasks.rehearsal.synthetic_wales import KINDS, PLANTED
from tasks.reports.status import status_of
from tests.support.diary import census, contents, make, returns

LAS = ["660"]


@pytest.fixture(scope="module")
def diary(tmp_path_factory):
    """The January 2012 cycle, played once."""
    root = tmp_path_factory.mktemp("diary")
    DataRoot(root).create()
    make(root, "2012-01")
    first = census(root, "2012-01", "2012-01-29T09:15:00")
    waiting_for_lrs = status_of(str(root), "2012-01")
    lrs = answer_outbox(root, profiles=all_profiles(), seed=7)
    back = returns(root, "2012-01", "2012-02-12T09:15:00")
    return {"root": root, "census": first, "before": waiting_for_lrs, "lrs": lrs, "returns": back}


@pytest.fixture
def root(diary, tmp_path):
    """A copy of the data root at the end of the cycle, for an entry that goes on from there."""
    return Path(shutil.copytree(diary["root"], tmp_path / "root"))


def truth(root, cycle="2012-01"):
    return pd.read_parquet(root / "rehearsal" / "truth" / cycle / "pupils.parquet")


def test_monday_everything_sent_and_every_record_accounted_for(diary):
    before = diary["before"]
    assert diary["census"]["receive.faults"] == diary["census"]["read.faults"] == 0
    assert all(s["balanced"] for s in before["schools"].values())
    assert before["total"]["sent"] == diary["census"]["release.learners"] > 0
    assert before["total"]["waiting"] == 0


def test_refused_files_lie_in_quarantine_with_what_to_do_in_both_languages(diary):
    root = diary["root"]
    reasons = [json.loads(p.read_text(encoding="utf-8")) for p in (root / "quarantine").glob("*/reason.json")]
    planted = pd.read_parquet(root / "rehearsal" / "truth" / "2012-01" / "files.parquet")
    expected = planted.loc[planted["outcome"].str.startswith("quarantined"), "outcome"].str.partition(":")[2]
    assert sorted(r["reason"] for r in reasons) == sorted(expected)
    assert all(r["action_cy"] and r["action_en"] for r in reasons)


def test_every_file_was_taken_or_refused_as_planned(diary):
    root = diary["root"]
    planned = pd.read_parquet(root / "rehearsal" / "truth" / "2012-01" / "files.parquet")
    received = Lake(root / "lake").read("received")
    received = received[received["kind"].isin(["return", "arrival"])]
    current = current_returns(received[received["status"] == "accepted"])
    refused = "quarantined:" + received["reason"]
    taken = received["sha256"].isin(current).map({True: "accepted", False: "superseded"})
    found = taken.where(received["status"] == "accepted", refused)
    outcomes = [
        dict(zip(zip(rows["path"], rows["member"].fillna("-"), strict=True), outcome, strict=True))
        for rows, outcome in ((planned, planned["outcome"]), (received, found))
    ]
    assert outcomes[0] == outcomes[1]
    assert {"accepted", "superseded"} < set(planned["outcome"])


def against_the_plan(root, cycle="2012-01"):
    """Each record of the current returns with its planned outcome and warning, and what was found."""
    lake = Lake(root / "lake")
    pupils, dispositions = lake.read("pupils", cycle=cycle), lake.read("dispositions", cycle=cycle)
    findings = lake.read("findings", cycle=cycle)
    findings = findings[~findings["rule"].str.startswith(("LRS", "MIS"))]
    spoken = findings.sort_values("rule").groupby(["severity", "row_ref"])["rule"].agg(",".join)
    rows = pupils.merge(dispositions[["row_ref", "reason"]], on="row_ref")
    rows = rows[rows["reason"] != "superseded_return"]
    rows["found"] = rows["reason"].fillna("held:" + rows["row_ref"].map(spoken["blocking"])).fillna("sent")
    rows["warned"] = rows["row_ref"].map(spoken["warning"])
    fields = ["school_number", *PUPIL_FIELDS]
    plan, rows = truth(root, cycle).fillna("-"), rows[[*fields, "found", "warned"]].fillna("-")
    tables = [table.assign(n=table.groupby(fields).cumcount()) for table in (plan, rows)]
    together = tables[0].merge(tables[1], on=[*fields, "n"], how="outer", indicator=True)
    assert (together["_merge"] == "both").all()
    return together


def test_the_outcome_of_every_planted_record_is_the_planted_one(diary):
    together = against_the_plan(diary["root"])
    assert set(together["planted"]) == KINDS
    wrong = together[together["outcome"] != together["found"]]
    assert wrong.groupby(["planted", "outcome", "found"]).size().to_dict() == {}
    unwarned = together[together["warning"] != together["warned"]]
    assert unwarned.groupby(["planted", "warning", "warned"]).size().to_dict() == {}
    due = together["planted"].map({kind: planted.rule for kind, planted in PLANTED.items()}).replace("", None)
    sent = due.notna() & (together["outcome"] == "sent")
    assert (together.loc[sent, "warned"] == due[sent]).all() and set(due[sent]) == set(due.dropna())


def test_the_batch_file_is_what_the_lrs_asks_for(diary):
    files = sorted((diary["root"] / "lrs" / "outbox").iterdir())
    assert files and all(f.name.startswith("LRB_") and f.suffix == ".CSV" for f in files)
    content = files[0].read_bytes()
    assert content.isascii() and b"\r\n" in content


def test_three_weeks_later_schools_have_their_ulns(diary):
    root, status = diary["root"], status_of(str(diary["root"]), "2012-01")
    assert status["total"]["uln"] == diary["lrs"].ulns
    assert status["total"]["exception"] == diary["lrs"].rows - diary["lrs"].ulns
    assert status["total"]["sent"] == 0
    held = Lake(root / "lake").read("learners", ["upn", "uln"]).dropna()
    in_ctfs = {}
    for path in (root / "dewi" / "outbox").rglob("*.zip"):
        with zipfile.ZipFile(path) as bundle:
            for name in bundle.namelist():
                if name.endswith(".xml"):
                    school = name.split("_")[2]
                    assert path.parent.name == school
                    tree = etree.fromstring(bundle.read(name))
                    in_ctfs |= {p.findtext("UPN"): p.findtext("UniqueLearnerNumber") for p in tree.iter("Pupil")}
    # The CTF has the UPN as the school writes it, the register as it compares.
    assert {upn.strip().upper(): uln for upn, uln in in_ctfs.items()} == dict(held.to_numpy())


def test_names_go_back_as_the_school_spells_them(diary):
    root = diary["root"]
    sent = pd.concat(pd.read_csv(f, dtype="str") for f in (root / "lrs" / "outbox").iterdir())
    assert sent["GivenName"].str.fullmatch(r"[A-Za-z' .\-]+").all()
    spelled = {n for p in (root / "dewi" / "outbox").rglob("*.zip") for n in _forenames(p)}
    assert any(not n.isascii() for n in spelled)


def _forenames(path):
    with zipfile.ZipFile(path) as bundle:
        for name in bundle.namelist():
            if name.endswith(".xml"):
                yield from (e.text for e in etree.fromstring(bundle.read(name)).iter("Forename"))


def test_the_workbook_lists_held_and_answered_alike_in_both_languages(diary):
    root = diary["root"]
    codes = set()
    for path in (root / "dewi" / "outbox").rglob("*.zip"):
        with zipfile.ZipFile(path) as bundle:
            for name in bundle.namelist():
                if name.endswith(".xlsx"):
                    book = load_workbook(io.BytesIO(bundle.read(name)))
                    welsh, english = (list(book[s].iter_rows(values_only=True)) for s in ("Rhestr waith", "Work list"))
                    assert len(welsh) == len(english) > 1
                    assert [r[0] for r in welsh][1:] == [r[0] for r in english][1:]
                    codes |= {cell for row in english for cell in row if isinstance(cell, str)}
    assert {"UPN01", "PCD01", "DOB02"} <= codes
    assert codes & {"RC007", "RC006"}


def test_running_both_again_sends_nothing_and_changes_no_byte(root):
    before, versions = contents(root), Lake(root / "lake").versions()
    assert census(root, "2012-01", "2012-02-20T02:30:00")["release.sent"] == 0
    again = returns(root, "2012-01", "2012-02-20T03:00:00")
    assert (again["files"], again["publish.zips"]) == (0, 0)
    assert contents(root) == before
    assert Lake(root / "lake").versions() == versions


def test_the_same_input_makes_the_same_bytes(diary, tmp_path):
    other = tmp_path / "other"
    DataRoot(other).create()
    make(other, "2012-01")
    census(other, "2012-01", "2012-01-29T09:15:00")
    answer_outbox(other, profiles=all_profiles(), seed=7)
    returns(other, "2012-01", "2012-02-12T09:15:00")
    assert contents(other) == contents(diary["root"])


def test_someone_works_on_the_portal_and_the_exceptions_close(root):
    before = status_of(str(root), "2012-01")["total"]
    worked = processed_exceptions(root, 1.0, seed=7)
    assert worked == before["exception"] > 0
    found = returns(root, "2012-01", "2012-03-01T09:15:00")
    after = status_of(str(root), "2012-01")["total"]
    assert (found["rows"], found["untied"]) == (worked, 0)
    assert after["exception"] == 0
    assert after["uln"] == before["uln"] + before["exception"]
    assert found["publish.zips"] > 0


def test_an_answer_that_ties_to_nothing_is_kept_and_shown(root):
    text = "FileName,UKPRN,MISIdentifier,ULN,ReturnCode\nx,10000037,NOT-OURS,1000102504,\n"
    (root / "lrs" / "inbox" / "stray.csv").write_text(text, encoding="utf-8")
    assert returns(root, "2012-01", "2012-03-01T09:15:00")["untied"] == 1
    kept = Lake(root / "lake").read("lrs_returns", tied="N")
    assert list(kept["mis_identifier"]) == ["NOT-OURS"]


def test_a_file_that_is_no_answer_is_quarantined_and_stops_nobody(root):
    (root / "lrs" / "inbox" / "minutes.csv").write_bytes(b"Agenda,Who\n1,us\n")
    assert returns(root, "2012-01", "2012-03-01T09:15:00")["quarantined"] == 1


def test_a_corrected_return_frees_the_held_and_supersedes_the_old(root):
    before = status_of(str(root), "2012-01")["total"]
    inbox = root / "dewi" / "inbox"
    files = pd.read_parquet(root / "rehearsal" / "truth" / "2012-01" / "files.parquet")
    taken = files[files["outcome"].eq("accepted")].sort_values("path")
    corrections = {
        b"LL77 7CC": b"LL77 7NG",
        b"<Gender>X<": b"<Gender>F<",
        b"<PostCode/>": b"<PostCode>LL77 7NG</PostCode>",
        b"<EnrolStatus>Z<": b"<EnrolStatus>C<",
        b"S1an": b"Sian",
        b"J0nes": b"Jones",
    }
    returns_sent = (
        document.data
        for path, member in zip(taken["path"], taken["member"], strict=True)
        for document in open_arrival(inbox / path).documents
        if document.member is None or document.member == member
    )
    content = max(returns_sent, key=lambda data: sum(map(data.count, corrections)))
    for wrong, right in corrections.items():
        content = content.replace(wrong, right)
    content = re.sub(rb"<DateTime>[^<]*<", b"<DateTime>2012-01-31T23:00:00<", content)
    (inbox / "660" / "corrected.xml").write_bytes(content)
    sent = census(root, "2012-01", "2012-02-20T02:30:00")
    after = status_of(str(root), "2012-01")
    assert sent["release.learners"] == before["held"] - after["total"]["held"] > 0
    assert after["total"]["not_chosen"]["superseded_return"] > before["not_chosen"].get("superseded_return", 0)
    assert all(s["balanced"] for s in after["schools"].values())


def test_a_year_later_those_who_have_a_uln_are_not_asked_for_again(root):
    make(root, "2013-01")
    had = set(Lake(root / "lake").read("learners", ["upn", "uln"]).dropna()["upn"])
    census(root, "2013-01", "2013-01-29T09:15:00")
    sent = Lake(root / "lake").read("batch_rows", cycle="2013-01")
    assert len(sent) and not set(sent["upn"]) & had
    status = status_of(str(root), "2013-01")
    assert status["total"]["not_chosen"]["uln_held"] > 0
    assert all(s["balanced"] for s in status["schools"].values())
    answer_outbox(root, profiles=all_profiles(), seed=7)
    returns(root, "2013-01", "2013-02-12T09:15:00")
    # A mover's new school gets the ULN that the register holds.
    movers = truth(root, "2013-01").query("planted == 'mover'")
    assert set(movers["upn"]) & had <= {u for p in (root / "dewi" / "outbox").rglob("*2013-01*.zip") for u in _upns(p)}


@pytest.fixture(scope="module")
def a_year_later(diary, tmp_path_factory):
    """The census of January 2013 after the whole cycle of 2012: the records beside the plan, and what was due."""
    root = Path(shutil.copytree(diary["root"], tmp_path_factory.mktemp("later") / "root"))
    had = Lake(root / "lake").read("learners", ["upn", "uln", "dob"]).dropna().set_index("upn")["dob"]
    make(root, "2013-01")
    census(root, "2013-01", "2013-01-29T09:15:00")
    rows = against_the_plan(root, "2013-01")
    # A ULN that is held goes before all that is judged later.
    open_to_it = ~rows["outcome"].isin(["year_group", "age", "enrolment_status"])
    by_upn = rows["upn"].str.strip().str.upper().isin(had.index)
    by_former = rows["former_upn"].map(had) == rows["dob"]
    due = rows["outcome"].mask(open_to_it & (by_upn | by_former), "uln_held")
    return rows.assign(due=due, by_former=by_former)


def test_a_year_later_every_outcome_is_the_planted_one_or_the_uln_is_held(a_year_later):
    rows = a_year_later[~a_year_later["by_former"]]
    wrong = rows[rows["due"] != rows["found"]]
    assert wrong.groupby(["planted", "due", "found"]).size().to_dict() == {}
    assert set(rows["planted"]) == KINDS


def test_a_year_later_who_got_a_permanent_upn_keeps_the_uln_of_the_temporary_one(a_year_later):
    rows = a_year_later[a_year_later["by_former"]]
    assert len(rows) and set(rows["planted"]) == {"upn-made-permanent"}
    assert set(rows["found"]) == {"uln_held"}


def _upns(path):
    with zipfile.ZipFile(path) as bundle:
        for name in bundle.namelist():
            if name.endswith(".xml"):
                yield from (e.text for e in etree.fromstring(bundle.read(name)).iter("UPN"))
