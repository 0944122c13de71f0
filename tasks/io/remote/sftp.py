"""A folder of an SFTP server, by fsspec's sshfs and asyncssh.

Belongs here: requests to the server, what its answers mean, and our own settings of it. Does not belong here: what holds of
any transport (`tasks.io.remote.transport`). The libraries are loaded where such a way is configured.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from schemas.settings.locations import SftpLocation
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.io.remote.transport import OutcomeUnknown, Rejected, Seen, Transport, Unreachable, part_name


class SftpFolder(Transport):
    """The folder, and a connection to it."""

    def __init__(self, way: SftpLocation) -> None:
        super().__init__(way)
        self._fs: Any = None
        self._channel: Any = None
        self._folders: set[str] = set()
        self._connect()

    def _connect(self) -> None:
        import asyncssh  # noqa: PLC0415 - only where such a way is configured
        from sshfs import SSHFileSystem  # noqa: PLC0415

        self.close()
        self._library = asyncssh
        way: SftpLocation = self.way
        host, (port, known_hosts, keys) = way.parts.hostname, self._settings()
        with self._told():
            try:
                # Nothing but what is configured: no agent, no keys and no settings of the account that runs the service.
                self._fs = SSHFileSystem(
                    host,
                    port=port,
                    username=way.parts.username,
                    known_hosts=known_hosts,
                    client_keys=keys,
                    passphrase=way.key_passphrase and way.key_passphrase.get_secret_value(),
                    password=way.password and way.password.get_secret_value(),
                    agent_path=None,
                    config=None,
                    connect_timeout=way.patience_seconds,
                    login_timeout=way.patience_seconds,
                    keepalive_interval=way.patience_seconds / 3,
                    keepalive_count_max=3,
                    skip_instance_cache=True,
                    timeout=2 * way.patience_seconds,
                )
                self._channel = self._done(
                    self._fs.client.start_sftp_client, path_encoding="utf-8", path_errors="surrogateescape"
                )
            except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
                raise  # our own key
            except ValueError:  # what it does not take of a line that matches the host, such as an OpenSSH certificate
                raise Rejected(bilingual("fault.way_known_hosts", way=self.shown)) from None
            except asyncssh.HostKeyNotVerifiable:
                # Both are refused; a key that has changed is what somebody in between looks like.
                known = asyncssh.match_known_hosts(known_hosts, host, "", port)
                case = "fault.way_changed_key" if any(known[:2]) else "fault.way_unknown_key"
                raise Rejected(bilingual(case, way=self.shown, file=way.known_hosts)) from None

    def _settings(self) -> tuple[int, Any, list[str] | None]:
        """Port, the host keys that are known, and the file of our own key, where there is one.

        Looked at before anything is asked: what is wrong with them would else look like a server that is away.

        Raises:
            Declined: one of them cannot be used; says which, and not what stands there.
        """
        way: SftpLocation = self.way
        try:
            port = way.parts.port or 22
        except ValueError:
            raise Rejected(bilingual("fault.way_setting", way=self.shown, setting="url")) from None
        try:
            known_hosts = self._library.read_known_hosts(str(way.known_hosts.expanduser()))
        except (FileNotFoundError, IsADirectoryError):
            raise Rejected(bilingual("fault.way_unknown_key", way=self.shown, file=way.known_hosts)) from None
        except (OSError, ValueError, RuntimeError):  # the last: an account that has no home
            raise Rejected(bilingual("fault.way_known_hosts", way=self.shown)) from None
        if way.key_file is None:
            return port, known_hosts, None
        try:
            key_file = way.key_file.expanduser()
            with key_file.open("rb"):
                return port, known_hosts, [str(key_file)]
        except (OSError, RuntimeError):
            raise Rejected(bilingual("fault.way_key_file", way=self.shown)) from None

    def _done(self, work: Callable[..., Any], *given: Any, size: int = 0, **named: Any) -> Any:
        """Let fsspec's thread do it, within its time."""
        from fsspec.asyn import sync  # noqa: PLC0415

        return sync(self._fs.loop, work, *given, timeout=self._limit(size), **named)

    @contextmanager
    def _told(self) -> Iterator[None]:
        library = self._library
        try:
            yield
        except (ServiceFault, ModuleNotFoundError):
            raise
        except (library.PermissionDenied, library.KeyImportError, library.KeyEncryptionError) as refused:
            raise Rejected(bilingual("fault.way_login", way=self.shown)) from refused
        except library.SFTPError as refused:
            if isinstance(refused, (library.SFTPConnectionLost, library.SFTPNoConnection)):
                raise Unreachable(bilingual("fault.way_away", way=self.shown)) from refused
            cases = {library.SFTPPermissionDenied: "denied", library.SFTPNoSuchFile: "no_folder"}
            case = cases.get(type(refused), "not_taken")
            raise Rejected(bilingual(f"fault.way_{case}", way=self.shown)) from refused
        except PermissionError as refused:
            # As sshfs translates a login that was refused.
            raise Rejected(bilingual("fault.way_login", way=self.shown)) from refused
        except (library.Error, OSError, EOFError, TimeoutError) as refused:
            raise Unreachable(bilingual("fault.way_away", way=self.shown)) from refused

    def listing(self, folder: str = "") -> dict[str, Seen | None]:
        """One question, whatever lies there."""
        with self._told():
            try:
                found = self._done(self._channel.readdir, self._at(folder))
            except self._library.SFTPNoSuchFile:
                raise Rejected(bilingual("fault.way_no_folder", way=self.shown)) from None
        kinds = self._library
        listed: dict[str, Seen | None] = {}
        for one in found:
            if one.filename in (".", ".."):
                continue
            if one.attrs.type == kinds.FILEXFER_TYPE_DIRECTORY:
                listed[one.filename] = None
            elif one.attrs.type == kinds.FILEXFER_TYPE_REGULAR:
                listed[one.filename] = Seen(one.attrs.size or 0, f"{one.attrs.mtime}.{one.attrs.mtime_ns or 0}")
        return listed

    def fetch(self, path: str, into: Path, most: int) -> None:
        """The bytes in memory, then here."""
        with into.open("wb") as file:
            file.write(self._read(path, most))

    def content(self, path: str) -> bytes | None:
        """The bytes in memory; by a new connection where there is none."""
        if self._channel is None:
            self._connect()
        try:
            return self._read(path, -1)
        except FileNotFoundError:
            return None

    def _read(self, path: str, most: int) -> bytes:
        async def read() -> bytes:
            async with self._channel.open(self._at(path), "rb") as file:
                return bytes(await file.read(most))

        with self._told():
            try:
                return bytes(self._done(read, size=max(most, 2**26)))
            except self._library.SFTPNoSuchFile:
                missing = True
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) if missing else AssertionError

    def put_new(self, path: str, data: bytes) -> None:
        """Under a hidden name, then one rename; where nobody says how it went, one look by a new connection."""
        library = self._library
        part = self._written(path, data)
        try:
            # SFTP's plain rename leaves alone what stands there; OpenSSH's own extension, which fsspec uses, does not.
            self._done(self._channel.rename, part, self._at(path))
            return
        except library.SFTPError as refused:
            answered = not isinstance(refused, (library.SFTPConnectionLost, library.SFTPNoConnection))
            fault: Exception = refused
        except (library.Error, OSError, EOFError, TimeoutError) as lost:
            answered, fault = False, lost
        if answered:
            there = self.content(path)
            self._left(part)
            if there is None:
                with self._told():
                    raise fault
            if there != data:
                raise self._other_file(path)
            return
        # The rename may have been done though nobody said so. By a new connection, what was to be renamed is taken away:
        # where that was still to be had it can be renamed no more, however late the old connection's request is carried out.
        try:
            self._connect()
            was_left = self._withdrawn(part)
            # A server that makes the new name before it takes the old one away may have been stopped between the two.
            stands = self.content(path) is not None
        except (Unreachable, Rejected):
            raise OutcomeUnknown(bilingual("fault.way_unanswered", way=self.shown, file=path)) from fault
        if was_left and not stands:
            raise Unreachable(bilingual("fault.way_away", way=self.shown)) from fault
        self._settled(path, data, fault)

    def _withdrawn(self, part: str) -> bool:
        """Remove what was begun; whether it was there."""
        with self._told():
            try:
                self._done(self._channel.remove, part)
            except self._library.SFTPNoSuchFile:
                return False
            return True

    def put(self, path: str, data: bytes) -> None:
        """Under a hidden name, then one rename; where the server cannot replace in one step, two."""
        folder = self._at(path).rpartition("/")[0]
        with self._told():
            if folder not in self._folders:
                self._done(self._channel.makedirs, folder, exist_ok=True)
                self._folders.add(folder)
            part = self._written(path, data)
            try:
                self._done(self._channel.posix_rename, part, self._at(path))
            except self._library.SFTPOpUnsupported:
                self._exchange(part, self._at(path))

    def _exchange(self, part: str, place: str) -> None:
        """Rename into a place at which something may stand, where a rename replaces nothing.

        For a moment nothing stands there. What ends in it leaves both under names that nobody looks at; the next delivery,
        which does not know the file as brought, puts it again.
        """
        aside = f"{place.rpartition('/')[0]}/{part_name()}"
        try:
            self._done(self._channel.rename, place, aside)
        except self._library.SFTPNoSuchFile:
            self._done(self._channel.rename, part, place)
            return
        try:
            self._done(self._channel.rename, part, place)
        except self._library.SFTPError:
            with suppress(Exception):
                self._done(self._channel.rename, aside, place)
            raise
        self._left(aside)

    def _written(self, path: str, data: bytes) -> str:
        """The bytes under a name that nobody looks at, on the server's disk as far as it can say so."""
        part = f"{self._at(path).rpartition('/')[0]}/{part_name()}"

        async def write() -> int:
            async with self._channel.open(part, "xb") as file:
                await file.write(data)
                with suppress(self._library.SFTPOpUnsupported):
                    await file.fsync()
            return int((await self._channel.stat(part)).size or 0)

        with self._told():
            try:
                size = self._done(write, size=len(data))
            except Exception:  # whatever it was: it goes on as it came, once nothing of it is left there
                self._left(part)
                raise
        if size != len(data):
            self._left(part)
            raise Rejected(bilingual("fault.way_not_taken", way=self.shown))
        return part

    def _left(self, part: str) -> None:
        """Remove what was begun; where that cannot be, the next hand-over does it."""
        with suppress(Exception):
            self._done(self._channel.remove, part)

    def remove(self, path: str) -> None:
        """To remove nothing is no fault."""
        with self._told(), suppress(self._library.SFTPNoSuchFile):
            self._done(self._channel.remove, self._at(path))

    def close(self) -> None:
        """End the connection."""
        fs, self._fs, self._channel = self._fs, None, None
        if fs is not None:

            async def end() -> None:
                fs.client.abort()

            with suppress(Exception):
                from fsspec.asyn import sync  # noqa: PLC0415

                sync(fs.loop, end, timeout=5)
