"""Publish: make the files of a chunk's schools and of each authority. The stage writes them.

What goes into a school's file is decided in `core.publication`; how it looks, in `steps.school_files` and `io.school`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pandas as pd

from schemas.codes.return_codes import POSSIBLE_MATCH
from schemas.states import OperatorDecision
from schemas.tables import PUPIL_FIELDS
from tasks.core.identifiers import canonical_upn
from tasks.core.possible_match import with_likely_causes
from tasks.core.publication import (
    EXCEPTION_COLUMNS,
    SchoolRecords,
    authority_ref,
    by_school,
    content_refs,
    for_schools,
)
from tasks.core.standing import count_by_school
from tasks.io.data_root.reference import schools
from tasks.io.school.workbook import authority_workbook_name
from tasks.io.school.zip_file import zip_name
from tasks.ledger.changed_records import still_changed
from tasks.ledger.code_texts import cause_texts, merge_codes, texts_of
from tasks.ledger.operator_decisions import last_decided
from tasks.ledger.standing import record_states, register_of
from tasks.runtime.chunks import Chunk, records_by_school
from tasks.runtime.context import RunContext, moment
from tasks.runtime.executor import capture
from tasks.runtime.memory import release_memory
from tasks.steps.possible_matches import possible_matches
from tasks.steps.school_files import (
    BATCH_COLUMNS,
    RECEIVED_COLUMNS,
    DueToAuthority,
    SchoolPack,
    Submission,
    authority_file,
    school_files,
    submissions,
)

Value = TypeVar("Value")


@dataclass(frozen=True)
class SchoolFile:
    """A school's or an authority's file, or the exception that stopped it.

    Attributes:
        receiver: the school's number, or the authority's code.
        number: the file's number.
        ulns: number of learners with a ULN in the file.
        exceptions: number of lines in its work list.
    """

    receiver: str
    number: int
    content_ref: str
    ulns: int
    exceptions: int
    file: bytes | Exception


@dataclass(frozen=True)
class AuthorityList:
    """A chunk's share of the authorities' workbooks.

    Attributes:
        lines: school_number and `publication.EXCEPTION_COLUMNS`.
        refs: content_ref by school.
        ulns: number of learners in the transfer file, by school.
    """

    lines: pd.DataFrame
    refs: dict[str, str]
    ulns: dict[str, int]
    submissions: dict[str, Submission]

    def of(self, la_code: str) -> "AuthorityList":
        """Return one authority's part."""
        lines = self.lines[self.lines["school_number"].str[:3] == la_code].reset_index(drop=True)
        return AuthorityList(lines, _of(la_code, self.refs), _of(la_code, self.ulns), _of(la_code, self.submissions))


def _of(la_code: str, by_number: dict[str, Value]) -> dict[str, Value]:
    return {school: value for school, value in by_number.items() if school[:3] == la_code}


def join_lists(parts: list[AuthorityList]) -> AuthorityList:
    """Join the lists of several chunks; each school is in one of them at most."""
    nothing = pd.DataFrame({name: [] for name in ("school_number", *EXCEPTION_COLUMNS)}, dtype="str")
    lines = pd.concat([nothing, *(part.lines for part in parts)], ignore_index=True)
    lines = lines.sort_values("school_number", kind="stable")
    refs = {school: ref for part in parts for school, ref in part.refs.items()}
    ulns = {school: n for part in parts for school, n in part.ulns.items()}
    slips = {school: slip for part in parts for school, slip in part.submissions.items()}
    return AuthorityList(lines, refs, ulns, slips)


@dataclass(frozen=True)
class Published:
    """A chunk's published content.

    Attributes:
        filled: the zips that are new.
        findings: as `findings.save` takes them.
        counts: index la_code; ulns, exceptions.
        listed: its share of the authorities' workbooks.
    """

    filled: list[SchoolFile]
    findings: pd.DataFrame
    counts: pd.DataFrame
    listed: AuthorityList


def publish_chunk(ctx: RunContext, chunk: Chunk, as_of: str, likely: pd.DataFrame | None) -> Published:
    """Make the zips of the chunk's schools whose content is new, and collect what their authorities get.

    A school that had a file and has no lines any more gets an empty list.

    `likely` has `possible_matches` of these schools at least; if None they are looked up.
    """
    likely = possible_matches(ctx, chunk) if likely is None else likely
    ulns, lines, counts = _content(ctx, chunk, likely)
    release_memory()
    received = ctx.lake.read("received", list(RECEIVED_COLUMNS), cycle=ctx.cycle.id, la_code=list(chunk.las))
    batches = ctx.lake.read("batches", list(BATCH_COLUMNS), cycle=ctx.cycle.id, **chunk.where)
    submitted = submissions(counts, received, batches)
    before = _delivered(ctx, list(chunk.las))
    again = _again(ctx, before)
    had = [r for r, rows in before.items() if r in submitted and rows["cycle"].eq(ctx.cycle.id).any()]
    register = schools(ctx.root.reference).set_index("school_number")
    made_at = moment(as_of)
    filled: list[SchoolFile] = []
    refs = content_refs(ulns, lines, had)
    for school, (transfers, listed) in by_school(ulns, lines, had).items():
        names = register.loc[school].to_dict() if school in register.index else None
        due = SchoolPack(school, names, transfers, listed, 0, submitted[school])
        made = _next_file(
            ctx,
            school,
            before.get(school),
            refs[school],
            lambda n, due=due: school_files(replace(due, number=n), ctx.cycle, made_at),  # type: ignore[misc]
            again=school in again,
        )
        if made is not None:
            filled.append(SchoolFile(school, made[0], refs[school], len(transfers), len(listed), made[1]))
    findings = lines.loc[lines["code"].isin(merge_codes()), ["row_ref", "school_number", "code", "field"]]
    totals = pd.DataFrame(
        {
            "ulns": ulns.groupby(ulns["school_number"].str[:3]).size(),
            "exceptions": lines.groupby(lines["school_number"].str[:3]).size(),
        }
    ).fillna(0)
    in_files = {str(school): int(n) for school, n in ulns.groupby("school_number").size().items()}
    listed_here = AuthorityList(lines[["school_number", *EXCEPTION_COLUMNS]], refs, in_files, submitted)
    return Published(filled, findings.rename(columns={"code": "rule"}), totals.astype("int64"), listed_here)


def authority_workbook(ctx: RunContext, la_code: str, listed: AuthorityList, as_of: str) -> SchoolFile | None:
    """Make an authority's workbook if the content of one of its schools has changed; else None."""
    register = schools(ctx.root.reference)
    in_authority = register[register["la_code"] == la_code]
    due = DueToAuthority(la_code, in_authority, listed.lines, listed.ulns, listed.submissions, 0)
    ref, made_at = authority_ref(listed.refs), moment(as_of)
    before = _delivered(ctx, [la_code]).get(la_code)
    if in_authority.empty or (before is None and not listed.refs):
        return None
    made = _next_file(
        ctx,
        la_code,
        before,
        ref,
        lambda n: authority_file(replace(due, number=n), ctx.cycle, made_at),
    )
    return None if made is None else SchoolFile(la_code, made[0], ref, 0, len(listed.lines), made[1])


def _delivered(ctx: RunContext, las: list[str]) -> dict[str, pd.DataFrame]:
    """Return the deliveries to each school of some authorities, and to the authorities themselves, in order."""
    rows = ctx.lake.read("deliveries", ["school_number", "cycle", "content_ref", "number"], la_code=las)
    return {str(receiver): files for receiver, files in rows.sort_values("number").groupby("school_number", sort=False)}


def _again(ctx: RunContext, before: dict[str, pd.DataFrame]) -> set[str]:
    """Return the schools that a person wants published again (`publish_again`) and that have had no file since."""
    wanted = last_decided(ctx.lake, OperatorDecision.PUBLISH, cycle=ctx.cycle.id)
    numbers = zip(wanted["school_number"], wanted["counted"], strict=True)
    return {school for school, number in numbers if school in before and before[school]["number"].max() == number}


def _next_file(
    ctx: RunContext,
    receiver: str,
    before: pd.DataFrame | None,
    ref: str,
    make: Callable[[int], bytes],
    *,
    again: bool = False,
) -> tuple[int, bytes | Exception] | None:
    """Make a receiver's next file and its number; None if its last file of the cycle has the same content.

    With `again` the file is made all the same.
    """
    in_cycle = [] if before is None else list(before.loc[before["cycle"] == ctx.cycle.id, "content_ref"])
    if in_cycle and in_cycle[-1] == ref and not again:
        return None
    number = 1 if before is None else int(before["number"].max()) + 1
    file = capture(make, number)
    # A run that died before its commit may have left another file, which the receiver may have fetched.
    while isinstance(file, bytes) and (path := path_of(ctx, receiver, number)).exists() and path.read_bytes() != file:
        number += 1
        file = capture(make, number)
    return number, file


def path_of(ctx: RunContext, receiver: str, number: int) -> Path:
    """Return the path of a school's zip with that number, or of an authority's workbook, beside its schools' folders."""
    folder = ctx.root.dewi_outbox / receiver[:3]
    if receiver == receiver[:3]:
        return folder / authority_workbook_name(receiver, ctx.cycle.id, number)
    return folder / receiver / zip_name(receiver, ctx.cycle.id, number)


def _content(ctx: RunContext, chunk: Chunk, likely: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return `for_schools` of a chunk, and the counts of its schools (`standing.count_by_school`)."""
    lake, cycle = ctx.lake, ctx.cycle
    pupils = lake.read("pupils", ["row_ref", "school_number", *PUPIL_FIELDS], cycle=cycle.id, **chunk.where)
    upns = canonical_upn(pd.concat([pupils["upn"], pupils["former_upn"]]))
    register = register_of(lake, cycle, upn=upns)
    _, dispositions, standing = record_states(lake, cycle, register, **chunk.where)
    spelled = ["batch_ref", "upn", "given_name", "family_name", "middle_name"]
    findings = still_changed(ctx, chunk, standing, lake.read("findings", cycle=cycle.id, **chunk.where))
    columns = ["upn", "batch_ref", "return_code", "school_number"]
    exceptions = lake.read("exceptions", columns, cycle=cycle.id, upn=upns)
    sent = lake.read("batch_rows", spelled, cycle=cycle.id, upn=standing["upn"])
    release_memory()  # the scans of the country's tables took more memory than their results
    records = SchoolRecords(pupils, dispositions, standing, register, findings, exceptions, sent)
    ulns, lines = for_schools(records, texts_of(ctx.root))
    declared = pd.Series(records_by_school(ctx, list(chunk.las)), dtype="int64")
    in_chunk = sorted({*pupils["school_number"], *(chunk.schools or declared.index)})
    lines = with_likely_causes(lines, standing, likely, cause_texts(), POSSIBLE_MATCH)
    return ulns, lines, count_by_school(pupils, dispositions, standing, declared.reindex(in_chunk))
