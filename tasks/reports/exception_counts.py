"""Counts of exceptions by state, cause, code and age, as people see them."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from schemas.cycles import Cycle, last_of
from schemas.settings.terms import exception_terms
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


def visible_exceptions(data: str, cycle: Cycle, day: dt.date, la: list[str] | None = None) -> dict[str, VisibleRows]:
    """Return the counts that `uln exceptions` shows, for some authorities or all (None).

    Seen from `cycle`; ages count until `day`.

    Returns:
        states; codes and ages, both of open exceptions only.
    """
    lives = exceptions_seen(data, cycle)
    lives = lives[lives["la_code"].isin(la)] if la else lives
    terms = exception_terms(DataRoot(Path(data)).reference / "exceptions.toml")
    return {
        "states": check_visible(EXCEPTIONS_BY_STATE, by_state(lives)),
        "codes": check_visible(EXCEPTIONS_BY_CODE, by_code(lives), to=Tier.INTERNAL),
        "ages": check_visible(EXCEPTIONS_BY_AGE, by_age(lives, day, terms)),
    }


def open_for_long(data: str, cycle: Cycle, day: dt.date) -> int:
    """Return the number of exceptions opened in a cycle and open for more than the last bound of the ages.

    Seen from the last cycle: an exception that a later cycle has resolved needs no action.
    """
    return _long_open(data, exceptions_seen(data, last_of([cycle.id, *cycles_with_returns(data)]) or cycle), cycle, day)


def open_for_long_at_snapshot(data: str, cycle: Cycle, day: dt.date) -> int:
    """Return `open_for_long` as of the cycle's last snapshot; 0 if there is none.

    Working out exceptions reads the returns of all cycles. A run that has just taken the snapshot, or has merged nothing
    since, need not do it again.
    """
    snapshot = DataRoot(Path(data)).snapshots(cycle.id) / "exceptions.parquet"
    return _long_open(data, frame_of(pq.read_table(snapshot)), cycle, day) if snapshot.exists() else 0


def _long_open(data: str, lives: pd.DataFrame, cycle: Cycle, day: dt.date) -> int:
    terms = exception_terms(DataRoot(Path(data)).reference / "exceptions.toml")
    ages = by_age(lives[lives["cycle"] == cycle.id], day, terms)
    return int(ages.loc[ages["age"] == terms.ages[-1], "number"].sum())
