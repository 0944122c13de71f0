"""The zip of a school, from what is due to it, and the workbook of an authority. No lake, no engine.

The zip holds the transfer file, the same learners for the examinations software, and the workbook. A workbook's slip names
the files received from a school in a cycle, its batches, and the states of its records when it was made. A later change of
the states alone makes no new workbook, because it asks nothing of the school.

Does not belong here: who is in the files (`tasks.core.publication`), the state of a record (`tasks.core.standing`), what
makes a file importable (`tasks.core.mis_rules`), and their look (`tasks.io`).
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from schemas.codes.quarantine_reasons import all_reasons
from schemas.ctf.versions import all_versions
from schemas.cycles import Cycle
from schemas.states import NotChosen, RowState
from schemas.texts.catalogue import Language, bilingual, joined
from schemas.texts.faults import ServiceFault
from tasks.core.mis_rules import file_faults
from tasks.core.selection import current_returns
from tasks.io.school.ctf_reader import read_ctf
from tasks.io.school.ctf_writer import check_ctf, ctf_file_name, write_ctf
from tasks.io.school.exam_entries import exam_entries_name, write_exam_entries
from tasks.io.school.sheets import Cell
from tasks.io.school.workbook import About, Slip, workbook_name, write_authority_book, write_school_book
from tasks.io.school.zip_file import write_zip


@dataclass(frozen=True)
class Submission:
    """The content of a school's `Slip`; `standing` is its row of `standing.count_by_school`: missing counts are 0."""

    standing: dict[str, int]
    returns: list[tuple[Cell, ...]]
    batches: list[tuple[Cell, ...]]


RECEIVED_COLUMNS = (
    *("sha256", "kind", "status", "reason", "file_name", "member", "school_number", "declared", "received_at"),
    *("header_datetime", "serial_no", "layout"),
)
BATCH_COLUMNS = ("school_number", "file_name", "rows", "sent_at", "state", "batch_ref")


def submissions(counts: pd.DataFrame, received: pd.DataFrame, batches: pd.DataFrame) -> dict[str, Submission]:
    """Return the content of the slip of each school of `standing.count_by_school`, from the cycle's rows."""
    returns = received[(received["kind"] == "return") & received["school_number"].isin(counts.index)]
    accepted = returns["status"] == "accepted"
    current = set(current_returns(returns[accepted]))
    statuses = [_status(*row, current) for row in zip(returns["sha256"], accepted, returns["reason"], strict=True)]
    names = returns["file_name"].fillna("") + (" > " + returns["member"]).fillna("")
    rows = returns.assign(name=names, status=statuses, declared=returns["declared"].fillna(0).astype("int64"))
    rows = rows.assign(received_at=_minute(rows["received_at"])).sort_values(["received_at", "name", "sha256"])
    files = _by_school(rows, ["name", "school_number", "received_at", "declared", "status", "sha256"])
    sent = batches.assign(sent_at=_minute(batches["sent_at"])).sort_values(["sent_at", "file_name", "batch_ref"])
    handed = _by_school(sent, ["file_name", "school_number", "sent_at", "rows"])
    standing = counts.drop(columns="balanced").to_dict("index")
    return {
        str(school): Submission(
            {str(k): int(n) for k, n in states.items()}, files.get(school, []), handed.get(school, [])
        )
        for school, states in standing.items()
    }


def _status(sha256: str, accepted: bool, reason: object, current: set[str]) -> str:
    if accepted:
        return bilingual("slip.current" if sha256 in current else "slip.superseded")
    head, refused = bilingual("slip.refused"), all_reasons().get(str(reason))
    return f"{head.cy}: {refused.text_cy} / {head.en}: {refused.text_en}" if refused else head


def _minute(moments: pd.Series) -> pd.Series:
    return moments.fillna("").str.replace("T", " ").str[:16]


def _by_school(rows: pd.DataFrame, columns: list[str]) -> dict[object, list[tuple[Cell, ...]]]:
    cells_of: dict[object, list[tuple[Cell, ...]]] = {}
    for school, *cells in zip(rows["school_number"], *(rows[c].to_list() for c in columns), strict=True):
        cells_of.setdefault(school, []).append(tuple(cells))
    return cells_of


def slip_of(schools: Iterable[Submission], *, ulns: int, lines: int) -> Slip:
    """Return the slip of one school, or of several, with the numbers of ULNs in their files and lines in their lists."""
    contents = list(schools)
    counts = [
        (name, label, sum(school.standing.get(name, 0) for school in contents)) for name, label in _labels().items()
    ]
    # Leave out reasons that apply to nobody.
    shown = [(label, n) for name, label, n in counts if n or ":" not in name]
    return Slip(
        counts=[*shown, (bilingual("slip.in_file"), ulns), (bilingual("slip.lines"), lines)],
        returns=[row for school in contents for row in school.returns],
        batches=[row for school in contents for row in school.batches],
    )


def _labels() -> dict[str, str]:
    """Return the labels of the counts of `standing.count_by_school`, by name."""
    reasons = {reason.value: bilingual(f"reason.{reason.value}") for reason in NotChosen}
    return {
        "records": bilingual("slip.records"),
        **{f"not_chosen:{code}": bilingual("slip.not_chosen", reason=reason) for code, reason in reasons.items()},
        **{state.value: bilingual(f"slip.{state.value}") for state in RowState},
    }


def schools_sheet(
    names: dict[str, str], of: dict[str, Submission], ulns: dict[str, int]
) -> list[tuple[str, list[Cell]]]:
    """Return an authority's list of its schools, in the order of `names`: columns, each with its heading and cells.

    `ulns` is the number of learners in each school's transfer file; a school without a slip gets zeros.
    """
    numbers = list(names)
    rows = [of[school].standing if school in of else {} for school in numbers]
    columns: list[tuple[str, list[Cell]]] = [
        (bilingual("workbook.school_number"), [*numbers]),
        (bilingual("workbook.school_name"), [*names.values()]),
        (bilingual("slip.records"), [row.get("records", 0) for row in rows]),
        (bilingual("terminal.not_chosen"), [sum(n for k, n in row.items() if ":" in k) for row in rows]),
    ]
    columns += [(bilingual(f"slip.{state.value}"), [row.get(state.value, 0) for row in rows]) for state in RowState]
    return [*columns, (bilingual("slip.in_file"), [ulns.get(school, 0) for school in numbers])]


@dataclass(frozen=True)
class SchoolPack:
    """The content of a school's files.

    Attributes:
        names: its row of the schools register; None if it has left the register.
        ulns, exceptions: its rows of `publication.for_schools`.
        number: of the school's files, counted over all cycles.
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
    la: dict[Language, str] = {"cy": str(names["la_cy"]), "en": str(names["la_en"])}
    title: dict[Language, str] = {"cy": cycle.title_cy, "en": cycle.title_en}
    return About(holder=holder, la=la, cycle_title=title, number=number, made_at=made_at)


@dataclass(frozen=True)
class DueToAuthority:
    """The content of an authority's workbook.

    Attributes:
        schools: its rows of the schools register.
        lines: rows of its schools: school_number and `publication.EXCEPTION_COLUMNS`.
        ulns: number of learners in each school's transfer file.
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
