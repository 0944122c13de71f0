"""Whose and of when a return must be to be taken in; the same for `receive` and `uln check`, which knows no engine."""

import datetime as dt

from schemas.cycles import Cycle
from schemas.faults import Refused
from schemas.texts import both
from tasks.io.plasc_xml import ReturnHeader


def census_day(header: ReturnHeader) -> dt.date:
    """The day of the header's census date, which may have a time or a zone."""
    return dt.date.fromisoformat(header.census_date[:10])


def admit(header: ReturnHeader, cycle: Cycle, register: set[str], folder: str | None = None) -> None:
    """Refuse a return that is sound in itself and cannot be taken in here.

    Args:
        header: what the return says of itself.
        cycle: must cover the census date.
        register: the numbers of all schools.
        folder: the authority in whose folder it lies; None where it lies in none.

    Raises:
        Refused: unknown_school, la_mismatch or outside_cycle.
    """
    if header.school_number not in register:
        raise Refused("unknown_school", both("detail.unknown_school", school=repr(header.school_number[:20])))
    if folder is not None and header.la_code != folder:
        raise Refused("la_mismatch", both("detail.la_mismatch", found=header.la_code, folder=folder))
    if not cycle.covers(census_day(header)):
        span = {"first": cycle.census_from, "last": cycle.census_to}
        raise Refused("outside_cycle", both("detail.outside_cycle", found=census_day(header), cycle=cycle.id, **span))
