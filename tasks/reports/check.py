"""Check the returns in a file: selection and rules, without the engine or the lake, and without writing anything."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from schemas.cycles import Cycle, all_cycles
from schemas.lrs.profiles import Profile, all_profiles
from schemas.plasc.layouts import all_layouts
from schemas.states import Disposition
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import Refused
from tasks.core.evidence import KnownUpns, repeated_upns
from tasks.core.held import held_rows
from tasks.core.selection import select
from tasks.io.data_root.dewi_inbox import open_arrival
from tasks.io.data_root.reference import schools
from tasks.io.plasc.reader import ReturnHeader, read_return
from tasks.steps.receive import admit, census_day, is_of
from tasks.steps.validate import apply_rules


@dataclass(frozen=True)
class CheckedReturn:
    """A return and the result of its check.

    Attributes:
        member: the file's name inside a zip; None for plain XML.
        not_chosen: number of records not chosen, by reason.
        findings: ordinal (the record's place in the file), nc_year, rule, severity.
        held: number of records that would be held.
    """

    member: str | None
    header: ReturnHeader
    cycle: Cycle
    records: int
    chosen: int
    not_chosen: dict[str, int]
    findings: pd.DataFrame
    held: int
    unknown_elements: dict[str, int]


@dataclass(frozen=True)
class RefusedReturn:
    """A file, or one return in a zip (`member`), that would be quarantined, and the reason."""

    member: str | None
    refused: Refused


def check_file(
    path: Path, cycle: Cycle | None = None, reference: Path | None = None
) -> list[CheckedReturn | RefusedReturn]:
    """Check each return in a file. A return that would be refused does not hide the others.

    Args:
        path: an XML return, or a zip of returns.
        cycle: the cycle to check against; None for the cycle that the return belongs to (`is_of`).
        reference: the data root's reference folder; its schools and LRS layouts replace the shipped ones.

    Raises:
        OSError: the file cannot be read.
    """
    profiles = all_profiles(reference / "lrs" if reference else None)
    register = set(schools(reference)["school_number"])
    try:
        documents = open_arrival(path).documents
    except Refused as refused:
        return [RefusedReturn(None, refused)]
    results: list[CheckedReturn | RefusedReturn] = []
    for document in documents:
        try:
            results.append(_check(document.data, document.member, cycle, profiles, register))
        except Refused as refused:
            results.append(RefusedReturn(document.member, refused))
    return results


def _check(
    content: bytes, member: str | None, cycle: Cycle | None, profiles: dict[str, Profile], register: set[str]
) -> CheckedReturn:
    parsed = read_return(content, all_layouts())
    day = census_day(parsed.header)
    cycle = cycle or next((c for c in all_cycles().values() if is_of(parsed.header, c)), None)
    if cycle is None:
        raise Refused("outside_cycle", bilingual("detail.no_cycle", found=day))
    admit(parsed.header, cycle, register)
    school = parsed.header.school_number
    pupils = parsed.pupils.assign(row_ref=parsed.pupils["ordinal"].astype("str"), school_number=school, sha256="this")
    decided = select(
        pupils,
        cycle=cycle,
        current=pd.Series({school: "this"}),
        missing=pd.DataFrame({"school_number": [], "code": []}, dtype="str"),
        held=pd.DataFrame({"upn": [], "uln": [], "dob": []}, dtype="str"),
    )
    chosen = pupils[decided["disposition"].eq(Disposition.CHOSEN.value)].reset_index(drop=True)
    result = apply_rules(chosen, cycle, profiles[cycle.lrs_profile], KnownUpns(repeated=repeated_upns(pupils)))
    findings = result.findings.merge(chosen[["row_ref", "ordinal", "nc_year"]], on="row_ref")
    findings = findings.sort_values(["ordinal", "rule"], ignore_index=True)
    return CheckedReturn(
        member=member,
        header=parsed.header,
        cycle=cycle,
        records=len(pupils),
        chosen=len(chosen),
        not_chosen={str(k): int(v) for k, v in decided["reason"].value_counts().sort_index().items()},
        findings=findings[["ordinal", "nc_year", "rule", "severity"]],
        held=held_rows(findings).nunique(),
        unknown_elements=parsed.header.unknown_elements,
    )
