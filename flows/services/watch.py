"""`uln watch`: sends the engine an event for files that arrive, so that it starts the flow that receives them.

It is a separate process beside worker and server. Nothing depends on it: the schedule finds the same files, later.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Event

from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL

from flows.run.events import emit_arrived
from flows.run.schedule import seconds
from schemas.settings.terms import how_watched
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from schemas.views import ARRIVED
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.reference import authorities
from tasks.maintenance.arrivals import arrivals
from tasks.runtime.visibility import VisibleRows, check_visible


def refuse_without_server() -> None:
    """Refuse to run without a permanent server of the engine: events would reach nobody and be lost.

    Raises:
        ServiceFault: no server is named; its sentence says how to name one.
    """
    if not PREFECT_API_URL.value():
        raise ServiceFault(bilingual("fault.no_server"))


def watch_inboxes(data: str, stop: Event | None = None) -> Iterator[tuple[int, bool]]:
    """Watch a data root's inboxes, and send the engine events, until `stop` is set.

    Yields:
        For each arrival: the number of files, and whether the server answered and got the event.

    Raises:
        ServiceFault: no server is named.
    """
    refuse_without_server()
    root = DataRoot(Path(data)).create()
    how = how_watched(root.reference / "watching.toml")
    for paths in arrivals(root, how, seconds, stop):
        answers = _server_accepts()
        if answers:
            emit_arrived(arrived(root, paths))
        yield len(paths), answers


def _server_accepts() -> bool:
    """Whether the server answers and accepts our password; asks for flows, as the health check needs no password."""
    try:
        with get_client(sync_client=True) as client:
            client.read_flows(limit=1)
    except Exception:  # noqa: BLE001 - unreachable, 401 without the password, or any other answer
        return False
    return True


def arrived(root: DataRoot, paths: list[Path]) -> VisibleRows:
    """Return the number of files by inbox and authority (`views.ARRIVED`); `la_code` is empty for any other folder."""
    known = set(authorities()["la_code"])

    def place(path: Path) -> tuple[str, str]:
        if path.is_relative_to(root.lrs_inbox):
            return "lrs", ""
        la = path.relative_to(root.dewi_inbox).parts[0]
        return "dewi", la if la in known else ""

    counts = Counter(map(place, paths))
    rows = [{"inbox": inbox, "la_code": la, "files": n} for (inbox, la), n in sorted(counts.items())]
    return check_visible(ARRIVED, rows)
