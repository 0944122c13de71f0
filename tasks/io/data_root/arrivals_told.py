"""When arrivals were last told of, by what they start: a small file of the data root, so that a new watcher knows.

Belongs here: reading it and putting it in place. Does not belong here: what follows from it (`tasks.core.arrivals`), the
clock (`flows.run.schedule`).
"""

import json
from collections.abc import Mapping
from pathlib import Path

from tasks.io.data_root.data_root import write_whole


def read_announced(path: Path) -> dict[str, int]:
    """Seconds since 1970 by what is started; nothing where there is no such file, or it holds something else."""
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):  # the schedule starts the same runs: a spoilt file is no reason to stop
        return {}
    return {name: at for name, at in found.items() if type(at) is int} if isinstance(found, dict) else {}


def write_announced(path: Path, told: Mapping[str, int]) -> None:
    """Remember it.

    Raises:
        NotWritten: the system refused, as for want of room or right.
    """
    write_whole(path, json.dumps(told, indent=1, sort_keys=True).encode() + b"\n")
