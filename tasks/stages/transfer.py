"""Transfer: copy files from and to folders on other machines (`tasks.io.remote.folders`), except batches (`release`)."""

from pathlib import Path

from tasks.io.data_root.data_root import DataRoot
from tasks.io.remote.folders import deliver_new, fetch_new, location_of
from tasks.runtime.chunks import Counts
from tasks.runtime.task import stage_task


def is_elsewhere(data: str, name: str) -> bool:
    """Whether a folder is not the data root's own."""
    return location_of(DataRoot(Path(data)), name) is not None


@stage_task("fetch", "fetch {name}", retried=True)
def fetch(data: str, name: str) -> Counts:
    """Copy new files from an inbox on another machine into the data root.

    Returns:
        Counts: files.
    """
    return {"files": fetch_new(DataRoot(Path(data)), name)}


@stage_task("deliver", "deliver")
def deliver(data: str) -> Counts:
    """Copy new files of the DEWi outbox to the place from which DEWi takes them.

    Returns:
        Counts: files.
    """
    return {"files": deliver_new(DataRoot(Path(data)))}
