"""The data root's layout, files that appear in one piece, and one run at a time."""

import errno
import os

import pytest

from schemas.texts.faults import ServiceFault
from tasks.io.data_root import data_root
from tasks.io.data_root.data_root import DataRoot, NotWritten, write_each, write_together, write_whole
from tasks.io.data_root.run_lock import one_run_at_a_time


def test_the_layout_is_made_and_made_again(tmp_path):
    root = DataRoot(tmp_path / "new").create().create()
    places = {p.relative_to(root.path).as_posix() for p in root.path.rglob("*")}
    assert places == {
        *("reference", "dewi", "dewi/inbox", "dewi/outbox", "lrs", "lrs/inbox", "lrs/outbox"),
        *("quarantine", "lake", "snapshots", "reports"),
    }


def test_a_file_is_written_once_and_replaced_whole(tmp_path):
    path = tmp_path / "new" / "file"
    assert write_whole(path, b"one") is True
    assert write_whole(path, b"one") is False
    assert write_whole(path, b"two") is True
    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_what_cannot_be_put_in_place_leaves_no_part_behind(tmp_path):
    (tmp_path / "file" / "below").mkdir(parents=True)
    with pytest.raises(OSError, match=r".+"):
        write_whole(tmp_path / "file", b"one")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_of_files_that_belong_together_all_are_moved_or_none(tmp_path, monkeypatch):
    old = {tmp_path / name: b"old" for name in ("one", "two", "three")}
    assert write_together(old) == 3
    real, full = os.fsync, iter([False, True])

    def full_at_the_second(handle):
        if next(full):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(handle)

    with monkeypatch.context() as patch:
        patch.setattr(data_root.os, "fsync", full_at_the_second)
        with pytest.raises(NotWritten) as told:
            write_together(dict.fromkeys(old, b"new"))
    assert (told.value.errno, told.value.filename) == (errno.ENOSPC, str(tmp_path / "two"))
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == old
    assert write_together({tmp_path / "one": b"old", tmp_path / "two": b"new"}) == 1


#: Errors by which a system says that it did nothing; a share may answer with any other after it has moved the file.
NOT_MOVED = [
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG),
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EOPNOTSUPP, errno.EXDEV),
]
UNSURE = [errno.EIO, errno.ETIMEDOUT, errno.ESTALE, errno.EINTR, errno.ENOTCONN, errno.ECONNRESET, errno.EBUSY]


@pytest.mark.parametrize("number", [*NOT_MOVED, *UNSURE], ids=errno.errorcode.get)
def test_a_move_that_failed_may_have_been_made_unless_its_error_denies_it(tmp_path, monkeypatch, number):
    def unanswered(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", unanswered)
    with pytest.raises(NotWritten) as met:
        write_whole(tmp_path / "file", b"x")
    assert (met.value.errno, met.value.may_exist) == (number, number in UNSURE)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_failed_before_its_move_is_surely_not_there(tmp_path, monkeypatch):
    def unanswered(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", unanswered)
    with pytest.raises(NotWritten) as met:
        write_whole(tmp_path / "file", b"x")
    assert met.value.may_exist is False and list(tmp_path.iterdir()) == []


def test_files_that_belong_together_are_moved_in_their_order(tmp_path, monkeypatch):
    moved, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda part, path: (moved.append(path.name), replace(part, path)))
    write_together({tmp_path / name: name.encode() for name in ("tables", "more", "manifest")})
    assert moved == ["tables", "more", "manifest"]


def test_of_many_files_one_that_cannot_be_written_is_named_and_the_others_stand(tmp_path):
    (tmp_path / "taken" / "below").mkdir(parents=True)
    files = {tmp_path / name: name.encode() for name in ("one", "taken", "two/three")}
    faults = write_each(files)
    assert list(faults) == [tmp_path / "taken"] and isinstance(faults[tmp_path / "taken"], OSError)
    assert (tmp_path / "one").read_bytes() == b"one" and (tmp_path / "two/three").read_bytes() == b"two/three"
    assert write_each({}) == {}


def test_a_second_run_waits_and_then_says_so_in_both_languages(tmp_path):
    DataRoot(tmp_path).create()
    with (
        one_run_at_a_time(str(tmp_path)),
        pytest.raises(ServiceFault, match=r"mae rhediad arall .* / another run"),
        one_run_at_a_time(str(tmp_path), 0),
    ):
        pass
    with one_run_at_a_time(str(tmp_path), 0):
        pass
