"""What holds of a folder by URL wherever it is, on folders of this machine, and what holds of those alone."""

import errno
import json
import os
import tempfile
import traceback
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from schemas.settings.locations import FOLDERS, AzureLocation, S3Location, SftpLocation
from schemas.texts.catalogue import bilingual
from tasks.io.data_root.data_root import DataRoot, NotWritten
from tasks.io.remote import folders as places
from tasks.io.remote.folders import _FileIndex, access_proven, deliver_new, fetch_new, lrs_outbox
from tasks.io.remote.local_folder import LocalFolder
from tasks.io.remote.transport import OutcomeUnknown, Rejected, Unreachable


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


def nothing(_seconds):
    """No time passes."""


# What comes although something else does not.


def lies(inbox, *paths):
    for path in paths:
        (inbox / path).parent.mkdir(exist_ok=True)
        (inbox / path).write_bytes(path.encode())


def told_of(fault, number):
    """The sentence of a fault that holds of so many files; it has both languages, and names none of a sender's files."""
    sentence = str(fault)
    assert isinstance(fault, Rejected) and "\n" not in sentence and sentence.count(" / ") == 1
    assert f"{number} files or folders could not be taken" in sentence and "xml" not in sentence
    return sentence


def refuses(monkeypatch, method, *paths):
    """Let the server decline these."""
    does = getattr(LocalFolder, method)

    def does_or_not(self, path="", *given):
        if path in paths:
            raise Rejected(bilingual("fault.way_denied", way=self.shown))
        return does(self, path, *given)

    monkeypatch.setattr(LocalFolder, method, does_or_not)


def not_taken(root, way):
    return json.loads((root.path / "ways" / f"{way}.json").read_text(encoding="utf-8"))["not_taken"]


def test_a_file_that_cannot_be_read_keeps_none_of_the_others_and_comes_once_it_can(far, root, monkeypatch):
    lies(far / "dewi_inbox", *(f"{la}/{n:02}.xml" for la in ("660", "661") for n in range(20)))
    with monkeypatch.context() as patched:
        refuses(patched, "content", "660/00.xml", "661/07.xml")
        for _ in range(2):
            with pytest.raises(Rejected) as met:
                fetch_new(root, "dewi_inbox", nothing)
            assert "does not allow it" in told_of(met.value, 2)
            assert len(lying(root.dewi_inbox)) == 38 and not_taken(root, "dewi_inbox") == ["660/00.xml", "661/07.xml"]
    assert fetch_new(root, "dewi_inbox", nothing) == 2 and not_taken(root, "dewi_inbox") == []
    assert lying(root.dewi_inbox) == lying(far / "dewi_inbox")


def test_a_folder_that_cannot_be_listed_keeps_none_of_the_others(far, root, monkeypatch):
    lies(far / "dewi_inbox", "660/a.xml", "661/b.xml", "662/c.xml")
    with monkeypatch.context() as patched:
        refuses(patched, "listing", "660")
        for _ in range(2):
            with pytest.raises(Rejected) as met:
                fetch_new(root, "dewi_inbox", nothing)
            assert told_of(met.value, 1) and set(lying(root.dewi_inbox)) == {"661/b.xml", "662/c.xml"}
    assert fetch_new(root, "dewi_inbox", nothing) == 1


def test_links_are_not_followed(far, root, tmp_path):
    lies(tmp_path, "of-somebody-else/660.xml")
    lies(far / "dewi_inbox", "660/a.xml")
    (far / "dewi_inbox" / "660" / "b.xml").symlink_to(tmp_path / "of-somebody-else" / "660.xml")
    (far / "dewi_inbox" / "661").symlink_to(tmp_path / "of-somebody-else")
    assert fetch_new(root, "dewi_inbox", nothing) == 1 and set(lying(root.dewi_inbox)) == {"660/a.xml"}


def test_a_file_that_is_taken_away_as_its_folder_is_listed_keeps_none_of_the_others(far, root, monkeypatch):
    lies(far / "dewi_inbox", "660/a.xml", "660/b.xml")
    look = os.scandir

    @contextmanager
    def then_it_goes(folder):
        with look(folder) as found:
            entries = list(found)
        if str(folder).endswith("660"):
            (far / "dewi_inbox" / "660" / "a.xml").unlink(missing_ok=True)
        yield entries

    monkeypatch.setattr(os, "scandir", then_it_goes)
    assert fetch_new(root, "dewi_inbox", nothing) == 1 and set(lying(root.dewi_inbox)) == {"660/b.xml"}


def test_names_that_cannot_be_here_are_told_and_keep_none_of_the_others(far, root):
    lies(root.dewi_inbox, "660/here.xml", "661")
    lies(far / "dewi_inbox", "660", "661/a.xml", "662/b.xml", f"662/{'c' * 251}.xml")
    for _ in range(2):
        with pytest.raises(Rejected) as met:
            fetch_new(root, "dewi_inbox", nothing)
        # The longest name that a folder takes is taken.
        assert "have it renamed" in told_of(met.value, 2)
    assert set(lying(root.dewi_inbox)) == {"660/here.xml", "661", "662/b.xml", f"662/{'c' * 251}.xml"}


def test_a_file_here_that_may_not_be_read_is_told_and_keeps_none_of_the_others(far, root, monkeypatch):
    lies(far / "dewi_inbox", "660/a.xml", "660/b.xml")
    make = places.write_whole

    def refused(place, content):
        if place.name == "a.xml":
            raise NotWritten(errno.EACCES, "shut", str(place))
        return make(place, content)

    monkeypatch.setattr(places, "write_whole", refused)
    with pytest.raises(Rejected) as met:
        fetch_new(root, "dewi_inbox", nothing)
    assert "dewi/inbox could not be written" in told_of(met.value, 1) and set(lying(root.dewi_inbox)) == {"660/b.xml"}


def test_a_disk_of_ours_that_is_full_is_told_without_the_name_of_a_file(far, root, monkeypatch):
    lies(far / "dewi_inbox", "660/a.xml")

    make = tempfile.mkstemp

    def full(**given):
        if given["dir"] == root.dewi_inbox / "660":
            raise OSError(errno.ENOSPC, "full")
        return make(**given)

    with monkeypatch.context() as patched, pytest.raises(NotWritten) as met:
        patched.setattr("tempfile.mkstemp", full)
        fetch_new(root, "dewi_inbox", nothing)
    assert met.value.filename == str(root.dewi_inbox) and met.value.errno == errno.ENOSPC
    assert fetch_new(root, "dewi_inbox", nothing) == 1


def test_a_server_that_goes_away_ends_it_though_others_were_declined(far, root, monkeypatch):
    lies(far / "dewi_inbox", *(f"660/{n:02}.xml" for n in range(20)))
    refuses(monkeypatch, "content", "660/00.xml")
    content = LocalFolder.content
    asked = []

    def gone(self, path, *given):
        asked.append(path)
        if path == "660/01.xml":
            raise Unreachable(bilingual("fault.way_away", way=self.shown))
        return content(self, path, *given)

    monkeypatch.setattr(LocalFolder, "content", gone)
    monkeypatch.setattr(places, "_AT_ONCE", 1)
    with pytest.raises(Unreachable):
        fetch_new(root, "dewi_inbox", nothing)
    assert len(asked) < 20


def test_a_school_file_that_is_declined_keeps_none_of_the_others_and_goes_once_it_may(far, root, monkeypatch):
    to_be_brought(root, "660/a.zip", "660/b.zip", "661/c.zip")
    with monkeypatch.context() as patched:
        refuses(patched, "put", "660/a.zip")
        for _ in range(2):
            with pytest.raises(Rejected) as met:
                deliver_new(root)
            assert "does not allow it" in told_of(met.value, 1) and not_taken(root, "dewi_outbox") == ["660/a.zip"]
            assert set(lying(far / "dewi_outbox")) == {"660/b.zip", "661/c.zip"}
    assert deliver_new(root) == 1 and lying(far / "dewi_outbox") == lying(root.dewi_outbox)


# What is remembered of a place.


def to_be_brought(root, *paths):
    for path in paths:
        (root.dewi_outbox / path).parent.mkdir(exist_ok=True)
        (root.dewi_outbox / path).write_bytes(path.encode())


def test_school_files_that_were_brought_to_one_place_are_brought_to_another_as_well(far, root, tmp_path, monkeypatch):
    to_be_brought(root, "660/a.zip", "661/b.zip")
    assert deliver_new(root) == 2 and deliver_new(root) == 0
    lead(monkeypatch, tmp_path / "further")
    assert deliver_new(root) == 2 and deliver_new(root) == 0
    assert lying(tmp_path / "further" / "dewi_outbox") == lying(far / "dewi_outbox") == lying(root.dewi_outbox) != {}


def is_away(way):
    raise Unreachable(bilingual("fault.way_away", way=way.shown))


def test_a_way_that_led_nowhere_for_one_run_has_forgotten_nothing(far, root, monkeypatch):
    to_be_brought(root, "660/a.zip")
    assert deliver_new(root) == 1
    to_be_brought(root, "660/b.zip")
    with monkeypatch.context() as patched, pytest.raises(Unreachable):
        patched.setenv("ULN_WAY_DEWI_OUTBOX__URL", (far / "mistyped").as_uri())
        patched.setattr("tasks.io.remote.folders.open_folder", is_away)
        deliver_new(root)
    assert deliver_new(root) == 1 and len(lying(far / "dewi_outbox")) == 2


def test_of_an_inbox_that_moved_what_has_come_already_comes_to_nothing_and_what_is_new_comes(
    far, root, tmp_path, monkeypatch
):
    there = far / "dewi_inbox" / "660"
    there.mkdir()
    for content in (b"<a/>", b"<a>other</a>"):
        (there / "a.xml").write_bytes(content)
        assert fetch_new(root, "dewi_inbox", nothing) == 1
    came = lying(root.dewi_inbox)
    moved = tmp_path / "further" / "dewi_inbox"
    lead(monkeypatch, tmp_path / "further")
    moved.rmdir()
    (far / "dewi_inbox").rename(moved)
    assert fetch_new(root, "dewi_inbox", nothing) == 0 and lying(root.dewi_inbox) == came and len(came) == 2
    # Of the same size and time as the one of that name at the former place.
    known = (moved / "660" / "a.xml").stat().st_mtime_ns
    lead(monkeypatch, tmp_path / "furthest")
    other = tmp_path / "furthest" / "dewi_inbox" / "660" / "a.xml"
    other.parent.mkdir()
    other.write_bytes(b"<a>third</a>")
    os.utime(other, ns=(known, known))
    assert fetch_new(root, "dewi_inbox", nothing) == 1 and b"<a>third</a>" in lying(root.dewi_inbox).values()


@pytest.mark.parametrize("key", ["endpoint", "account"])
def test_two_stores_are_two_places_though_their_buckets_have_one_name(root, key):
    def index(store):
        return _FileIndex(
            root, "dewi_inbox", AzureLocation(**{"url": "az://returns/in", "account": "wales", key: store})
        )

    one, other = ("https://one.example", "https://other.example") if key == "endpoint" else ("one", "other")
    before = index(one)
    before.seen["660/a.xml"] = [1, "a"]
    before.save()
    assert index(one).seen == before.seen and index(other).seen == {}


@pytest.mark.parametrize("kept", ['{"660/a.zip": [9, "0"]}', "[]", "half"])
def test_a_memory_that_is_of_no_known_place_or_damaged_costs_a_copy_and_no_more(far, root, kept):
    to_be_brought(root, "660/a.zip")
    (root.path / "ways").mkdir()
    (root.path / "ways" / "dewi_outbox.json").write_text(kept, encoding="utf-8")
    assert deliver_new(root) == 1 and deliver_new(root) == 0
    assert lying(far / "dewi_outbox") == {"660/a.zip": b"660/a.zip"}


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
    assert isinstance(fault, OutcomeUnknown) and "nobody knows" in str(fault) and lying(far / "lrs_outbox") == {}


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EOPNOTSUPP])
def test_a_link_that_was_surely_not_made_leaves_the_batch_ready_and_no_part(far, root, monkeypatch, number):
    links(monkeypatch, number, made=False)
    assert isinstance(handed_over(root, ours=b"x")["ours"], Rejected) and lying(far / "lrs_outbox") == {}


def test_a_batch_is_never_handed_over_above_another_file(far, root):
    (far / "lrs_outbox" / "ours").write_bytes(b"theirs")
    fault = handed_over(root, ours=b"x")["ours"]
    assert isinstance(fault, Rejected) and "another file stands there" in str(fault)
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


@pytest.mark.parametrize("number", [errno.EIO, errno.ETIMEDOUT, errno.ESTALE])
@pytest.mark.parametrize("moved", [True, False])
def test_a_move_into_the_data_root_s_outbox_whose_answer_was_lost_is_looked_for(root, monkeypatch, number, moved):
    replace = os.replace

    def unanswered(part, place):
        if moved:
            replace(part, place)
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", unanswered)
    faults = handed_over(root, ours=b"x")
    assert lying(root.lrs_outbox) == ({"ours": b"x"} if moved else {})
    assert {name: type(fault) for name, fault in faults.items()} == ({} if moved else {"ours": OutcomeUnknown})


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EDQUOT])
def test_a_move_into_the_data_root_s_outbox_that_was_surely_not_made_is_another_fault(root, monkeypatch, number):
    def refused(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refused)
    faults = handed_over(root, ours=b"x")
    assert [type(fault) for fault in faults.values()] == [NotWritten] and lying(root.lrs_outbox) == {}


# What is wrong with our own settings, should `schemas.settings.locations` let it pass.

WRONG = {
    "sftp port": (SftpLocation, {"url": "sftp://uln@127.0.0.1:wrongful/in", "known_hosts": Path("/dev/null")}, "url"),
    "s3 without a scheme": (S3Location, {"url": "s3://b/in", "endpoint": "wrongful.example"}, "endpoint"),
    "s3 no address": (S3Location, {"url": "s3://b/in", "endpoint": "http://[wrongful"}, "endpoint"),
    "azure no address": (AzureLocation, {"url": "az://b/in", "account": "a", "endpoint": "wrongful"}, "endpoint"),
    "azure no account": (AzureLocation, {"url": "az://b/in", "account": "wrongful b/c"}, "account"),
    "azure no key": (
        AzureLocation,
        {"url": "az://b/in", "account": "a", "account_key": SecretStr("wrongful!")},
        "account_key",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_setting_that_cannot_be_used_is_told_by_its_name_and_without_its_value(wrong):
    kind, given, setting = WRONG[wrong]
    token = {"sas_token": SecretStr("token")} if kind is AzureLocation else {}
    with pytest.raises(Rejected, match=f": {setting} cannot be used") as met:
        access_proven(kind.model_construct(**token, **given), writes=False)
    told = "".join(traceback.format_exception(met.value)).replace(kind.model_construct(**given).shown, "")
    assert "wrongful" not in told and str(met.value).count(" / ") == 1
