"""The file of the data root that keeps when arrivals last started each kind of run, for the next watcher.

This module reads and writes it. Decisions from it are in `tasks.core.arrivals`, the clock is in `flows.run.schedule`.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from tasks.io.data_root.data_root import write_whole


def read_announced(path: Path) -> dict[str, int]:
    """Return seconds since 1970 by kind of run; empty if the file is missing or holds something else."""
    try:
        stored = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):  # the schedule starts the same runs, so a damaged file is no reason to stop
        return {}
    return {name: at for name, at in stored.items() if type(at) is int} if isinstance(stored, dict) else {}


def write_announced(path: Path, told: Mapping[str, int]) -> None:
    """Write seconds since 1970 by kind of run.

    Raises:
        NotWritten: the system refused, for example because the disk is full or access is denied.
    """
    write_whole(path, json.dumps(told, indent=1, sort_keys=True).encode() + b"\n")
