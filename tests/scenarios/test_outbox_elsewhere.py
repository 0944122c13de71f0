"""An LRS outbox on another machine, or on a share, that is away, or whose answer is lost, as the operator meets it."""

import datetime as dt
import errno
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli.__main__ import app
from schemas.states import Decision
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.io.lake.lake import Lake
from tasks.io.remote import folders as places
from tasks.io.remote import local_folder
from tasks.io.remote import transport as transports
from tasks.operator.decide_batch import decide
from tasks.reports.batches import batches_needing_action
from tasks.stages.batch import batch
from tasks.stages.release import release
from tests.support.diary import census
from tests.support.without_engine import run_stage

pytestmark = pytest.mark.long

CYCLE = "2012-01"
MONDAY, TUESDAY = "2012-01-30T02:30", "2012-01-31T02:30"


@pytest.fixture
def far(tmp_path, monkeypatch):
    """The LRS's folder, not below the data root."""
    folder = tmp_path / "far"
    folder.mkdir()
    monkeypatch.setenv("ULN_WAY_LRS_OUTBOX__URL", folder.as_uri())
    return folder


@pytest.fixture
def built(built_root, tmp_path):
    return shutil.copytree(built_root, tmp_path / "root")


def states(root):
    return set(Lake(root / "lake").read("batches")["state"])


def unanswered(self, path, data, _puts=local_folder.LocalFolder.put_new):
    """The file is put, and nobody hears of it."""
    _puts(self, path, data)
    raise transports.OutcomeUnknown(bilingual("fault.way_unanswered", way=self.shown, file=path))


def test_where_the_outbox_is_away_batches_stay_ready_one_sentence_tells_it_and_the_next_run_sends(
    built, far, monkeypatch
):
    far.rmdir()
    looked = []
    opened = places.open_folder
    monkeypatch.setattr("tasks.io.remote.folders.open_folder", lambda way: looked.append(way) or opened(way))
    with pytest.raises(ServiceFault, match="there is no such folder") as met:
        census(built, CYCLE, MONDAY)
    assert str(met.value).count("there is no such folder") == 1 and states(built) == {"READY"}
    assert len(looked) == 1, "it is asked once"
    far.mkdir()
    sent = run_stage(release, built, CYCLE, TUESDAY)
    assert sent["sent"] == len(list(far.iterdir())) > 0 and states(built) == {"SENT"}


def test_a_hand_over_of_which_nobody_knows_is_told_and_found_by_the_next_run(built, far, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(ServiceFault, match="nobody knows whether"):
        patch.setattr(local_folder.LocalFolder, "put_new", unanswered)
        census(built, CYCLE, MONDAY)
    ledger = Lake(built / "lake").read("batches")
    unsure = ledger[ledger["state"] == "SENT_UNCONFIRMED"]
    # Whoever does not answer is asked no further: the others were surely not handed over.
    assert len(unsure) == 1 and set(ledger["state"]) <= {"SENT_UNCONFIRMED", "READY"}
    assert batches_needing_action(str(built), dt.date(2012, 1, 31), CYCLE)["unconfirmed_batches"] == list(
        unsure["file_name"]
    )
    before = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in far.iterdir()}
    run_stage(release, built, CYCLE, TUESDAY)
    assert states(built) == {"SENT"}
    after = {p.name: (p.read_bytes(), p.stat().st_mtime_ns) for p in far.iterdir()}
    assert before.items() <= after.items(), "nothing is handed over twice"


def test_where_nobody_can_look_what_is_unconfirmed_stays_so_and_is_asked_for_once(built, far, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(ServiceFault):
        patch.setattr(local_folder.LocalFolder, "put_new", unanswered)
        census(built, CYCLE, MONDAY)
    before = Lake(built / "lake").read("batches")
    gone = far.rename(far.with_name("gone"))
    looked = []

    def away(way):
        looked.append(way)
        raise transports.Unreachable(bilingual("fault.way_away", way=way.shown))

    monkeypatch.setattr("tasks.io.remote.folders.open_folder", away)
    with pytest.raises(ServiceFault, match="does not answer"):
        run_stage(release, built, CYCLE, TUESDAY)
    assert len(looked) == 1 and Lake(built / "lake").read("batches").equals(before)
    assert len(list(gone.iterdir())) == 1


def test_an_abandon_that_waits_for_the_outbox_holds_up_its_own_authority_alone_and_is_carried_out_when_it_can_be(
    built, far, monkeypatch
):
    with monkeypatch.context() as patch, pytest.raises(ServiceFault):
        patch.setattr(local_folder.LocalFolder, "put_new", unanswered)
        census(built, CYCLE, MONDAY)
    ledger = Lake(built / "lake").read("batches")
    unsure = ledger[ledger["state"] == "SENT_UNCONFIRMED"].iloc[0]
    gone = far.rename(far.with_name("gone"))
    with pytest.raises(ServiceFault, match="there is no such folder"):
        decide(str(built), unsure["batch_ref"], Decision.ABANDON, "ticket 7", TUESDAY)
    looked, opened = [], places.open_folder
    monkeypatch.setattr("tasks.io.remote.folders.open_folder", lambda way: looked.append(way) or opened(way))
    done = batch.fn(data=str(built), cycle=CYCLE, las=["660", "661"], as_of=TUESDAY)
    assert list(done.faults) == ["660"] and "no such folder" in done.faults["660"]
    assert set(done.counts) == {"660", "661"} and len(looked) == 1
    assert Lake(built / "lake").read("batches").equals(ledger), "what could not be taken back is not given up"
    gone.rename(far)
    assert batch.fn(data=str(built), cycle=CYCLE, las=["660"], as_of=TUESDAY).faults == {}
    after = Lake(built / "lake").read("batches").set_index("file_name")["state"]
    assert after[unsure["file_name"]] == "ABANDONED" and not (far / unsure["file_name"]).exists()
    again = after.index.difference(ledger["file_name"])
    assert list(after[again]) == ["READY"], "its learners are due"


def test_a_retry_decides_nothing_while_nobody_can_look_and_then_by_what_lies_there(built, far, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(ServiceFault):
        patch.setattr(local_folder.LocalFolder, "put_new", unanswered)
        census(built, CYCLE, MONDAY)
    before = Lake(built / "lake").read("batches")
    entry = before[before["state"] == "SENT_UNCONFIRMED"].iloc[0]

    def retry(expect):
        asked = ["retry", entry["batch_ref"], "--reason", "not on the portal", "--as-of", TUESDAY, "--data", str(built)]
        said = CliRunner().invoke(app, asked)
        assert said.exit_code == expect and "Traceback" not in said.output
        return " ".join(said.output.split())

    def away(way):
        raise transports.Unreachable(bilingual("fault.way_away", way=way.shown))

    with monkeypatch.context() as patch:
        patch.setattr("tasks.io.remote.folders.open_folder", away)
        assert retry(1).count("the server does not answer") == 1
    lake = Lake(built / "lake")
    assert lake.read("batches").equals(before) and lake.version("batch_decisions") == -1
    # It lies there: handed over once more it would be sent twice.
    assert "lies in lrs/outbox" in retry(1) and lake.version("batch_decisions") == -1
    (far / entry["file_name"]).unlink()
    assert "uln census 2012-01" in retry(0) and states(built) == {"READY"}
    assert run_stage(release, built, CYCLE, TUESDAY)["sent"] == len(before) and states(built) == {"SENT"}
    assert sorted(p.name for p in far.iterdir()) == sorted(before["file_name"])


@pytest.mark.parametrize("done", [True, False])
def test_a_move_into_the_outbox_whose_answer_a_share_lost_is_looked_for_and_never_made_again(built, monkeypatch, done):
    root = Path(built)
    move = Path.replace

    def unanswered(part, place):
        if Path(place).parent.parts[-2:] != ("lrs", "outbox"):
            return move(part, place)
        if done:
            move(part, place)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", unanswered)
        if done:
            census(root, CYCLE, MONDAY)
        else:
            with pytest.raises(ServiceFault, match="nobody knows whether"):
                census(root, CYCLE, MONDAY)
    handed_over = list((root / "lrs" / "outbox").iterdir())
    for taken in handed_over:  # by the LRS
        taken.unlink()
    run_stage(release, root, CYCLE, TUESDAY)
    assert set(Lake(root / "lake").read("batches")["state"]) == {"SENT" if done else "SENT_UNCONFIRMED"}
    assert bool(handed_over) == done and list((root / "lrs" / "outbox").iterdir()) == []
