"""The context of a stage: data root, lake and cycle."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from schemas.cycles import Cycle, cycle_by_id
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake


@dataclass(frozen=True)
class RunContext:
    """The data root, its lake, the cycle."""

    root: DataRoot
    lake: Lake
    cycle: Cycle

    @classmethod
    def of(cls, data: str, cycle: str) -> "RunContext":
        """Open the data root, lake and cycle that a task's references name."""
        root = DataRoot(Path(data))
        return cls(root, Lake.of(root), cycle_by_id(cycle))


def moment(as_of: str) -> dt.datetime:
    """Return the scheduled time of a run, which all its stages use.

    Raises:
        ServiceFault: the text is not a date or a date with time.
    """
    try:
        return dt.datetime.fromisoformat(as_of)
    except ValueError:
        raise ServiceFault(bilingual("fault.not_a_moment", text=as_of)) from None
