"""What is in a file of the inbox, and whose and of when a return must be to be taken in.

The same for `receive`, its workers, and `uln check`: no engine.
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

#: What stands for an authority in place of a school's number (docs/reference/sources.md#ctf-header).
_THE_AUTHORITY = "LLLL"
#: Establishment numbers of pupil referral units, 1100 to 1113; those below are of nurseries
#: (docs/reference/sources.md#schools-of-wales).
_UNIT_NUMBER = re.compile("[0-9]{3}11(0[0-9]|1[0-3])")


@dataclass(frozen=True)
class ArrivedReturn:
    """A return in a file: its hash, its name inside a zip, and its header or why it is refused."""

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
    """Open a file of the inbox and parse each return in it.

    Args:
        file: the file.
        settled: hashes of returns in it that need no second look.

    Raises:
        Refused: the file as a whole cannot be used.
        OSError: it cannot be read.
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
        Refused: unknown_school, la_mismatch, for_another_school or outside_cycle.
    """
    if header.school_number not in register:
        kind = "unit" if _UNIT_NUMBER.fullmatch(header.school_number) else "school"
        raise Refused("unknown_school", bilingual(f"detail.unknown_{kind}", school=repr(header.school_number[:20])))
    if folder is not None and header.la_code != folder:
        raise Refused("la_mismatch", bilingual("detail.la_mismatch", found=header.la_code, folder=folder))
    # Not of a school, also one that is not in our register, nor of nobody in particular, as those of leavers are.
    if header.destination not in ("", header.school_number, header.la_code + _THE_AUTHORITY):
        raise Refused("for_another_school", bilingual("detail.destination", school=header.destination))
    if not is_of(header, cycle):
        last = cycle.closes_on if header.layout in request_layouts() else cycle.census_to
        span = {"first": cycle.census_from, "last": last}
        raise Refused(
            "outside_cycle", bilingual("detail.outside_cycle", found=census_day(header), cycle=cycle.id, **span)
        )


def is_of(header: ReturnHeader, cycle: Cycle) -> bool:
    """Whether a return is of that cycle: by its census date; what stands in for one, by the day on which it was made."""
    day = census_day(header)
    return cycle.is_open(day) if header.layout in request_layouts() else cycle.covers(day)
