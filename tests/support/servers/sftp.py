"""The machine of DEWi and the LRS, on loopback: Debian's OpenSSH server with their four folders, behind a line that may fail.

Belongs here: what the other side does with its folders, and what the environment says of the ways there. A server whose
program is missing is an error, and no reason to skip.
"""

import getpass
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.faults.faulty_line import FaultyLine

SSHD = "/usr/sbin/sshd"
WAYS = ("dewi_inbox", "dewi_outbox", "lrs_inbox", "lrs_outbox")
#: What opens the service's own key; told nowhere.
PASSPHRASE = "an-opening-word-of-the-tests"


class SftpServer:
    """What a test does on the other machine.

    Attributes:
        home: the server's own keys and settings; the service's key is `user`, the keys it knows are `known`.
        far: its folders: `dewi/inbox`, `dewi/outbox`, `lrs/inbox`, `lrs/outbox`.
        line: the way to it.
        process: the server.
    """

    def __init__(self, home: Path, far: Path, line: FaultyLine, process: "subprocess.Popen[bytes]") -> None:
        self.home, self.far, self.line, self.process = home, far, line, process

    def put(self, path: str, data: bytes) -> Path:
        """Let a file stand there."""
        (self.far / path).parent.mkdir(parents=True, exist_ok=True)
        (self.far / path).write_bytes(data)
        return self.far / path

    def files(self, folder: str) -> dict[str, bytes]:
        """Every file below a folder, by path below it."""
        there = self.far / folder
        return {p.relative_to(there).as_posix(): p.read_bytes() for p in sorted(there.rglob("*")) if p.is_file()}

    def variables(self, *ways: str) -> dict[str, str]:
        """What the environment says of the ways to it; of all four where none is named."""
        return {
            f"ULN_WAY_{way}__{key}".upper(): value
            for way in ways or WAYS
            for key, value in {
                "url": f"sftp://{getpass.getuser()}@127.0.0.1:{self.line.port}{self.far / way.replace('_', '/')}",
                "known_hosts": str(self.home / "known"),
                "key_file": str(self.home / "user"),
                "key_passphrase": PASSPHRASE,
                "patience_seconds": "20",
                "settled_seconds": "0",
            }.items()
        }

    def is_known_by(self, key: list[str]) -> None:
        """Let a key be the one that the service knows the server by; none where it is empty."""
        place = f"[127.0.0.1]:{self.line.port}"
        (self.home / "known").write_text(f"{place} {' '.join(key)}\n" if key else "", encoding="utf-8")


def made_key(path: Path, passphrase: str = "") -> list[str]:
    """Make a key pair; its kind and public part."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path)], check=True)
    return path.with_suffix(".pub").read_text(encoding="utf-8").split()[:2]


@contextmanager
def sftp_server(
    place: Path, *, read_only: bool = False, replaces: bool = True, largest_file: int | None = None
) -> Iterator[SftpServer]:
    """An SSH server with the other side's four folders.

    Args:
        place: a folder that is there.
        read_only: whether it lets nobody write.
        replaces: whether it has OpenSSH's rename that replaces what stands there.
        largest_file: in bytes; what goes beyond it meets a disk that is full.
    """
    if not Path(SSHD).exists():
        raise FileNotFoundError(f"{SSHD}: install Debian's openssh-server")
    Path("/run/sshd").mkdir(exist_ok=True)
    home, far = place / "sshd", place / "far"
    home.mkdir(mode=0o700)
    for way in WAYS:
        (far / way.replace("_", "/")).mkdir(parents=True)
    own, user = made_key(home / "host"), made_key(home / "user", PASSPHRASE)
    (home / "authorized").write_text(" ".join(user) + "\n", encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    (home / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {home / 'host'}\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {home / 'authorized'}\nPasswordAuthentication no\nPermitRootLogin yes\n"
        f"Subsystem sftp internal-sftp{' -R' if read_only else ''}{'' if replaces else ' -P posix-rename'}\n",
        encoding="utf-8",
    )

    def small_disk() -> None:
        if largest_file is not None:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    process = subprocess.Popen(
        [SSHD, "-D", "-e", "-f", str(home / "config")],
        stderr=subprocess.DEVNULL,
        preexec_fn=small_disk,  # noqa: PLW1509 - no other thread of this process holds a lock yet
    )
    try:
        for _ in range(400):
            with socket.socket() as look:
                if look.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        with FaultyLine("127.0.0.1", port) as line:
            server = SftpServer(home, far, line, process)
            server.is_known_by(own)
            yield server
    finally:
        process.terminate()
        process.wait()
