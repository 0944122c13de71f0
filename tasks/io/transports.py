"""How a folder by URL is read and written: folders of this machine, and what holds of any transport.

Through fsspec's file systems, with what they leave open closed: a host key that is not known, or is another, is refused;
nothing is tried again behind our back; what is put appears whole under its name or not at all; every answer has its time.
What goes wrong is one of three: `Away` (nothing was changed there), `Declined` (the server said no: nothing was changed),
`Unanswered` (what was to be put may stand there or not).

Belongs here: bytes, names and faults of a transport. Does not belong here: which folder it is, and what is done with the
files (`tasks.io.places`); SFTP (`tasks.io.sftp_folder`), object stores (`tasks.io.object_stores`). To add a transport: a
class with these methods in a module of its own, its kind in `opened`, and in `schemas.ways`.
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
    from tasks.io.sftp_folder import SftpFolder  # noqa: PLC0415

    kinds: dict[type, Callable[[Any], Transport]] = {
        FileWay: _File,
        SftpWay: SftpFolder,
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
