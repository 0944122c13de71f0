"""Where everything stands under one data root, and how a file gets there in one piece.

The layout is part of the service's contract with its operators (README, "The data root"). Nothing read from a file
decides a path: authority and school codes are checked against the register before they get here.
"""

import hashlib
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


def write_whole(path: Path, data: bytes) -> bool:
    """Put a file in place so that a reader sees the old bytes or the new, never a part.

    Args:
        path: where the file shall stand; its folder is made.
        data: the whole content.

    Returns:
        False where the same bytes stood there already and nothing was written.
    """
    if path.exists() and path.stat().st_size == len(data) and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return True


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
