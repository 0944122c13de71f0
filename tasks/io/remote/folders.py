"""The four folders between the service and DEWi and the LRS, where one of them is elsewhere (`schemas.settings.locations`).

What arrives elsewhere is copied into the data root's own inbox and kept there as received; the stages read it there as
ever. School files lie in the data root's outbox first and are brought from there. Batch files alone go straight to where
they are handed over: the ledger knows what was asked for, and the folder there alone proves that it was handed over.

Belongs here: which files go which way, once. Does not belong here: how (`tasks.io.remote.transport`).
"""

import errno
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from schemas.settings.locations import Location, locations_of
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import TransientFault
from tasks.io.data_root.data_root import DataRoot, NotWritten, make_folder, take_away, write_each, write_whole
from tasks.io.remote.open import open_folder
from tasks.io.remote.transport import PART, OutcomeUnknown, Rejected, Seen, Transport, Unreachable, part_name

#: What no return and no result file has; more is copied no further, and refused as too large where it is read.
_MOST = 64 * 2**20 + 1
#: Files that are copied side by side: each waits some times for the other machine's answer.
_AT_ONCE = 8
#: What the system answers where a folder has a file's name here, or a file a folder's, or where a name is too long.
_OF_A_NAME = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG)
_HALF_WRITTEN = (".part", ".tmp", ".filepart", ".crdownload")


def location_of(root: DataRoot, name: str) -> Location | None:
    """Where a folder is; None where it is the data root's own.

    Raises:
        ConfigurationFault: what is said of the ways is wrong.
    """
    found: Location | None = getattr(locations_of(root.reference), name)
    return found


def fetch_new(root: DataRoot, name: str, wait: Callable[[float], None] = time.sleep) -> int:
    """Copy what is new in an inbox elsewhere into the data root's own.

    A file is taken when a second listing, some seconds after the first, shows it as the first did; the next run takes the
    others. Of a name that has come again with other content both are kept.

    Args:
        root: the data root.
        name: `dewi_inbox` or `lrs_inbox`.
        wait: lets seconds pass.

    Returns:
        How many files came.

    Raises:
        Away: the folder could not be read; what has come so far stands.
        Declined: the same, or some files or folders could not be taken; the others were.
        NotWritten: this machine has no room for them.
    """
    way = location_of(root, name)
    if way is None:
        return 0
    inbox: Path = getattr(root, name)
    index = _Index(root, name, way)
    for left in inbox.rglob(f"{PART[0]}*{PART[1]}"):
        left.unlink()  # of a run that was killed; the run lock is ours
    came = 0
    with open_folder(way) as there:
        first, index.not_taken = _listed(there)
        new = {path: seen for path, seen in first.items() if index.seen.get(path) != [seen.size, seen.mark]}
        try:
            settled: dict[str, Seen] = {}
            if new:
                wait(way.settled_seconds)
                again, shut = _listed(there)
                settled = {path: seen for path, seen in again.items() if new.get(path) == seen}
                index.not_taken |= shut
            with ThreadPoolExecutor(_AT_ONCE) as threads:
                copied = threads.map(lambda one: _tried(there, one[0], one[1], inbox), settled.items())
                for (path, seen), outcome in zip(settled.items(), copied, strict=True):
                    if isinstance(outcome, Rejected):
                        index.not_taken[path] = outcome
                    elif outcome is not None:
                        index.seen[path] = [seen.size, seen.mark]
                        came += outcome
        finally:
            index.keep()
    index.refuse_not_taken()
    return came


def access_proven(way: Location, *, writes: bool) -> int:
    """Try a way without handing a file over: list its folder and, where we write, put a hidden part there and remove it.

    Under that name another is put as well, which must be refused: a store that puts it over the first could lose a batch.

    Returns:
        How many names lie there.

    Raises:
        Away, Declined, Unanswered: it cannot be used.
    """
    with open_folder(way) as there:
        found = there.listing()
        if writes and not keeps_what_stands(there):
            raise Rejected(bilingual("fault.way_overwrites", way=there.shown))
        return len(found)


def keeps_what_stands(there: Transport) -> bool:
    """Whether a second put under a name is refused, as it must be; nothing is left there.

    Raises:
        Away, Declined, Unanswered: the first was not done.
    """
    name = part_name()
    there.put_new(name, b"uln")
    try:
        there.put_new(name, b"another")
    except Rejected:
        return True
    finally:
        there.remove(name)
    return False


def _listed(there: Transport) -> tuple[dict[str, Seen], dict[str, Rejected]]:
    """What lies in the folder and one below it, by path, one question a folder; and the folders that could not be listed.

    A name that leaves its folder is none.
    """
    found: dict[str, Seen] = {}
    shut: dict[str, Rejected] = {}
    top = {name: seen for name, seen in there.listing().items() if _named(name)}
    for name, seen in sorted(top.items()):
        if seen is not None:
            found[name] = seen
            continue
        try:
            below = there.listing(name)
        except Rejected as fault:
            shut[name] = fault
            continue
        found |= {f"{name}/{n}": one for n, one in below.items() if one is not None and _named(n)}
    return found, shut


def _named(name: str) -> bool:
    return not name.startswith(".") and not {"/", "\0"} & set(name) and not name.lower().endswith(_HALF_WRITTEN)


def _tried(there: Transport, path: str, seen: Seen, inbox: Path) -> bool | Rejected | None:
    """Copy one file (`_copied`); what keeps that one from coming, and no other, is given back."""
    where = f"{inbox.parent.name}/{inbox.name}"
    try:
        return _copied(there, path, seen, inbox)
    except Rejected as fault:
        return fault
    except OSError as refused:
        if refused.errno in _OF_A_NAME:
            return Rejected(bilingual("fault.way_name", way=there.shown, inbox=where))
        if refused.errno in (errno.EACCES, errno.EPERM):
            return Rejected(bilingual("fault.no_right", path=where))
        # The disk's own, which meets every file; told without the name that the sender chose.
        raise NotWritten(refused.errno, refused.strerror, str(inbox)) from refused


def _copied(there: Transport, path: str, seen: Seen, inbox: Path) -> bool | None:
    """Copy one file; where another stands under its name, under one with its hash.

    Returns:
        Whether it is new; None where it could not be taken whole, as it was not there any more or grows still.
    """
    place = inbox / path
    make_folder(place.parent)
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=PART[0], suffix=PART[1])
    os.close(handle)
    part = Path(name)
    try:
        try:
            there.fetch(path, part, _MOST)
        except FileNotFoundError:
            return None
        if part.stat().st_size != min(seen.size, _MOST):
            return None
        content = part.read_bytes()
        if place.exists() and place.read_bytes() != content:
            pure = PurePosixPath(path)
            place = place.with_name(f"{pure.stem}.{hashlib.sha256(content).hexdigest()[:12]}{pure.suffix}")
        return write_whole(place, content)
    finally:
        part.unlink(missing_ok=True)


def deliver_new(root: DataRoot) -> int:
    """Bring what is new in the data root's DEWi outbox to where DEWi takes it from; again does no harm.

    Returns:
        How many files went.

    Raises:
        Away, Declined: not all of it went; what did is known, and the next run brings the others.
    """
    way = location_of(root, "dewi_outbox")
    if way is None:
        return 0
    index = _Index(root, "dewi_outbox", way)
    files = sorted(p for p in root.dewi_outbox.rglob("*") if p.is_file() and not p.name.startswith("."))
    marks: dict[str, list[int | str]] = {}
    marks |= {p.relative_to(root.dewi_outbox).as_posix(): [p.stat().st_size, str(p.stat().st_mtime_ns)] for p in files}
    new = [path for path, mark in marks.items() if index.seen.get(path) != mark]
    if not new:
        return 0
    with open_folder(way) as there:
        for folder in sorted({path.rpartition("/")[0] for path in new}):
            with suppress(Rejected):  # there may be no such folder yet; what else it is, the put tells
                _put_away(there, folder)
        try:
            for path in new:
                try:
                    there.put(path, (root.dewi_outbox / path).read_bytes())
                except Rejected as fault:
                    index.not_taken[path] = fault
                else:
                    index.seen[path] = marks[path]
        finally:
            index.keep()
    index.refuse_not_taken()
    return len(new)


def _put_away(there: Transport, folder: str = "") -> None:
    """Remove what a run that was killed, or lost its connection, had begun to put into a folder."""
    for name in there.listing(folder):
        if name.startswith(PART[0]) and name.endswith(PART[1]):
            there.remove(f"{folder}/{name}".lstrip("/"))


class _Index:
    """What was seen of a place before, in the data root's `ways/<way>.json`.

    Of another place than the way now leads to it knows nothing, as of one that is gone: that costs a copy, and no more.

    Attributes:
        seen: size and mark by path.
        not_taken: why a file, or all of a folder, could not be taken or brought, by path. Told by number alone, as senders
            choose the names; whoever may look into the data root finds them in the file.
    """

    def __init__(self, root: DataRoot, name: str, way: Location) -> None:
        self._name = f"ways/{name}.json"
        self._path = root.path / self._name
        # What tells one place from another: of an object store its URL does not say where it is.
        self._place = [way.url, *(str(getattr(way, key, None) or "") for key in ("endpoint", "account"))]
        self.seen: dict[str, list[int | str]] = {}
        self.not_taken: dict[str, Rejected] = {}
        with suppress(FileNotFoundError, ValueError):
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            if isinstance(kept, dict) and kept.get("place") == self._place:
                self.seen = kept["seen"]

    def keep(self) -> None:
        """Write it down."""
        kept = {"place": self._place, "seen": self.seen, "not_taken": sorted(self.not_taken)}
        write_whole(self._path, json.dumps(kept, sort_keys=True).encode())

    def refuse_not_taken(self) -> None:
        """Tell that some could not be taken.

        Raises:
            Declined: why the first of them could not, and how many they are.
        """
        if self.not_taken:
            first = self.not_taken[min(self.not_taken)]
            number = len(self.not_taken)
            raise Rejected(bilingual("fault.way_some", number=number, index=self._name, fault=first.args[0])) from first


@contextmanager
def lrs_outbox(root: DataRoot) -> Iterator["LrsOutbox"]:
    """The folder in which batch files are handed over.

    Raises:
        Away, Declined: it is elsewhere and not to be had; nothing was handed over.
    """
    way = location_of(root, "lrs_outbox")
    if way is None:
        yield LrsOutbox(root, None)
        return
    with open_folder(way) as there:
        yield LrsOutbox(root, there)


class LrsOutbox:
    """The LRS outbox, here or elsewhere."""

    def __init__(self, root: DataRoot, there: Transport | None) -> None:
        self._root, self._there = root, there

    def ready(self) -> None:
        """See that files can be handed over, and put away what a run that was killed had begun to.

        Raises:
            Away, Declined: they cannot.
        """
        if self._there is not None:
            _put_away(self._there)

    def hand_over(self, files: Mapping[str, bytes]) -> dict[str, Exception]:
        """Put files in place, each once.

        Returns:
            What went wrong, by name; `OutcomeUnknown` where nobody knows, any other where the file is surely not there.
        """
        if self._there is None:
            faults = write_each({self._root.lrs_outbox / name: data for name, data in files.items()})
            told = {path.name: self._settled(path, files[path.name], fault) for path, fault in faults.items()}
            return {name: fault for name, fault in told.items() if fault is not None}
        found: dict[str, Exception] = {}
        for name, data in files.items():
            try:
                self._there.put_new(name, data)
            except Rejected as fault:
                found[name] = fault
            except (TransientFault, OutcomeUnknown) as fault:
                # Nobody answers: the others are not tried, so that each need not be waited for.
                away = Unreachable(bilingual("fault.way_away", way=self._there.shown))
                return found | {name: fault} | dict.fromkeys(list(files)[list(files).index(name) + 1 :], away)
        return found

    @staticmethod
    def _settled(path: Path, data: bytes, fault: OSError) -> Exception | None:
        """What is to be said of a file whose move into the outbox failed; None where it stands there all the same."""
        if not isinstance(fault, NotWritten) or not fault.may_stand:
            return fault
        with suppress(OSError):
            if path.read_bytes() == data:
                return None
        return OutcomeUnknown(bilingual("fault.way_unanswered", way="lrs/outbox", file=path.name))

    def holds(self, name: str, sha256: str) -> bool:
        """Whether the file lies there, byte for byte.

        Raises:
            Away, Declined: nobody can look.
        """
        if self._there is None:
            path = self._root.lrs_outbox / name
            content = path.read_bytes() if path.exists() else None
        else:
            content = self._there.content(name)
            if content is None:
                self._there.listing()  # raises where the folder itself is gone: that says nothing of what was put there
        return content is not None and hashlib.sha256(content).hexdigest() == sha256

    def take_away(self, name: str, sha256: str) -> None:
        """Remove a file that we put there, if it still is what we put there."""
        if self._there is None:
            take_away(self._root.lrs_outbox / name, sha256)
        elif self.holds(name, sha256):
            self._there.remove(name)
