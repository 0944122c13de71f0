"""What the engine is told has happened, so that it starts a run or tells a person. The only module that emits events.

Counts and references alone: takes what has passed the gate (`tasks.runtime.visibility`); never a file's name, which a
sender chooses. Which run an event starts stands in `prefect.yaml` (`triggers`), whom it is told to in
`flows.services.notify`. To add one: its name in `Event`, a function here.
"""

import hashlib
from collections import Counter
from enum import StrEnum

from prefect.events import emit_event
from prefect.events.worker import EventsWorker
from prefect.runtime import flow_run

from schemas.states import BatchShown
from tasks.runtime.visibility import VisibleRows

_ID, _NAME = "prefect.resource.id", "prefect.resource.name"


class Event(StrEnum):
    """The events of the service."""

    RETURN_ARRIVED = "uln.return.arrived"
    RESULT_ARRIVED = "uln.lrs-result.arrived"
    BATCHES_WAITING = "uln.batches.waiting"
    RUN_INCOMPLETE = "uln.run.incomplete"


_OF_INBOX = {"dewi": Event.RETURN_ARRIVED, "lrs": Event.RESULT_ARRIVED}


def emit_arrived(arrived: VisibleRows) -> None:
    """Files have come into an inbox and are whole.

    Args:
        arrived: rows of `views.ARRIVED`.
    """
    for inbox, event in _OF_INBOX.items():
        files = {row["la_code"]: row["files"] for row in arrived.rows() if row["inbox"] == inbox}
        if files:
            payload = {"files": sum(files.values()), "authorities": {la: n for la, n in files.items() if la}}
            emit_event(event, {_ID: f"uln.inbox.{inbox}", _NAME: f"{inbox} inbox"}, payload=payload)
    # Sent now, before the watcher may be stopped; and by a connection that is made anew the next time, days later perhaps.
    EventsWorker.instance().drain()


#: An event is no list: who must act sees them all with `uln batches`.
_MOST_NAMED = 20


def emit_waiting(batches: VisibleRows) -> None:
    """Batches wait for a person; nothing where none does, or where no run of the engine has found them.

    How many learners are in them is not told: of one small batch it would be a small number beside its school's name. The
    same batches are the same resource: who listens is told once, and again after a while, not by every run.

    Args:
        batches: rows of `views.BATCHES_NAMED`.
    """
    rows = batches.rows()
    if not rows or flow_run.get_id() is None:
        return
    states = Counter(row["state"] for row in rows)
    named = ", ".join(f"{row['batch_ref']} ({row['state']}, {row['age']})" for row in rows[:_MOST_NAMED])
    digest = hashlib.sha256(" ".join(sorted(f"{row['batch_ref']}{row['state']}" for row in rows)).encode()).hexdigest()
    payload = {
        "stuck": states[BatchShown.STUCK.value],
        "unconfirmed": states[BatchShown.SENT_UNCONFIRMED.value],
        "cycles": ", ".join(sorted({row["cycle"] for row in rows})),
        "references": named + (f" (+{len(rows) - _MOST_NAMED})" if len(rows) > _MOST_NAMED else ""),
    }
    emit_event(Event.BATCHES_WAITING, {_ID: f"uln.batches.{digest[:16]}", _NAME: "batches"}, payload=payload)


def emit_incomplete(flow: str, faults: int) -> None:
    """A run came to its end and could not do everything.

    Args:
        flow: its word.
        faults: how many authorities, files or schools are left.
    """
    emit_event(Event.RUN_INCOMPLETE, {_ID: f"uln.flow.{flow}", _NAME: flow}, payload={"faults": faults})
