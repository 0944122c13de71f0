"""What the stages do with a part of what the LRS answered, and for one portion of the schools after it.

As `census_work`: no engine, no effect but the result; whatever is written is written by the stage, in the run's own process.
To add a stage's work: a function here, over things that can be pickled.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from schemas.cycles import cycle_by_id, in_order, up_to
from schemas.lrs_profiles import Profile, all_profiles
from schemas.return_codes import POSSIBLE_MATCH, normalise_code
from schemas.states import BatchState, RowState
from schemas.tables import DEMOGRAPHICS, LRS_RETURNS, PUPIL_FIELDS
from tasks.code_texts import cause_texts, lrs_codes, merge_codes, texts_of
from tasks.core.identifiers import canonical_upn
from tasks.core.lrs_form import demographics, lrs_names
from tasks.core.membership import among
from tasks.core.merging import merge_answers, tie
from tasks.core.possible_match import Known, causes, lives_like, told, used_as
from tasks.core.publication import by_school, content_refs, for_schools
from tasks.ground import Ground, Lot, Portion, moment
from tasks.io.data_root import DataRoot
from tasks.io.lake import Lake, arrow_of, frame_of
from tasks.io.lrs_files import read_result, read_results, result_bytes
from tasks.io.reference import authorities, schools
from tasks.io.school_zip import zip_name
from tasks.school_files import Due, school_files
from tasks.status import purged_cycles, register_of, standing_of
from tasks.workers import tried


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
    tied = tied_answers(Lake(root.lake), rows).assign(received_at=as_of)
    tied["return_code"] = normalise_code(tied["return_code"])
    return Answers(arrow_of(LRS_RETURNS, tied), unusable)


def tied_answers(lake: Lake, answers: pd.DataFrame) -> pd.DataFrame:
    """`merging.tie` with what was sent of the learners who are answered for."""
    sent = lake.read("batch_rows", ["batch_ref", "upn", "ukprn"], upn=canonical_upn(answers["mis_identifier"]))
    return tie(answers, sent, lake.read("batches", ["batch_ref", "file_name", "cycle", "built_at"]), in_order())


def merged_answers(root: DataRoot, upns: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    """Merge: the register entries and exceptions of some learners, from every answer ever tied to them.

    Args:
        root: the data root.
        upns: the learners, canonical.

    Returns:
        As `merging.merge_answers`; and the UPNs that the register knew.
    """
    lake = Lake(root.lake)
    named = ["sha256", "ordinal", "received_at", "batch_ref", "upn", "uln", "return_code"]
    answers = lake.read("lrs_returns", named, upn=upns, tied="Y")
    held = lake.read("learners", ["upn", "uln"], upn=upns)
    sent = ["batch_ref", "upn", "row_ref", "cycle", "la_code", "school_number", "dob"]
    batch_rows = lake.read("batch_rows", sent, upn=upns)
    return *merge_answers(answers, batch_rows, lrs_codes(root), held, in_order()), held["upn"]


@dataclass(frozen=True)
class Filled:
    """What goes to one school: its zip, or why it could not be made."""

    school_number: str
    number: int
    content_ref: str
    ulns: int
    exceptions: int
    zip: bytes | Exception


@dataclass(frozen=True)
class Published:
    """What a portion's schools get now, what the service itself found on which records, and how much they hold."""

    filled: list[Filled]
    findings: pd.DataFrame
    counts: pd.DataFrame


def possible_matches(ground: Ground, lot: Lot) -> pd.DataFrame:
    """Publish: the likely cause of each possible match that the LRS answered for a lot's learners in the cycle.

    A lot's few are asked about together, so that what was sent of the whole country is looked through once a lot, and never
    once a portion.

    Returns:
        upn, batch_ref, cause.
    """
    lake, cycle = ground.lake, ground.cycle
    told = ["upn", "batch_ref", "row_ref", "school_number"]
    asked = lake.read("exceptions", told, cycle=cycle.id, return_code=POSSIBLE_MATCH, **lot.where)
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
    return Known(
        before=own.merge(then, on="then"),
        others=alike[~among(alike["batch_ref"], given_up)],
        former=lake.read("batch_rows", ["upn"], cycle=up_to(ground.cycle), upn=asked["former_upn"])["upn"],
        uses=pd.concat(uses).groupby("name", as_index=False).sum(),
        allotted_here=list(authorities()["la_code"]),
    )


def published_now(ground: Ground, portion: Portion, as_of: str, likely: pd.DataFrame) -> Published:
    """Publish: the zips of the portion's schools whose content is new.

    Args:
        ground: the data root, lake and cycle.
        portion: the schools.
        as_of: the scheduled time.
        likely: `possible_matches` of these schools at least.

    Returns:
        The zips; findings (as `own_findings.record` takes them); counts (index la_code: ulns, exceptions).
    """
    ulns, lines = _content(ground, portion, likely)
    before = ground.lake.read(
        "deliveries", ["school_number", "cycle", "content_ref", "number"], la_code=list(portion.las)
    )
    register = schools(ground.root.reference).set_index("school_number")
    made_at = moment(as_of)
    delivered = dict(iter(before.sort_values("number").groupby("school_number", sort=False)))
    filled: list[Filled] = []
    refs = content_refs(ulns, lines)
    for school, (own, listed) in by_school(ulns, lines).items():
        ref = refs[school]
        numbers = delivered.get(school, before.head(0))
        in_cycle = numbers[numbers["cycle"] == ground.cycle.id]
        if not in_cycle.empty and in_cycle["content_ref"].iloc[-1] == ref:
            continue
        number = int(numbers["number"].max()) + 1 if not numbers.empty else 1
        names = register.loc[school].to_dict() if school in register.index else None
        zipped = tried(school_files, Due(school, names, own, listed, number), ground.cycle, made_at)
        while isinstance(zipped, bytes) and _another_stands(zip_path(ground, school, number), zipped):
            number += 1
            zipped = tried(school_files, Due(school, names, own, listed, number), ground.cycle, made_at)
        filled.append(Filled(school, number, ref, len(own), len(listed), zipped))
    found = lines.loc[lines["code"].isin(merge_codes()), ["row_ref", "school_number", "code", "field"]]
    counts = pd.DataFrame(
        {
            "ulns": ulns.groupby(ulns["school_number"].str[:3]).size(),
            "exceptions": lines.groupby(lines["school_number"].str[:3]).size(),
        }
    ).fillna(0)
    return Published(filled, found.rename(columns={"code": "rule"}), counts.astype("int64"))


def zip_path(ground: Ground, school: str, number: int) -> Path:
    """Where a school's zip of that number stands."""
    return ground.root.dewi_outbox / school[:3] / school / zip_name(school, ground.cycle.id, number)


def _another_stands(path: Path, content: bytes) -> bool:
    """Whether a run that died before it wrote it down has left another file there, which the school may have fetched."""
    return path.exists() and path.read_bytes() != content


def _content(ground: Ground, portion: Portion, likely: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    lake, cycle = ground.lake, ground.cycle
    pupils = lake.read("pupils", ["row_ref", "school_number", *PUPIL_FIELDS], cycle=cycle.id, **portion.where)
    upns = canonical_upn(pd.concat([pupils["upn"], pupils["former_upn"]]))
    register = register_of(lake, cycle, upn=upns)
    _, dispositions, standing = standing_of(lake, cycle, register, **portion.where)
    ulns, lines = for_schools(
        pupils,
        dispositions,
        standing,
        register,
        lake.read("findings", cycle=cycle.id, **portion.where),
        lake.read("exceptions", ["upn", "batch_ref", "return_code"], cycle=cycle.id, upn=upns),
        texts_of(ground.root),
    )
    return ulns, told(lines, standing, likely, cause_texts(), POSSIBLE_MATCH)


#: The columns of `snapshots/<cycle>/learners.parquet`.
SNAPSHOT_COLUMNS = ("upn", "uln", "conflict", "cycle", "la_code", "school_number", "state", "batch_ref", "row_ref")


def snapshot_rows(ground: Ground, portion: Portion) -> pa.Table:
    """Snapshot: the portion's learners who were sent or have a ULN; SNAPSHOT_COLUMNS, text."""
    pupils, _, standing = standing_of(ground.lake, ground.cycle, **portion.where)
    rows = standing[standing["state"].isin([RowState.ULN.value, RowState.SENT.value, RowState.EXCEPTION.value])]
    register = register_of(ground.lake, ground.cycle, upn=rows["upn"])
    rows = rows.merge(register[["upn", "uln", "conflict"]], on="upn", how="left")
    rows = rows.merge(pupils[["row_ref", "la_code"]], on="row_ref").assign(cycle=ground.cycle.id)
    schema = pa.schema([pa.field(c, pa.string()) for c in SNAPSHOT_COLUMNS])
    return pa.Table.from_pandas(rows[list(SNAPSHOT_COLUMNS)], schema=schema, preserve_index=False)
