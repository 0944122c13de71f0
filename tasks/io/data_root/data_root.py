"""Where everything stands under one data root, and how a file gets there in one piece.

The layout is part of the service's contract with its operators (README, "The data root"). Nothing read from a file
decides a path: authority and school codes are checked against the register before they get here.

What is made here is its owner's alone, unless `schemas.settings.access` lets a group in. A file has the rights of its
folder, so that whoever writes one need not know them; what libraries write has those that `keep_private` leaves.
"""

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from schemas.settings.access import GROUP_READS, OWNER_FILE, OWNER_FOLDER, Access, parse_access
from schemas.texts.edited_files import text_of


def keep_private() -> None:
    """From now on what this process and those that it starts make is their owner's alone, whichever library makes it."""
    os.umask(0o077)


@dataclass(frozen=True)
class DataRoot:
    """The folders of a data root."""

    path: Path

    @property
    def reference(self) -> Path:
        """Registration, opt-outs, and anything that overrides the shipped reference data."""
        return self.path / "reference"

    @property
    def dewi_inbox(self) -> Path:
        """Approved PLASC returns, one folder per authority."""
        return self.path / "dewi" / "inbox"

    @property
    def dewi_outbox(self) -> Path:
        """What goes back to schools, by authority and school."""
        return self.path / "dewi" / "outbox"

    @property
    def lrs_outbox(self) -> Path:
        """Batch files to hand to the LRS."""
        return self.path / "lrs" / "outbox"

    @property
    def lrs_inbox(self) -> Path:
        """Result files and exports from the LRS."""
        return self.path / "lrs" / "inbox"

    @property
    def lake(self) -> Path:
        """The Delta tables."""
        return self.path / "lake"

    @property
    def engine(self) -> Path:
        """Prefect's own files, where the user has set up no server."""
        return self.path / "prefect"

    @property
    def rehearsal_mark(self) -> Path:
        """Stands only in a root whose learners are all synthetic."""
        return self.path / "rehearsal" / "synthetic.json"

    @property
    def staging(self) -> Path:
        """What a killed run of version 0.1 left on its way to other machines; the next run removes it."""
        return self.path / "staging"

    @property
    def worker_output(self) -> Path:
        """Whatever the libraries of worker processes print; may hold anything."""
        return self.path / "reports" / "process" / "faults" / "workers.txt"

    @property
    def untied_report(self) -> Path:
        """Which answers of the LRS tie to no learner sent."""
        return self.path / "reports" / "untied.csv"

    @property
    def near_misses_report(self) -> Path:
        """Whom those answers nearly fit; shows learners."""
        return self.path / "reports" / "untied_near_misses.csv"

    def snapshots(self, cycle_id: str) -> Path:
        """The cycle's Parquet snapshots."""
        return self.path / "snapshots" / cycle_id

    def reports(self, cycle_id: str) -> Path:
        """The cycle's reports, and the evidence of faults."""
        return self.path / "reports" / cycle_id

    @property
    def logs(self) -> Path:
        """What runs have told of themselves, a file a day; counts and references."""
        return self.path / "logs"

    @property
    def metrics(self) -> Path:
        """Counts, ages and durations, for whoever collects them."""
        return self.logs / "metrics.prom"

    @property
    def arrivals_told(self) -> Path:
        """When arrivals were last told of, for the next watcher; times alone."""
        return self.logs / "arrivals.json"

    @property
    def jobs_noted(self) -> Path:
        """Jobs of the LRS web service that the lake does not have yet; references alone."""
        return self.path / "lrs" / "jobs_noted"

    @property
    def quarantine(self) -> Path:
        """What was refused, by the hash of its content, with its reason."""
        return self.path / "quarantine"

    @property
    def access(self) -> Access:
        """Who is let in besides the owner.

        Raises:
            ConfigurationFault: `reference/access.toml` is wrong.
        """
        path = self.reference / "access.toml"
        return parse_access(text_of(path)) if path.exists() else Access()

    def _folders(self) -> tuple[Path, ...]:
        """The folders that every data root has; those that lead to one before it."""
        return (
            self.path,
            self.reference,
            self.path / "dewi",
            self.dewi_inbox,
            self.dewi_outbox,
            self.path / "lrs",
            self.lrs_outbox,
            self.lrs_inbox,
            self.quarantine,
            self.lake,
            self.path / "snapshots",
            self.path / "reports",
        )

    def create(self) -> "DataRoot":
        """Make the folders that are missing, and let nobody into any that is not let in.

        A data root that was open before is closed, files and all; what belongs to another account stays (`open_places`).

        Raises:
            ConfigurationFault: `reference/access.toml` is wrong.
        """
        access = self.access
        self.path.mkdir(parents=True, exist_ok=True)
        was_open = stat.S_IMODE(self.path.stat().st_mode) & ~access.mode("") & 0o077
        for folder in self._folders():
            folder.mkdir(exist_ok=True)
            mode = access.mode(self._place(folder))
            if _is_own(folder) and stat.S_IMODE(folder.stat().st_mode) != mode:
                folder.chmod(mode)
        if was_open:
            self._close()
        return self

    def _place(self, path: Path) -> str:
        place = path.relative_to(self.path).as_posix()
        return "" if place == "." else place

    def _close(self) -> None:
        """Take from everything below what others may do; a group keeps what its folder lets it."""
        done = set(self._folders())
        for folder in (*self._folders()[1:], self.engine, self.logs, self.rehearsal_mark.parent):
            for path in (folder, *sorted(folder.rglob("*"))) if folder.is_dir() else ():
                if path not in done and not path.is_symlink() and _is_own(path):
                    path.chmod(_mode_in(path.parent, OWNER_FOLDER if path.is_dir() else OWNER_FILE))
                    done.add(path)

    def open_places(self) -> list[str]:
        """The folders that more people may enter than are let in, as they belong to another account; `.` is the root."""
        access = self.access
        there = [folder for folder in self._folders() if folder.is_dir()]
        found = [f for f in there if stat.S_IMODE(f.stat().st_mode) & ~access.mode(self._place(f)) & 0o077]
        return [self._place(folder) or "." for folder in found]


def _is_own(path: Path) -> bool:
    """Whether it is this account's to close; a folder like /tmp, which is everybody's, is not."""
    found = path.stat()
    return found.st_uid == os.geteuid() and not found.st_mode & stat.S_ISVTX


def _mode_in(folder: Path, owner: int) -> int:
    """The rights of what is made in a folder: the owner's, and for a group what the folder lets it read.

    A folder lets a group in if it has the group's sticky bit and nothing for others, which the access rules give it; the
    usual rights of a folder outside of the data root do not.
    """
    mode = folder.stat().st_mode
    shared = mode & GROUP_READS if mode & stat.S_ISGID and not mode & 0o007 else 0
    return owner | (shared if owner == OWNER_FOLDER else shared & 0o040)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, with the rights of the one that they are made in."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    folder.chmod(_mode_in(folder.parent, OWNER_FOLDER))


#: How the name of a file begins and ends that is being written; no one else's files are called so.
_PART = (".uln-", ".part")


#: What a system answers where it has surely put nothing in place; any other answer of a share may stand for a lost one.
NOTHING_DONE = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG),
        *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EOPNOTSUPP, errno.EXDEV),
    }
)


class NotWritten(OSError):
    """A file that could not be put in place; `filename` is where it should stand.

    Attributes:
        may_stand: whether it may stand there all the same, as it was being moved there and nobody said how that went.
    """

    may_stand = False


def write_whole(path: Path, data: bytes) -> bool:
    """Put a file in place so that a reader sees the old bytes or the new, never a part.

    Args:
        path: where the file shall stand; its folder is made.
        data: the whole content.

    Returns:
        False where the same bytes stood there already and nothing was written.
    """
    return write_together({path: data}) > 0


def write_together(files: dict[Path, bytes]) -> int:
    """Put files in place that belong together: all are written beside their places before the first one is moved there.

    What fails while they are written, such as a full disk, leaves all the old ones. Each file is seen whole; a process that
    is killed between two moves leaves some old and some new, so that what says that all are there comes last.

    Args:
        files: content by place, in the order in which they are moved; folders are made.

    Returns:
        How many were written; not those whose bytes stood there already.

    Raises:
        NotWritten: the system refused, as for want of room or right.
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
    except OSError as refused:
        # What the system says names the part, or nothing.
        fault = NotWritten(refused.errno, refused.strerror, str(path))
        fault.may_stand = moving and refused.errno not in NOTHING_DONE
        raise fault from refused
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    return len(parts)


def clear_parts(root: DataRoot) -> None:
    """Remove what a run that was killed had begun to write, or left on its way; only while no other run can be writing.

    Args:
        root: the data root; what others put into its inboxes is not looked at.
    """
    shutil.rmtree(root.staging, ignore_errors=True)
    for folder in (
        root.dewi_outbox,
        root.lrs_outbox,
        root.jobs_noted,
        *(root.path / name for name in ("quarantine", "snapshots", "reports")),
    ):
        clear_parts_of(folder)


def clear_parts_of(folder: Path) -> None:
    """Remove what a run that was killed had begun to write into a folder; only for who holds the run lock."""
    for part in folder.rglob(f"{_PART[0]}*{_PART[1]}"):
        part.unlink(missing_ok=True)


def take_away(path: Path, sha256: str) -> bool:
    """Remove a file that we put there ourselves, if it still is what we put there.

    Args:
        path: where it stands, if it does.
        sha256: of what we put there.

    Returns:
        False where there is no such file, or another.
    """
    if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        return False
    path.unlink()
    return True


#: A disk takes many files in little more time than one; a processor is not needed for it.
_AT_A_TIME = 8


def write_each(files: dict[Path, bytes]) -> dict[Path, OSError]:
    """Put many files in place (`write_whole`), several at a time.

    Returns:
        The files that could not be written, and why; the others stand in place.
    """

    def put(path: Path) -> OSError | None:
        try:
            write_whole(path, files[path])
        except OSError as fault:
            return fault
        return None

    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        done = zip(files, threads.map(put, files), strict=True)
        return {path: fault for path, fault in done if fault is not None}
