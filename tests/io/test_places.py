"""What holds of a folder by URL wherever it is, on folders of this machine, and what holds of those alone."""

import errno
import os
from pathlib import Path

import pytest

from schemas.ways import FOLDERS
from tasks.io.data_root import DataRoot
from tasks.io.places import lrs_outbox
from tasks.io.transports import Declined, Unanswered


@pytest.fixture
def root(tmp_path):
    return DataRoot(tmp_path / "root").create()


def lead(monkeypatch, far):
    """Let the data root's ways lead to folders below another one."""
    for way in FOLDERS:
        (far / way).mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv(f"ULN_WAY_{way.upper()}__URL", (far / way).as_uri())
        monkeypatch.setenv(f"ULN_WAY_{way.upper()}__SETTLED_SECONDS", "0")


@pytest.fixture
def far(tmp_path, monkeypatch):
    lead(monkeypatch, tmp_path / "far")
    return tmp_path / "far"


def handed_over(root, **files):
    with lrs_outbox(root) as outbox:
        outbox.ready()
        return outbox.hand_over(files)


def lying(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


# What is handed over.


def links(monkeypatch, number, *, made, taken=False):
    """Let a share answer every link with an error of the system's; the link may be made, and the file taken at once."""
    link = os.link

    def answered(part, place):
        if made:
            link(part, place)
        if taken:
            Path(place).unlink()
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", answered)


@pytest.mark.parametrize("number", [errno.EIO, errno.ETIMEDOUT, errno.ESTALE, errno.EEXIST])
def test_a_link_that_was_made_though_its_answer_was_lost_is_found_made(far, root, monkeypatch, number):
    links(monkeypatch, number, made=True)
    assert handed_over(root, ours=b"x") == {} and lying(far / "lrs_outbox") == {"ours": b"x"}


@pytest.mark.parametrize("number", [errno.EIO, errno.ETIMEDOUT, errno.ESTALE, errno.EEXIST])
def test_of_a_link_whose_answer_was_lost_and_whose_file_is_not_there_nobody_knows(far, root, monkeypatch, number):
    links(monkeypatch, number, made=True, taken=True)
    fault = handed_over(root, ours=b"x")["ours"]
    assert isinstance(fault, Unanswered) and "nobody knows" in str(fault) and lying(far / "lrs_outbox") == {}


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EOPNOTSUPP])
def test_a_link_that_was_surely_not_made_leaves_the_batch_ready_and_no_part(far, root, monkeypatch, number):
    links(monkeypatch, number, made=False)
    assert isinstance(handed_over(root, ours=b"x")["ours"], Declined) and lying(far / "lrs_outbox") == {}


def test_a_batch_is_never_handed_over_above_another_file(far, root):
    (far / "lrs_outbox" / "ours").write_bytes(b"theirs")
    fault = handed_over(root, ours=b"x")["ours"]
    assert isinstance(fault, Declined) and "another file stands there" in str(fault)
    assert lying(far / "lrs_outbox") == {"ours": b"theirs"}


def test_a_part_that_cannot_be_removed_is_no_fault_of_the_hand_over_and_goes_with_the_next(far, root, monkeypatch):
    unlink = Path.unlink

    def refused(path, missing_ok=False):
        if path.suffix == ".part":
            raise OSError(errno.EIO, "lost")
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refused)
        assert handed_over(root, ours=b"x") == {}
    assert len(lying(far / "lrs_outbox")) == 2
    assert handed_over(root, next=b"y") == {} and lying(far / "lrs_outbox") == {"next": b"y", "ours": b"x"}
