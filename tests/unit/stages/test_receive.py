"""Receive and read: each file stands alone, what is refused says why in both languages, and nothing is lost unseen."""

import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from schemas.texts.catalogue import all_texts
from schemas.texts.faults import Refused
from tasks.io.data_root import dewi_inbox
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.reference import SHIPPED
from tasks.io.lake.lake import Lake
from tasks.stages import receive as stage
from tasks.stages.read import read
from tasks.stages.receive import receive
from tasks.stages.select import select
from tests.support.returns import a_return
from tests.support.without_engine import run_stage

AT = "2012-01-29T09:15:00"


def zipped(**members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as bundle:
        for name, content in members.items():
            bundle.writestr(name.replace("_", "."), content)
    return buffer.getvalue()


@pytest.fixture
def root(tmp_path):
    return DataRoot(tmp_path).create()


def put(root, name, content, la="660"):
    folder = root.dewi_inbox / la
    folder.mkdir(exist_ok=True)
    path = Path(os.fsdecode(os.fsencode(folder) + b"/" + os.fsencode(name)))
    path.write_bytes(content)
    return path


def run(task, root, la="660", cycle="2012-01"):
    return run_stage(task, root.path, cycle, AT, [la])


def received(root, **where):
    return Lake(root.lake).read("received", **where)


def test_the_same_bytes_in_two_authorities_folders_are_the_right_one_s(root):
    las = ["660", "661"]
    for la, school in (("660", "6604025"), ("661", "6614002")):
        put(root, "first.xml", a_return(school), la)
    run_stage(receive, root.path, "2012-01", AT, las)
    again = a_return("6604026")
    for la in las:
        put(root, "again.xml", again, la)
        put(root, "again.zip", zipped(again_xml=again), la)
    run_stage(receive, root.path, "2012-01", AT, las)
    (row,) = received(root, sha256=hashlib.sha256(again).hexdigest()).to_dict("records")
    assert (row["la_code"], row["status"], row["school_number"]) == ("660", "accepted", "6604026")
    assert refusals(root) == {}


def refusals(root):
    return {
        p.parent.name: json.loads(p.read_text(encoding="utf-8"))
        for p in (root.path / "quarantine").glob("*/reason.json")
    }


def is_bilingual(detail, key):
    """Whether a detail was made of that text: its fixed words stand in it, Welsh first."""
    welsh, english = detail.split(" / ")
    words = [[part.split("}")[-1] for part in all_texts()[key][lang].split("{")] for lang in ("cy", "en")]
    return all(w in welsh for w in words[0]) and all(w in english for w in words[1])


def test_a_name_that_is_no_utf8_is_received_read_and_can_be_opened_again(root):
    put(root, b"ysgol-\xf4.xml", a_return())
    put(root, b"broken-\xf4.xml", b"<")
    assert run(receive, root) == {"files": 2, "accepted": 1, "quarantined": 1, "faults": 0}
    row = received(root, status="accepted").iloc[0]
    assert (row["path"], row["file_name"]) == (r"660/ysgol-\xf4.xml", r"ysgol-\xf4.xml")
    assert dewi_inbox.document_at(root.dewi_inbox, row["path"], row["sha256"]) == a_return()
    assert run(read, root)["records"] == 1
    assert [r["file"] for r in refusals(root).values()] == [r"660/broken-\xf4.xml"]
    assert run(receive, root)["files"] == 0


@pytest.mark.parametrize("fault", [PermissionError, FileNotFoundError, MemoryError])
@pytest.mark.parametrize("place", ["sha256_of", "arrived"])
def test_one_odd_file_does_not_stop_its_authority(root, monkeypatch, place, fault):
    put(root, "a.xml", a_return("6604026"))
    put(root, "b.xml", a_return())
    put(root, "c.xml", a_return("6604027"))
    real, calls = getattr(stage, place), []

    def odd(*given):
        calls.append(given)
        if len(calls) == 2:
            raise fault("here")
        return real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(stage, place, odd)
        assert run(receive, root) == {"files": 2, "accepted": 2, "quarantined": 0, "faults": 1}
    assert set(received(root)["path"]) == {"660/a.xml", "660/c.xml"}
    (evidence,) = (root.reports("2012-01") / "faults").iterdir()
    assert fault.__name__ in evidence.read_text(encoding="utf-8")
    assert run(receive, root)["accepted"] == 1


def test_a_file_that_grows_while_it_is_looked_at_waits_for_the_next_run(root, monkeypatch):
    path = put(root, "a.xml", a_return()[:-20])
    real = stage.sha256_of

    def then_it_grows(file):
        found = real(file)
        file.write_bytes(a_return())
        return found

    with monkeypatch.context() as patch:
        patch.setattr(stage, "sha256_of", then_it_grows)
        assert run(receive, root) == {"files": 0, "accepted": 0, "quarantined": 0, "faults": 0}
    assert path.exists() and received(root).empty and refusals(root) == {}
    assert run(receive, root)["accepted"] == 1


def test_one_return_that_cannot_be_read_does_not_stop_its_authority(root):
    gone = put(root, "a.xml", a_return("6604026"))
    put(root, "b.xml", a_return())
    run(receive, root)
    gone.unlink()
    assert {k: n for k, n in run(read, root).items() if k in ("returns", "faults")} == {"returns": 1, "faults": 1}


def test_a_file_too_large_is_not_copied(root, monkeypatch):
    monkeypatch.setattr(dewi_inbox, "LARGEST_FILE", 100)
    content = a_return()
    path = put(root, "a.xml", content)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", lambda self: pytest.fail(f"read {self.name}"))
        assert run(receive, root)["quarantined"] == 1
    folder = root.path / "quarantine" / hashlib.sha256(content).hexdigest()
    assert [p.name for p in folder.iterdir()] == ["reason.json"]
    assert path.exists()


@pytest.mark.parametrize(
    ("content", "reason", "key"),
    [
        (a_return("6714047"), "la_mismatch", "detail.la_mismatch"),
        (a_return("6609999"), "unknown_school", "detail.unknown_school"),
        (a_return(day="1999-01-19"), "outside_cycle", "detail.outside_cycle"),
        (a_return().replace(b"PLASC", b"EOTAS"), "wrong_collection", "detail.collection"),
        (a_return().replace(b"Message>", b"Report>"), "wrong_root", "detail.root"),
        (a_return()[:-20], "not_xml", "detail.place"),
        (b"<?xml version='1.0' encoding='utf-7'?>" + a_return(), "not_xml", "detail.encoding"),
        (a_return().replace(b"</Header>", b"<a/>" * 1_000_000 + b"</Header>"), "file_too_large", "detail.marks"),
    ],
    ids=["la", "school", "cycle", "collection", "root", "cut-off", "encoding", "elements"],
)
def test_what_is_refused_says_why_in_both_languages(root, content, reason, key):
    put(root, "x.xml", content)
    assert run(receive, root)["quarantined"] == 1
    row = received(root).iloc[0]
    kept = refusals(root)[row["sha256"]]
    assert (row["reason"], kept["reason"]) == (reason, reason)
    assert row["detail"] == kept["detail"]
    assert is_bilingual(row["detail"], key)
    assert "Prawf" not in str(kept)


def test_quarantine_holds_only_what_stands_refused(root):
    later, elsewhere, new = a_return(day="2013-01-15"), a_return("6714047"), a_return("6609999")
    put(root, "later.zip", zipped(a_xml=later, b_xml=a_return()))
    put(root, "elsewhere.xml", elsewhere)
    put(root, "new.xml", new)
    put(root, "broken.xml", b"<")
    assert run(receive, root)["quarantined"] == 4
    schools = pd.read_csv(SHIPPED / "schools.csv", dtype="str")
    schools.loc[len(schools)] = schools.iloc[0].to_dict() | {"school_number": "6609999"}
    schools.to_csv(root.reference / "schools.csv", index=False)
    put(root, "elsewhere.xml", elsewhere, la="671")
    assert run(receive, root, cycle="2013-01")["accepted"] == 1
    assert run(receive, root)["accepted"] == 1
    assert run(receive, root, la="671")["accepted"] == 1
    assert [r["file"] for r in refusals(root).values()] == ["660/broken.xml"]
    assert received(root, status="quarantined")["path"].tolist() == ["660/broken.xml"]
    # The file itself is the school's and stays; it is not looked at again.
    assert (root.dewi_inbox / "660" / "later.zip").exists()
    assert sum(run(receive, root, cycle=c)["files"] for c in ("2012-01", "2013-01")) == 0


def test_what_a_killed_run_left_in_quarantine_goes_with_the_next(root):
    put(root, "x.xml", a_return())
    run(receive, root)
    sha256 = received(root)["sha256"].iloc[0]
    dewi_inbox.quarantine(root.path, sha256, a_return(), "x.xml", Refused("outside_cycle"))
    run(receive, root)
    assert refusals(root) == {}


def test_other_files_in_a_zip_are_counted_on_its_row_and_returns_of_another_ending_taken(root):
    put(root, "x.zip", zipped(a_xml=a_return(), b_dat=a_return("6604026"), c_pdf=b"%PDF", d_txt=b"..."))
    assert run(receive, root)["accepted"] == 2
    detail = received(root, kind="zip")["detail"].iloc[0]
    assert is_bilingual(detail, "detail.left_out") and detail.endswith(": 2")
    put(root, "y.zip", zipped(a_xml=a_return("6604027")))
    run(receive, root)
    assert received(root, path="660/y.zip", kind="zip")["detail"].isna().all()


def test_the_records_on_roll_are_counted_when_the_return_is_received(root):
    put(root, "a.xml", a_return(pupils=3))
    put(root, "b.zip", zipped(b_xml=a_return("6604026")))
    run(receive, root)
    before = received(root, kind="return").set_index("school_number")
    assert before["declared"].to_dict() == {"6604025": 3, "6604026": 1} and before["pupils"].isna().all()
    run(read, root)
    after = received(root, kind="return").set_index("school_number")
    assert (after["declared"] == after["pupils"]).all()


def test_the_newest_accepted_return_counts_though_it_could_not_be_read(root):
    put(root, "old.xml", a_return(pupils=2))
    run(receive, root)
    run(read, root)
    run(select, root)
    newer = put(root, "new.xml", a_return(at="2012-01-21T10:00:00"))
    run(receive, root)
    newer.unlink()
    assert run(read, root)["faults"] == 1
    run(select, root)
    decided = Lake(root.lake).read("dispositions")
    assert decided["reason"].tolist() == ["superseded_return"] * 2
