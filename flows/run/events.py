"""Events that make the engine start a run or notify a person. The only module that emits events.

Events carry counts and references that have passed the disclosure gate (`tasks.runtime.visibility`); never a file name,
because the sender chooses it. The runs that an event starts are in `prefect.yaml` (`triggers`), the people it notifies in
`flows.services.notify`. To add an event: its name in `Event`, a function here.
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
    """Events that start a run or notify a person."""

    RETURN_ARRIVED = "uln.return.arrived"
    RESULT_ARRIVED = "uln.lrs-result.arrived"
    BATCHES_WAITING = "uln.batches.waiting"
    RUN_INCOMPLETE = "uln.run.incomplete"


_OF_INBOX = {"dewi": Event.RETURN_ARRIVED, "lrs": Event.RESULT_ARRIVED}


def emit_arrived(arrived: VisibleRows) -> None:
    """Emit that complete files have arrived in an inbox (rows of `views.ARRIVED`)."""
    for inbox, event in _OF_INBOX.items():
        files = {row["la_code"]: row["files"] for row in arrived.rows() if row["inbox"] == inbox}
        if files:
            payload = {"files": sum(files.values()), "authorities": {la: n for la, n in files.items() if la}}
            emit_event(event, {_ID: f"uln.inbox.{inbox}", _NAME: f"{inbox} inbox"}, payload=payload)
    # Send now, as the watcher may be stopped; the next event, perhaps days later, makes its own connection.
    EventsWorker.instance().drain()


#: The most batches that an event names; `uln batches` shows all.
_MOST_NAMED = 20


def emit_waiting(batches: VisibleRows) -> None:
    """Emit that batches (rows of `views.BATCHES_NAMED`) wait for a person; nothing if none does, or outside an engine's run.

    The event does not say how many learners are in them: for a small batch that would be a small number about one school.
    The same batches in the same states are one resource: every run emits it, but people are notified only at intervals.
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
    """Emit that a flow's run has ended with faults: the number of authorities, files or schools left undone."""
    emit_event(Event.RUN_INCOMPLETE, {_ID: f"uln.flow.{flow}", _NAME: flow}, payload={"faults": faults})
