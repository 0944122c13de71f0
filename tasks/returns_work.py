"""What the stages do with a part of what the LRS answered, and for one portion of the schools after it.

As `census_work`: no engine, no effect but the result; whatever is written is written by the stage, in the run's own process.
To add a stage's work: a function here, over things that can be pickled.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import pandas as pd
import pyarrow as pa

from schemas.cycles import cycle_by_id, in_order, up_to
from schemas.lrs_profiles import Profile, all_profiles
from schemas.return_codes import POSSIBLE_MATCH, normalise_code
from schemas.states import BatchState, OperatorDecision, RowState
from schemas.tables import DEMOGRAPHICS, LRS_RETURNS, PUPIL_FIELDS
from tasks.code_texts import cause_texts, lrs_codes, merge_codes, texts_of
from tasks.core.demographics import names_nobody
from tasks.core.identifiers import canonical_upn
from tasks.core.lrs_form import demographics, lrs_names
from tasks.core.membership import among
from tasks.core.merging import merge_answers, tie, tie_by_demographics
from tasks.core.possible_match import Known, causes, lives_like, told, used_as
from tasks.core.publication import EXCEPTION_COLUMNS, authority_ref, by_school, content_refs, for_schools
from tasks.core.standing import tally
from tasks.decisions import last_decided
from tasks.ground import Ground, Lot, Portion, moment, records_by_school
from tasks.io.data_root import DataRoot
from tasks.io.lake import Lake, arrow_of, frame_of
from tasks.io.lrs_files import read_result, read_results, result_bytes
from tasks.io.reference import authorities, schools
from tasks.io.school_zip import zip_name
from tasks.io.workbook import authority_workbook_name
from tasks.one_worker import give_back, tried
from tasks.school_files import Due, DueToAuthority, authority_file, school_files
from tasks.sent import those_sent
from tasks.status import purged_cycles, register_of, standing_of
from tasks.submission_slip import BATCH_COLUMNS, RECEIVED_COLUMNS, Submission, submissions
from tasks.upkeep import still_changed

Value = TypeVar("Value")


@dataclass(frozen=True)
class Answers:
    """What stands in result files: rows of `lrs_returns`, and why a file cannot be used, by its place."""

    rows: pa.Table
    unusable: dict[int, Exception]


class Growing(Exception):
    """A file that is not what it was when it was listed: it is still being written."""


def _read_whole(path: Path, sha256: str) -> bytes | Exception:
    content = tried(result_bytes, path)
    grew = isinstance(content, bytes) and hashlib.sha256(content).hexdigest() != sha256
    return Growing() if grew else content


def answers_in(root: DataRoot, paths: list[Path], hashes: list[str], as_of: str) -> Answers:
    """Collect: the answers in result files, tied to the learners sent.

    Args:
        root: the data root.
        paths: the files.
        hashes: their sha256.
        as_of: when they count as received.
    """
    profiles = all_profiles(root.reference / "lrs")
    contents = [_read_whole(path, sha256) for path, sha256 in zip(paths, hashes, strict=True)]
    places = [place for place, content in enumerate(contents) if isinstance(content, bytes)]
    unusable: dict[int, Exception] = {n: c for n, c in enumerate(contents) if isinstance(c, Exception)}
    read = tried(read_results, [contents[n] for n in places], profiles)
    if isinstance(read, Exception):
        # One odd file must not stop the others.
        results = [tried(read_result, contents[n], profiles) for n in places]
        unusable |= {n: r for n, r in zip(places, results, strict=True) if isinstance(r, Exception)}
        tables = [r.assign(file=n) for n, r in zip(places, results, strict=True) if isinstance(r, pd.DataFrame)]
        rows = pd.concat(tables, ignore_index=True) if tables else read_results([], profiles)[0]
    else:
        rows, refused = read
        unusable |= {places[n]: fault for n, fault in refused.items()}
        rows = rows.assign(file=rows["file"].map(dict(enumerate(places))))
    rows["sha256"] = rows.pop("file").map(dict(enumerate(hashes))).astype("str")
    tied = tied_answers(Lake.of(root), rows).assign(received_at=as_of)
    tied["return_code"] = normalise_code(tied["return_code"])
    return Answers(arrow_of(LRS_RETURNS, tied), unusable)


def tied_answers(lake: Lake, answers: pd.DataFrame) -> pd.DataFrame:
    """`merging.tie` with what was sent of the learners who are answered for; what it leaves, by the demographics.

    Who is named may be in an abandoned batch: the LRS has it after all. By the demographics nobody is found there, for the
    learner may have gone out since under another UPN.
    """
    sent = lake.read("batch_rows", ["batch_ref", "upn", "ukprn"], upn=canonical_upn(answers["mis_identifier"]))
    batches = lake.read("batches", ["batch_ref", "file_name", "cycle", "built_at", "state"])
    tied = tie(answers, sent, batches, in_order())
    # Few answers are left: a result file says whom it answers.
    left = tied[
        (tied["tied"] == "N") & tied[list(DEMOGRAPHICS)].notna().all(axis=1) & names_nobody(tied["mis_identifier"])
    ]
    if left.empty:
        return tied
    of_school = lake.read("batch_rows", ["batch_ref", "upn", "ukprn", *DEMOGRAPHICS], ukprn=left["ukprn"].str.strip())
    of_school = those_sent(lake, of_school, batches, in_order())
    found = tie_by_demographics(left, of_school, batches, in_order()).set_axis(left.index)
    return pd.concat([tied.drop(index=left.index), found]).sort_index()


def merged_answers(root: DataRoot, upns: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    """Merge: the register entries and exceptions of some learners, from every answer ever tied to them.

    Args:
        root: the data root.
        upns: the learners, canonical.

    Returns:
        As `merging.merge_answers`; and the UPNs that the register knew.
    """
    lake = Lake.of(root)
    named = ["sha256", "ordinal", "received_at", "batch_ref", "upn", "uln", "return_code"]
    answers = lake.read("lrs_returns", named, upn=upns, tied="Y")
    held = lake.read("learners", ["upn", "uln"], upn=upns)
    sent = ["batch_ref", "upn", "row_ref", "cycle", "la_code", "school_number", "dob"]
    batch_rows = lake.read("batch_rows", sent, upn=upns)
    return *merge_answers(answers, batch_rows, lrs_codes(root), held, in_order()), held["upn"]


@dataclass(frozen=True)
class Filled:
    """What goes to one school or authority: its file, or why it could not be made.

    Attributes:
        receiver: the school's number, or the authority's code.
        ulns: how many learners with a ULN the file names.
        exceptions: how many lines its work list has.
    """

    receiver: str
    number: int
    content_ref: str
    ulns: int
    exceptions: int
    file: bytes | Exception


@dataclass(frozen=True)
class Listed:
    """What a portion's schools tell their authorities.

    Attributes:
        lines: school_number and `publication.EXCEPTION_COLUMNS`.
        refs: of what each school gets.
        ulns: how many learners stand in each one's transfer file.
        submissions: what their slips say.
    """

    lines: pd.DataFrame
    refs: dict[str, str]
    ulns: dict[str, int]
    submissions: dict[str, Submission]

    def of(self, la_code: str) -> "Listed":
        """One authority's part."""
        lines = self.lines[self.lines["school_number"].str[:3] == la_code].reset_index(drop=True)
        return Listed(lines, _of(la_code, self.refs), _of(la_code, self.ulns), _of(la_code, self.submissions))


def _of(la_code: str, by_number: dict[str, Value]) -> dict[str, Value]:
    return {school: value for school, value in by_number.items() if school[:3] == la_code}


def together(parts: list[Listed]) -> Listed:
    """Several portions' as one; of each school no two portions tell, and of authorities that sent nothing none does."""
    nothing = pd.DataFrame({name: [] for name in ("school_number", *EXCEPTION_COLUMNS)}, dtype="str")
    lines = pd.concat([nothing, *(one.lines for one in parts)], ignore_index=True)
    lines = lines.sort_values("school_number", kind="stable")
    refs = {school: ref for one in parts for school, ref in one.refs.items()}
    ulns = {school: n for one in parts for school, n in one.ulns.items()}
    return Listed(lines, refs, ulns, {school: told for one in parts for school, told in one.submissions.items()})


@dataclass(frozen=True)
class Published:
    """What a portion's schools get now, what the service itself found on which records, and how much they hold."""

    filled: list[Filled]
    findings: pd.DataFrame
    counts: pd.DataFrame
    listed: Listed


def possible_matches(ground: Ground, lot: Lot) -> pd.DataFrame:
    """Publish: the likely cause of each possible match that the LRS answered for a lot's learners in the cycle.

    A lot's few are asked about together, so that what was sent of the whole country is looked through once a lot, and never
    once a portion.

    Returns:
        upn, batch_ref, cause.
    """
    lake, cycle = ground.lake, ground.cycle
    of_one = ["upn", "batch_ref", "row_ref", "school_number"]
    asked = lake.read("exceptions", of_one, cycle=cycle.id, return_code=POSSIBLE_MATCH, **lot.where)
    if asked.empty:
        return asked.assign(cause="")[["upn", "batch_ref", "cause"]]
    five = list(DEMOGRAPHICS)
    sent = lake.read("batch_rows", ["batch_ref", "upn", *five], cycle=cycle.id, upn=asked["upn"])
    record = ["row_ref", "former_upn", "former_surname", "nc_year"]
    records = lake.read("pupils", record, cycle=cycle.id, row_ref=asked["row_ref"], **lot.where)
    asked = asked.merge(sent, on=["batch_ref", "upn"]).merge(records, on="row_ref", how="left")
    profile = all_profiles(ground.root.reference / "lrs")[cycle.lrs_profile]
    asked["former_upn"] = canonical_upn(asked["former_upn"])
    asked["former_family_name"] = lrs_names(asked["former_surname"], profile)
    purged = purged_cycles(str(ground.root.path))
    earlier = [one for one in up_to(cycle) if one != cycle.id and one not in purged]
    asked["years_since"] = asked["school_number"].map(_years_since(ground, earlier))
    return causes(asked, _known_of(ground, asked, earlier, profile))


def _years_since(ground: Ground, earlier: list[str]) -> pd.Series:
    """How many years ago each school last sent a return in an earlier cycle; by school number."""
    received = ground.lake.read("received", ["cycle", "school_number", "kind", "status"], cycle=earlier)
    taken = received[(received["kind"] == "return") & (received["status"] == "accepted")]
    years = taken["cycle"].map({one: cycle_by_id(one).academic_year for one in earlier}).astype("float64")
    return ground.cycle.academic_year - years.groupby(taken["school_number"]).max()


def _known_of(ground: Ground, asked: pd.DataFrame, earlier: list[str], profile: Profile) -> Known:
    """What earlier returns have of some learners, and what was sent that is like them, up to the cycle."""
    lake, five = ground.lake, list(DEMOGRAPHICS)
    names = ["upn", "school_number", "surname", "forename", "gender", "dob", "postcode"]
    upns = pd.concat([asked["upn"], asked["former_upn"]])
    before = lake.read("pupils", names, cycle=earlier, upn=upns)
    own = asked[["upn", "former_upn"]].melt("upn", value_name="then")[["upn", "then"]]
    own = pd.concat([own, asked[["upn"]].assign(then=asked["upn"])]).dropna().drop_duplicates()
    then = demographics(before, profile).assign(
        school_number=before["school_number"], then=canonical_upn(before["upn"])
    )
    given_up = lake.read("batches", ["batch_ref"], state=BatchState.ABANDONED.value)["batch_ref"]
    others, uses = [], []
    for piece in lake.pieces("batch_rows", ["batch_ref", "upn", *five], cycle=up_to(ground.cycle)):
        others.append(lives_like(piece, asked))
        uses.append(used_as(piece, asked))
    alike = frame_of(pa.concat_tables(others))
    former = lake.read("batch_rows", ["upn"], cycle=up_to(ground.cycle), upn=asked["former_upn"])["upn"]
    without = lake.read("exceptions", ["upn"], cycle=up_to(ground.cycle), upn=former)["upn"]
    with_uln = register_of(lake, ground.cycle, upn=without).dropna(subset="uln")["upn"]
    return Known(
        before=own.merge(then, on="then"),
        others=alike[~among(alike["batch_ref"], given_up)],
        former=former[~among(former, without) | among(former, with_uln)],
        uses=pd.concat(uses).groupby("name", as_index=False).sum(),
        allotted_here=list(authorities()["la_code"]),
    )


def published_now(ground: Ground, portion: Portion, as_of: str, likely: pd.DataFrame) -> Published:
    """Publish: the zips of the portion's schools whose content is new; what their authorities are to be told of all.

    A school that had something and to which nothing is due any more gets a list without a line.

    Args:
        ground: the data root, lake and cycle.
        portion: the schools.
        as_of: the scheduled time.
        likely: `possible_matches` of these schools at least.

    Returns:
        The zips; findings (as `own_findings.record` takes them); counts (index la_code: ulns, exceptions).
    """
    ulns, lines, counts = _content(ground, portion, likely)
    give_back()
    submitted = _submissions(ground, portion, counts)
    before = _delivered(ground, list(portion.las))
    again = _again(ground, before)
    had = [r for r, rows in before.items() if r in submitted and rows["cycle"].eq(ground.cycle.id).any()]
    register = schools(ground.root.reference).set_index("school_number")
    made_at = moment(as_of)
    filled: list[Filled] = []
    refs = content_refs(ulns, lines, had)
    for school, (own, listed) in by_school(ulns, lines, had).items():
        names = register.loc[school].to_dict() if school in register.index else None
        due = Due(school, names, own, listed, 0, submitted[school])
        made = _next_file(
            ground,
            before.get(school),
            refs[school],
            partial(zip_path, ground, school),
            lambda n, due=due: school_files(replace(due, number=n), ground.cycle, made_at),  # type: ignore[misc]
            again=school in again,
        )
        if made is not None:
            filled.append(Filled(school, made[0], refs[school], len(own), len(listed), made[1]))
    found = lines.loc[lines["code"].isin(merge_codes()), ["row_ref", "school_number", "code", "field"]]
    totals = pd.DataFrame(
        {
            "ulns": ulns.groupby(ulns["school_number"].str[:3]).size(),
            "exceptions": lines.groupby(lines["school_number"].str[:3]).size(),
        }
    ).fillna(0)
    in_files = {str(school): int(n) for school, n in ulns.groupby("school_number").size().items()}
    listed_here = Listed(lines[["school_number", *EXCEPTION_COLUMNS]], refs, in_files, submitted)
    return Published(filled, found.rename(columns={"code": "rule"}), totals.astype("int64"), listed_here)


def for_authority(ground: Ground, la_code: str, listed: Listed, as_of: str) -> Filled | None:
    """Publish: an authority's workbook, where what one of its schools gets has changed; else None."""
    register = schools(ground.root.reference)
    own = register[register["la_code"] == la_code]
    due = DueToAuthority(la_code, own, listed.lines, listed.ulns, listed.submissions, 0)
    ref, made_at = authority_ref(listed.refs), moment(as_of)
    before = _delivered(ground, [la_code]).get(la_code)
    if own.empty or (before is None and not listed.refs):
        return None
    made = _next_file(
        ground,
        before,
        ref,
        partial(authority_path, ground, la_code),
        lambda n: authority_file(replace(due, number=n), ground.cycle, made_at),
    )
    return None if made is None else Filled(la_code, made[0], ref, 0, len(listed.lines), made[1])


def _delivered(ground: Ground, las: list[str]) -> dict[str, pd.DataFrame]:
    """What each school of some authorities, and the authorities themselves, were delivered, in order."""
    rows = ground.lake.read("deliveries", ["school_number", "cycle", "content_ref", "number"], la_code=las)
    return {str(receiver): own for receiver, own in rows.sort_values("number").groupby("school_number", sort=False)}


def _again(ground: Ground, before: dict[str, pd.DataFrame]) -> set[str]:
    """The schools that a person wants published again (`publish_again`), and that have had no file since."""
    wanted = last_decided(ground.lake, OperatorDecision.PUBLISH, cycle=ground.cycle.id)
    numbers = zip(wanted["school_number"], wanted["counted"], strict=True)
    return {school for school, number in numbers if school in before and before[school]["number"].max() == number}


def _next_file(
    ground: Ground,
    before: pd.DataFrame | None,
    ref: str,
    path: Callable[[int], Path],
    make: Callable[[int], bytes],
    *,
    again: bool = False,
) -> tuple[int, bytes | Exception] | None:
    """The next file of a receiver and its number; None where the last one of the cycle had the same content.

    With `again` there is one all the same.
    """
    in_cycle = [] if before is None else list(before.loc[before["cycle"] == ground.cycle.id, "content_ref"])
    if in_cycle and in_cycle[-1] == ref and not again:
        return None
    number = 1 if before is None else int(before["number"].max()) + 1
    file = tried(make, number)
    while isinstance(file, bytes) and _another_stands(path(number), file):
        number += 1
        file = tried(make, number)
    return number, file


def _submissions(ground: Ground, portion: Portion, counts: pd.DataFrame) -> dict[str, Submission]:
    received = ground.lake.read("received", list(RECEIVED_COLUMNS), cycle=ground.cycle.id, la_code=list(portion.las))
    batches = ground.lake.read("batches", list(BATCH_COLUMNS), cycle=ground.cycle.id, **portion.where)
    return submissions(counts, received, batches)


def path_of(ground: Ground, one: Filled) -> Path:
    """Where a school's or an authority's file stands."""
    is_school = len(one.receiver) == len("6604025")
    return (zip_path if is_school else authority_path)(ground, one.receiver, one.number)


def zip_path(ground: Ground, school: str, number: int) -> Path:
    """Where a school's zip of that number stands."""
    return ground.root.dewi_outbox / school[:3] / school / zip_name(school, ground.cycle.id, number)


def authority_path(ground: Ground, la_code: str, number: int) -> Path:
    """Where an authority's workbook of that number stands: beside the folders of its schools, where it fetches."""
    return ground.root.dewi_outbox / la_code / authority_workbook_name(la_code, ground.cycle.id, number)


def _another_stands(path: Path, content: bytes) -> bool:
    """Whether a run that died before it wrote it down has left another file there, which the receiver may have fetched."""
    return path.exists() and path.read_bytes() != content


def _content(ground: Ground, portion: Portion, likely: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """`for_schools` of a portion, and the counts of its schools (`standing.tally`)."""
    lake, cycle = ground.lake, ground.cycle
    pupils = lake.read("pupils", ["row_ref", "school_number", *PUPIL_FIELDS], cycle=cycle.id, **portion.where)
    upns = canonical_upn(pd.concat([pupils["upn"], pupils["former_upn"]]))
    register = register_of(lake, cycle, upn=upns)
    _, dispositions, standing = standing_of(lake, cycle, register, **portion.where)
    spelled = ["batch_ref", "upn", "given_name", "family_name", "middle_name"]
    findings = still_changed(ground, portion, standing, lake.read("findings", cycle=cycle.id, **portion.where))
    asked_for = ["upn", "batch_ref", "return_code", "school_number"]
    exceptions = lake.read("exceptions", asked_for, cycle=cycle.id, upn=upns)
    sent = lake.read("batch_rows", spelled, cycle=cycle.id, upn=standing["upn"])
    give_back()  # of the country's tables more was looked through than is kept
    texts = texts_of(ground.root)
    ulns, lines = for_schools(pupils, dispositions, standing, register, findings, exceptions, texts, sent)
    declared = pd.Series(records_by_school(ground, list(portion.las)), dtype="int64")
    in_portion = sorted({*pupils["school_number"], *(portion.schools or declared.index)})
    lines = told(lines, standing, likely, cause_texts(), POSSIBLE_MATCH)
    return ulns, lines, tally(pupils, dispositions, standing, declared.reindex(in_portion))


#: `snapshots/<cycle>/learners.parquet`: the learners who were sent or have a ULN, by school.
SNAPSHOT = pa.schema(
    [
        pa.field(name, pa.string())
        for name in ("la_code", "school_number", "upn", "uln", "conflict", "cycle", "state", "batch_ref", "row_ref")
    ]
)


def snapshot_rows(ground: Ground, portion: Portion) -> pa.Table:
    """Snapshot: the portion's learners, as SNAPSHOT; sorted by school, UPN and row_ref, as the portions are by school."""
    pupils, _, standing = standing_of(ground.lake, ground.cycle, **portion.where)
    rows = standing[standing["state"].isin([RowState.ULN.value, RowState.SENT.value, RowState.EXCEPTION.value])]
    register = register_of(ground.lake, ground.cycle, upn=rows["upn"])
    rows = rows.merge(register[["upn", "uln", "conflict"]], on="upn", how="left").drop(columns="upn")
    rows = rows.merge(pupils[["row_ref", "la_code", "upn"]], on="row_ref")
    rows = rows.assign(cycle=ground.cycle.id, upn=canonical_upn(rows["upn"]))
    rows = rows.sort_values(["school_number", "upn", "row_ref"])
    return pa.Table.from_pandas(rows[SNAPSHOT.names], schema=SNAPSHOT, preserve_index=False)
