"""The interface of every transport: how a folder by URL is read and written, and its three faults.

Remote transports use fsspec's file systems and add guarantees: an unknown or changed host key is refused, no library repeats
a request by itself, a file appears whole under its name or not at all, and every answer has a time limit. The faults:
`Unreachable` and `Rejected` (nothing was changed there), `OutcomeUnknown` (the file may be there or not).

To add a transport: a class with these methods in its own module, its kind in `folders.open_folder` and in
`schemas.settings.locations`.
"""

import secrets
from abc import ABC, abstractmethod
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault, TransientFault

#: Prefix and suffix of a file that is being put; the same as in `tasks.io.data_root.data_root`.
_PART = (".uln-", ".part")
#: Bytes a second; a slower server counts as one that does not answer.
_SLOWEST = 10_000


class Unreachable(TransientFault):
    """The server was not reached, or the connection was lost before anything was put in place."""


class Rejected(ServiceFault):
    """The server answered and refused."""


class OutcomeUnknown(ServiceFault):
    """No answer says whether a file was put in place."""


@dataclass(frozen=True)
class Seen:
    """A file as a listing shows it.

    Attributes:
        size: in bytes.
        mark: changes with the file: its time by the server's clock, never compared with ours, or the store's hash.
    """

    size: int
    mark: str


class Transport(ABC):
    """A folder by URL; paths are relative to it. Every request raises `Unreachable` or `Rejected` if it fails."""

    def __init__(self, location: Any) -> None:
        self.location = location

    @property
    def shown(self) -> str:
        """The URL as people may see it."""
        return str(self.location.shown)

    def _at(self, path: str) -> str:
        return f"{self.location.folder.rstrip('/')}/{path}" if path else self.location.folder

    def _limit(self, size: int = 0) -> float:
        return float(self.location.patience_seconds + size / _SLOWEST)

    @abstractmethod
    def listing(self, folder: str = "") -> dict[str, Seen | None]:
        """List a folder by name, in one request; None marks a folder."""

    @abstractmethod
    def content(self, path: str, most: int = -1) -> bytes | None:
        """Return a file's bytes, or its first `most`, in one request; None if there is no such file."""

    @abstractmethod
    def put_new(self, path: str, data: bytes) -> None:
        """Put a whole file under a free name, in one attempt. If the name has the same bytes already, that is a success.

        Raises:
            Unreachable, Rejected: the file is not there. Another file under the name is left alone.
            OutcomeUnknown: the file may be there.
        """

    @abstractmethod
    def put(self, path: str, data: bytes) -> None:
        """Put a whole file, replace one of that name, and make its folders. Safe to repeat.

        Raises:
            Unreachable, Rejected: the old or the new file is there, whole. On a server that cannot replace a file in one
                step, both may be missing until the put is repeated.
        """

    @abstractmethod
    def remove(self, path: str) -> None:
        """Remove a file, if it exists."""

    @abstractmethod
    def close(self) -> None:
        """End the connection."""

    def remove_parts(self, folder: str = "") -> None:
        """Remove the unfinished files that a killed run or a lost connection left in a folder."""
        for name in self.listing(folder):
            if name.startswith(_PART[0]) and name.endswith(_PART[1]):
                self.remove(f"{folder}/{name}".lstrip("/"))

    def _other_file(self, path: str) -> Rejected:
        return Rejected(bilingual("fault.way_other_file", way=self.shown, file=path))

    def _confirm_put(self, path: str, data: bytes, fault: Exception) -> None:
        """Raise, unless the file is there with these bytes; `fault` left the outcome open."""
        content = None
        with suppress(Unreachable, Rejected):
            content = self.content(path)
        if content is None:
            raise OutcomeUnknown(bilingual("fault.way_unanswered", way=self.shown, file=path)) from fault
        if content != data:
            raise self._other_file(path) from fault


def part_name() -> str:
    """Return a new name for a file that is being put in place."""
    return f"{_PART[0]}{secrets.token_hex(8)}{_PART[1]}"
