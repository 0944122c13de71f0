"""How a folder by URL is read and written: folders of this machine, and what holds of any transport.

Through fsspec's file systems, with what they leave open closed: a host key that is not known, or is another, is refused;
nothing is tried again behind our back; what is put appears whole under its name or not at all; every answer has its time.
What goes wrong is one of three: `Unreachable` (nothing was changed there), `Rejected` (the server said no: nothing was
changed), `OutcomeUnknown` (what was to be put may stand there or not).

Belongs here: bytes, names and faults of a transport. Does not belong here: which folder it is, and what is done with the
files (`tasks.io.remote.folders`); SFTP (`tasks.io.remote.sftp`), object stores (`tasks.io.remote.object_stores`). To
add a transport: a class with these methods in a module of its own, its kind in `opened`, and in `schemas.settings.locations`.
"""

import secrets
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault, TransientFault

#: How the name of a file begins and ends that is being put there; `tasks.io.data_root.data_root` calls its own so.
PART = (".uln-", ".part")


#: A server that is slower than that, in bytes a second, is as good as one that does not answer.
_SLOWEST = 10_000


class Unreachable(TransientFault):
    """The server was not reached, or went before anything was put in place."""


class Rejected(ServiceFault):
    """The server answered, and did not do it."""


class OutcomeUnknown(ServiceFault):
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

    def _other_file(self, path: str) -> Rejected:
        return Rejected(bilingual("fault.way_other_file", way=self.shown, file=path))

    def _settled(self, path: str, data: bytes, fault: Exception) -> None:
        """After `fault`, in which no answer came: look whether the very bytes stand there.

        Raises:
            Unanswered: they do not, or nobody can look.
        """
        unknown = OutcomeUnknown(bilingual("fault.way_unanswered", way=self.shown, file=path))
        try:
            there = self.content(path)
        except (Unreachable, Rejected):
            raise unknown from fault
        if there is None:
            raise unknown from fault
        if there != data:
            raise self._other_file(path) from fault


def part_name() -> str:
    """The name of a file that is being put in place."""
    return f"{PART[0]}{secrets.token_hex(8)}{PART[1]}"
