"""The folders of a data root, their permissions, and how a file is put there whole, measured and removed.

The layout is part of the service's contract with its operators (README, "The data root"). Nothing read from a file
decides a path: authority and school codes are checked against the register first.

Files and folders are private to the owner unless `schemas.settings.access` lets a group in. A new file takes its
permissions from its folder; files that libraries write get theirs from `keep_private`.
"""

import datetime as dt
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from schemas.settings.access import GROUP_READS, OWNER_FILE, OWNER_FOLDER, Access, parse_access
from schemas.texts.edited_files import text_of


def keep_private() -> None:
    """Make private to the owner every file that this process, its children or any library creates from now on."""
    os.umask(0o077)


#: The folders that every data root has, itself first, parents before their children.
_FOLDERS = (
    *("", "reference", "dewi", "dewi/inbox", "dewi/outbox", "lrs", "lrs/outbox", "lrs/inbox"),
    *("quarantine", "lake", "snapshots", "reports"),
)


class _Below:
    """A path below the data root, as an attribute of `DataRoot`."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __get__(self, root: "DataRoot", _owner: object = None) -> Path:
        return root.path / self._path


@dataclass(frozen=True)
class DataRoot:
    """The folders and files of a data root."""

    path: Path
    #: Registration, opt-outs, and anything that overrides the shipped reference data.
    reference = _Below("reference")
    #: Approved PLASC returns, one folder per authority.
    dewi_inbox = _Below("dewi/inbox")
    #: Files for schools, by authority and school.
    dewi_outbox = _Below("dewi/outbox")
    #: Batch files to hand to the LRS.
    lrs_outbox = _Below("lrs/outbox")
    #: Result files and exports from the LRS.
    lrs_inbox = _Below("lrs/inbox")
    #: The Delta tables.
    lake = _Below("lake")
    #: Prefect's own files, if no server is set up.
    engine = _Below("prefect")
    #: A file that marks a root whose learners are all synthetic.
    rehearsal_mark = _Below("rehearsal/synthetic.json")
    #: Files that a killed run of version 0.1 left on their way to other machines; the next run removes them.
    staging = _Below("staging")
    #: The output of libraries in worker processes; may hold anything.
    worker_output = _Below("reports/process/faults/workers.txt")
    #: The LRS's answers that match no learner sent.
    untied_report = _Below("reports/untied.csv")
    #: Learners whom those answers nearly fit; shows pupils' data.
    near_misses_report = _Below("reports/untied_near_misses.csv")
    #: The runs' log, a file a day; counts and references.
    logs = _Below("logs")
    #: Counts, ages and durations, for a metrics collector.
    metrics = _Below("logs/metrics.prom")
    #: When arrivals were last announced, for the next watcher; only times.
    announced_arrivals = _Below("logs/arrivals.json")
    #: Jobs of the LRS web service that are not in the lake yet; only references.
    jobs_noted = _Below("lrs/jobs_noted")
    #: Refused files and their reasons, by the hash of the content.
    quarantine = _Below("quarantine")

    def snapshots(self, cycle_id: str) -> Path:
        """The cycle's Parquet snapshots."""
        return self.path / "snapshots" / cycle_id

    def reports(self, cycle_id: str) -> Path:
        """The cycle's reports and the evidence of faults."""
        return self.path / "reports" / cycle_id

    @property
    def access(self) -> Access:
        """The group's access to folders.

        Raises:
            ConfigurationFault: `reference/access.toml` is wrong.
        """
        path = self.reference / "access.toml"
        return parse_access(text_of(path)) if path.exists() else Access()

    def create(self) -> "DataRoot":
        """Make missing folders and set the permissions of all.

        A data root that was open to others is closed, files included. Another account's folders and files, and a folder
        for everybody such as /tmp, are left alone (`open_places`).

        Raises:
            ConfigurationFault: `reference/access.toml` is wrong.
        """
        access = self.access
        self.path.mkdir(parents=True, exist_ok=True)
        was_open = stat.S_IMODE(self.path.stat().st_mode) & ~access.mode("") & 0o077
        for name in _FOLDERS:
            folder, mode = self.path / name, access.mode(name)
            folder.mkdir(exist_ok=True)
            if _may_close(folder) and stat.S_IMODE(folder.stat().st_mode) != mode:
                folder.chmod(mode)
        if was_open:
            self._remove_access_of_others()
        return self

    def _remove_access_of_others(self) -> None:
        # A group keeps the access that its folder gives.
        folders = [self.path / name for name in _FOLDERS]
        done = set(folders)
        for folder in (*folders[1:], self.engine, self.logs, self.rehearsal_mark.parent):
            for path in (folder, *sorted(folder.rglob("*"))) if folder.is_dir() else ():
                if path not in done and not path.is_symlink() and _may_close(path):
                    path.chmod(_mode_in(path.parent, OWNER_FOLDER if path.is_dir() else OWNER_FILE))
                    done.add(path)

    def open_places(self) -> list[str]:
        """Return the folders that are more open than the settings allow: those that `create` left alone. `.` is the root."""
        access = self.access
        modes = {name: (self.path / name).stat().st_mode for name in _FOLDERS if (self.path / name).is_dir()}
        return [name or "." for name, mode in modes.items() if stat.S_IMODE(mode) & ~access.mode(name) & 0o077]


def _may_close(path: Path) -> bool:
    # This account owns it, and it is not a folder for everybody such as /tmp.
    status = path.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & stat.S_ISVTX


def _mode_in(folder: Path, owner: int) -> int:
    """Return the permissions of a new entry in a folder: the owner's, and the group's right to read if the folder has it.

    The access rules mark a folder for a group: the set-group-ID bit is set and others have no access. The usual
    permissions of a folder outside the data root do not count.
    """
    mode = folder.stat().st_mode
    shared = mode & GROUP_READS if mode & stat.S_ISGID and not mode & 0o007 else 0
    return owner | (shared if owner == OWNER_FOLDER else shared & 0o040)


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, each with the permissions of the folder above it."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    folder.chmod(_mode_in(folder.parent, OWNER_FOLDER))


#: Prefix and suffix of a file that is being written; nobody else uses them.
_PART = (".uln-", ".part")
#: Error numbers that prove that nothing was put in place. After any other error of a network share the file may be there.
NOTHING_DONE = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG),
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EOPNOTSUPP, errno.EXDEV),
    }
)


class NotWritten(OSError):
    """A file could not be put in place; `filename` is its path."""

    #: Whether the file may exist all the same: the move had begun and its outcome is unknown.
    may_exist = False


def write_whole(path: Path, data: bytes) -> bool:
    """Put a file in place, and make its folder; a reader sees the old bytes or the new, never a part.

    Returns False if the file had these bytes already and nothing was written.
    """
    return write_together({path: data}) > 0


def write_together(files: dict[Path, bytes]) -> int:
    """Put files in place that belong together: all are written beside their paths before the first is moved.

    The files move in the order of `files`; folders are made. A fault during writing, such as a full disk, leaves all old
    files. Each file is seen whole. A process that is killed between two moves leaves some old files and some new ones, so
    a file that declares the others complete comes last.

    Returns:
        Number of files written; a file that had its bytes already does not count.

    Raises:
        NotWritten: the system refused, for example because the disk is full or access is denied.
    """
    parts: dict[Path, Path] = {}
    path, moving = Path(), False
    try:
        for path, data in files.items():
            if path.exists() and path.stat().st_size == len(data) and path.read_bytes() == data:
                continue
            make_folder(path.parent)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=_PART[0], suffix=_PART[1])
            parts[path] = Path(name)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                os.fchmod(file.fileno(), _mode_in(path.parent, OWNER_FILE))
                file.flush()
                os.fsync(file.fileno())
        moving = True
        for path, part in parts.items():
            part.replace(path)
    except OSError as error:
        # The system's error names the part, or no file.
        fault = NotWritten(error.errno, error.strerror, str(path))
        fault.may_exist = moving and error.errno not in NOTHING_DONE
        raise fault from error
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    return len(parts)


def clear_parts(root: DataRoot) -> None:
    """Remove a killed run's unfinished files and `staging`; only while no other run can be writing. Leaves the inboxes."""
    shutil.rmtree(root.staging, ignore_errors=True)
    for name in ("dewi/outbox", "lrs/outbox", "lrs/jobs_noted", "quarantine", "snapshots", "reports"):
        clear_parts_of(root.path / name)


def clear_parts_of(folder: Path) -> None:
    """Remove a killed run's unfinished files from a folder; only for the holder of the run lock."""
    for part in folder.rglob(f"{_PART[0]}*{_PART[1]}"):
        part.unlink(missing_ok=True)


def remove(paths: Iterable[Path]) -> None:
    """Remove files and folders; a missing one is no fault.

    Raises:
        OSError: something could not be removed.
    """
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _files(path: Path) -> list[Path]:
    return [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]


def size_of(paths: Iterable[Path]) -> tuple[int, int]:
    """Return the number of files, those in folders included, and their bytes."""
    sizes = [file.stat().st_size for path in paths for file in _files(path)]
    return len(sizes), sum(sizes)


def last_day(path: Path) -> str:
    """Return the last day on which a file, or any file in a folder, was written: ISO."""
    newest = max(file.stat().st_mtime for file in [path, *_files(path)])
    return dt.datetime.fromtimestamp(newest, tz=dt.UTC).date().isoformat()


#: Files written at once. A disk takes many in little more time than one; threads suffice: writing needs no processor.
_AT_A_TIME = 8


def write_each(files: dict[Path, bytes]) -> dict[Path, OSError]:
    """Put many files in place (`write_whole`), several at a time.

    Returns:
        The fault by path of each file that could not be written; all others are in place.
    """
    faults: dict[Path, OSError] = {}

    def put(path: Path) -> None:
        try:
            write_whole(path, files[path])
        except OSError as fault:
            faults[path] = fault

    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        list(threads.map(put, files))
    return {path: faults[path] for path in files if path in faults}
