"""The stage: when the ledger says what, in a run that dies and in the next one."""

import errno
import os
import shutil
from pathlib import Path

import pytest

from schemas.texts.faults import ServiceFault
from tasks.stages.batch import batch
from tasks.stages.release import release
from tests.support.small_census import CYCLE, LAS, MONDAY, TUESDAY, WEDNESDAY, Killed, outbox, states
from tests.support.without_engine import run_stage


@pytest.fixture(scope="module")
def built_root(chosen_root, tmp_path_factory):
    """Three batches are built, of four learners."""
    root = Path(shutil.copytree(chosen_root, tmp_path_factory.mktemp("built") / "root"))
    run_stage(batch, root, CYCLE, MONDAY, LAS)
    return root


@pytest.fixture
def built(built_root, tmp_path):
    return Path(shutil.copytree(built_root, tmp_path / "root"))


def released(root, at):
    """The counts of the stage, for all authorities."""
    return run_stage(release, root, CYCLE, at, LAS)


def moves_into_outbox(patch, move):
    """Let `move` put files into the LRS outbox; all other files are moved by the system.

    Args:
        patch: pytest's monkeypatch.
        move: called with the system's `replace`, the file and its new path.
    """
    replace = os.replace

    def replaced(part, place):
        if Path(place).parent.parts[-2:] == ("lrs", "outbox"):
            move(replace, part, place)
        else:
            replace(part, place)

    patch.setattr(os, "replace", replaced)


def test_a_run_that_dies_before_a_file_is_in_the_outbox_leaves_its_batch_to_a_person(built, monkeypatch):
    def dies(*_):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        moves_into_outbox(patch, dies)
        released(built, MONDAY)
    assert set(states(built).values()) == {"SENT_UNCONFIRMED"}, "the ledger says so before the first file is moved"
    counts = released(built, TUESDAY)
    assert (counts["sent"], counts["unconfirmed"]) == (0, 3) and outbox(built) == {}


def test_a_run_that_dies_when_the_files_are_in_the_outbox_has_sent_them_and_the_next_confirms_it(built, monkeypatch):
    def moves_and_dies(replace, part, place):
        replace(part, place)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        moves_into_outbox(patch, moves_and_dies)
        released(built, MONDAY)
    files = outbox(built)
    assert files.keys() == states(built).keys() and set(states(built).values()) == {"SENT_UNCONFIRMED"}
    counts = released(built, TUESDAY)
    assert (counts["sent"], counts["unconfirmed"]) == (0, 0)
    assert set(states(built).values()) == {"SENT"} and outbox(built) == files


@pytest.mark.parametrize("moved", [True, False])
def test_a_move_whose_answer_a_share_lost_is_looked_for_and_never_repeated(built, monkeypatch, moved):
    def unanswered(replace, part, place):
        if moved:
            replace(part, place)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        moves_into_outbox(patch, unanswered)
        if moved:
            released(built, MONDAY)
        else:
            with pytest.raises(ServiceFault, match="nobody knows whether"):
                released(built, MONDAY)
    assert set(states(built).values()) == {"SENT" if moved else "SENT_UNCONFIRMED"}
    for path in (built / "lrs" / "outbox").iterdir():  # the LRS takes what is there
        path.unlink()
    assert released(built, TUESDAY)["sent"] == 0 and outbox(built) == {}


def test_a_move_that_was_surely_not_made_leaves_the_batch_ready_for_the_next_run(built, monkeypatch):
    def disk_full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch, pytest.raises(ServiceFault):
        moves_into_outbox(patch, disk_full)
        released(built, MONDAY)
    assert set(states(built).values()) == {"READY"}
    assert released(built, TUESDAY)["learners"] == 4
    files = outbox(built)
    assert files.keys() == states(built).keys()
    assert released(built, WEDNESDAY)["sent"] == 0 and outbox(built) == files
