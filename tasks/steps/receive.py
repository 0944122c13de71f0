"""Receive: the contents of a file in the inbox, and which returns are admitted.

Shared by `receive` and `uln check`. No engine.
"""

import datetime as dt
import re
from dataclasses import dataclass
from pathlib import Path

from schemas.cycles import Cycle
from schemas.plasc.layouts import all_layouts, request_layouts
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import Refused
from tasks.io.data_root.dewi_inbox import open_arrival
from tasks.io.plasc.reader import ReturnHeader, inspect

#: The destination's establishment number if it is the authority itself (docs/reference/sources.md#ctf-header).
_THE_AUTHORITY = "LLLL"
#: Establishment numbers of pupil referral units are 1100 to 1113; lower numbers are nurseries
#: (docs/reference/sources.md#schools-of-wales).
_UNIT_NUMBER = re.compile("[0-9]{3}11(0[0-9]|1[0-3])")


@dataclass(frozen=True)
class ArrivedReturn:
    """A return in a file: its hash, its name inside a zip, and its header or the reason to refuse it."""

    sha256: str
    member: str | None
    header: ReturnHeader | Refused


@dataclass(frozen=True)
class Arrived:
    """The returns in a file, and how many other members of a zip were left out."""

    returns: list[ArrivedReturn]
    is_zip: bool
    left_out: int


def arrived(file: Path, settled: frozenset[str]) -> Arrived:
    """Open a file of the inbox and parse each return in it, except those whose hashes are `settled`.

    Raises:
        Refused: the file as a whole cannot be used.
        OSError: the file cannot be read.
    """
    opened = open_arrival(file)
    layouts = all_layouts()
    returns: list[ArrivedReturn] = []
    for document in (d for d in opened.documents if d.sha256 not in settled):
        try:
            header: ReturnHeader | Refused = inspect(document.data, layouts)
        except Refused as refused:
            header = refused
        returns.append(ArrivedReturn(document.sha256, document.member, header))
    return Arrived(returns, any(d.member is not None for d in opened.documents), opened.left_out)


def census_day(header: ReturnHeader) -> dt.date:
    """Return the day of the header's census date, which may have a time or a zone."""
    return dt.date.fromisoformat(header.census_date[:10])


def admit(header: ReturnHeader, cycle: Cycle, register: set[str], folder: str | None = None) -> None:
    """Refuse a valid return that may not be taken in here.

    Args:
        header: the return's header.
        cycle: the return must belong to it (`is_of`).
        register: the numbers of all schools.
        folder: the authority whose folder holds the file; None outside such folders.

    Raises:
        Refused: unknown_school, la_mismatch, for_another_school or outside_cycle.
    """
    if header.school_number not in register:
        kind = "unit" if _UNIT_NUMBER.fullmatch(header.school_number) else "school"
        raise Refused("unknown_school", bilingual(f"detail.unknown_{kind}", school=repr(header.school_number[:20])))
    if folder is not None and header.la_code != folder:
        raise Refused("la_mismatch", bilingual("detail.la_mismatch", found=header.la_code, folder=folder))
    # Refuse any other destination: another school, even an unregistered one, or nobody in particular, as for leavers.
    if header.destination not in ("", header.school_number, header.la_code + _THE_AUTHORITY):
        raise Refused("for_another_school", bilingual("detail.destination", school=header.destination))
    if not is_of(header, cycle):
        last = cycle.closes_on if header.layout in request_layouts() else cycle.census_to
        span = {"first": cycle.census_from, "last": last}
        raise Refused(
            "outside_cycle", bilingual("detail.outside_cycle", found=census_day(header), cycle=cycle.id, **span)
        )


def is_of(header: ReturnHeader, cycle: Cycle) -> bool:
    """Whether a return belongs to the cycle by its census date, or a file in place of a return by the day it was made."""
    day = census_day(header)
    return cycle.is_open(day) if header.layout in request_layouts() else cycle.covers(day)
