"""The four folders shared with DEWi and the LRS, if one is outside the data root (`schemas.settings.locations`).

New files in a remote inbox are copied into the data root's inbox and kept there as received; the stages read them there.
School files are written to the data root's outbox and delivered from it. Only batch files go straight to their folder:
the ledger keeps what was requested, and only that folder proves the hand-over.

This module opens folders and decides which files are copied, once; `tasks.io.remote.transport` copies them.
"""

import errno
import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from schemas.settings.locations import AzureLocation, FileLocation, Location, S3Location, SftpLocation, locations_of
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault, TransientFault
from tasks.io.data_root.data_root import DataRoot, NotWritten, clear_parts_of, write_each, write_whole
from tasks.io.remote.local_folder import LocalFolder
from tasks.io.remote.transport import OutcomeUnknown, Rejected, Seen, Transport, Unreachable, part_name

#: Most bytes copied of a file: more than any return or result file has. The reader refuses such a file as too large.
_MOST = 64 * 2**20 + 1
#: Files copied side by side, because each waits several times for the other machine's answer.
_AT_ONCE = 8
#: Errors of a name: a folder here has the file's name, a file has the folder's, or the name is too long.
_NAME_ERRORS = (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG)
_HALF_WRITTEN = (".part", ".tmp", ".filepart", ".crdownload")


def location_of(root: DataRoot, name: str) -> Location | None:
    """Return a folder's location; None if it is the data root's own.

    Raises:
        ConfigurationFault: the settings of the locations are wrong.
    """
    location: Location | None = getattr(locations_of(root.reference), name)
    return location


@contextmanager
def open_folder(location: Location) -> Iterator[Transport]:
    """Open a folder by URL, and close its connection at the end.

    Raises:
        Unreachable, Rejected: the server cannot be reached, is not the expected one, or refuses the login.
        ServiceFault: a package that the location needs is not installed.
    """
    from tasks.io.remote.object_stores import AzureFolder, S3Folder  # noqa: PLC0415 - they are Transports
    from tasks.io.remote.sftp import SftpFolder  # noqa: PLC0415

    kinds: dict[type, Callable[[Any], Transport]] = {
        FileLocation: LocalFolder,
        SftpLocation: SftpFolder,
        S3Location: S3Folder,
        AzureLocation: AzureFolder,
    }
    try:
        transport = kinds[type(location)](location)
    except ModuleNotFoundError as missing:
        package = missing.name or ""
        raise ServiceFault(bilingual("fault.way_not_installed", way=location.shown, package=package)) from None
    try:
        yield transport
    finally:
        with suppress(Exception):
            transport.close()


def fetch_new(root: DataRoot, name: str, wait: Callable[[float], None] = time.sleep) -> int:
    """Copy the new files of a remote inbox (`dewi_inbox` or `lrs_inbox`) into the data root's inbox.

    A file is copied if a second listing, some seconds after the first, shows it unchanged; the next run copies the
    others. If a name comes again with other content, both files are kept. `wait` waits for a number of seconds.

    Returns:
        Number of files copied.

    Raises:
        Unreachable: the folder could not be read; files already copied stay.
        Rejected: the same, or some files or folders could not be copied; the others were.
        NotWritten: this machine could not store a file, for example because its disk is full.
    """
    location = location_of(root, name)
    if location is None:
        return 0
    inbox: Path = getattr(root, name)
    index = _FileIndex(root, name, location)
    clear_parts_of(inbox)
    count = 0
    with open_folder(location) as remote:
        first, index.not_taken = _list_files(remote)
        new = {path: seen for path, seen in first.items() if index.seen.get(path) != [seen.size, seen.mark]}
        try:
            settled: dict[str, Seen] = {}
            if new:
                wait(location.settled_seconds)
                second, unlisted = _list_files(remote)
                settled = {path: seen for path, seen in second.items() if new.get(path) == seen}
                index.not_taken |= unlisted
            with ThreadPoolExecutor(_AT_ONCE) as threads:
                copied = threads.map(lambda item: _copy(remote, item[0], item[1], inbox), settled.items())
                for (path, seen), outcome in zip(settled.items(), copied, strict=True):
                    if isinstance(outcome, Rejected):
                        index.not_taken[path] = outcome
                    elif outcome is not None:
                        index.seen[path] = [seen.size, seen.mark]
                        count += outcome
        finally:
            index.save()
    index.refuse_not_taken()
    return count


def access_proven(location: Location, *, writes: bool) -> int:
    """Test a location without a hand-over: list its folder and, if the service writes there, put and remove a hidden file.

    A second put under that name must be refused: a store that replaces the first could lose a batch.

    Returns:
        Number of names in the folder.

    Raises:
        Unreachable, Rejected, OutcomeUnknown: the location cannot be used.
    """
    with open_folder(location) as remote:
        names = remote.listing()
        if writes and not refuses_overwrite(remote):
            raise Rejected(bilingual("fault.way_overwrites", way=remote.shown))
        return len(names)


def refuses_overwrite(remote: Transport) -> bool:
    """Whether a second put under a name is refused, as it must be; leaves nothing behind. Raises if the first put fails."""
    name = part_name()
    remote.put_new(name, b"uln")
    try:
        remote.put_new(name, b"another")
    except Rejected:
        return True
    finally:
        remote.remove(name)
    return False


def _list_files(remote: Transport) -> tuple[dict[str, Seen], dict[str, Rejected]]:
    """Return the files in the folder and its direct subfolders, and the faults of subfolders that could not be listed.

    Both are by path. Each folder takes one request. A name that would lead out of its folder is ignored.
    """
    files: dict[str, Seen] = {}
    unlisted: dict[str, Rejected] = {}
    top = {name: seen for name, seen in remote.listing().items() if _is_wanted(name)}
    for name, seen in sorted(top.items()):
        if seen is not None:
            files[name] = seen
            continue
        try:
            below = remote.listing(name)
        except Rejected as fault:
            unlisted[name] = fault
            continue
        files |= {f"{name}/{n}": file for n, file in below.items() if file is not None and _is_wanted(n)}
    return files, unlisted


def _is_wanted(name: str) -> bool:
    return not name.startswith(".") and not {"/", "\0"} & set(name) and not name.lower().endswith(_HALF_WRITTEN)


def _copy(remote: Transport, path: str, seen: Seen, inbox: Path) -> bool | Rejected | None:
    """Copy a file; if another has its name, under a name with its hash.

    Returns:
        Whether its content is new; None if the file is gone or still grows; or a fault that concerns only this file.
    """
    where, place = f"{inbox.parent.name}/{inbox.name}", inbox / path
    try:
        content = remote.content(path, _MOST)
        if content is None or len(content) != min(seen.size, _MOST):
            return None
        if place.exists() and place.read_bytes() != content:
            place = place.with_name(f"{place.stem}.{hashlib.sha256(content).hexdigest()[:12]}{place.suffix}")
        return write_whole(place, content)
    except Rejected as fault:
        return fault
    except OSError as error:
        if error.errno in _NAME_ERRORS:
            return Rejected(bilingual("fault.way_name", way=remote.shown, inbox=where))
        if error.errno in (errno.EACCES, errno.EPERM):
            return Rejected(bilingual("fault.no_right", path=where))
        # A fault of the disk concerns every file; raised without the name that the sender chose.
        raise NotWritten(error.errno, error.strerror, str(inbox)) from error


def deliver_new(root: DataRoot) -> int:
    """Copy the new files of the data root's DEWi outbox to DEWi's folder; repeating it does no harm.

    Returns:
        Number of files delivered.

    Raises:
        Unreachable, Rejected: some files were not delivered; the index knows the others, and the next run delivers the rest.
    """
    location = location_of(root, "dewi_outbox")
    if location is None:
        return 0
    index = _FileIndex(root, "dewi_outbox", location)
    marks: dict[str, list[int | str]] = {}
    for file in sorted(root.dewi_outbox.rglob("*")):
        if file.is_file() and not file.name.startswith("."):
            status = file.stat()
            marks[file.relative_to(root.dewi_outbox).as_posix()] = [status.st_size, str(status.st_mtime_ns)]
    new = [path for path, mark in marks.items() if index.seen.get(path) != mark]
    if not new:
        return 0
    with open_folder(location) as remote:
        for folder in sorted({path.rpartition("/")[0] for path in new}):
            with suppress(Rejected):  # the folder may not exist yet; the put reports any other fault
                remote.remove_parts(folder)
        try:
            for path in new:
                try:
                    remote.put(path, (root.dewi_outbox / path).read_bytes())
                except Rejected as fault:
                    index.not_taken[path] = fault
                else:
                    index.seen[path] = marks[path]
        finally:
            index.save()
    index.refuse_not_taken()
    return len(new)


class _FileIndex:
    """The files seen at a location so far, in the data root's `ways/<name>.json`.

    If the file is missing or is of another location, the index is empty; that only costs another copy.

    Attributes:
        seen: size and mark by path.
        not_taken: the fault by path of a file, or a whole folder, that could not be copied. Messages give only their
            number, because senders choose the names; the file lists the paths for people with access to the data root.
    """

    def __init__(self, root: DataRoot, name: str, location: Location) -> None:
        self._name = f"ways/{name}.json"
        self._path = root.path / self._name
        # The URL of an object store alone does not identify its location.
        self._place = [location.url, *(str(getattr(location, key, None) or "") for key in ("endpoint", "account"))]
        self.seen: dict[str, list[int | str]] = {}
        self.not_taken: dict[str, Rejected] = {}
        with suppress(FileNotFoundError, ValueError):
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            if isinstance(stored, dict) and stored.get("place") == self._place:
                self.seen = stored["seen"]

    def save(self) -> None:
        """Write the index."""
        kept = {"place": self._place, "seen": self.seen, "not_taken": sorted(self.not_taken)}
        write_whole(self._path, json.dumps(kept, sort_keys=True).encode())

    def refuse_not_taken(self) -> None:
        """Raise `Rejected` if files could not be copied, with their number and the fault of the first."""
        if self.not_taken:
            first = self.not_taken[min(self.not_taken)]
            number = len(self.not_taken)
            raise Rejected(bilingual("fault.way_some", number=number, index=self._name, fault=first.args[0])) from first


@contextmanager
def lrs_outbox(root: DataRoot) -> Iterator["LrsOutbox"]:
    """Open the folder in which batch files are handed over.

    Raises:
        Unreachable, Rejected: the remote folder cannot be used; nothing was handed over.
    """
    location = location_of(root, "lrs_outbox")
    folder: AbstractContextManager[Transport | None] = nullcontext() if location is None else open_folder(location)
    with folder as remote:
        yield LrsOutbox(root, remote)


class LrsOutbox:
    """The LRS outbox, in the data root or remote; if remote, raises `Unreachable` or `Rejected` where it cannot be used."""

    def __init__(self, root: DataRoot, remote: Transport | None) -> None:
        self._root, self._remote = root, remote

    def ready(self) -> None:
        """Check that files can be handed over, and remove a killed run's unfinished files."""
        if self._remote is not None:
            self._remote.remove_parts()

    def hand_over(self, files: Mapping[str, bytes]) -> dict[str, Exception]:
        """Put files in place, each once.

        Returns:
            The faults by name: `OutcomeUnknown` if the file may be there, any other if it certainly is not.
        """
        failed: dict[str, Exception] = {}
        if self._remote is None:
            faults = write_each({self._root.lrs_outbox / name: data for name, data in files.items()})
            for path, error in faults.items():
                name = path.name
                failed[name] = error
                if isinstance(error, NotWritten) and error.may_exist:  # perhaps the file is in place all the same
                    failed[name] = OutcomeUnknown(bilingual("fault.way_unanswered", way="lrs/outbox", file=name))
                    with suppress(OSError):
                        if path.read_bytes() == files[name]:
                            del failed[name]
            return failed
        for name, data in files.items():
            try:
                self._remote.put_new(name, data)
            except Rejected as fault:
                failed[name] = fault
            except (TransientFault, OutcomeUnknown) as fault:
                # The server does not answer, so do not wait again for each of the other files.
                unreachable = Unreachable(bilingual("fault.way_away", way=self._remote.shown))
                return failed | {name: fault} | dict.fromkeys(list(files)[list(files).index(name) + 1 :], unreachable)
        return failed

    def holds(self, name: str, sha256: str) -> bool:
        """Whether the file is there, byte for byte."""
        if self._remote is None:
            path = self._root.lrs_outbox / name
            content = path.read_bytes() if path.exists() else None
        else:
            content = self._remote.content(name)
            if content is None:
                self._remote.listing()  # raises if the folder itself is missing, which says nothing about the file
        return content is not None and hashlib.sha256(content).hexdigest() == sha256

    def take_away(self, name: str, sha256: str) -> None:
        """Remove a file that the service put there, if its content is unchanged."""
        if not self.holds(name, sha256):
            return
        if self._remote is None:
            (self._root.lrs_outbox / name).unlink()
        else:
            self._remote.remove(name)
