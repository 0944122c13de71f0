"""Removal of files and folders, their size and age. Why something is removed is decided elsewhere."""

import datetime as dt
import shutil
from collections.abc import Iterable
from pathlib import Path


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
