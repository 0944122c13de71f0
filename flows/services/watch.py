"""`uln watch`: tells the engine of files that arrive, so that it starts the flow that takes them in.

A service of its own beside worker and server. Nothing needs it: the schedule finds the same files, later.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event

from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL

from flows.run.events import emit_arrived
from flows.run.schedule import seconds
from schemas.settings.watching import how_watched
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from schemas.views import ARRIVED
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.reference import authorities
from tasks.maintenance.arrivals import arrivals
from tasks.runtime.visibility import VisibleRows, check_visible


def refuse_without_server() -> None:
    """Stop where the engine has no server that stands: nobody would hear, and nothing would be kept.

    Raises:
        ServiceFault: says how to name one.
    """
    if not PREFECT_API_URL.value():
        raise ServiceFault(bilingual("fault.no_server"))


def watch_inboxes(data: str, stop: Event | None = None) -> Iterator[tuple[int, bool]]:
    """Watch a data root's inboxes until someone stops it.

    Args:
        data: the data root.
        stop: set by whoever has had enough.

    Yields:
        For each time that files have come: how many, and whether the server answers and has been told.

    Raises:
        ServiceFault: no server is named.
    """
    refuse_without_server()
    root = DataRoot(Path(data)).create()
    how = how_watched(root.reference / "watching.toml")
    for paths in arrivals(root, how, seconds, stop):
        answers = _server_lets_us_in()
        if answers:
            emit_arrived(arrived(root, paths))
        yield len(paths), answers


def _server_lets_us_in() -> bool:
    """Whether the server answers, and takes our word: its health is told to everybody, so something else is asked."""
    try:
        with get_client(sync_client=True) as client:
            client.read_flows(limit=1)
    except Exception:  # noqa: BLE001 - unreachable, 401 without the word, and whatever else it says
        return False
    return True


def arrived(root: DataRoot, paths: list[Path]) -> VisibleRows:
    """Files by inbox and authority; a folder that is no authority's has no name."""
    known = set(authorities()["la_code"])
    found = Counter(_place(root, path, known) for path in paths)
    rows = [{"inbox": inbox, "la_code": la, "files": n} for (inbox, la), n in sorted(found.items())]
    return check_visible(ARRIVED, rows)


def _place(root: DataRoot, path: Path, known: set[str]) -> tuple[str, str]:
    if path.is_relative_to(root.lrs_inbox):
        return "lrs", ""
    la = path.relative_to(root.dewi_inbox).parts[0]
    return "dewi", la if la in known else ""
