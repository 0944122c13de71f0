"""Folders by SFTP, against Debian's OpenSSH server on loopback: what comes, what is handed over, and who is refused."""

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from schemas.cycles import cycle_by_id
from schemas.faults import PassingFault
from tasks.io.data_root import DataRoot
from tasks.io.places import deliver_new, fetch_new, lrs_outbox
from tasks.io.transports import Declined

SSHD = "/usr/sbin/sshd"
pytestmark = [pytest.mark.engine, pytest.mark.skipif(not Path(SSHD).exists(), reason="needs Debian's openssh-server")]


def made_key(path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path.with_suffix(".pub").read_text(encoding="utf-8").split()[:2]


@pytest.fixture
def server(tmp_path, monkeypatch):
    """An SSH server with the other side's four folders; the data root's ways lead there."""
    Path("/run/sshd").mkdir(exist_ok=True)
    home, far = tmp_path / "sshd", tmp_path / "far"
    home.mkdir(mode=0o700)
    own, user = made_key(home / "host"), made_key(home / "user")
    (home / "authorized").write_text(" ".join(user) + "\n", encoding="utf-8")
    for name in ("dewi/inbox/660", "dewi/outbox", "lrs/inbox", "lrs/outbox"):
        (far / name).mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (home / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {home / 'host'}\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {home / 'authorized'}\nPasswordAuthentication no\nPermitRootLogin yes\n"
        "Subsystem sftp internal-sftp\n",
        encoding="utf-8",
    )
    (home / "known").write_text(f"[127.0.0.1]:{port} {' '.join(own)}\n", encoding="utf-8")
    process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(home / "config")], stderr=subprocess.DEVNULL)
    for _ in range(200):
        with socket.socket() as look:
            if look.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    account = "root" if os.getuid() == 0 else os.environ["USER"]
    for way in ("dewi_inbox", "dewi_outbox", "lrs_inbox", "lrs_outbox"):
        prefix = f"ULN_WAY_{way.upper()}__"
        monkeypatch.setenv(f"{prefix}URL", f"sftp://{account}@127.0.0.1:{port}{far / way.replace('_', '/')}")
        monkeypatch.setenv(f"{prefix}KNOWN_HOSTS", str(home / "known"))
        monkeypatch.setenv(f"{prefix}KEY_FILE", str(home / "user"))
        monkeypatch.setenv(f"{prefix}PATIENCE_SECONDS", "20")
    yield home, far, process
    process.terminate()
    process.wait()


@pytest.fixture
def root(tmp_path):
    return DataRoot(tmp_path / "root").create()


def nothing(_seconds):
    """No time passes."""


def test_what_is_whole_comes_once_and_stays_as_received(server, root):
    _, far, _ = server
    folder = far / "dewi" / "inbox" / "660"
    (folder / "a.xml").write_bytes(b"<a/>")
    (folder / "b.xml.part").write_bytes(b"<b")
    assert fetch_new(root, "dewi_inbox", nothing) == 1 and fetch_new(root, "dewi_inbox", nothing) == 0
    (folder / "a.xml").write_bytes(b"<a>other</a>")
    assert fetch_new(root, "dewi_inbox", nothing) == 1
    assert sorted(p.read_bytes() for p in (root.dewi_inbox / "660").iterdir()) == [b"<a/>", b"<a>other</a>"]


def test_a_file_that_grows_between_two_looks_is_left_for_the_next_run(server, root):
    _, far, _ = server
    file = far / "lrs" / "inbox" / "r.csv"
    file.write_bytes(b"half")
    assert fetch_new(root, "lrs_inbox", lambda _: file.write_bytes(b"half and half")) == 0
    assert fetch_new(root, "lrs_inbox", nothing) == 1 and (root.lrs_inbox / "r.csv").read_bytes() == b"half and half"


def test_a_batch_is_handed_over_once_and_never_over_another_file(server, root):
    _, far, _ = server
    (far / "lrs" / "outbox" / "taken").write_bytes(b"theirs")
    with lrs_outbox(root) as outbox:
        outbox.ready()
        assert outbox.hand_over({"ours": b"x"}) == outbox.hand_over({"ours": b"x"}) == {}
        assert isinstance(outbox.hand_over({"taken": b"x"})["taken"], Declined)
    assert {p.name: p.read_bytes() for p in (far / "lrs" / "outbox").iterdir()} == {"ours": b"x", "taken": b"theirs"}


def test_school_files_are_brought_once(server, root):
    _, far, _ = server
    (root.dewi_outbox / "660").mkdir()
    (root.dewi_outbox / "660" / "w.xlsx").write_bytes(b"w")
    assert deliver_new(root) == 1 and deliver_new(root) == 0
    assert (far / "dewi" / "outbox" / "660" / "w.xlsx").read_bytes() == b"w"


@pytest.mark.parametrize(("known", "says"), [("", "is not in"), ("another", "is not the one in")])
def test_a_server_with_an_unknown_or_another_key_is_refused(server, root, known, says):
    home, _, _ = server
    place = (home / "known").read_text(encoding="utf-8").split()[0]
    line = f"{place} {' '.join(made_key(home / 'another'))}\n" if known else ""
    (home / "known").write_text(line, encoding="utf-8")
    with pytest.raises(Declined, match=says):
        fetch_new(root, "dewi_inbox", nothing)


def test_who_has_not_the_right_key_is_told(server, root, monkeypatch):
    home, _, _ = server
    made_key(home / "stranger")
    monkeypatch.setenv("ULN_WAY_DEWI_INBOX__KEY_FILE", str(home / "stranger"))
    with pytest.raises(Declined, match="does not let the service in"):
        fetch_new(root, "dewi_inbox", nothing)


def test_a_server_that_is_away_is_told_and_nothing_is_lost(server, root):
    _, _, process = server
    process.terminate()
    process.wait()
    with pytest.raises(PassingFault, match="does not answer"):
        fetch_new(root, "dewi_inbox", nothing)


def test_a_folder_that_is_gone_is_told(server, root):
    _, far, _ = server
    shutil.rmtree(far / "lrs" / "outbox")
    with lrs_outbox(root) as outbox, pytest.raises(Declined, match="no such folder"):
        outbox.ready()


def uln(*arguments, ways):
    """A command in a process of its own; without ways everything is below the data root."""
    unset = ("PREFECT_", "PYTEST_") if ways else ("PREFECT_", "PYTEST_", "ULN_WAY_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(unset)}
    command = [sys.executable, "-W", "ignore", "-c", "from flows.cli import main; main()", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_a_cycle_by_sftp_ends_in_the_snapshots_of_one_in_local_folders(server, root, tmp_path, monkeypatch):
    from flows.rehearsal import rehearsal_times

    _, far, _ = server
    for way in ("DEWI_INBOX", "LRS_INBOX"):
        monkeypatch.setenv(f"ULN_WAY_{way}__SETTLED_SECONDS", "0")
    local = tmp_path / "local"
    uln("rehearse", "--schools", "4", "--data", str(local), ways=False)
    shutil.copytree(local / "reference", root.reference, dirs_exist_ok=True)
    shutil.copytree(local / "dewi" / "inbox", far / "dewi" / "inbox", dirs_exist_ok=True)
    sent, answered = rehearsal_times(cycle_by_id("2012-01"))
    for _ in range(2):
        uln("census", "2012-01", "--as-of", sent, "--data", str(root.path), ways=True)
    handed = {p.name: p.read_bytes() for p in (far / "lrs" / "outbox").iterdir()}
    assert handed == {p.name: p.read_bytes() for p in (local / "lrs" / "outbox").iterdir()}
    # The stand-in knows learners from before, and answers otherwise a second time: the LRS's own files, once more.
    shutil.copytree(local / "lrs" / "inbox", far / "lrs" / "inbox", dirs_exist_ok=True)
    uln("returns", "--as-of", answered, "--data", str(root.path), ways=True)
    for name in ("learners.parquet", "exceptions.parquet"):
        ours, theirs = (place / "snapshots" / "2012-01" / name for place in (root.path, local))
        assert ours.read_bytes() == theirs.read_bytes()
    brought, kept = (
        {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
        for folder in (far / "dewi" / "outbox", local / "dewi" / "outbox")
    )
    assert brought == kept and kept


def test_a_file_that_is_written_anew_between_two_looks_waits_though_its_size_is_the_same(server, root):
    _, far, _ = server
    file = far / "lrs" / "inbox" / "r.csv"
    file.write_bytes(b"once")

    def written_anew(_seconds):
        file.write_bytes(b"anew")
        os.utime(file, (1, 1))

    assert fetch_new(root, "lrs_inbox", written_anew) == 0
    assert fetch_new(root, "lrs_inbox", nothing) == 1 and (root.lrs_inbox / "r.csv").read_bytes() == b"anew"
