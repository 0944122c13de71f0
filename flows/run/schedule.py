"""The time a run counts as: the only place where the clock is read.

Law 5 (docs/explanation/laws.md): rules know no clock. A run is dated by its schedule, or by what the operator says, and never
by the time at which a stage begins.
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
    """ISO text without zone, Europe/London, to the minute: what was asked for, else when the run was scheduled.

    Raises:
        ServiceFault: what was asked for is no date and no time.
    """
    from prefect.runtime import flow_run  # noqa: PLC0415 - commands that only read must not import the engine

    if as_of is not None:
        return _asked_for(as_of)
    planned = flow_run.get_scheduled_start_time() or dt.datetime.now(tz=LONDON)
    return _text(planned)


def due_cycle(cycle: str | None, kind: str | None, at: str) -> str | None:
    """The cycle that a census run is for: the one that was named, else that of the kind whose window the run falls in.

    Args:
        cycle: its id, if one was named.
        kind: of which kind it is to be found.
        at: when the run counts as happening (`scheduled_time`); not when it happens, so that a run that is late or tried
            again stays its own cycle's.

    Returns:
        None where no cycle of the kind is open.

    Raises:
        ConfigurationFault: neither was named, or a cycle of another kind: that deployment is not for it.
    """
    if cycle is not None:
        if kind is not None and cycle_by_id(cycle).kind != kind:
            raise ConfigurationFault("cycle", [bilingual("fault.other_kind", cycle=cycle, kind=kind)])
        return cycle
    if kind is None:
        raise ConfigurationFault("cycle", [bilingual("fault.cycle_or_kind", kinds=", ".join(SCHEDULED_KINDS))])
    found = open_cycle(kind, moment(at).date())
    return None if found is None else found.id


def now(as_of: str | None) -> str:
    """`scheduled_time` of what a person does without the engine: what was asked for, else this minute."""
    return _text(dt.datetime.now(tz=LONDON)) if as_of is None else _asked_for(as_of)


def _asked_for(as_of: str) -> str:
    """However a person writes a time: the ledger orders by these texts, and so has one form of them."""
    at = moment(as_of)
    return _text(at if at.tzinfo else at.replace(tzinfo=LONDON))


def _text(at: dt.datetime) -> str:
    return at.astimezone(LONDON).replace(tzinfo=None, microsecond=0).isoformat(timespec="minutes")


def seconds() -> int:
    """Seconds since 1970, which summer time does not move: to see how long ago something was, also in another process."""
    return int(dt.datetime.now(tz=dt.UTC).timestamp())


def today() -> dt.date:
    """The day it is in Wales."""
    return dt.datetime.now(tz=LONDON).date()


def present_cycle(cycles: Iterable[Cycle], today: dt.date) -> str:
    """The id of the cycle that people are busy with: the first, by closing day, that has not closed; else the last."""
    by_closing = sorted(cycles, key=lambda c: (c.closes_on, c.id))
    return next((c.id for c in by_closing if c.closes_on >= today), by_closing[-1].id)
