"""How a folder by URL is read and written: SFTP, folders of this machine, and what holds of any transport.

Through fsspec's file systems, with what they leave open closed: a host key that is not known, or is another, is refused;
nothing is tried again behind our back; what is put appears whole under its name or not at all; every answer has its time.
What goes wrong is one of three: `Away` (nothing was changed there), `Declined` (the server said no: nothing was changed),
`Unanswered` (what was to be put may stand there or not).

Belongs here: bytes, names and faults of a transport. Does not belong here: which folder it is, and what is done with the
files (`tasks.io.places`); object stores (`tasks.io.object_stores`). To add a transport: a class with these methods, its
kind in `opened`, and in `schemas.ways`.
"""

import errno
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.faults import PassingFault, ServiceFault
from schemas.texts import Both, both
from schemas.ways import AzureWay, FileWay, S3Way, SftpWay, Way
from tasks.io.data_root import NOTHING_DONE

#: How the name of a file begins and ends that is being put there; `tasks.io.data_root` calls its own so.
PART = (".uln-", ".part")
#: A server that is slower than that, in bytes a second, is as good as one that does not answer.
_SLOWEST = 10_000


class Away(PassingFault):
    """The server was not reached, or went before anything was put in place."""


class Declined(ServiceFault):
    """The server answered, and did not do it."""


class Unanswered(ServiceFault):
    """A file was to be put in place, and no answer came that says whether it was."""


@dataclass(frozen=True)
class Seen:
    """A file as a listing shows it.

    Attributes:
        size: in bytes.
        mark: changes when the file does: its time by the server's own clock, or a hash of the store's. Never compared
            with our clock.
    """

    size: int
    mark: str


class Transport(ABC):
    """A folder by URL; paths are relative to it."""

    def __init__(self, way: Any) -> None:
        self.way = way

    @property
    def shown(self) -> str:
        """The URL as people may see it."""
        return str(self.way.shown)

    def _at(self, path: str) -> str:
        return f"{self.way.folder.rstrip('/')}/{path}" if path else self.way.folder

    def _limit(self, size: int = 0) -> float:
        return float(self.way.patience_seconds + size / _SLOWEST)

    @abstractmethod
    def listing(self, folder: str = "") -> dict[str, Seen | None]:
        """What lies in a folder, by name, in one question; None for a folder.

        Raises:
            Away, Declined: it could not be listed.
        """

    @abstractmethod
    def fetch(self, path: str, into: Path, most: int) -> None:
        """Copy a file, or its first `most` bytes, to this machine.

        Raises:
            Away, Declined: it could not be read whole.
            FileNotFoundError: it is there no more.
        """

    @abstractmethod
    def content(self, path: str) -> bytes | None:
        """A file's bytes; None where there is none.

        Raises:
            Away, Declined: nobody knows.
        """

    @abstractmethod
    def put_new(self, path: str, data: bytes) -> None:
        """Let a file appear, whole, under a name at which nothing stands; once, and never tried again.

        The very bytes under that name already are as good.

        Raises:
            Away, Declined: it is not there. Another file under that name is left alone.
            Unanswered: it may be there.
        """

    @abstractmethod
    def put(self, path: str, data: bytes) -> None:
        """Let a file appear, whole, in the place of what stands there; folders are made. Doing it again does no harm.

        Raises:
            Away, Declined: the old one, or the new one, is there whole; where a server cannot replace a file in one step,
                perhaps neither, until it is done again.
        """

    @abstractmethod
    def remove(self, path: str) -> None:
        """Remove a file, if it is there.

        Raises:
            Away, Declined: it may still be there.
        """

    @abstractmethod
    def close(self) -> None:
        """Let the connection go."""

    def _other_file(self, path: str) -> Declined:
        return Declined(both("fault.way_other_file", way=self.shown, file=path))

    def _settled(self, path: str, data: bytes, fault: Exception) -> None:
        """After `fault`, in which no answer came: look whether the very bytes stand there.

        Raises:
            Unanswered: they do not, or nobody can look.
        """
        unknown = Unanswered(both("fault.way_unanswered", way=self.shown, file=path))
        try:
            there = self.content(path)
        except (Away, Declined):
            raise unknown from fault
        if there is None:
            raise unknown from fault
        if there != data:
            raise self._other_file(path) from fault


@contextmanager
def opened(way: Way) -> Iterator[Transport]:
    """A folder by URL.

    Raises:
        Away, Declined: the server is not to be had, is not the one that it should be, or does not let us in.
        ServiceFault: what is needed for it is not installed.
    """
    from tasks.io.object_stores import AzureFolder, S3Folder  # noqa: PLC0415 - they are Transports

    kinds: dict[type, Callable[[Any], Transport]] = {
        FileWay: _File,
        SftpWay: _Sftp,
        S3Way: S3Folder,
        AzureWay: AzureFolder,
    }
    try:
        transport = kinds[type(way)](way)
    except ModuleNotFoundError as missing:
        raise ServiceFault(both("fault.way_not_installed", way=way.shown, package=missing.name or "")) from None
    try:
        yield transport
    finally:
        with suppress(Exception):
            transport.close()


def part_name() -> str:
    """The name of a file that is being put in place."""
    return f"{PART[0]}{secrets.token_hex(8)}{PART[1]}"


class _File(Transport):
    """A folder of this machine, or of a share that it has mounted."""

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as refused:
            raise Declined(_of_errno(self.shown, refused)) from refused

    def listing(self, folder: str = "") -> dict[str, Seen | None]:
        listed: dict[str, Seen | None] = {}
        with self._told(), os.scandir(self._at(folder)) as found:
            for one in found:
                if one.is_dir(follow_symlinks=False):
                    listed[one.name] = None
                elif one.is_file(follow_symlinks=False):
                    with suppress(FileNotFoundError):  # it was taken away just now
                        there = one.stat(follow_symlinks=False)
                        listed[one.name] = Seen(there.st_size, str(there.st_mtime_ns))
        return listed

    def fetch(self, path: str, into: Path, most: int) -> None:
        try:
            with Path(self._at(path)).open("rb") as file:
                content = file.read(most)
        except FileNotFoundError:
            raise
        except OSError as refused:
            raise Declined(_of_errno(self.shown, refused)) from refused
        into.write_bytes(content)

    def content(self, path: str) -> bytes | None:
        with self._told():
            file = Path(self._at(path))
            return file.read_bytes() if file.exists() else None

    def put_new(self, path: str, data: bytes) -> None:
        with self._told():
            part = self._written(path, data)
        try:
            os.link(part, self._at(path))
        except OSError as fault:
            if fault.errno in NOTHING_DONE:
                raise Declined(_of_errno(self.shown, fault)) from fault
            # Of a share, any other answer may stand for one that was lost: also that a file is there, which may be ours.
            self._settled(path, data, fault)
        finally:
            with suppress(OSError):  # what is left of it, the next hand-over puts away
                part.unlink(missing_ok=True)

    def put(self, path: str, data: bytes) -> None:
        with self._told():
            Path(self._at(path)).parent.mkdir(parents=True, exist_ok=True)
            self._written(path, data).replace(self._at(path))

    def _written(self, path: str, data: bytes) -> Path:
        part = Path(self._at(path)).parent / part_name()
        try:
            with part.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            part.unlink(missing_ok=True)
            raise
        return part

    def remove(self, path: str) -> None:
        with self._told():
            Path(self._at(path)).unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing is held."""


def _of_errno(shown: str, refused: OSError) -> Both:
    """What a system's own number says."""
    if refused.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return both("fault.way_denied", way=shown)
    if refused.errno in (errno.ENOENT, errno.ENOTDIR):
        return both("fault.way_no_folder", way=shown)
    return both("fault.way_not_taken", way=shown)


class _Sftp(Transport):
    """A folder of an SFTP server, by fsspec's sshfs and asyncssh."""

    def __init__(self, way: SftpWay) -> None:
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
        way: SftpWay = self.way
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
            except asyncssh.HostKeyNotVerifiable:
                # Both are refused; a key that has changed is what somebody in between looks like.
                known = asyncssh.match_known_hosts(known_hosts, host, "", port)
                case = "fault.way_changed_key" if any(known[:2]) else "fault.way_unknown_key"
                raise Declined(both(case, way=self.shown, file=way.known_hosts)) from None

    def _settings(self) -> tuple[int, Any, list[str] | None]:
        """Port, the host keys that are known, and the file of our own key, where there is one.

        Looked at before anything is asked: what is wrong with them would else look like a server that is away.

        Raises:
            Declined: one of them cannot be used; says which, and not what stands there.
        """
        way: SftpWay = self.way
        try:
            port = way.parts.port or 22
        except ValueError:
            raise Declined(both("fault.way_setting", way=self.shown, setting="url")) from None
        try:
            known_hosts = self._library.read_known_hosts(str(way.known_hosts.expanduser()))
        except (FileNotFoundError, IsADirectoryError):
            raise Declined(both("fault.way_unknown_key", way=self.shown, file=way.known_hosts)) from None
        except (OSError, ValueError, RuntimeError):  # the last: an account that has no home
            raise Declined(both("fault.way_known_hosts", way=self.shown)) from None
        if way.key_file is None:
            return port, known_hosts, None
        try:
            key_file = way.key_file.expanduser()
            with key_file.open("rb"):
                return port, known_hosts, [str(key_file)]
        except (OSError, RuntimeError):
            raise Declined(both("fault.way_key_file", way=self.shown)) from None

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
            raise Declined(both("fault.way_login", way=self.shown)) from refused
        except library.SFTPError as refused:
            if isinstance(refused, (library.SFTPConnectionLost, library.SFTPNoConnection)):
                raise Away(both("fault.way_away", way=self.shown)) from refused
            cases = {library.SFTPPermissionDenied: "denied", library.SFTPNoSuchFile: "no_folder"}
            case = cases.get(type(refused), "not_taken")
            raise Declined(both(f"fault.way_{case}", way=self.shown)) from refused
        except PermissionError as refused:
            # As sshfs translates a login that was refused.
            raise Declined(both("fault.way_login", way=self.shown)) from refused
        except (library.Error, OSError, EOFError, TimeoutError) as refused:
            raise Away(both("fault.way_away", way=self.shown)) from refused

    def listing(self, folder: str = "") -> dict[str, Seen | None]:
        with self._told():
            try:
                found = self._done(self._channel.readdir, self._at(folder))
            except self._library.SFTPNoSuchFile:
                raise Declined(both("fault.way_no_folder", way=self.shown)) from None
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
        with into.open("wb") as file:
            file.write(self._read(path, most))

    def content(self, path: str) -> bytes | None:
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
        except (Away, Declined):
            raise Unanswered(both("fault.way_unanswered", way=self.shown, file=path)) from fault
        if was_left and not stands:
            raise Away(both("fault.way_away", way=self.shown)) from fault
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
            except Exception:
                self._left(part)
                raise
        if size != len(data):
            self._left(part)
            raise Declined(both("fault.way_not_taken", way=self.shown))
        return part

    def _left(self, part: str) -> None:
        """Remove what was begun; where that cannot be, the next hand-over does it."""
        with suppress(Exception):
            self._done(self._channel.remove, part)

    def remove(self, path: str) -> None:
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
