"""What the census's stages do for one portion of the schools: read slices of the lake, call the core, give tables back.

No engine and no effect but the result, so that a worker may do it, be lost and be replaced. Whatever is written is written
by the stage, in the run's own process. The stages after the LRS has answered have theirs in `returns_work`.
To add a stage's work: a function of a ground and a portion here, over things that can be pickled.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

from expectations.runner import ready as load_rules
from schemas.cycles import up_to
from schemas.faults import ServiceFault
from schemas.lrs_profiles import BY_SERVICE, SOAP, Profile, all_profiles
from schemas.plasc_layouts import all_layouts, request_layouts
from schemas.states import BatchState, Disposition, NotChosen, Severity
from schemas.tables import BATCH_ROWS, BATCHES, DISPOSITIONS, FINDINGS, PUPIL_FIELDS, PUPILS, SENT_FIELDS
from schemas.texts import both
from tasks.check import apply_rules
from tasks.core.batching import build, free_minute, to_send
from tasks.core.evidence import repeated_upns
from tasks.core.identifiers import canonical_upn
from tasks.core.lrs_form import lrs_rows
from tasks.core.membership import among
from tasks.core.one_learner import known_as, second_upns
from tasks.core.readiness import missing_things
from tasks.core.selection import current_returns, moments, replaced_records
from tasks.core.selection import select as decide
from tasks.ground import Ground, Portion, moment
from tasks.holds import on_hold
from tasks.io.dewi_inbox import document_at
from tasks.io.lake import arrow_of
from tasks.io.lrs_files import batch_file_name, write_batch
from tasks.io.lrs_settings import lrs_service
from tasks.io.plasc_xml import read_pupils
from tasks.io.reference import registration, schools
from tasks.lrs_forms import lrs_forms
from tasks.one_worker import tried
from tasks.sent import rows_sent, those_sent
from tasks.status import blocked_rows, standing_of
from tasks.upkeep import COMPARED, changes


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
        elsewhere=asked_elsewhere(ground, **portion.where),
        replaced=_replaced(ground, portion, returns),
    )
    return arrow_of(DISPOSITIONS, rows.assign(cycle=cycle.id, la_code=pupils["la_code"]))


def _replaced(ground: Ground, portion: Portion, returns: pd.DataFrame) -> pd.Series:
    """`replaced_records` of the portion; most have none, as their schools send returns."""
    requests = returns[returns["layout"].isin(request_layouts())]
    if requests.empty:
        return pd.Series(dtype="str")  # without a look into the pupils
    said = ["row_ref", "school_number", "sha256", "upn", "surname", "forename", "dob"]
    records = ground.lake.read("pupils", said, cycle=ground.cycle.id, sha256=requests["sha256"], **portion.where)
    return replaced_records(records, requests)


def chosen_rows(ground: Ground, columns: list[str], **where: Any) -> pd.DataFrame:
    """The chosen records of a cycle, or of some schools in it.

    Args:
        ground: the data root, lake and cycle.
        columns: pupil columns besides row_ref.
        where: further conditions, such as la_code.
    """
    decided = ground.lake.read("dispositions", ["row_ref", "disposition"], cycle=ground.cycle.id, **where)
    chosen = decided.loc[decided["disposition"] == Disposition.CHOSEN.value, "row_ref"]
    return ground.lake.read("pupils", ["row_ref", *columns], cycle=ground.cycle.id, row_ref=chosen, **where)


def asked_elsewhere(ground: Ground, **where: Any) -> pd.Series:
    """The row_refs of a cycle, or of some schools in it, for whose learners another school asks."""
    reason = NotChosen.ASKED_ELSEWHERE.value
    rows = ground.lake.read("dispositions", ["row_ref"], cycle=ground.cycle.id, reason=reason, **where)
    found: pd.Series = rows["row_ref"]
    return found


def chosen_upns(ground: Ground, portion: Portion) -> pd.DataFrame:
    """Cross-check: which UPN a record asks with, or would if no other school did: row_ref, upn (canonical), school_number."""
    decided = ground.lake.read(
        "dispositions", ["row_ref", "disposition", "reason"], cycle=ground.cycle.id, **portion.where
    )
    asks = decided["disposition"].eq(Disposition.CHOSEN.value) | decided["reason"].eq(NotChosen.ASKED_ELSEWHERE.value)
    wanted = ["row_ref", "upn", "school_number"]
    rows = ground.lake.read(
        "pupils", wanted, cycle=ground.cycle.id, row_ref=decided.loc[asks, "row_ref"], **portion.where
    )
    return rows.assign(upn=canonical_upn(rows["upn"])).dropna()


def claimed(ground: Ground, shared: pd.DataFrame) -> pd.DataFrame:
    """Cross-check: what the records of UPNs that stand in two schools say, as `one_learner.giving_way` takes them.

    Args:
        ground: the data root, lake and cycle.
        shared: row_ref, upn, school_number; few.
    """
    lake, las = ground.lake, sorted(set(shared["school_number"].str[:3]))
    pupils = lake.read("pupils", cycle=ground.cycle.id, la_code=las, row_ref=shared["row_ref"])
    made = lake.read("received", ["sha256", "header_datetime"], sha256=pupils["sha256"]).set_index("sha256")
    forms = _plain_forms(ground, pupils)
    return forms.assign(
        **{name: pupils[name] for name in ("row_ref", "school_number", "enrol_status")},
        at=moments(pupils["sha256"].map(made["header_datetime"]).astype("str")),
    )


def _plain_forms(ground: Ground, pupils: pd.DataFrame) -> pd.DataFrame:
    """What would be sent of pupils' records, to compare by; whether they share is left open."""
    profile = all_profiles(ground.root.reference / "lrs")[ground.cycle.lrs_profile]
    no = pd.Series(False, index=pupils.index)
    return lrs_rows(pupils, profile, no, no)[["upn", *SENT_FIELDS]]


@dataclass(frozen=True)
class Judged:
    """What the rules found in a portion: rows of `findings`; la_code and held of every chosen record; rule, tried, failed."""

    findings: pa.Table
    chosen: pd.DataFrame
    tried: pd.DataFrame


def judged(ground: Ground, portion: Portion) -> Judged:
    """Validate: the rules over the portion's chosen rows."""
    chosen = chosen_rows(ground, ["la_code", "school_number", *PUPIL_FIELDS], **portion.where)
    shared = ground.lake.read("shared_upns", ["upn"], cycle=ground.cycle.id)["upn"]
    profile = all_profiles(ground.root.reference / "lrs")[ground.cycle.lrs_profile]
    current = current_rows(ground, portion)
    second = _second_upns(ground, portion, chosen, current)
    result = apply_rules(chosen, ground.cycle, profile, shared, repeated_upns(current), second)
    findings = result.findings.merge(chosen[["row_ref", "la_code", "school_number"]], on="row_ref")
    findings = findings.assign(cycle=ground.cycle.id)
    blocking = findings.loc[findings["severity"] == Severity.BLOCKING.value, "row_ref"]
    held = chosen[["la_code"]].assign(held=among(chosen["row_ref"], blocking))
    return Judged(arrow_of(FINDINGS, findings.astype("str")), held, result.tried)


def _second_upns(ground: Ground, portion: Portion, chosen: pd.DataFrame, current: pd.DataFrame) -> pd.Series:
    """The row_refs of chosen records that look like a second UPN of a learner sent before (`one_learner.second_upns`).

    Looked for among the UPNs that schools of the same authority allotted: that of a school far away is told once the LRS
    has answered (LRS03), for to look through the whole country for each portion grows with the square of it.
    """
    lake, seen, none = ground.lake, up_to(ground.cycle), pd.Series(dtype="str")
    if chosen.empty or lake.version("batch_rows") < 0:
        return none
    upn, former = canonical_upn(chosen["upn"]), canonical_upn(chosen["former_upn"])
    names = pd.concat([upn, former])
    ledger, batches = rows_sent(lake, ["batch_ref", "upn", "given_name", "dob", "gender"], seen, names)
    records = chosen[["forename", "dob", "gender"]].assign(upn=upn, former_upn=former)
    new = chosen[~among(known_as(records, ledger), ledger["upn"])].reset_index(drop=True)
    forms = _plain_forms(ground, new).assign(row_ref=new["row_ref"], school_number=new["school_number"])
    columns = ["batch_ref", "upn", "school_number", *SENT_FIELDS]
    alike = lake.read("batch_rows", columns, cycle=seen, area=list(portion.las), dob=forms["dob"])
    alike = those_sent(lake, alike, batches, seen)
    if alike.empty:
        return none
    there = forms["school_number"].str[:3]
    found = [
        second_upns(forms[there == la], alike[alike["upn"].str[1:4] == la], canonical_upn(current["upn"]))
        for la in portion.las
    ]
    second: pd.Series = pd.concat([none, *found])
    return second


def current_rows(ground: Ground, portion: Portion) -> pd.DataFrame:
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


@dataclass(frozen=True)
class Due:
    """The rows that may go now (`batching.to_send`), and what changed in those that went (`superseding.changed`).

    Attributes:
        on_hold: the schools whose rows wait for a person (`holds`).
    """

    rows: pd.DataFrame
    changed: pd.DataFrame
    on_hold: list[str]


def due_rows(ground: Ground, portion: Portion, only: list[str] | None = None) -> Due:
    """Batch: the portion's rows that may go now, in the LRS form; and what is otherwise than it was sent.

    Args:
        ground: the data root, lake and cycle.
        portion: the schools.
        only: of these, the ones that are batched; all where None.
    """
    lake, cycle = ground.lake, ground.cycle
    chosen = chosen_rows(ground, ["school_number", "sha256", *PUPIL_FIELDS], **portion.where)
    _, _, standing = standing_of(lake, cycle, **portion.where)
    sent, _ = rows_sent(lake, COMPARED, [cycle.id], standing["upn"])
    forms, blocked = lrs_forms(ground, chosen), blocked_rows(lake, cycle.id, **portion.where)
    stopped = on_hold(ground, **portion.where)
    goes = ~chosen["school_number"].isin(stopped) & (chosen["school_number"].isin(only) if only else True)
    may = forms[goes.to_numpy()]
    changed = changes(ground, portion.where, standing, forms, sent, blocked)
    return Due(to_send(standing, may, sent, blocked), changed, stopped)


@dataclass(frozen=True)
class Batched:
    """A portion batched: who was due (upn, known_as), the batches of them, and the rest of `Due`."""

    due: pd.DataFrame
    built: Built
    changed: pd.DataFrame
    on_hold: list[str]


def due_batches(ground: Ground, portion: Portion, as_of: str, only: list[str] | None) -> Batched:
    """Batch: what is due in the portion, and the batches of it."""
    due = due_rows(ground, portion, only)
    return Batched(due.rows[["upn", "known_as"]], batches_of(ground, due.rows, as_of), due.changed, due.on_hold)


def batches_of(ground: Ground, rows: pd.DataFrame, as_of: str, *, by_service: bool | None = None) -> Built:
    """Build batches, and write each once to know its hash.

    Args:
        ground: the data root, lake and cycle.
        rows: `Due.rows` of whole schools.
        as_of: the scheduled time; names the files.
        by_service: whether they are for the LRS web service; as it is set where None.
    """
    cycle = ground.cycle
    by_service = lrs_service(ground.root.reference).by_service if by_service is None else by_service
    # What a learner says follows from the cycle's own layout (`lrs_forms`); how it is written, from the way it goes.
    fmt, layout = (SOAP, BY_SERVICE) if by_service else (cycle.lrs_format, cycle.lrs_profile)
    profile = all_profiles(ground.root.reference / "lrs")[layout]
    ukprns = registration(ground.root.reference).set_index("school_number")["ukprn"].str.strip()
    ledger = ground.lake.read("batches", ["batch_ref", "cycle", "file_name", "state", "built_at"])
    taken = set(ledger["file_name"])
    abandoned = set(ledger.loc[ledger["state"] == BatchState.ABANDONED.value, "batch_ref"])
    # Which batch of a learner is the last goes by when it was built: a clock that was put back must not make an earlier
    # one of it.
    as_of = max([as_of, *ledger.loc[ledger["cycle"] == cycle.id, "built_at"]])
    entries: list[dict[str, Any]] = []
    tables: list[pd.DataFrame] = []
    at = moment(as_of)
    for one in build(rows, ukprns=ukprns, profile=profile, fmt=fmt, cycle_id=cycle.id, abandoned=abandoned):
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
                "built_at": as_of if minute <= at else minute.isoformat(timespec="minutes"),
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


def batch_files(ground: Ground, ready: pd.DataFrame) -> dict[str, bytes]:
    """Release: batch files, made again from the ledger and held against the hash taken when they were built.

    Args:
        ground: the data root, lake and cycle.
        ready: rows of `batches`.

    Raises:
        ServiceFault: a file would not be what was built; names the batch.
    """
    la_codes = ready["la_code"].unique().tolist()
    rows = ground.lake.read("batch_rows", cycle=ground.cycle.id, la_code=la_codes, batch_ref=ready["batch_ref"])
    return contents_of(ground, ready, rows)


def contents_of(ground: Ground, batches: pd.DataFrame, rows: pd.DataFrame) -> dict[str, bytes]:
    """What each batch hands over, by its file name.

    Args:
        ground: the data root, lake and cycle.
        batches: rows of `batches`.
        rows: those of `batch_rows`.

    Raises:
        ServiceFault: it would not be what was built; names the batch.
    """
    profiles: dict[str, Profile] = all_profiles(ground.root.reference / "lrs")
    of_batch = rows.sort_values(["batch_ref", "position"], ignore_index=True).groupby("batch_ref", sort=False)
    files = {}
    columns = ["batch_ref", "profile", "format", "ukprn", "file_name", "file_sha256"]
    for ref, profile, fmt, ukprn, name, sha256 in zip(*(batches[c] for c in columns), strict=True):
        content = write_batch(of_batch.get_group(ref), profile=profiles[profile], fmt=fmt, ukprn=ukprn, file_name=name)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ServiceFault(both("fault.batch_would_differ", ref=ref))
        files[name] = content
    return files
