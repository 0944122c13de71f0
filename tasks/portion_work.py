"""What the stages do for one portion of the schools: read their slices of the lake, call the core, give tables back.

No engine and no effect but the result, so that a worker may do it, be lost and be replaced. Whatever is written is written
by the stage, in the run's own process.
To add a stage's work: a function of a ground and a portion here, over things that can be pickled.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from expectations.runner import ready as load_rules
from schemas.cycles import in_order
from schemas.faults import ServiceFault
from schemas.lrs_profiles import Profile, all_profiles
from schemas.plasc_layouts import all_layouts
from schemas.return_codes import normalise_code
from schemas.states import BatchState, Disposition, NotChosen, RowState, Severity
from schemas.tables import BATCH_ROWS, BATCHES, DISPOSITIONS, FINDINGS, LRS_RETURNS, PUPIL_FIELDS, PUPILS, SENT_FIELDS
from schemas.texts import both
from tasks.check import apply_rules
from tasks.code_texts import lrs_codes, merge_codes, texts_of
from tasks.core.batching import build, free_minute, to_send
from tasks.core.evidence import repeated_upns
from tasks.core.identifiers import canonical_upn
from tasks.core.lrs_form import lrs_rows
from tasks.core.membership import among
from tasks.core.merging import merge_answers, tie
from tasks.core.publication import by_school, content_refs, for_schools
from tasks.core.readiness import missing_things
from tasks.core.selection import current_returns
from tasks.core.selection import select as decide
from tasks.ground import Ground, Portion
from tasks.io.data_root import DataRoot
from tasks.io.dewi_inbox import document_at
from tasks.io.lake import Lake, arrow_of
from tasks.io.lrs_files import batch_file_name, read_result, read_results, write_batch
from tasks.io.plasc_xml import read_pupils
from tasks.io.reference import opt_outs, registration, schools
from tasks.school_files import Due, school_files
from tasks.status import blocked_rows, register_of, standing_of
from tasks.workers import tried


@dataclass(frozen=True)
class ReadReturns:
    """The returns of an authority, read.

    Attributes:
        pupils: rows of `pupils`.
        records: how many each return has, by its sha256.
        faults: of the returns that could not be read, by school number.
    """

    pupils: pa.Table
    records: dict[str, int]
    faults: list[tuple[str, Exception]]


def read_returns(ground: Ground, received: list[dict[str, Any]]) -> ReadReturns:
    """Read: an authority's returns; one that cannot be read does not stop the others.

    Args:
        ground: the data root, lake and cycle.
        received: what `pupil_rows` takes of each.
    """
    tables: list[pa.Table] = [PUPILS.schema.empty_table()]
    records: dict[str, int] = {}
    faults: list[tuple[str, Exception]] = []
    for one in received:
        found = tried(pupil_rows, ground, one)
        if isinstance(found, Exception):
            faults.append((str(one["school_number"]), found))
        else:
            tables.append(found)
            records[one["sha256"]] = len(found)
    return ReadReturns(arrow_of(PUPILS, pa.concat_tables(tables)), records, faults)


def warm() -> None:
    """What a worker of a census does at once: load this module and what it needs, and the library of the rules."""
    load_rules()


def pupil_rows(ground: Ground, received: dict[str, Any]) -> pa.Table:
    """The rows of `pupils` in one return.

    Args:
        ground: the data root, lake and cycle.
        received: its row of `received`: path, sha256, la_code, school_number, layout, declared, unknown_elements.

    Raises:
        ServiceFault: the file has gone or changed.
    """
    sha256 = received["sha256"]
    content = document_at(ground.root.dewi_inbox, received["path"], sha256)
    unknown = received["unknown_elements"]
    pupils = read_pupils(
        content,
        received["layout"],
        all_layouts(),
        declared=int(received["declared"]),
        unknown_elements=json.loads(unknown) if isinstance(unknown, str) else {},
    )
    of_return = {
        "cycle": ground.cycle.id,
        "la_code": received["la_code"],
        "school_number": received["school_number"],
        "sha256": sha256,
    }
    for name, value in of_return.items():
        pupils = pupils.append_column(name, pa.array([value] * len(pupils), pa.string()))
    refs = [row_ref(sha256, ordinal) for ordinal in pupils["ordinal"].to_pylist()]
    return pupils.append_column("row_ref", pa.array(refs, pa.string())).select(PUPILS.schema.names).cast(PUPILS.schema)


def row_ref(sha256: str, ordinal: int) -> str:
    """The reference of a record: its file's content and its place in it, nothing of the pupil."""
    return hashlib.sha256(f"{sha256}:{ordinal}".encode()).hexdigest()[:24]


_SELECTED_BY = ["row_ref", "school_number", "sha256", "upn", "former_upn", "uln", "dob", "nc_year", "enrol_status"]


def dispositions_of(ground: Ground, portion: Portion, held: pd.DataFrame) -> pa.Table:
    """Select: the portion's rows of `dispositions`.

    Args:
        ground: the data root, lake and cycle.
        portion: the schools.
        held: upn, uln, dob; what earlier cycles left in the register, of these pupils at least.
    """
    cycle = ground.cycle
    received = ground.lake.read("received", cycle=cycle.id, **portion.where)
    # Also one that could not be read yet: what an older one says is out of date and must not be sent in its place.
    returns = received[(received["status"] == "accepted") & (received["kind"] == "return")]
    pupils = ground.lake.read("pupils", [*_SELECTED_BY, "la_code"], cycle=cycle.id, **portion.where)
    reference = ground.root.reference
    rows = decide(
        pupils,
        cycle=cycle,
        current=current_returns(returns),
        missing=missing_things(schools(reference), registration(reference), cycle),
        held=held,
    )
    return arrow_of(DISPOSITIONS, rows.assign(cycle=cycle.id, la_code=pupils["la_code"]))


def chosen_rows(ground: Ground, columns: list[str] | None = None, **where: Any) -> pd.DataFrame:
    """The chosen records of a cycle, or of some schools in it.

    Args:
        ground: the data root, lake and cycle.
        columns: pupil columns besides row_ref; all where None.
        where: further conditions, such as la_code.
    """
    decided = ground.lake.read("dispositions", ["row_ref", "disposition"], cycle=ground.cycle.id, **where)
    wanted = None if columns is None else ["row_ref", *columns]
    chosen = decided.loc[decided["disposition"] == Disposition.CHOSEN.value, "row_ref"]
    return ground.lake.read("pupils", wanted, cycle=ground.cycle.id, row_ref=chosen, **where)


def chosen_upns(ground: Ground, portion: Portion) -> pd.DataFrame:
    """Cross-check: which UPN is chosen in which school, each pair once: upn (canonical), school_number."""
    chosen = chosen_rows(ground, ["upn", "school_number"], **portion.where)
    return chosen.assign(upn=canonical_upn(chosen["upn"]))[["upn", "school_number"]].dropna().drop_duplicates()


@dataclass(frozen=True)
class Judged:
    """What the rules found in a portion: rows of `findings`; la_code and held of every chosen record."""

    findings: pa.Table
    chosen: pd.DataFrame


def judged(ground: Ground, portion: Portion) -> Judged:
    """Validate: the rules over the portion's chosen rows."""
    chosen = chosen_rows(ground, ["la_code", "school_number", *PUPIL_FIELDS], **portion.where)
    shared = ground.lake.read("shared_upns", ["upn"], cycle=ground.cycle.id)["upn"]
    profile = all_profiles(ground.root.reference / "lrs")[ground.cycle.lrs_profile]
    result = apply_rules(chosen, ground.cycle, profile, shared, repeated_upns(_current_rows(ground, portion)))
    findings = result.findings.merge(chosen[["row_ref", "la_code", "school_number"]], on="row_ref")
    findings = findings.assign(cycle=ground.cycle.id)
    blocking = findings.loc[findings["severity"] == Severity.BLOCKING.value, "row_ref"]
    held = chosen[["la_code"]].assign(held=among(chosen["row_ref"], blocking))
    return Judged(arrow_of(FINDINGS, findings.astype("str")), held)


def _current_rows(ground: Ground, portion: Portion) -> pd.DataFrame:
    """The rows of the schools' current returns, chosen or not: school_number, upn, enrol_status."""
    decided = ground.lake.read("dispositions", ["row_ref", "reason"], cycle=ground.cycle.id, **portion.where)
    wanted = ["row_ref", "school_number", "upn", "enrol_status"]
    pupils = ground.lake.read("pupils", wanted, cycle=ground.cycle.id, **portion.where)
    older = decided.loc[decided["reason"] == NotChosen.SUPERSEDED_RETURN.value, "row_ref"]
    return pupils[~among(pupils["row_ref"], older)]


@dataclass(frozen=True)
class Built:
    """Batches: rows of `batches` and of `batch_rows`."""

    batches: pa.Table
    rows: pa.Table


def due_rows(ground: Ground, portion: Portion, only: list[str] | None = None) -> pd.DataFrame:
    """Batch: the portion's rows that may go now, in the LRS form.

    Args:
        ground: the data root, lake and cycle.
        portion: the schools.
        only: of these, the ones that are batched; all where None.

    Returns:
        As `batching.to_send`.
    """
    lake, cycle = ground.lake, ground.cycle
    chosen = chosen_rows(ground, ["school_number", "sha256", *PUPIL_FIELDS], **portion.where)
    if only:
        chosen = chosen[chosen["school_number"].isin(only)].reset_index(drop=True)
    ledger = lake.read("batches", ["batch_ref", "state"])
    live = ledger.loc[ledger["state"] != BatchState.ABANDONED.value, "batch_ref"]
    upns = canonical_upn(chosen["upn"])
    in_cycle = lake.read("batch_rows", ["batch_ref", "upn", *SENT_FIELDS], cycle=cycle.id, upn=upns)
    _, _, standing = standing_of(lake, cycle, **portion.where)
    return to_send(
        standing,
        _forms(ground, chosen),
        in_cycle[among(in_cycle["batch_ref"], live)],
        blocked_rows(lake, cycle.id, **portion.where),
    )


def due_batches(ground: Ground, portion: Portion, as_of: str, only: list[str] | None) -> tuple[pd.Series, Built]:
    """Batch: the UPNs that are due in the portion, and the batches of them."""
    rows = due_rows(ground, portion, only)
    return rows["upn"], batches_of(ground, rows, as_of)


def batches_of(ground: Ground, rows: pd.DataFrame, as_of: str) -> Built:
    """Build batches, and write each once to know its hash.

    Args:
        ground: the data root, lake and cycle.
        rows: `due_rows` of whole schools.
        as_of: the scheduled time; names the files.
    """
    cycle, fmt = ground.cycle, ground.cycle.lrs_format
    profile = all_profiles(ground.root.reference / "lrs")[cycle.lrs_profile]
    ukprns = registration(ground.root.reference).set_index("school_number")["ukprn"].str.strip()
    taken = set(ground.lake.read("batches", ["file_name"])["file_name"])
    entries: list[dict[str, Any]] = []
    tables: list[pd.DataFrame] = []
    at = pd.Timestamp(as_of).to_pydatetime()
    for one in build(rows, ukprns=ukprns, profile=profile, fmt=fmt, cycle_id=cycle.id):
        minute = free_minute(at, taken, lambda m, u=one.ukprn: batch_file_name(u, m, fmt))  # type: ignore[misc]
        name = batch_file_name(one.ukprn, minute, fmt)
        taken.add(name)
        content = write_batch(one.rows, profile=profile, fmt=fmt, ukprn=one.ukprn, file_name=name)
        shared = {
            "batch_ref": one.ref,
            "cycle": cycle.id,
            "la_code": one.school_number[:3],
            "school_number": one.school_number,
            "ukprn": one.ukprn,
        }
        entries.append(
            {
                **shared,
                "profile": profile.version,
                "format": fmt,
                "file_name": name,
                "file_sha256": hashlib.sha256(content).hexdigest(),
                "state": BatchState.READY.value,
                "built_at": as_of,
                "sent_at": None,
                "reason": None,
                "rows": len(one.rows),
            }
        )
        tables.append(one.rows.assign(**shared, position=range(1, len(one.rows) + 1)))
    if not tables:
        return Built(BATCHES.schema.empty_table(), BATCH_ROWS.schema.empty_table())
    learners = pd.concat(tables, ignore_index=True)
    return Built(
        arrow_of(BATCHES, pd.DataFrame(entries).astype({"sent_at": "str", "reason": "str"})),
        arrow_of(BATCH_ROWS, learners[[c.name for c in BATCH_ROWS.columns]]),
    )


def _forms(ground: Ground, chosen: pd.DataFrame) -> pd.DataFrame:
    """The LRS form of the rows. The privacy notice counts as seen where it was issued by the return's census day."""
    profile = all_profiles(ground.root.reference / "lrs")[ground.cycle.lrs_profile]
    received = ground.lake.read("received", ["sha256", "census_date"], cycle=ground.cycle.id)
    day = chosen["sha256"].map(received.set_index("sha256")["census_date"])
    register = registration(ground.root.reference).set_index("school_number")
    notice = chosen["school_number"].map(register["privacy_notice_on"])
    opted_out = among(canonical_upn(chosen["upn"]), canonical_upn(opt_outs(ground.root.reference)["upn"]))
    seen = notice.notna() & (notice.fillna("9999") <= day.fillna(""))
    forms = lrs_rows(chosen, profile, seen, opted_out)
    return forms[["upn", *SENT_FIELDS, "ability_to_share"]].assign(row_ref=chosen["row_ref"].to_numpy())


def batch_files(ground: Ground, ready: pd.DataFrame) -> dict[str, bytes]:
    """Release: batch files, made again from the ledger and held against the hash taken when they were built.

    Args:
        ground: the data root, lake and cycle.
        ready: rows of `batches`.

    Raises:
        ServiceFault: a file would not be what was built; names the batch.
    """
    profiles: dict[str, Profile] = all_profiles(ground.root.reference / "lrs")
    rows = ground.lake.read(
        "batch_rows", cycle=ground.cycle.id, la_code=ready["la_code"].unique().tolist(), batch_ref=ready["batch_ref"]
    ).sort_values(["batch_ref", "position"], ignore_index=True)
    of_batch = rows.groupby("batch_ref", sort=False)
    files = {}
    columns = ["batch_ref", "profile", "format", "ukprn", "file_name", "file_sha256"]
    for ref, profile, fmt, ukprn, name, sha256 in zip(*(ready[c] for c in columns), strict=True):
        content = write_batch(of_batch.get_group(ref), profile=profiles[profile], fmt=fmt, ukprn=ukprn, file_name=name)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ServiceFault(both("fault.batch_would_differ", ref=ref))
        files[name] = content
    return files


@dataclass(frozen=True)
class Answers:
    """What stands in result files: rows of `lrs_returns`, and why a file cannot be used, by its place."""

    rows: pa.Table
    unusable: dict[int, Exception]


class Growing(Exception):
    """A file that is not what it was when it was listed: it is still being written."""


def _read_whole(path: Path, sha256: str) -> bytes | Exception:
    content = tried(Path.read_bytes, path)
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
    # However a file of the LRS wrote their UPNs.
    spellings = lake.distinct("lrs_returns", "mis_identifier", tied="Y")
    answers = lake.read("lrs_returns", mis_identifier=spellings[among(canonical_upn(spellings), upns)], tied="Y")
    held = lake.read("learners", ["upn", "uln"], upn=upns)
    batch_rows = lake.read("batch_rows", upn=upns)
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
    """What a portion's schools get now, what merging found on which records, and how much they hold by authority."""

    filled: list[Filled]
    conflicts: pd.DataFrame
    counts: pd.DataFrame


def published_now(ground: Ground, portion: Portion, as_of: str) -> Published:
    """Publish: the zips of the portion's schools whose content is new.

    Returns:
        The zips; conflicts (row_ref, rule, school_number); counts (index la_code: ulns, exceptions).
    """
    ulns, lines = _content(ground, portion)
    before = ground.lake.read(
        "deliveries", ["school_number", "cycle", "content_ref", "number"], la_code=list(portion.las)
    )
    register = schools(ground.root.reference).set_index("school_number")
    made_at = pd.Timestamp(as_of).to_pydatetime()
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
        filled.append(Filled(school, number, ref, len(own), len(listed), zipped))
    found = lines.loc[lines["code"].isin(merge_codes()), ["row_ref", "code", "school_number"]]
    counts = pd.DataFrame(
        {
            "ulns": ulns.groupby(ulns["school_number"].str[:3]).size(),
            "exceptions": lines.groupby(lines["school_number"].str[:3]).size(),
        }
    ).fillna(0)
    return Published(filled, found.rename(columns={"code": "rule"}), counts.astype("int64"))


def _content(ground: Ground, portion: Portion) -> tuple[pd.DataFrame, pd.DataFrame]:
    lake, cycle = ground.lake, ground.cycle
    _, dispositions, standing = standing_of(lake, cycle, **portion.where)
    pupils = lake.read("pupils", ["row_ref", "school_number", *PUPIL_FIELDS], cycle=cycle.id, **portion.where)
    upns = canonical_upn(pd.concat([pupils["upn"], pupils["former_upn"]]))
    return for_schools(
        pupils,
        dispositions,
        standing,
        register_of(lake, cycle, upn=upns),
        lake.read("findings", cycle=cycle.id, **portion.where),
        lake.read("exceptions", ["upn", "batch_ref", "return_code"], cycle=cycle.id, upn=upns),
        texts_of(ground.root),
    )


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
