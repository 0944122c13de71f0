"""ULNs that schools send in their returns, held against the LRS: told, never changed; asked once, and only where it is wanted."""

import datetime as dt
import io
import zipfile
from collections import deque

import pandas as pd
import pytest
from openpyxl import load_workbook

from flows.cli.story import print_story
from schemas.cycles import all_cycles
from schemas.settings.terms import Kind, all_retention
from schemas.texts.faults import ServiceFault
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tasks.io.lrs.web_service import LearnerService, Reply
from tasks.maintenance.purge import items_due, purge
from tasks.rehearsal.certificates import make_certificates
from tasks.rehearsal.lrs_web_stand_in import PASSWORD, Fault, serving, settings_of
from tasks.reports.trace import stories
from tasks.stages import poll_lrs as asking
from tasks.stages import verify as verifying
from tasks.stages.publish import publish
from tasks.stages.read import read
from tasks.stages.receive import receive
from tasks.stages.select import select
from tasks.stages.validate import validate
from tasks.stages.verify import verifies, verify
from tests.support.learners.ten import ASKED, FIRST, REGISTRATION, ULN, UPN, pupil, send_return
from tests.support.without_engine import run_stage

pytestmark = pytest.mark.long

#: Whose ULN it is to the LRS: Ann's own; Bryn's of one with another forename; Carys's of somebody else; Dewi's nobody's.
KNOWN = {"Ann": {}, "Bryn": {"given_name": "Brynmor"}, "Carys": {"family_name": "Arall", "dob": "1990-01-01"}}
SENT_WITH = ("Ann", "Bryn", "Carys", "Dewi")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def root(tmp_path):
    """A school's return in which four learners have a ULN and two have none; the LRS's register knows three of them."""
    root = tmp_path / "root"
    DataRoot(root).create()
    (root / "reference" / "registration.csv").write_text(REGISTRATION, encoding="utf-8")
    pupils = [pupil(who, uln=ULN[who]) for who in SENT_WITH] + [pupil("Elin"), pupil("Ffion", uln="1234567890")]
    send_return(root, "2012-01-18", pupils)
    five = {"dob": "1996-11-05", "gender": "2", "postcode": "LL77 7NG", "origin": "known before"}
    rows = [{"uln": ULN[w], "given_name": w, "family_name": f"Teulu{w}", **five, **other} for w, other in KNOWN.items()]
    (root / "rehearsal" / "lrs").mkdir(parents=True)
    columns = ["uln", "given_name", "family_name", "dob", "gender", "postcode", "origin"]
    pd.DataFrame(rows, columns=columns).astype("str").to_parquet(root / "rehearsal" / "lrs" / "register.parquet")
    return root


@pytest.fixture
def lrs(root, certificates, monkeypatch):
    monkeypatch.setenv("ULN_LRS_PASSWORD", PASSWORD)
    with serving(root, certificates) as stand_in:
        settings = settings_of(stand_in, certificates).replace("web-service", "files") + "verify_ulns = true\n"
        (root / "reference" / "lrs_service.toml").write_text(settings, encoding="utf-8")
        for stage in (receive, read, select):
            run_stage(stage, root, FIRST, ASKED)
        run_stage(validate, root, FIRST, ASKED)
        yield stand_in


def told(root):
    """What the records are told of their ULNs: rule by learner."""
    findings = Lake(root / "lake").read("findings").query("rule.str.startswith('VRF')")
    upns = Lake(root / "lake").read("pupils").set_index("row_ref")["upn"]
    who = {upn: name for name, upn in UPN.items()}
    return {who[upns[ref]]: rule for ref, rule in zip(findings["row_ref"], findings["rule"], strict=True)}


def test_nobody_is_asked_about_unless_it_is_wanted(root):
    assert not verifies(str(root))


def test_each_uln_is_asked_about_once_and_what_does_not_agree_is_told(root, lrs):
    assert verifies(str(root))
    before = Lake(root / "lake").read("pupils")
    assert run_stage(verify, root, FIRST, ASKED) == {"asked": 4, "told": 0}
    assert run_stage(verify, root, FIRST, ASKED) == {"asked": 0, "told": 0}
    assert asking.has_jobs(str(root)) and asking.ask.fn(data=str(root))["verified"] == 4
    assert told(root) == {"Bryn": "VRF01", "Carys": "VRF02", "Dewi": "VRF02"}
    assert not asking.has_jobs(str(root))
    assert run_stage(verify, root, FIRST, ASKED) == {"asked": 0, "told": 3}
    assert lrs.taken == {"SubmitVerifyBatch": 1, "GetVerifyBatchOutput": 1}
    checks = Lake(root / "lake").read("uln_checks").set_index("upn")
    assert checks.loc[UPN["Carys"], "flags"] == "VRF5;VRF7" or "VRF7" in checks.loc[UPN["Carys"], "flags"]
    # No ULN is changed by it, nor does the register learn one.
    pd.testing.assert_frame_equal(Lake(root / "lake").read("pupils"), before)
    assert Lake(root / "lake").read("learners").empty


def test_the_school_reads_it_in_its_work_list_in_both_languages(root, lrs):
    run_stage(verify, root, FIRST, ASKED)
    asking.ask.fn(data=str(root))
    run_stage(publish, root, FIRST, ASKED)
    [path] = (root / "dewi" / "outbox").rglob("*.zip")
    with zipfile.ZipFile(path) as bundle:
        [name] = [one for one in bundle.namelist() if one.endswith(".xlsx")]
        book = load_workbook(io.BytesIO(bundle.read(name)))
    cells = [str(c) for sheet in book for row in sheet.iter_rows(values_only=True) for c in row if c]
    assert {"VRF01", "VRF02"} <= set(cells)
    assert any("is not this learner's" in c for c in cells) and any("nad ULN y dysgwr hwn" in c for c in cells)
    assert lrs.taken["GetVerifyBatchOutput"] == 1


def story(root, who):
    [one] = stories(str(root), UPN[who])
    rows = one.events.of_learner.fillna("")
    rows = rows[rows["kind"].str.startswith("verif")]
    return list(rows[["at", "kind", "school_number", "uln", "code"]].itertuples(index=False, name=None))


@pytest.mark.usefixtures("lrs")
def test_what_was_asked_and_said_of_a_learner_s_uln_stands_in_the_learner_s_story(root, capsys):
    run_stage(verify, root, FIRST, ASKED)
    place = (ASKED, "verification_asked", "6604025", ULN["Carys"], "")
    assert story(root, "Carys") == [place] and story(root, "Elin") == []
    asking.ask.fn(data=str(root))
    assert story(root, "Carys") == [(ASKED, "verified", "6604025", ULN["Carys"], "WSVRC005")]
    assert story(root, "Ann") == [(ASKED, "verified", "6604025", ULN["Ann"], "WSVRC001")]
    print_story(str(root), stories(str(root), ULN["Carys"]))
    said = " ".join(word for word in capsys.readouterr().out.replace("│", " ").split())
    assert "WSVRC005" in said and "The ULN is another learner's" in said and ULN["Ann"] not in said


@pytest.mark.usefixtures("lrs")
def test_what_the_lrs_said_goes_when_the_cycle_has_had_its_days_and_not_before(root):
    run_stage(verify, root, FIRST, ASKED)
    asking.ask.fn(data=str(root))
    closed = all_cycles()[FIRST].closes_on
    days = all_retention()[Kind.VERIFICATIONS].days
    over, lake = closed + dt.timedelta(days=days), Lake(root / "lake")

    def going(day):
        return [(one.ref, one.files) for one in items_due(str(root), day, day) if one.kind is Kind.VERIFICATIONS]

    assert going(over) == [] and going(over + dt.timedelta(days=1)) == [(FIRST, 4)]
    # Another cycle's stay; that of an open cycle goes by them, however few days there are.
    lake.upsert("uln_checks", lake.read("uln_checks").head(1).assign(cycle="2013-01", upn="Z660402512345"))
    (root / "reference" / "retention.toml").write_text("[verifications]\ndays = 0\ndecided = true\n", encoding="utf-8")
    assert going(closed) == []
    purge(str(root), closed + dt.timedelta(days=1), closed + dt.timedelta(days=1))
    assert lake.read("uln_checks")["cycle"].tolist() == ["2013-01"] and going(closed + dt.timedelta(days=1)) == []
    written = lake.read("purged", kind="verifications")
    assert written[["ref", "files"]].to_numpy().tolist() == [[FIRST, 4]]


def test_a_newer_return_that_corrects_a_uln_is_told_of_no_more(root, lrs):
    run_stage(verify, root, FIRST, ASKED)
    asking.ask.fn(data=str(root))
    send_return(root, "2012-01-25", [pupil("Ann", uln=ULN["Ann"]), pupil("Bryn", uln=ULN["Bryn"]), pupil("Carys")])
    for stage in (receive, read, select):
        run_stage(stage, root, FIRST, ASKED)
    run_stage(validate, root, FIRST, ASKED)
    assert run_stage(verify, root, FIRST, ASKED) == {"asked": 0, "told": 1}
    assert told(root) == {"Bryn": "VRF01"} and lrs.taken["SubmitVerifyBatch"] == 1


@pytest.mark.parametrize("fault", [Fault.DROPPED_AFTER, Fault.ODD, "WSEC0006"])
def test_what_was_lost_is_asked_again_for_it_creates_nothing(root, lrs, fault):
    lrs.planned["SubmitVerifyBatch"] = deque([fault])
    with pytest.raises(ServiceFault, match="/"):
        run_stage(verify, root, FIRST, ASKED)
    assert run_stage(verify, root, FIRST, ASKED)["asked"] == 4
    lrs.planned["GetVerifyBatchOutput"] = deque([fault])
    with pytest.raises(ServiceFault, match="/"):
        asking.ask.fn(data=str(root))
    assert asking.ask.fn(data=str(root))["verified"] == 4


def test_whom_an_answer_leaves_out_is_not_verified_and_is_asked_about_again(root, lrs):
    run_stage(verify, root, FIRST, ASKED)
    lrs.planned["GetVerifyBatchOutput"] = deque([Fault.LEFT_OUT])
    assert asking.ask.fn(data=str(root)) | {"jobs": 0} == {
        **dict.fromkeys(("jobs", "answered", "unfinished", "failed"), 0),
        "verified": 3,
        "left_out": 1,
    }
    checks = Lake(root / "lake").read("uln_checks")
    [out] = checks.loc[checks["code"] == "LEFT_OUT", "upn"]
    assert not asking.has_jobs(str(root)) and run_stage(verify, root, FIRST, ASKED)["asked"] == 1
    assert asking.ask.fn(data=str(root))["verified"] == 1
    after = Lake(root / "lake").read("uln_checks").set_index("upn")["code"]
    assert after[out].startswith("WSVRC") and told(root) == {"Bryn": "VRF01", "Carys": "VRF02", "Dewi": "VRF02"}


@pytest.mark.parametrize("reply", ["WSRC0010", Reply("WSRC0010"), Reply("WSRC0018")], ids=["reply", "fault", "unknown"])
def test_a_verification_that_came_to_nothing_is_told_in_a_sentence_and_asked_about_again(root, lrs, monkeypatch, reply):
    """With a message that says only that, and with none at all."""
    run_stage(verify, root, FIRST, ASKED)
    with monkeypatch.context() as patch, pytest.raises(ServiceFault, match=r"did not verify 4 ULNs.*WSRC00") as caught:
        if isinstance(reply, Reply):
            patch.setattr(LearnerService, "verification", lambda *_: reply)
        else:
            lrs.planned["GetVerifyBatchOutput"] = deque([reply])
        asking.ask.fn(data=str(root))
    assert "evidence" not in str(caught.value) and " / " in str(caught.value)
    assert not asking.has_jobs(str(root)) and run_stage(verify, root, FIRST, ASKED)["asked"] == 4
    assert asking.ask.fn(data=str(root))["verified"] == 4


@pytest.mark.usefixtures("lrs")
def test_an_answer_to_a_verification_that_brings_nothing_is_none(root, monkeypatch):
    run_stage(verify, root, FIRST, ASKED)
    with monkeypatch.context() as patch, pytest.raises(ServiceFault, match="ODD_ANSWER"):
        patch.setattr(LearnerService, "verification", lambda *_: Reply("WSRC0009"))
        asking.ask.fn(data=str(root))
    assert asking.ask.fn(data=str(root))["verified"] == 4


def test_an_answer_without_a_message_says_nothing_of_anybody():
    assert verifying.verified_learners(b"").empty


def test_out_of_hours_nothing_is_asked_and_nothing_is_wrong(root, lrs):
    lrs.closed = True
    assert run_stage(verify, root, FIRST, ASKED) == {"asked": 0, "told": 0}
    lrs.closed = False
    assert run_stage(verify, root, FIRST, ASKED)["asked"] == 4
    lrs.closed = True
    assert asking.ask.fn(data=str(root))["verified"] == 0
