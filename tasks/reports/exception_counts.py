"""Counts of exceptions by state, cause, code and age, as people see them."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from schemas.cycles import Cycle, last_of
from schemas.settings.terms import exception_terms
from schemas.tables import EXCEPTION_LIVES, Tier
from schemas.views import EXCEPTIONS_BY_AGE, EXCEPTIONS_BY_CODE, EXCEPTIONS_BY_STATE
from tasks.core.exception_life import by_age, by_code, by_state
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import frame_of
from tasks.ledger.exception_life import exceptions_seen
from tasks.ledger.standing import cycles_with_returns
from tasks.runtime.visibility import VisibleRows, check_visible


def visible_exceptions(data: str, cycle: Cycle, day: dt.date, la: list[str] | None = None) -> dict[str, VisibleRows]:
    """Return the counts that `uln exceptions` shows, as of a cycle, for some authorities or all (None).

    Returns:
        states, of all exceptions; codes and ages (on `day`), of open exceptions only.
    """
    lives = exceptions_seen(data, cycle)
    lives = lives[lives["la_code"].isin(la)] if la else lives
    terms = exception_terms(DataRoot(Path(data)).reference / "exceptions.toml")
    return {
        "states": check_visible(EXCEPTIONS_BY_STATE, by_state(lives)),
        "codes": check_visible(EXCEPTIONS_BY_CODE, by_code(lives), to=Tier.INTERNAL),
        "ages": check_visible(EXCEPTIONS_BY_AGE, by_age(lives, day, terms)),
    }


def open_for_long(data: str, cycle: Cycle, day: dt.date, *, at_snapshot: bool = False) -> int:
    """Return the number of a cycle's exceptions in the last age band, as shipped open for more than 90 days.

    They are counted as of the last cycle, because an exception that a later cycle has resolved needs no action; with
    `at_snapshot`, as of the cycle's last snapshot (`lives_at_snapshot`).
    """
    root = DataRoot(Path(data))
    if at_snapshot:
        lives = lives_at_snapshot(root, cycle.id)
    else:
        lives = exceptions_seen(data, last_of([cycle.id, *cycles_with_returns(data)]) or cycle)
    terms = exception_terms(root.reference / "exceptions.toml")
    ages = by_age(lives[lives["cycle"] == cycle.id], day, terms)
    return int(ages.loc[ages["age"] == terms.ages[-1], "number"].sum())


def lives_at_snapshot(root: DataRoot, cycle_id: str) -> pd.DataFrame:
    """Return a cycle's exceptions (EXCEPTION_LIVES) as of its last snapshot; none before the first.

    Working out exceptions reads the returns of all cycles. A run that has just taken the snapshot, or has merged nothing
    since, does not need to repeat it.
    """
    snapshot = root.snapshots(cycle_id) / "exceptions.parquet"
    names = [column.name for column in EXCEPTION_LIVES.columns]
    if not snapshot.exists():
        return pd.DataFrame({name: [] for name in names}, dtype="str")
    return frame_of(pq.read_table(snapshot)).reindex(columns=names).astype("str")
