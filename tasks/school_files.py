"""The zip of one school: its transfer file and its workbook, made from what is due to it. No lake, no engine.

Who stands in them is `tasks.core.publication`'s; how the files look, `tasks.io`'s.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import pandas as pd

from schemas.ctf_versions import all_versions
from schemas.cycles import Cycle
from schemas.faults import ServiceFault
from schemas.texts import both
from tasks.io.ctf_xml import check_ctf, ctf_file_name, write_ctf
from tasks.io.school_zip import write_zip
from tasks.io.workbook import workbook_name, write_exceptions


@dataclass(frozen=True)
class Due:
    """What is due to one school.

    Attributes:
        names: its row of the schools register, None where it stands there no more.
        ulns: as `publication.for_schools` gives them, of this school.
        exceptions: likewise, the columns `publication.EXCEPTION_COLUMNS`.
        number: of the school's files, running on over cycles.
    """

    school_number: str
    names: dict[Any, Any] | None
    ulns: pd.DataFrame
    exceptions: pd.DataFrame
    number: int


def school_files(due: Due, cycle: Cycle, made_at: dt.datetime) -> bytes:
    """The school's zip; equal content gives equal bytes.

    Raises:
        ServiceFault: the register does not know the school any more, or the CTF does not fit its schema; names elements
            and lines only.
    """
    if due.names is None:
        raise ServiceFault(both("fault.school_left_register", school=due.school_number))
    files: dict[str, bytes] = {}
    if not due.ulns.empty:
        version = all_versions()[cycle.ctf_version]
        ctf = write_ctf(
            due.ulns,
            version=version,
            school_number=due.school_number,
            academic_year=cycle.academic_year,
            made_at=made_at,
        )
        faults = check_ctf(ctf, version)
        if faults:
            raise ServiceFault(both("fault.ctf_schema", school=due.school_number, faults="; ".join(faults[:3])))
        files[ctf_file_name(due.school_number, due.number)] = ctf
    if not due.exceptions.empty:
        files[workbook_name(due.school_number, cycle.id)] = write_exceptions(
            due.exceptions,
            school_number=due.school_number,
            school_name=str(due.names["school_name"]),
            la_cy=str(due.names["la_cy"]),
            la_en=str(due.names["la_en"]),
            cycle_title_cy=cycle.title_cy,
            cycle_title_en=cycle.title_en,
            made_at=made_at,
        )
    return write_zip(files, made_at)
