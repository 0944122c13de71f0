"""The operator's bad nights: what failed is told, nothing is lost, and the next run does what is left."""

import errno
import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from lxml import etree

from schemas.codes.return_codes import all_return_codes, code_table
from schemas.lrs.profiles import all_profiles
from schemas.texts.faults import ServiceFault
from tasks.io.data_root import data_root
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.io.lake.lake import Lake
from tasks.ledger.snapshots import published
from tasks.rehearsal.lrs_stand_in import answer_outbox
from tasks.reports.status import attention, status_of
from tasks.stages.conserve import conserve
from tasks.stages.receive import receive
from tasks.stages.select import select
from tasks.stages.snapshot import snapshot
from tasks.stages.validate import validate
from tasks.steps import collect as collecting
from tasks.steps import publish as returns_work
from tests.support.diary import census, make, returns
from tests.support.paths import GOLDEN, PROJECT
from tests.support.without_engine import run_stage

SENT, BACK = "2012-01-29T09:15:00", "2012-02-12T09:15:00"


@pytest.fixture(scope="module")
def sent_root(tmp_path_factory):
    """A cycle whose batches have gone out and whose answers lie in the inbox, not yet taken in."""
    root = tmp_path_factory.mktemp("wrong")
    DataRoot(root).create()
    make(root, "2012-01")
    census(root, "2012-01", SENT)
    answer_outbox(root, profiles=all_profiles(), seed=7)
    return root


@pytest.fixture
def root(sent_root, tmp_path):
    return Path(shutil.copytree(sent_root, tmp_path / "root"))


def test_a_damaged_table_of_the_lake_stops_only_the_stages_that_need_it(root):
    first = root / "lake" / "findings" / "_delta_log" / f"{0:020}.json"
    entry = first.read_bytes()
    first.write_bytes(b"damaged")
    arguments = {"data": str(root), "cycle": "2012-01", "las": ["660"], "as_of": SENT}
    with one_run_at_a_time(str(root)):
        assert receive.fn(**arguments).faults == select.fn(**arguments).faults == {}
        stopped = validate.fn(**arguments)
        assert list(stopped.faults) == ["660"] and "reports/2012-01/faults/validate-660-" in stopped.faults["660"]
    first.write_bytes(entry)
    with one_run_at_a_time(str(root)):
        assert validate.fn(**arguments).faults == {}


def ctfs(root):
    """School -> UPN -> ULN of the newest transfer file."""
    newest = {}
    for path in sorted((root / "dewi" / "outbox").rglob("*.zip")):
        with zipfile.ZipFile(path) as bundle:
            names = [n for n in bundle.namelist() if n.endswith(".xml")]
            pupils = [p for n in names for p in etree.fromstring(bundle.read(n)).iter("Pupil")]
        newest[path.parent.name] = {p.findtext("UPN"): p.findtext("UniqueLearnerNumber") for p in pupils}
    return newest


def test_a_school_whose_file_could_not_be_made_is_told_and_tried_again(root, monkeypatch):
    real = returns_work.school_files

    def broken(due, *more):
        if due.school_number == "6604026":
            raise ServiceFault("no")
        return real(due, *more)

    monkeypatch.setattr(returns_work, "school_files", broken)
    found = returns(root, "2012-01", BACK)
    assert found["publish.faults"] == 1 and found["publish.zips"] >= 1
    assert "6604026" not in ctfs(root)
    assert list((root / "reports" / "2012-01" / "faults").glob("publish-6604026-*"))
    monkeypatch.undo()
    assert returns(root, "2012-01", BACK)["publish.zips"] == 1
    assert "6604026" in ctfs(root)


def test_a_transfer_file_that_does_not_fit_its_schema_never_leaves(root, monkeypatch):
    monkeypatch.setattr("tasks.steps.school_files.check_ctf", lambda *_: ["Pupil, line 9: the value is odd"])
    found = returns(root, "2012-01", BACK)
    assert found["publish.zips"] == 0 or not any(ctfs(root).values())
    assert found["publish.faults"] > 0


def test_a_cycle_that_does_not_balance_is_not_published(root):
    lake = Lake(root / "lake")
    rows = lake.read("dispositions", cycle="2012-01", la_code="660")
    lake.replace("dispositions", rows.iloc[1:], cycle="2012-01", la_code="660")
    with pytest.raises(ServiceFault, match=rf"2012-01.*{rows['school_number'].iloc[0]}"):
        conserve.fn(data=str(root), cycle="2012-01")


@pytest.mark.parametrize("records", [250_000, 10], ids=["whole", "cut"])
def test_pupils_of_a_school_that_nothing_was_received_of_are_seen_by_the_conservation_check(root, monkeypatch, records):
    monkeypatch.setattr("tasks.runtime.chunks.CHUNK_RECORDS", records)
    lake = Lake(root / "lake")
    rows = lake.read("pupils", cycle="2012-01", la_code="660").head(1)
    lake.append("pupils", rows.assign(row_ref="stray", school_number="6604999"))
    with pytest.raises(ServiceFault, match=r"2012-01.*6604999"):
        conserve.fn(data=str(root), cycle="2012-01")
    stray = status_of(str(root), "2012-01", ["660"])["schools"]["6604999"]
    assert stray["records"] == 1 and not stray["balanced"]


def test_a_return_that_could_not_be_read_is_missed_by_the_conservation_check(root):
    source = next((root / "dewi" / "inbox" / "660").glob("*PLASC_002.xml"))
    content = re.sub(rb"<DateTime>[^<]*<", b"<DateTime>2012-01-31T23:00:00<", source.read_bytes())
    (root / "dewi" / "inbox" / "660" / "newest.xml").write_bytes(content)
    lake = Lake(root / "lake")
    census(root, "2012-01", SENT)
    received = lake.read("received")
    lake.upsert("received", received[received["path"] == "660/newest.xml"].assign(declared=999_999))
    with pytest.raises(ServiceFault, match="2012-01"):
        conserve.fn(data=str(root), cycle="2012-01")


def test_a_full_disk_at_the_hand_over_leaves_the_batches_ready(root, monkeypatch):
    shutil.rmtree(root / "lrs" / "outbox")
    (root / "lrs" / "outbox").mkdir()
    lake = Lake(root / "lake")
    ledger = lake.read("batches")
    lake.replace("batches", ledger.assign(state="READY", sent_at=None), cycle="2012-01", la_code="660")
    real, written = data_root.write_whole, []

    def full_after_one(path, content):
        if path.parent.name == "outbox" and written:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path.name)
        return real(path, content)

    monkeypatch.setattr(data_root, "write_whole", full_after_one)
    monkeypatch.setattr(data_root, "_AT_A_TIME", 1)
    with pytest.raises(ServiceFault):
        census(root, "2012-01", "2012-02-01T02:30:00")
    states = lake.read("batches", ["file_name", "state"])
    assert list(states.loc[states["state"] == "SENT", "file_name"]) == written
    assert set(states["state"]) == {"SENT", "READY"}
    monkeypatch.undo()
    assert census(root, "2012-01", "2012-02-02T02:30:00")["release.sent"] == len(ledger) - 1
    assert {p.name for p in (root / "lrs" / "outbox").iterdir()} == set(ledger["file_name"])


def same_uln_for_two(root):
    """Change an answer so that two learners of two schools get one ULN."""
    one, other = sorted((root / "lrs" / "inbox").glob("*"))[:2]
    uln = re.search(rb'"([1-9][0-9]{9})"', one.read_bytes())[1]
    content = re.sub(rb'"[1-9][0-9]{9}","(?=[A-Z][0-9]{12}")', b'"' + uln + b'","', other.read_bytes(), count=1)
    other.write_bytes(content)
    return uln.decode()


def test_a_uln_in_dispute_stays_out_of_every_transfer_file_also_after_a_newer_return(root):
    disputed = same_uln_for_two(root)
    returns(root, "2012-01", BACK)
    assert disputed not in {uln for school in ctfs(root).values() for uln in school.values()}
    assert attention(str(root), "2012-01")["conflicts"] == 2
    rules = Lake(root / "lake").read("findings", ["rule"])["rule"]
    assert (rules == "LRS02").sum() == 2
    for path in sorted((root / "dewi" / "inbox" / "660").glob("*.xml")):
        newer = re.sub(rb"<DateTime>[^<]*<", b"<DateTime>2012-01-31T23:00:00<", path.read_bytes())
        path.with_name(f"newer-{path.name}").write_bytes(newer)
    census(root, "2012-01", "2012-02-20T02:30:00")
    returns(root, "2012-01", "2012-02-20T03:00:00")
    assert disputed not in {uln for school in ctfs(root).values() for uln in school.values()}


def test_a_run_that_dies_between_the_two_commits_of_merging_loses_nothing(root, monkeypatch):
    disputed = same_uln_for_two(root)
    real = Lake.upsert

    def dies(self, name, rows, transactions=(), known=None):
        if name == "learners":
            raise OSError("killed")
        return real(self, name, rows, transactions, known)

    monkeypatch.setattr(Lake, "upsert", dies)
    with pytest.raises(ServiceFault):
        returns(root, "2012-01", BACK)
    monkeypatch.undo()
    returns(root, "2012-01", BACK)
    register = Lake(root / "lake").read("learners", uln=[disputed])
    assert list(register["conflict"]) == ["LRS02", "LRS02"]


def test_a_later_cycle_changes_nothing_in_an_earlier_one(root):
    returns(root, "2012-01", BACK)
    before, files = status_of(str(root), "2012-01"), ctfs(root)
    assert before["total"]["exception"] > 0
    make(root, "2013-01")
    census(root, "2013-01", "2013-01-29T09:15:00")
    answer_outbox(root, profiles=all_profiles(), seed=7)
    returns(root, "2013-01", "2013-02-12T09:15:00")
    assert status_of(str(root), "2012-01") == before
    assert returns(root, "2012-01", "2013-02-12T09:15:00")["publish.zips"] == 0
    assert files.keys() <= ctfs(root).keys()


def test_an_edited_text_is_a_reason_to_publish_again(root):
    returns(root, "2012-01", BACK)
    assert published(str(root), "2012-01")
    own = code_table(all_return_codes()).to_csv(index=False).replace("Possible match", "A possible match")
    (root / "reference" / "return_codes.csv").write_text(own, encoding="utf-8")
    assert not published(str(root), "2012-01")


def test_an_answer_that_comes_before_its_batch_is_known_ties_later_and_is_listed_until_then(root):
    lake = Lake(root / "lake")
    kept = lake.read("batch_rows")
    one = kept["upn"] == kept["upn"].iloc[0]
    where = {"cycle": "2012-01", "la_code": "660"}
    lake.replace("batch_rows", kept[~one], **where)
    assert returns(root, "2012-01", BACK)["untied"] == 1
    report = pd.read_csv(root / "reports" / "untied.csv", dtype="str", encoding="utf-8-sig")
    assert len(report) == 1 and not any("UPN" in c for c in report.columns)
    lake.replace("batch_rows", kept, **where)
    found = returns(root, "2012-01", "2012-02-13T09:15:00")
    assert found["merge.files"] == 1
    learner = kept.loc[one, "upn"]
    answered = [
        *lake.read("learners", ["upn"], upn=learner)["upn"],
        *lake.read("exceptions", ["upn"], upn=learner)["upn"],
    ]
    assert set(answered) == set(learner)
    assert len(pd.read_csv(root / "reports" / "untied.csv", encoding="utf-8-sig")) == 0


def test_a_result_file_that_was_refused_is_taken_in_once_its_headings_are_known(root):
    path = sorted((root / "lrs" / "inbox").iterdir())[0]
    path.write_bytes(path.read_bytes().replace(b"MISIdentifier", b"PupilKey"))
    assert returns(root, "2012-01", BACK)["quarantined"] == 1
    assert returns(root, "2012-01", BACK)["files"] == 0
    shipped = PROJECT / "schemas" / "lrs" / "2A.toml"
    own = shipped.read_text(encoding="utf-8").replace(
        'heading = "MISIdentifier"\n', 'heading = "MISIdentifier"\naliases = ["PupilKey"]\n'
    )
    own = re.sub(r'(aliases = \["PupilKey"\]\nsource = "upn"\nmax_length = 128\n)aliases = .*\n', r"\1", own)
    (root / "reference" / "lrs").mkdir()
    (root / "reference" / "lrs" / "2A.toml").write_text(own, encoding="utf-8")
    assert returns(root, "2012-01", BACK)["files"] == 1
    assert not (root / "quarantine").exists() or not [
        p for p in (root / "quarantine").glob("*/reason.json") if "PupilKey" in p.read_text(encoding="utf-8")
    ]
    assert attention(str(root), "2012-01")["untied_answers"] == 0


def test_a_result_file_that_grows_while_it_is_taken_in_waits_for_the_next_run(root, monkeypatch):
    path = sorted((root / "lrs" / "inbox").iterdir())[0]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    real = collecting.sha256_of

    def grows_after_the_look(one):
        found = real(one)
        if one == path:
            path.write_bytes(whole)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(collecting, "sha256_of", grows_after_the_look)
        others = returns(root, "2012-01", BACK)
    lake = Lake(root / "lake")
    assert others["faults"] == 0 and path.name not in set(lake.read("received", ["path"])["path"])
    rows = others["rows"] + returns(root, "2012-01", "2012-02-13T09:15:00")["rows"]
    assert rows == len(lake.read("batch_rows")) == len(lake.read("lrs_returns"))


def test_what_merging_finds_is_in_the_findings_once_and_stays_as_it_is(root):
    same_uln_for_two(root)
    returns(root, "2012-01", BACK)
    version = Lake(root / "lake").version("findings")
    census(root, "2012-01", "2012-02-20T02:30:00")
    returns(root, "2012-01", "2012-02-20T03:00:00")
    assert Lake(root / "lake").version("findings") == version


def test_a_return_that_has_gone_is_named_to_the_operator(root):
    newest = root / "dewi" / "inbox" / "660" / "newest.xml"
    source = next((root / "dewi" / "inbox" / "660").glob("*PLASC_002.xml"))
    newest.write_bytes(re.sub(rb"<DateTime>[^<]*<", b"<DateTime>2012-01-31T23:00:00<", source.read_bytes()))
    lake = Lake(root / "lake")
    run_stage(receive, root, "2012-01", SENT)
    newest.unlink()
    assert census(root, "2012-01", SENT)["read.faults"] == 1
    assert attention(str(root), "2012-01")["unread"] == ["660/newest.xml"]
    assert lake.read("received", ["path", "pupils"], path="660/newest.xml")["pupils"].isna().all()


def test_the_snapshot_is_the_golden_one(tmp_path):
    """Two learners of one school, one with a ULN and one with an exception; reviewed by eye."""
    root = DataRoot(tmp_path).create()
    (root.reference / "registration.csv").write_text(
        (GOLDEN / "snapshot" / "registration.csv").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (root.dewi_inbox / "660").mkdir()
    shutil.copy(GOLDEN / "snapshot" / "return.xml", root.dewi_inbox / "660")
    census(tmp_path, "2012-01", SENT)
    shutil.copy(GOLDEN / "snapshot" / "answers.csv", root.lrs_inbox)
    returns(tmp_path, "2012-01", BACK)
    snapshot.fn(data=str(tmp_path), cycle="2012-01")
    for name in ("learners", "exceptions"):
        content = (root.snapshots("2012-01") / f"{name}.parquet").read_bytes()
        found = pq.read_table(io.BytesIO(content)).to_pandas().to_csv(index=False, lineterminator="\n")
        assert found == (GOLDEN / "snapshot" / f"{name}.csv").read_text(encoding="utf-8"), name
    manifest = json.loads((root.snapshots("2012-01") / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["cycle"], manifest["learners"], manifest["exceptions"]) == ("2012-01", 2, 1)
    assert manifest["delta_versions"]["learners"] == 0
