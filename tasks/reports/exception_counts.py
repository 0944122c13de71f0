"""Counts of exceptions by state, cause, code and age, as people see them."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from schemas.cycles import Cycle, last_of
from schemas.settings.exceptions import exception_terms
from schemas.tables import Tier
from schemas.views import EXCEPTIONS_BY_AGE, EXCEPTIONS_BY_CODE, EXCEPTIONS_BY_STATE
from tasks.core.exception_life import (
    by_age,
    by_code,
    by_state,
)
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import frame_of
from tasks.ledger.exception_life import exceptions_seen
from tasks.ledger.standing import cycles_with_returns
from tasks.runtime.visibility import VisibleRows, check_visible


def exceptions_shown(data: str, cycle: Cycle, day: dt.date, la: list[str] | None = None) -> dict[str, VisibleRows]:
    """What `uln exceptions` tells: counts alone.

    Args:
        data: the data root.
        cycle: as which cycle sees them.
        day: until which ages are counted.
        la: authorities; all where None.

    Returns:
        states, codes (of the open ones), ages (likewise).
    """
    told = exceptions_seen(data, cycle)
    told = told[told["la_code"].isin(la)] if la else told
    terms = exception_terms(DataRoot(Path(data)).reference / "exceptions.toml")
    return {
        "states": check_visible(EXCEPTIONS_BY_STATE, by_state(told)),
        "codes": check_visible(EXCEPTIONS_BY_CODE, by_code(told), to=Tier.INTERNAL),
        "ages": check_visible(EXCEPTIONS_BY_AGE, by_age(told, day, terms)),
    }


def open_for_long(data: str, cycle: Cycle, day: dt.date) -> int:
    """How many of the exceptions opened in a cycle have been open for more than the last bound.

    As things are now: the last cycle's view, for nobody has to be chased for what a later cycle has resolved.
    """
    return _long_open(data, exceptions_seen(data, last_of([cycle.id, *cycles_with_returns(data)]) or cycle), cycle, day)


def open_for_long_at_snapshot(data: str, cycle: Cycle, day: dt.date) -> int:
    """As `open_for_long`, of the exceptions as they were when the cycle's last snapshot was taken; 0 where there is none.

    What becomes of an exception is a question to all cycles' returns; a run that has just taken the snapshot, or has
    merged nothing since, need not ask it again.
    """
    taken = DataRoot(Path(data)).snapshots(cycle.id) / "exceptions.parquet"
    return _long_open(data, frame_of(pq.read_table(taken)), cycle, day) if taken.exists() else 0


def _long_open(data: str, told: pd.DataFrame, cycle: Cycle, day: dt.date) -> int:
    terms = exception_terms(DataRoot(Path(data)).reference / "exceptions.toml")
    ages = by_age(told[told["cycle"] == cycle.id], day, terms)
    return int(ages.loc[ages["age"] == terms.ages[-1], "number"].sum())
