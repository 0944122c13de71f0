"""The time of a run, and the only place that reads the clock.

Law 5 (docs/explanation/laws.md): rules know no clock. A run's time is its scheduled time or the operator's `as_of`, never
the time at which a stage begins.
"""

import datetime as dt
from collections.abc import Iterable
from zoneinfo import ZoneInfo

from schemas.cycles import SCHEDULED_KINDS, Cycle, cycle_by_id, open_cycle
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ConfigurationFault
from tasks.runtime.context import moment

LONDON = ZoneInfo("Europe/London")


def scheduled_time(as_of: str | None) -> str:
    """Return the run's time: `as_of`, else its scheduled time; ISO text in London's time, without offset, to the minute.

    Raises:
        ServiceFault: `as_of` is neither a date nor a time.
    """
    from prefect.runtime import flow_run  # noqa: PLC0415 - commands that only read must not import the engine

    planned = flow_run.get_scheduled_start_time() if as_of is None else None
    return now(as_of) if planned is None else _text(planned)


def due_cycle(cycle: str | None, kind: str | None, at: str) -> str | None:
    """Return the cycle of a census run: the named one, else the cycle of the kind that is open at the run's time.

    `at` is the run's time (`scheduled_time`), not the clock's, so that a late or repeated run keeps its cycle.

    Returns:
        The cycle's id; None if no cycle of the kind is open.

    Raises:
        ConfigurationFault: neither is named, or the cycle is of another kind, which this deployment does not handle.
    """
    if cycle is not None:
        if kind is not None and cycle_by_id(cycle).kind != kind:
            raise ConfigurationFault("cycle", [bilingual("fault.other_kind", cycle=cycle, kind=kind)])
        return cycle
    if kind is None:
        raise ConfigurationFault("cycle", [bilingual("fault.cycle_or_kind", kinds=", ".join(SCHEDULED_KINDS))])
    cycle_due = open_cycle(kind, moment(at).date())
    return None if cycle_due is None else cycle_due.id


def now(as_of: str | None) -> str:
    """Return the time of a command that runs without the engine: `as_of`, else this minute (as `scheduled_time`)."""
    return _text(dt.datetime.now(tz=LONDON) if as_of is None else moment(as_of))


def _text(at: dt.datetime) -> str:
    """Return a time in one form, however a person wrote it, because the ledger sorts these texts."""
    aware = at if at.tzinfo else at.replace(tzinfo=LONDON)
    return aware.astimezone(LONDON).replace(tzinfo=None, microsecond=0).isoformat(timespec="minutes")


def seconds() -> int:
    """Return seconds since 1970, independent of summer time: to measure intervals, also between processes."""
    return int(dt.datetime.now(tz=dt.UTC).timestamp())


def today() -> dt.date:
    """Return today's date in Wales."""
    return dt.datetime.now(tz=LONDON).date()


def present_cycle(cycles: Iterable[Cycle], today: dt.date) -> str:
    """Return the id of the current cycle: the first, by closing day, that has not closed; else the last."""
    by_closing = sorted(cycles, key=lambda c: (c.closes_on, c.id))
    return next((c.id for c in by_closing if c.closes_on >= today), by_closing[-1].id)
