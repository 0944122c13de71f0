"""Where everything stands under one data root, and how a file gets there in one piece.

The layout is part of the service's contract with its operators (README, "The data root"). Nothing read from a file
decides a path: authority and school codes are checked against the register before they get here.
"""

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path


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
    def untied_report(self) -> Path:
        """Which answers of the LRS tie to no learner sent."""
        return self.path / "reports" / "untied.csv"

    def snapshots(self, cycle_id: str) -> Path:
        """The cycle's Parquet snapshots."""
        return self.path / "snapshots" / cycle_id

    def reports(self, cycle_id: str) -> Path:
        """The cycle's reports, and the evidence of faults."""
        return self.path / "reports" / cycle_id

    def create(self) -> "DataRoot":
        """Make the folders that are missing."""
        for folder in (
            self.reference,
            self.dewi_inbox,
            self.dewi_outbox,
            self.lrs_outbox,
            self.lrs_inbox,
            self.path / "quarantine",
            self.lake,
            self.path / "snapshots",
            self.path / "reports",
        ):
            folder.mkdir(parents=True, exist_ok=True)
        return self


#: How the name of a file begins and ends that is being written; no one else's files are called so.
_PART = (".uln-", ".part")


class NotWritten(OSError):
    """A file that could not be put in place; `filename` is where it should stand."""


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
    path = Path()
    try:
        for path, data in files.items():
            if path.exists() and path.stat().st_size == len(data) and path.read_bytes() == data:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=_PART[0], suffix=_PART[1])
            parts[path] = Path(name)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        for path, part in parts.items():
            part.replace(path)
    except OSError as refused:
        # What the system says names the part, or nothing.
        raise NotWritten(refused.errno, refused.strerror, str(path)) from refused
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
    return len(parts)


def clear_parts(root: DataRoot) -> None:
    """Remove what a run that was killed had begun to write; only while no other run can be writing.

    Args:
        root: the data root; what others put into its inboxes is not looked at.
    """
    for folder in (
        root.dewi_outbox,
        root.lrs_outbox,
        *(root.path / name for name in ("quarantine", "snapshots", "reports")),
    ):
        for part in folder.rglob(f"{_PART[0]}*{_PART[1]}"):
            part.unlink(missing_ok=True)


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
