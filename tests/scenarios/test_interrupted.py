"""Runs that were cut short or came at a bad time: half-written files, clocks that go back, disks that are full.

What a kill at each point leaves is `tests/crash`; here stand the cases that no point shows, as the next run is another one:
later, earlier, or with other files in the inboxes.
"""

import errno
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from prefect.states import Completed

from flows import lrs_returns
from schemas.lrs.profiles import all_profiles
from schemas.tables import SENT_FIELDS
from schemas.texts.faults import ServiceFault
from tasks.io.data_root import data_root
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.dewi_inbox import open_arrival
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.io.lake.lake import Lake
from tasks.ledger.snapshots import published
from tasks.rehearsal.lrs_stand_in import answer_outbox
from tasks.reports.status import status_of
from tasks.stages import collect as collecting
from tasks.stages import conserve as conserving
from tasks.stages.receive import receive
from tasks.steps import publish as returns_work
from tests.support.diary import census, make, returns
from tests.support.without_engine import run_stage, without_an_engine

pytestmark = pytest.mark.long

CYCLE = "2012-01"
SENT, BACK, LATER, LATEST = "2012-01-29T09:15", "2012-02-12T09:15", "2012-02-20T02:30", "2012-03-01T09:15"


@pytest.fixture(scope="module")
def arrived_root(tmp_path_factory):
    """Returns lie in the inbox, nothing was run."""
    root = tmp_path_factory.mktemp("arrived")
    DataRoot(root).create()
    make(root, CYCLE)
    return root


@pytest.fixture(scope="module")
def answered_root(arrived_root, tmp_path_factory):
    """The batches went out, the answers lie in the inbox."""
    root = Path(shutil.copytree(arrived_root, tmp_path_factory.mktemp("answered") / "root"))
    census(root, CYCLE, SENT)
    answer_outbox(root, profiles=all_profiles(), seed=7)
    return root


@pytest.fixture
def arrived(arrived_root, tmp_path):
    return Path(shutil.copytree(arrived_root, tmp_path / "root"))


@pytest.fixture
def answered(answered_root, tmp_path):
    return Path(shutil.copytree(answered_root, tmp_path / "root"))


def dying(*_given, **_named):
    raise KeyboardInterrupt


def renamed(root, school, count):
    """A newer return of a school, in which that many pupils have another surname."""
    inbox = root / "dewi" / "inbox" / "660"
    source = next(p for p in sorted(inbox.glob(f"{school}*")) if "_001" not in p.name)
    content = max((document.data for document in open_arrival(source).documents), key=len)
    content = re.sub(rb"<Surname>([A-Z])[^<]*<", rb"<Surname>\1yddwr<", content, count=count)
    (inbox / "newer.xml").write_bytes(re.sub(rb"<DateTime>[^<]*<", b"<DateTime>2012-01-31T23:00:00<", content))


def sent_once(root):
    """Nobody stands in two of the files in the outbox with the same demographics, or in two live batches unanswered."""
    lake = Lake(root / "lake")
    live = lake.read("batches", ["batch_ref", "state"])
    rows = lake.read("batch_rows", ["batch_ref", "upn", *SENT_FIELDS])
    rows = rows[rows["batch_ref"].isin(live.loc[live["state"] != "ABANDONED", "batch_ref"])]
    return not rows.duplicated(["upn", *SENT_FIELDS]).any()


def test_a_return_that_is_half_there_is_refused_and_taken_in_when_it_is_whole(arrived):
    path = max((arrived / "dewi" / "inbox" / "660").glob("*PLASC_002.xml"), key=lambda p: p.stat().st_size)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    census(arrived, CYCLE, SENT)
    lake = Lake(arrived / "lake")
    assert list(lake.read("received", ["reason"], path=f"660/{path.name}")["reason"]) == ["not_xml"]
    before = status_of(str(arrived), CYCLE)
    with path.open("ab") as file:
        file.write(whole[len(whole) // 2 :])
    census(arrived, CYCLE, LATER)
    received = lake.read("received", ["status", "sha256"], path=f"660/{path.name}").set_index("sha256")["status"]
    assert received[hashlib.sha256(whole).hexdigest()] == "accepted"
    after = status_of(str(arrived), CYCLE)
    school, records = path.name[:7], whole.count(b"<PupilOnRoll>")
    assert before["schools"].get(school, {"records": 0})["records"] < records
    assert after["schools"][school]["records"] >= records and after["total"]["balanced"]
    assert sent_once(arrived)


def test_a_result_that_is_half_there_gives_nobody_a_wrong_uln_and_is_taken_in_when_it_is_whole(answered, tmp_path):
    other = Path(shutil.copytree(answered, tmp_path / "other"))
    path = max((answered / "lrs" / "inbox").iterdir(), key=lambda p: p.stat().st_size)
    whole = path.read_bytes()
    uln = list(re.finditer(rb'"([1-9][0-9]{9})"', whole))[3]
    path.write_bytes(whole[: uln.start() + 6])
    returns(answered, CYCLE, BACK)
    given = Lake(answered / "lake").read("learners", ["uln"])["uln"].dropna()
    path.write_bytes(whole)
    returns(answered, CYCLE, LATER)
    returns(other, CYCLE, BACK)
    wanted = Lake(other / "lake").read("learners").drop(columns=["batch_ref"])
    assert set(given) < set(wanted["uln"].dropna())
    pd.testing.assert_frame_equal(Lake(answered / "lake").read("learners").drop(columns=["batch_ref"]), wanted)
    open_now = [Lake(root / "lake").read("exceptions", ["upn"], state="open")["upn"] for root in (answered, other)]
    assert set(open_now[0]) == set(open_now[1])


def test_a_copy_of_a_stray_return_in_the_right_folder_is_taken_in(arrived):
    inbox = arrived / "dewi" / "inbox"
    stray = inbox / "660" / f"{CYCLE}-other-authority.xml"
    las = ["660", "661"]
    for stage in ("first", "copied", "again"):
        if stage == "copied":
            right = re.search(rb"<LEA>([0-9]+)<", stray.read_bytes())[1].decode()
            las = ["660", right]
            (inbox / right).mkdir(exist_ok=True)
            shutil.copy(stray, inbox / right / "copy.xml")
        counts = run_stage(receive, arrived, CYCLE, SENT, las)
        assert counts["accepted"] == {"first": counts["accepted"], "copied": 1, "again": 0}[stage]
    sha256 = hashlib.sha256(stray.read_bytes()).hexdigest()
    assert not (arrived / "quarantine" / sha256).exists()


@pytest.mark.parametrize("at", ["batch_rows", "batches"])
def test_what_a_run_had_written_of_batches_when_it_died_does_not_bind_the_next_one(arrived, monkeypatch, at):
    """Between the two a school sends a newer return, so that the batch that was begun is never built."""
    real = Lake.upsert, Lake.replace
    if at == "batch_rows":
        monkeypatch.setattr(
            Lake, "upsert", lambda lake, name, *g, **n: dying() if name == "batches" else real[0](lake, name, *g, **n)
        )
    else:
        monkeypatch.setattr(
            Lake, "replace", lambda lake, name, *g, **n: dying() if name == "batches" else real[1](lake, name, *g, **n)
        )
    with pytest.raises(KeyboardInterrupt):
        census(arrived, CYCLE, SENT)
    monkeypatch.undo()
    lake = Lake(arrived / "lake")
    begun = set(lake.read("batch_rows", ["batch_ref"])["batch_ref"])
    assert begun and (lake.version("batches") < 0) == (at == "batch_rows")
    renamed(arrived, lake.read("batch_rows", ["school_number"])["school_number"].iloc[0], 40)
    census(arrived, CYCLE, LATER)
    status = status_of(str(arrived), CYCLE)
    assert status["total"]["balanced"] and status["total"]["waiting"] == 0
    ledger = lake.read("batches")
    assert set(ledger["state"]) == {"SENT"} and sent_once(arrived)
    assert {p.name for p in (arrived / "lrs" / "outbox").iterdir()} == set(ledger["file_name"])
    answer_outbox(arrived, profiles=all_profiles(), seed=7)
    assert returns(arrived, CYCLE, LATEST)["untied"] == 0
    tied = set(lake.read("lrs_returns", ["batch_ref"])["batch_ref"])
    assert tied == set(ledger["batch_ref"]), "an answer belongs to a batch that went out"


def test_a_clock_that_goes_back_sends_nobody_twice_and_the_last_batch_stays_the_last(answered):
    returns(answered, CYCLE, BACK)
    lake = Lake(answered / "lake")
    renamed(answered, lake.read("exceptions", ["school_number"], state="open")["school_number"].iloc[0], 1000)
    first = set(lake.read("batches", ["batch_ref"])["batch_ref"])
    sent = census(answered, CYCLE, "2011-12-01T00:00")
    assert sent["release.learners"] > 0, "open exceptions whose names have changed"
    again = lake.read("batches")
    again = again[~again["batch_ref"].isin(first)]
    assert (again["built_at"] >= SENT).all()
    status = status_of(str(answered), CYCLE)
    assert status["total"]["sent"] == sent["release.learners"] and status["total"]["balanced"]
    assert census(answered, CYCLE, "1970-01-01T00:00")["release.sent"] == 0
    assert sent_once(answered)
    answer_outbox(answered, profiles=all_profiles(), seed=7)
    assert returns(answered, CYCLE, "2011-12-02T00:00")["untied"] == 0
    assert status_of(str(answered), CYCLE)["total"]["sent"] == 0


def test_a_school_s_file_that_a_dead_run_left_is_not_put_over(answered, monkeypatch):
    """The school may have fetched it: the same bytes are the same file, others get the next number."""
    with monkeypatch.context() as patch:
        real = Lake.append
        patch.setattr(
            Lake, "append", lambda lake, name, *g, **n: dying() if name == "deliveries" else real(lake, name, *g, **n)
        )
        with pytest.raises(KeyboardInterrupt):
            returns(answered, CYCLE, BACK)
    left = {p: p.read_bytes() for p in (answered / "dewi" / "outbox").rglob("ULN_*")}
    same = Path(shutil.copytree(answered, answered.parent / "same"))
    returns(same, CYCLE, BACK)
    found = sorted(p.relative_to(same).as_posix() for p in (same / "dewi" / "outbox").rglob("ULN_*"))
    assert (
        found
        == sorted(p.relative_to(answered).as_posix() for p in left)
        == sorted(Lake(same / "lake").read("deliveries")["path"])
    )
    returns(answered, CYCLE, LATER)
    assert left and all(p.read_bytes() == content for p, content in left.items())
    delivered = Lake(answered / "lake").read("deliveries", ["path", "sha256", "number"])
    assert set(delivered["number"]) == {2} and len(delivered) == len(left)
    for path, sha256 in zip(delivered["path"], delivered["sha256"], strict=True):
        assert hashlib.sha256((answered / path).read_bytes()).hexdigest() == sha256


def taken(root):
    """The snapshot as it stands, and whether it is one: its manifest names the bytes that lie beside it."""
    folder = root / "snapshots" / CYCLE
    files = {p.name: p.read_bytes() for p in folder.iterdir()}
    named = json.loads(files["manifest.json"])["sha256"]
    assert named == {n: hashlib.sha256(c).hexdigest() for n, c in files.items() if n != "manifest.json"}
    return files


class Direct:
    """A stage without the engine, called as a flow calls it."""

    def __init__(self, stage):
        self.name, self._work = stage.name, stage.fn

    def __call__(self, return_state=False, **given):
        """What the stage returns, or a state with it."""
        done = self._work(**given)
        return Completed(data=done) if return_state else done


@pytest.fixture
def flow(monkeypatch):
    """The returns flow's own code on a data root, its stages without the engine."""
    for name in ("collect", "merge", "conserve", "publish", "snapshot"):
        monkeypatch.setattr(lrs_returns, name, Direct(getattr(lrs_returns, name)))
    without_an_engine(monkeypatch)
    return lambda root, at: lrs_returns.lrs_returns.fn(as_of=at, data=str(root))


@pytest.fixture
def published_once(answered, flow):
    """A cycle that was published from all answers but one file, which has come now."""
    late = max((answered / "lrs" / "inbox").iterdir(), key=lambda p: p.stat().st_size)
    content = late.read_bytes()
    late.unlink()
    flow(answered, BACK)
    late.write_bytes(content)
    return answered


def made_up(root, flow, good):
    """The next run does what was left."""
    assert flow(root, LATEST)["faults"] == 0
    assert taken(root) != good and published(str(root), CYCLE)
    assert not list(root.rglob(".uln-*"))


def test_where_a_school_s_file_cannot_be_made_the_last_good_snapshot_stays_and_the_evidence_is_kept(
    published_once, flow, monkeypatch
):
    good = taken(published_once)
    with monkeypatch.context() as patch:
        patch.setattr(returns_work, "school_files", lambda *_: 1 / 0)
        assert flow(published_once, LATER)["faults"] > 0
    assert taken(published_once) == good
    evidence = list((published_once / "reports" / CYCLE / "faults").glob("publish-*"))
    assert evidence and all("ZeroDivisionError" in p.read_text(encoding="utf-8") for p in evidence)
    made_up(published_once, flow, good)


def test_where_a_cycle_does_not_balance_the_last_good_snapshot_stays_and_the_counts_are_kept(
    published_once, flow, monkeypatch
):
    good = taken(published_once)
    zips = {p.name for p in (published_once / "dewi").rglob("*.zip")}
    real = conserving.counts_of
    with monkeypatch.context() as patch:
        patch.setattr(conserving, "counts_of", lambda *given: real(*given).assign(balanced=False))
        with pytest.raises(ServiceFault, match=CYCLE):
            flow(published_once, LATER)
    assert taken(published_once) == good and {p.name for p in (published_once / "dewi").rglob("*.zip")} == zips
    counts = json.loads((published_once / "reports" / CYCLE / "conservation.json").read_text(encoding="utf-8"))
    assert counts["schools"] and not any(school["balanced"] for school in counts["schools"].values())
    made_up(published_once, flow, good)


def test_where_the_disk_is_full_in_the_middle_of_a_snapshot_the_last_good_one_stays_whole(
    published_once, flow, monkeypatch
):
    good, real, written = taken(published_once), os.fsync, []

    def full_at_the_second(handle):
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if "snapshots" in path.parts:
            written.append(path)
        if written[1:] == [path]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(data_root.os, "fsync", full_at_the_second)
        with pytest.raises(ServiceFault, match=r"snapshots/2012-01/exceptions\.parquet"):
            flow(published_once, LATER)
    assert len(written) == 2 and taken(published_once) == good
    assert list((published_once / "reports" / CYCLE / "faults").glob("snapshot-*")), "evidence"
    made_up(published_once, flow, good)


def test_parts_of_a_dead_run_are_put_away_by_the_next_one_and_nothing_else_is(tmp_path):
    root = DataRoot(tmp_path).create()
    ours = [root.lrs_outbox / ".uln-x1.part", root.snapshots(CYCLE) / ".uln-x2.part"]
    others = [root.lrs_inbox / ".uln-x3.part", root.dewi_inbox / "660" / "return.part", root.lrs_outbox / "LRB.CSV"]
    for path in (*ours, *others):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    with one_run_at_a_time(str(tmp_path), 0):
        assert not any(p.exists() for p in ours) and all(p.exists() for p in others)


def test_a_report_that_a_dead_run_owed_is_written_by_the_next_one(answered, monkeypatch):
    stray = "FileName,UKPRN,MISIdentifier,ULN,ReturnCode\nx,10000037,NOT-OURS,1000102504,\n"
    (answered / "lrs" / "inbox" / "stray.csv").write_text(stray, encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setattr(collecting, "report_untied", dying)
        with pytest.raises(KeyboardInterrupt):
            returns(answered, CYCLE, BACK)
    assert returns(answered, CYCLE, LATER)["files"] == 0
    assert "stray.csv" in (answered / "reports" / "untied.csv").read_text(encoding="utf-8-sig")
