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
from tasks.ledger.hand_over import last_decisions, shown_batches
from tasks.runtime.visibility import VisibleRows, check_visible

#: States that need a person, by the text's key under `terminal.`: the hand-over is unconfirmed, or the LRS has not answered
#: for too long.
NEEDING_ACTION = {
    "unconfirmed_batches": BatchShown.SENT_UNCONFIRMED.value,
    "stuck_batches": BatchShown.STUCK.value,
}
#: Days after a cycle has closed for which its batches are still reported; `uln batches` always shows them.
_CHASED_DAYS = 365


def visible_batches(data: str, day: dt.date, cycle: str | None = None) -> VisibleRows:
    """Return the batches of a cycle, or of all cycles (None), as an operator sees them; ages and STUCK are those of `day`.

    Returns:
        Columns of `hand_over.shown_states`, and decided: the last decision and its time, null if there is none.
    """
    lake = Lake.of(DataRoot(Path(data)))
    where: dict[str, Any] = {} if cycle is None else {"cycle": cycle}
    shown = shown_batches(lake, lake.read("batches", **where), day)
    last = last_decisions(lake).set_index("batch_ref")
    decided = shown["batch_ref"].map(last["decision"] + " " + last["decided_at"]).astype("str")
    return check_visible(BATCHES_SHOWN, shown.assign(decided=decided), to=Tier.INTERNAL)


def batches_needing_action(data: str, day: dt.date, cycle: str) -> dict[str, list[str]]:
    """Return the file names of batches that need a person, by the keys of NEEDING_ACTION."""
    shown = visible_batches(data, day, cycle).frame
    return {key: list(shown.loc[shown["state"] == state, "file_name"]) for key, state in NEEDING_ACTION.items()}


def batches_waiting(data: str, day: dt.date) -> VisibleRows:
    """Return the batches of all cycles that need a person, open to every user of the engine; the oldest first."""
    lake = Lake.of(DataRoot(Path(data)))
    batches = lake.read("batches")
    # The poll runs every half hour: it skips batches that still have time, and cycles that are no longer chased.
    last = {c.id: (day - dt.timedelta(days=c.answer_within_days)).isoformat() for c in all_cycles().values()}
    chased = [c.id for c in all_cycles().values() if (day - c.closes_on).days <= _CHASED_DAYS]
    due = pd.Series(last, dtype="str").reindex(batches["cycle"]).set_axis(batches.index)
    late = batches["sent_at"].fillna(batches["built_at"]).str[:10] < due
    unsure = batches["state"].eq(BatchState.SENT_UNCONFIRMED.value)
    abandoned = batches["state"].eq(BatchState.ABANDONED.value)
    shown = shown_batches(lake, batches[batches["cycle"].isin(chased) & (unsure | (late & ~abandoned))], day)
    names = [column.name for column in BATCHES_NAMED.columns]
    return check_visible(BATCHES_NAMED, shown.loc[shown["state"].isin(NEEDING_ACTION.values()), names])
