"""Folders by SFTP, against Debian's OpenSSH server on loopback: what comes, what is handed over, what fails, who is refused."""

import datetime as dt
import hashlib
import os
import shutil
import traceback

import asyncssh
import pytest

from schemas.cycles import cycle_by_id
from schemas.texts.faults import TransientFault
from tasks.io.data_root.data_root import DataRoot
from tasks.io.remote.folders import deliver_new, fetch_new, lrs_outbox
from tasks.io.remote.transport import OutcomeUnknown, Rejected, Unreachable
from tasks.maintenance.doctor import run_checks
from tests.support.cli import alone
from tests.support.servers.sftp import PASSPHRASE, made_key, sftp_server

pytestmark = pytest.mark.engine
#: More than the line carries at once, and than the library reads ahead.
GREAT = bytes(range(256)) * 8192


@pytest.fixture
def server(tmp_path, monkeypatch):
    """The other side's machine; the data root's ways lead there."""
    with sftp_server(tmp_path) as there:
        named(there, monkeypatch)
        yield there


def named(there, monkeypatch, *, patience=20):
    for name, value in there.variables().items():
        monkeypatch.setenv(name, str(patience) if name.endswith("PATIENCE_SECONDS") else value)


@pytest.fixture
def root(tmp_path):
    return DataRoot(tmp_path / "root").create()


def nothing(_seconds):
    """No time passes."""


def told(fault):
    """A fault's sentence: one line in both languages, which names the way; no credential in it or behind it."""
    assert PASSPHRASE not in "".join(traceback.format_exception(fault)) + repr(fault)
    assert "\n" not in str(fault) and str(fault).count("sftp://127.0.0.1") == 2
    return str(fault)


def handed_over(root, **files):
    with lrs_outbox(root) as outbox:
        outbox.ready()
        return outbox.hand_over(files)


# What comes.


def test_what_is_whole_comes_once_and_stays_as_received(server, root):
    server.put("dewi/inbox/660/a.xml", b"<a/>")
    server.put("dewi/inbox/660/b.xml.part", b"<b")
    assert fetch_new(root, "dewi_inbox", nothing) == 1 and fetch_new(root, "dewi_inbox", nothing) == 0
    server.put("dewi/inbox/660/a.xml", b"<a>other</a>")
    assert fetch_new(root, "dewi_inbox", nothing) == 1
    assert sorted(p.read_bytes() for p in (root.dewi_inbox / "660").iterdir()) == [b"<a/>", b"<a>other</a>"]
    assert set(server.files("dewi/inbox")) == {"660/a.xml", "660/b.xml.part"}


def test_a_file_that_grows_between_two_looks_is_left_for_the_next_run(server, root):
    file = server.put("lrs/inbox/r.csv", b"half")
    assert fetch_new(root, "lrs_inbox", lambda _: file.write_bytes(b"half and half")) == 0
    assert fetch_new(root, "lrs_inbox", nothing) == 1 and (root.lrs_inbox / "r.csv").read_bytes() == b"half and half"


def test_a_file_that_is_written_anew_between_two_looks_waits_though_its_size_is_the_same(server, root):
    file = server.put("lrs/inbox/r.csv", b"once")

    def written_anew(_seconds):
        file.write_bytes(b"anew")
        os.utime(file, (1, 1))

    assert fetch_new(root, "lrs_inbox", written_anew) == 0
    assert fetch_new(root, "lrs_inbox", nothing) == 1 and (root.lrs_inbox / "r.csv").read_bytes() == b"anew"


def test_a_file_that_is_taken_away_as_it_is_to_be_fetched_holds_up_nobody_and_comes_when_it_is_back(
    server, root, monkeypatch
):
    gone = server.put("lrs/inbox/a.csv", b"a")
    server.put("lrs/inbox/b.csv", b"b")
    kept = gone.rename(server.far / "kept")
    shutil.copy2(kept, gone)
    opens = asyncssh.SFTPClient.open

    def open_after_it_went(self, path, *given, **more):
        if str(path).endswith("a.csv"):
            gone.unlink()
        return opens(self, path, *given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(asyncssh.SFTPClient, "open", open_after_it_went)
        assert fetch_new(root, "lrs_inbox", nothing) == 1
    shutil.copy2(kept, gone)
    assert fetch_new(root, "lrs_inbox", nothing) == 1
    assert {p.name: p.read_bytes() for p in root.lrs_inbox.iterdir()} == {"a.csv": b"a", "b.csv": b"b"}


def test_what_is_delivered_twice_comes_under_both_names(server, root):
    for name in ("r.csv", "r (1).csv"):
        server.put(f"lrs/inbox/{name}", b"same")
    assert fetch_new(root, "lrs_inbox", nothing) == 2 and fetch_new(root, "lrs_inbox", nothing) == 0


def test_many_files_are_listed_in_some_hundred_bytes_each(server, root):
    for number in range(300):
        server.put(f"lrs/inbox/{number:04}.csv", b"x")
    assert fetch_new(root, "lrs_inbox", nothing) == 300
    before = dict(server.line.seen)
    assert fetch_new(root, "lrs_inbox", nothing) == 0
    assert server.line.seen["client"] - before["client"] < 300 * 400, "what is told of a file is asked once"
    assert server.line.seen["server"] - before["server"] < 10_000, "a question is asked for many files"


def test_a_file_with_the_servers_time_of_tomorrow_or_of_long_ago_comes_once(server, root):
    for name, time in (("tomorrow.csv", 2**31), ("long-ago.csv", 0)):
        os.utime(server.put(f"lrs/inbox/{name}", b"x"), (time, time))
    assert fetch_new(root, "lrs_inbox", nothing) == 2 and fetch_new(root, "lrs_inbox", nothing) == 0


def test_links_are_not_followed_and_a_name_in_another_encoding_is_kept_byte_for_byte(server, root):
    (server.far / "secret").write_bytes(b"of somebody else")
    (server.far / "lrs/inbox/link.csv").symlink_to(server.far / "secret")
    (server.far / "lrs/inbox/folder").symlink_to(server.far / "dewi")
    server.put(os.fsdecode(b"lrs/inbox/caf\xe9.csv"), b"x")
    assert fetch_new(root, "lrs_inbox", nothing) == 1 and fetch_new(root, "lrs_inbox", nothing) == 0
    assert [os.fsencode(p.name) for p in root.lrs_inbox.iterdir()] == [b"caf\xe9.csv"]


@pytest.mark.usefixtures("server")
def test_what_a_fetch_that_was_killed_had_begun_goes_away(root):
    (root.dewi_inbox / "660").mkdir()
    for left in (root.lrs_inbox / ".uln-0123.part", root.dewi_inbox / "660" / ".uln-0123.part"):
        left.write_bytes(b"half")
    assert fetch_new(root, "lrs_inbox", nothing) == fetch_new(root, "dewi_inbox", nothing) == 0
    assert list(root.lrs_inbox.iterdir()) == list((root.dewi_inbox / "660").iterdir()) == []


# What is handed over.


def test_a_batch_is_handed_over_once_and_never_over_another_file(server, root):
    server.put("lrs/outbox/taken", b"theirs")
    assert handed_over(root, ours=b"x") == handed_over(root, ours=b"x") == {}
    fault = handed_over(root, taken=b"x")["taken"]
    assert isinstance(fault, Rejected) and "another file stands there" in told(fault)
    assert server.files("lrs/outbox") == {"ours": b"x", "taken": b"theirs"}


def test_a_batch_is_found_and_taken_back_where_it_is_still_ours(server, root):
    handed_over(root, ours=b"x")
    ours, other = hashlib.sha256(b"x").hexdigest(), "0" * 64
    with lrs_outbox(root) as outbox:
        assert outbox.holds("ours", ours) and not outbox.holds("ours", other) and not outbox.holds("none", ours)
        outbox.take_away("ours", other)
        assert server.files("lrs/outbox") == {"ours": b"x"}
        outbox.take_away("ours", ours)
        outbox.take_away("ours", ours)
    assert server.files("lrs/outbox") == {}


def test_school_files_are_brought_once(server, root):
    (root.dewi_outbox / "660").mkdir()
    (root.dewi_outbox / "660" / "w.xlsx").write_bytes(b"w")
    assert deliver_new(root) == 1 and deliver_new(root) == 0
    assert server.files("dewi/outbox") == {"660/w.xlsx": b"w"}


def test_what_a_run_that_was_killed_had_begun_to_hand_over_goes_away(server, root):
    server.put("lrs/outbox/.uln-0123.part", b"half")
    assert handed_over(root, ours=b"x") == {} and server.files("lrs/outbox") == {"ours": b"x"}


# What fails on the way.


def test_a_server_that_is_away_is_told_and_nothing_is_lost(server, root):
    server.put("dewi/inbox/660/a.xml", b"<a/>")
    server.line.gone()
    for does in (lambda: fetch_new(root, "dewi_inbox", nothing), lambda: handed_over(root, ours=b"x")):
        with pytest.raises(Unreachable, match="does not answer") as met:
            does()
        assert isinstance(met.value, TransientFault) and told(met.value)
    server.line.back()
    assert fetch_new(root, "dewi_inbox", nothing) == 1 and handed_over(root, ours=b"x") == {}


def test_a_server_that_says_nothing_has_its_time_and_no_more(server, root, monkeypatch):
    named(server, monkeypatch, patience=1)
    server.line.hold()
    for does in (lambda: fetch_new(root, "dewi_inbox", nothing), lambda: handed_over(root, ours=b"x")):
        with pytest.raises(Unreachable, match="does not answer") as met:
            does()
        assert told(met.value)


def test_a_server_that_falls_silent_as_batches_go_has_taken_none_of_them(server, root, monkeypatch):
    named(server, monkeypatch, patience=1)
    with lrs_outbox(root) as outbox:
        outbox.ready()
        server.line.hold()
        faults = outbox.hand_over({"a": b"a", "b": b"b", "c": b"c"})
        assert set(faults) == {"a", "b", "c"} and {type(fault) for fault in faults.values()} == {Unreachable}
        server.line.release()
    assert handed_over(root, a=b"a", b=b"b", c=b"c") == {}
    assert server.files("lrs/outbox") == {"a": b"a", "b": b"b", "c": b"c"}


def test_a_slow_server_is_waited_for(server, root):
    server.put("lrs/inbox/r.csv", GREAT[:200_000])
    server.line.slow(400_000)
    assert fetch_new(root, "lrs_inbox", nothing) == 1 and handed_over(root, ours=GREAT[:200_000]) == {}
    assert (root.lrs_inbox / "r.csv").read_bytes() == server.files("lrs/outbox")["ours"] == GREAT[:200_000]


def test_a_connection_that_drops_in_mid_file_leaves_nothing_half_and_the_next_run_takes_what_is_left(server, root):
    server.put("lrs/inbox/a.csv", b"a")
    server.put("lrs/inbox/b.csv", GREAT)
    server.line.cut_after(len(GREAT) // 2, "client")
    with pytest.raises(Unreachable) as met:
        fetch_new(root, "lrs_inbox", nothing)
    assert told(met.value) and {p.name for p in root.lrs_inbox.iterdir()} <= {"a.csv"}
    assert fetch_new(root, "lrs_inbox", nothing) >= 1 and fetch_new(root, "lrs_inbox", nothing) == 0
    assert {p.name: p.read_bytes() for p in root.lrs_inbox.iterdir()} == {"a.csv": b"a", "b.csv": GREAT}


def test_a_server_that_goes_between_two_looks_is_told(server, root):
    server.put("lrs/inbox/r.csv", b"r")
    with pytest.raises(Unreachable) as met:
        fetch_new(root, "lrs_inbox", lambda _: server.line.gone())
    server.line.back()
    assert told(met.value) and fetch_new(root, "lrs_inbox", nothing) == 1


def test_a_connection_that_drops_as_a_batch_goes_leaves_nothing_under_its_name(server, root):
    with lrs_outbox(root) as outbox:
        outbox.ready()
        server.line.cut_after(len(GREAT) // 2, "server")
        fault = outbox.hand_over({"ours": GREAT})["ours"]
    assert isinstance(fault, Unreachable) and told(fault) and "ours" not in server.files("lrs/outbox")
    assert handed_over(root, ours=GREAT) == {} and server.files("lrs/outbox") == {"ours": GREAT}


def before_the_rename(monkeypatch, does):
    """Let something happen, once, as the rename is asked for."""
    rename, to_do = asyncssh.SFTPClient.rename, [does]

    async def renamed(self, *given, **more):
        if to_do:
            to_do.pop()()
        return await rename(self, *given, **more)

    monkeypatch.setattr(asyncssh.SFTPClient, "rename", renamed)


def test_a_rename_that_was_done_though_its_answer_was_lost_is_known_as_done(server, root, monkeypatch):
    before_the_rename(monkeypatch, server.line.swallow_answers)
    assert handed_over(root, ours=b"x") == {} and server.files("lrs/outbox") == {"ours": b"x"}


def test_a_rename_that_stopped_between_its_new_name_and_its_old_one_is_known_as_done(server, root, monkeypatch):
    def stopped():
        (part,) = (server.far / "lrs/outbox").glob(".uln-*")
        os.link(part, server.far / "lrs/outbox/ours")
        server.line.cut_after(1, "server")

    before_the_rename(monkeypatch, stopped)
    assert handed_over(root, ours=b"x") == {} and server.files("lrs/outbox") == {"ours": b"x"}


def test_a_rename_that_did_not_arrive_is_known_as_not_done_and_can_be_done_no_more(server, root, monkeypatch):
    before_the_rename(monkeypatch, lambda: server.line.cut_after(1, "server"))
    fault = handed_over(root, ours=b"x")["ours"]
    assert isinstance(fault, Unreachable) and told(fault) and server.files("lrs/outbox") == {}


def test_a_rename_of_which_nobody_can_say_whether_it_was_done_is_told_so_and_no_more_is_tried(
    server, root, monkeypatch
):
    before_the_rename(monkeypatch, lambda: server.line.swallow_answers(then_gone=True))
    faults = handed_over(root, ours=b"x", next=b"y")
    assert isinstance(faults["ours"], OutcomeUnknown) and "nobody knows" in told(faults["ours"])
    assert isinstance(faults["next"], Unreachable) and server.files("lrs/outbox") == {"ours": b"x"}


def test_a_rename_whose_file_was_taken_at_once_and_whose_answer_was_lost_is_told_as_unknown(server, root, monkeypatch):
    before_the_rename(monkeypatch, server.line.swallow_answers)
    read = asyncssh.SFTPClient.open

    def taken_first(self, path, *given, **more):
        if str(path).endswith("/ours"):
            (server.far / "lrs/outbox/ours").unlink()
        return read(self, path, *given, **more)

    monkeypatch.setattr(asyncssh.SFTPClient, "open", taken_first)
    assert isinstance(handed_over(root, ours=b"x")["ours"], OutcomeUnknown)


def test_what_was_not_brought_whole_goes_with_the_next_run(server, root):
    for name in "ab":
        (root.dewi_outbox / f"{name}.zip").write_bytes(GREAT)
    server.line.cut_after(len(GREAT) * 3 // 2, "server")
    with pytest.raises(Unreachable) as met:
        deliver_new(root)
    whole = {name for name in server.files("dewi/outbox") if not name.startswith(".")}
    assert told(met.value) and whole == {"a.zip"}
    assert deliver_new(root) == 1
    assert server.files("dewi/outbox") == {"a.zip": GREAT, "b.zip": GREAT}


# A server whose rename replaces nothing.


@pytest.fixture
def plain(tmp_path, monkeypatch):
    """Such a server, with a school's file of last week."""
    with sftp_server(tmp_path, replaces=False) as there:
        named(there, monkeypatch)
        yield there


def of_this_week(root, server):
    server.put("dewi/outbox/a.zip", b"last week's")
    (root.dewi_outbox / "a.zip").write_bytes(b"this week's")


def at_the_rename_into_place(monkeypatch, does):
    """Let something happen as the new file is to get its name, once."""
    rename, to_do = asyncssh.SFTPClient.rename, [does]

    async def renamed(self, old, new, *given, **more):
        if to_do and str(new).endswith("a.zip"):
            to_do.pop()()
        return await rename(self, old, new, *given, **more)

    monkeypatch.setattr(asyncssh.SFTPClient, "rename", renamed)


def test_such_a_server_has_the_new_file_in_the_place_of_the_old_one_and_nothing_beside_it(plain, root):
    of_this_week(root, plain)
    (root.dewi_outbox / "b.zip").write_bytes(b"b")
    assert deliver_new(root) == 2
    assert plain.files("dewi/outbox") == {"a.zip": b"this week's", "b.zip": b"b"}


def test_where_such_a_server_goes_before_the_new_file_has_its_name_the_old_one_is_kept_and_the_next_run_mends_it(
    plain, root, monkeypatch
):
    of_this_week(root, plain)
    at_the_rename_into_place(monkeypatch, plain.line.gone)
    with pytest.raises(Unreachable):
        deliver_new(root)
    assert sorted(plain.files("dewi/outbox").values()) == [b"last week's", b"this week's"]
    assert all(name.startswith(".uln-") for name in plain.files("dewi/outbox"))
    plain.line.back()
    assert deliver_new(root) == 1 and plain.files("dewi/outbox") == {"a.zip": b"this week's"}


def test_where_such_a_server_refuses_the_new_file_its_name_the_old_one_has_it_again(plain, root, monkeypatch):
    of_this_week(root, plain)

    def refuse():
        raise asyncssh.SFTPFailure("no")

    at_the_rename_into_place(monkeypatch, refuse)
    with pytest.raises(Rejected):
        deliver_new(root)
    assert plain.files("dewi/outbox")["a.zip"] == b"last week's"
    assert deliver_new(root) == 1 and plain.files("dewi/outbox") == {"a.zip": b"this week's"}


# Who is refused, and who refuses.


@pytest.mark.parametrize("known", ["", "another"], ids=["unknown", "changed"])
def test_a_server_with_an_unknown_or_another_key_is_refused_and_not_asked_again(server, root, known):
    server.is_known_by(made_key(server.home / known) if known else [])
    with pytest.raises(Rejected, match="is not the one in" if known else "is not in") as met:
        fetch_new(root, "dewi_inbox", nothing)
    assert told(met.value) and server.line.connections == 1


@pytest.mark.parametrize("wrong", ["key", "passphrase"])
def test_who_has_not_the_right_key_or_cannot_open_it_is_told(server, root, monkeypatch, wrong):
    if wrong == "key":
        made_key(server.home / "stranger", PASSPHRASE)
        monkeypatch.setenv("ULN_WAY_DEWI_INBOX__KEY_FILE", str(server.home / "stranger"))
    else:
        monkeypatch.setenv("ULN_WAY_DEWI_INBOX__KEY_PASSPHRASE", "of another key")
    with pytest.raises(Rejected, match="does not let the service in") as met:
        fetch_new(root, "dewi_inbox", nothing)
    assert told(met.value)


def known_hosts_broken(there, _monkeypatch):
    (there.home / "known").write_text("sftp.lrs.example\n", encoding="utf-8")


def set_to(key, value):
    return lambda _there, monkeypatch: monkeypatch.setenv(f"ULN_WAY_DEWI_INBOX__{key}", value)


#: What may be wrong with our own settings, and what is told of it.
WRONG = {
    "no key": (set_to("KEY_FILE", "/nowhere/key-of-ours"), "key_file names no file"),
    "a folder as key": (set_to("KEY_FILE", "/"), "key_file names no file"),
    "no home": (set_to("KEY_FILE", "~nobody-of-that-name/key"), "key_file names no file"),
    "a line that is no host key": (known_hosts_broken, "known_hosts names cannot be read"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_setting_of_ours_that_cannot_be_used_is_told_by_its_name_and_nobody_is_asked(
    server, root, monkeypatch, wrong
):
    makes, says = WRONG[wrong]
    makes(server, monkeypatch)
    with pytest.raises(Rejected, match=says) as met:
        fetch_new(root, "dewi_inbox", nothing)
    assert told(met.value) and server.line.connections == 0
    assert not [value for value in ("key-of-ours", "sftp.lrs.example", "nobody-of-that") if value in str(met.value)]
    found = {one.message.en for one in run_checks(str(root.path), dt.date(2012, 1, 31)) if one.check == "ways"}
    assert any(says in sentence and "dewi_inbox cannot be used" in sentence for sentence in found)


def test_a_certificate_among_the_host_keys_is_told_and_nothing_is_sent(server, root):
    authority, key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    server.is_known_by(authority.generate_host_certificate(key, "of-nobody").export_certificate().decode().split())
    with pytest.raises(Rejected, match="known_hosts names cannot be read") as met:
        handed_over(root, ours=b"x")
    assert told(met.value) and server.files("lrs/outbox") == {}


def test_a_folder_that_is_gone_is_told(server, root):
    (server.far / "lrs/outbox").rmdir()
    with pytest.raises(Rejected, match="no such folder") as met:
        handed_over(root, ours=b"x")
    assert told(met.value)


def test_a_server_that_lets_nobody_write_takes_nothing(tmp_path, root, monkeypatch):
    with sftp_server(tmp_path, read_only=True) as there:
        named(there, monkeypatch)
        fault = handed_over(root, ours=b"x")["ours"]
        assert isinstance(fault, Rejected) and "does not allow it" in told(fault)
        (root.dewi_outbox / "a.zip").write_bytes(b"a")
        with pytest.raises(Rejected, match="does not allow it"):
            deliver_new(root)
        assert there.files("lrs/outbox") == there.files("dewi/outbox") == {}


def test_a_server_whose_disk_is_full_takes_nothing_of_what_has_no_room(tmp_path, root, monkeypatch):
    with sftp_server(tmp_path, largest_file=len(GREAT) // 2) as there:
        named(there, monkeypatch)
        faults = handed_over(root, ours=GREAT, small=b"x")
        assert isinstance(faults["ours"], Rejected) and "it may be full" in told(faults["ours"])
        assert set(faults) == {"ours"} and there.files("lrs/outbox") == {"small": b"x"}


# A cycle.


def test_a_cycle_by_sftp_ends_in_the_snapshots_of_one_in_local_folders(server, root, tmp_path):
    from flows.rehearsal import rehearsal_times

    far, local = server.far, tmp_path / "local"
    ways = {name: value for name, value in os.environ.items() if name.startswith("ULN_WAY_")}
    alone("rehearse", "--schools", "4", "--data", str(local), ways={})
    shutil.copytree(local / "reference", root.reference, dirs_exist_ok=True)
    shutil.copytree(local / "dewi" / "inbox", far / "dewi" / "inbox", dirs_exist_ok=True)
    sent, answered = rehearsal_times(cycle_by_id("2012-01"))
    for _ in range(2):
        alone("census", "2012-01", "--as-of", sent, "--data", str(root.path), ways=ways)
    handed = {p.name: p.read_bytes() for p in (local / "lrs" / "outbox").iterdir()}
    assert server.files("lrs/outbox") == handed
    # The stand-in knows learners from before, and answers otherwise a second time: the LRS's own files, once more.
    shutil.copytree(local / "lrs" / "inbox", far / "lrs" / "inbox", dirs_exist_ok=True)
    alone("returns", "--as-of", answered, "--data", str(root.path), ways=ways)
    for name in ("learners.parquet", "exceptions.parquet"):
        ours, theirs = (place / "snapshots" / "2012-01" / name for place in (root.path, local))
        assert ours.read_bytes() == theirs.read_bytes()
    outbox = local / "dewi" / "outbox"
    kept = {p.relative_to(outbox).as_posix(): p.read_bytes() for p in outbox.rglob("*") if p.is_file()}
    assert server.files("dewi/outbox") == kept and kept
