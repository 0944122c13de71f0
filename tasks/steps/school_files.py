"""The zip of a school, from what is due to it, and the workbook of an authority. No lake, no engine.

The zip holds the transfer file, the same learners for the examinations software, and the workbook. Does not belong here:
who is in them (`tasks.core.publication`), what makes a file importable (`tasks.core.mis_rules`), and their look (`tasks.io`).
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import pandas as pd

from schemas.ctf.versions import all_versions
from schemas.cycles import Cycle
from schemas.texts.catalogue import Language, bilingual, joined
from schemas.texts.faults import ServiceFault
from tasks.core.mis_rules import file_faults
from tasks.io.school.ctf_reader import read_ctf
from tasks.io.school.ctf_writer import check_ctf, ctf_file_name, write_ctf
from tasks.io.school.exam_entries import exam_entries_name, write_exam_entries
from tasks.io.school.workbook import About, workbook_name, write_authority_book, write_school_book
from tasks.io.school.zip_file import write_zip
from tasks.steps.submission_slip import Submission, schools_sheet, slip_of


@dataclass(frozen=True)
class SchoolPack:
    """What is due to a school.

    Attributes:
        names: its row of the schools register; None if it has left the register.
        ulns: its rows of `publication.for_schools`.
        exceptions: likewise, with the columns `publication.EXCEPTION_COLUMNS`.
        number: of the school's files, counted over all cycles.
        submission: the content of its slip.
    """

    school_number: str
    names: dict[Any, Any] | None
    ulns: pd.DataFrame
    exceptions: pd.DataFrame
    number: int
    submission: Submission


def school_files(due: SchoolPack, cycle: Cycle, made_at: dt.datetime) -> bytes:
    """Return the school's zip; equal content gives equal bytes.

    Raises:
        ServiceFault: the school has left the register, the CTF does not fit its schema, or it could not be imported; names
            elements and lines only.
    """
    if due.names is None:
        raise ServiceFault(bilingual("fault.school_left_register", school=due.school_number))
    files: dict[str, bytes] = {}
    if not due.ulns.empty:
        files[ctf_file_name(due.school_number, due.number)] = _ctf(due, cycle, made_at)
        files[exam_entries_name(due.school_number, cycle.id)] = write_exam_entries(due.ulns)
    holder = f"{due.names['school_name']} ({due.school_number})"
    about = _about({"cy": holder, "en": holder}, due.names, cycle, due.number, made_at)
    slip = slip_of([due.submission], ulns=len(due.ulns), lines=len(due.exceptions))
    book = write_school_book(due.exceptions, due.ulns, slip, about)
    return write_zip(files | {workbook_name(due.school_number, cycle.id): book}, made_at)


def _ctf(due: SchoolPack, cycle: Cycle, made_at: dt.datetime) -> bytes:
    version, school = all_versions()[cycle.ctf_version], due.school_number
    ctf = write_ctf(due.ulns, version=version, school_number=school, academic_year=cycle.academic_year, made_at=made_at)
    faults = check_ctf(ctf, version)
    if faults:
        raise ServiceFault(bilingual("fault.ctf_schema", school=school, faults=joined(faults[:3])))
    written = read_ctf(ctf)
    refused = file_faults(
        ctf_file_name(school, due.number),
        school_number=school,
        destination=written.destination,
        encoding=written.encoding,
        elements=written.elements,
        upns_and_ulns=list(zip(written.texts("UPN"), written.texts("UniqueLearnerNumber"), strict=True)),
        due=due.ulns,
    )
    if refused:
        raise ServiceFault(joined([bilingual(f"fault.ctf_{fault}", school=school) for fault in refused]))
    return ctf


def _about(
    holder: dict[Language, str], names: dict[Any, Any], cycle: Cycle, number: int, made_at: dt.datetime
) -> About:
    return About(
        holder=holder,
        la={"cy": str(names["la_cy"]), "en": str(names["la_en"])},
        cycle_title={"cy": cycle.title_cy, "en": cycle.title_en},
        number=number,
        made_at=made_at,
    )


@dataclass(frozen=True)
class DueToAuthority:
    """What is due to an authority.

    Attributes:
        schools: its rows of the schools register.
        lines: rows of its schools: school_number and `publication.EXCEPTION_COLUMNS`.
        ulns: number of learners in each school's transfer file.
        submissions: the content of the schools' slips.
        number: of the authority's workbooks, counted over all cycles.
    """

    la_code: str
    schools: pd.DataFrame
    lines: pd.DataFrame
    ulns: dict[str, int]
    submissions: dict[str, Submission]
    number: int


def authority_file(due: DueToAuthority, cycle: Cycle, made_at: dt.datetime) -> bytes:
    """Return the authority's workbook, with all its schools; equal content gives equal bytes."""
    # A school that has left the register is reported by its own zip's fault; its lines are included here all the same.
    names = dict(zip(due.schools["school_number"], due.schools["school_name"], strict=True))
    school_names = {school: str(names.get(school, "")) for school in sorted({*due.submissions, *due.ulns})}
    lines = due.lines.assign(school_name=due.lines["school_number"].map(school_names).astype("str"))
    la = due.schools.iloc[0].to_dict()
    holder: dict[Language, str] = {"cy": f"{la['la_cy']} ({due.la_code})", "en": f"{la['la_en']} ({due.la_code})"}
    slip = slip_of(
        [due.submissions[school] for school in school_names if school in due.submissions],
        ulns=sum(due.ulns.values()),
        lines=len(lines),
    )
    sheet = schools_sheet(school_names, due.submissions, due.ulns)
    return write_authority_book(lines, sheet, slip, _about(holder, la, cycle, due.number, made_at))
