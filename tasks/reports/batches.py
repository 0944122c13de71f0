"""Lists of batches, as people see them."""

import datetime as dt
from pathlib import Path
from typing import Any

import pandas as pd

from schemas.cycles import all_cycles
from schemas.states import BatchShown, BatchState
from schemas.tables import Tier
from schemas.views import BATCHES_NAMED, BATCHES_SHOWN
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tasks.ledger.hand_over import _last_decisions, _shown
from tasks.runtime.visibility import VisibleRows
from tasks.runtime.visibility import check_visible as let_through


def batches_shown(data: str, day: dt.date, cycle: str | None = None) -> VisibleRows:
    """The batches of a cycle, or of all, as a person sees them.

    Args:
        data: the data root.
        day: the day it counts as; ages and STUCK follow from it.
        cycle: its id.

    Returns:
        As `hand_over.shown`; and decided, the last decision and its time, null where there was none.
    """
    lake = Lake.of(DataRoot(Path(data)))
    where: dict[str, Any] = {} if cycle is None else {"cycle": cycle}
    found = _shown(lake, lake.read("batches", **where), day)
    last = _last_decisions(lake).set_index("batch_ref")
    decided = found["batch_ref"].map(last["decision"] + " " + last["decided_at"]).astype("str")
    return let_through(BATCHES_SHOWN, found.assign(decided=decided), to=Tier.INTERNAL)


def for_a_person(data: str, day: dt.date, cycle: str) -> dict[str, list[str]]:
    """The files of the batches that wait for a person, by the text's key under `terminal.`."""
    found = batches_shown(data, day, cycle).frame
    keys = {"unconfirmed_batches": BatchShown.SENT_UNCONFIRMED, "stuck_batches": BatchShown.STUCK}
    return {key: list(found.loc[found["state"] == state.value, "file_name"]) for key, state in keys.items()}


#: What a person must look at: nobody knows whether it was handed over, or the LRS has not answered for too long.
_WAITS = [BatchShown.SENT_UNCONFIRMED.value, BatchShown.STUCK.value]


#: After a cycle has closed, days for which a person is told of its batches; `uln batches` shows them ever after.
_CHASED_DAYS = 365


def batches_waiting(data: str, day: dt.date) -> VisibleRows:
    """The batches of all cycles that wait for a person, as every user of the engine may see them; the oldest first.

    Args:
        data: the data root.
        day: the day it counts as.
    """
    lake = Lake.of(DataRoot(Path(data)))
    batches = lake.read("batches")
    # The poll asks every half-hour: what has time yet, and what nobody chases any more, is not looked through.
    last = {c.id: (day - dt.timedelta(days=c.answer_within_days)).isoformat() for c in all_cycles().values()}
    chased = [c.id for c in all_cycles().values() if (day - c.closes_on).days <= _CHASED_DAYS]
    due = pd.Series(last, dtype="str").reindex(batches["cycle"]).set_axis(batches.index)
    late = batches["sent_at"].fillna(batches["built_at"]).str[:10] < due
    unsure = batches["state"].eq(BatchState.SENT_UNCONFIRMED.value)
    given_up = batches["state"].eq(BatchState.ABANDONED.value)
    found = _shown(lake, batches[batches["cycle"].isin(chased) & (unsure | (late & ~given_up))], day)
    names = [column.name for column in BATCHES_NAMED.columns]
    return let_through(BATCHES_NAMED, found.loc[found["state"].isin(_WAITS), names])
