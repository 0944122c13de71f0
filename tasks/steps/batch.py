"""Batch: the rows that are due in a chunk, their batches, and the batches' files. The rules are in `core.batching`."""

import hashlib
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa

from schemas.lrs.profiles import BY_SERVICE, SOAP, Profile, all_profiles
from schemas.states import BatchEvent, BatchState
from schemas.tables import BATCH_ROWS, BATCHES, PUPIL_FIELDS
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.core.batch_states import change_state
from tasks.core.batching import build, free_minute, to_send
from tasks.io.data_root.reference import registration
from tasks.io.lake.lake import arrow_of
from tasks.io.lrs.files import batch_file_name, write_batch
from tasks.io.lrs.settings import lrs_service
from tasks.ledger.changed_records import COMPARED, changes
from tasks.ledger.holds import on_hold
from tasks.ledger.lrs_forms import lrs_forms
from tasks.ledger.standing import record_states, rows_held, rows_sent
from tasks.runtime.chunks import Chunk
from tasks.runtime.context import RunContext, moment
from tasks.steps.records import chosen_rows


@dataclass(frozen=True)
class BuiltBatches:
    """Batches: rows of `batches` and of `batch_rows`."""

    batches: pa.Table
    rows: pa.Table


@dataclass(frozen=True)
class DueRows:
    """A chunk's due rows.

    Attributes:
        rows: rows that may go now (`batching.to_send`).
        changed: changes in records that were sent (`superseding.changed_values`).
        on_hold: schools whose rows wait for a person (`ledger.holds`).
    """

    rows: pd.DataFrame
    changed: pd.DataFrame
    on_hold: list[str]


def due_rows(ctx: RunContext, chunk: Chunk, only: list[str] | None = None) -> DueRows:
    """Return the chunk's rows that may go now, in the LRS's form, and the records that changed since they were sent.

    Args:
        ctx: data root, lake and cycle.
        chunk: the schools.
        only: the schools among them that are batched; all if None.
    """
    lake, cycle = ctx.lake, ctx.cycle
    chosen = chosen_rows(ctx, ["school_number", "sha256", *PUPIL_FIELDS], **chunk.where)
    _, _, standing = record_states(lake, cycle, **chunk.where)
    sent, _ = rows_sent(lake, COMPARED, [cycle.id], standing["upn"])
    forms, held = lrs_forms(ctx, chosen), rows_held(lake, cycle.id, **chunk.where)
    stopped = on_hold(ctx, **chunk.where)
    goes = ~chosen["school_number"].isin(stopped) & (chosen["school_number"].isin(only) if only else True)
    may = forms[goes.to_numpy()]
    changed = changes(ctx, chunk.where, standing, forms, sent, held)
    return DueRows(to_send(standing, may, sent, held), changed, stopped)


@dataclass(frozen=True)
class ChunkBatches:
    """A chunk's batches: due (upn, known_as), the batches built, and the rest of `DueRows`."""

    due: pd.DataFrame
    built: BuiltBatches
    changed: pd.DataFrame
    on_hold: list[str]


def due_batches(ctx: RunContext, chunk: Chunk, as_of: str, only: list[str] | None) -> ChunkBatches:
    """Return the chunk's due learners and their batches."""
    due = due_rows(ctx, chunk, only)
    return ChunkBatches(due.rows[["upn", "known_as"]], batches_of(ctx, due.rows, as_of), due.changed, due.on_hold)


def batches_of(ctx: RunContext, rows: pd.DataFrame, as_of: str, *, by_service: bool | None = None) -> BuiltBatches:
    """Build batches, and make each file once for its hash.

    Args:
        ctx: data root, lake and cycle.
        rows: `DueRows.rows` of whole schools.
        as_of: the scheduled time; names the files.
        by_service: whether they are for the LRS web service; if None, the setting decides.
    """
    cycle = ctx.cycle
    by_service = lrs_service(ctx.root.reference).by_service if by_service is None else by_service
    # The cycle's layout decides the values (`lrs_forms`); file or web service decides how they are written.
    fmt, layout = (SOAP, BY_SERVICE) if by_service else (cycle.lrs_format, cycle.lrs_profile)
    profile = all_profiles(ctx.root.reference / "lrs")[layout]
    ukprns = registration(ctx.root.reference).set_index("school_number")["ukprn"].str.strip()
    ledger = ctx.lake.read("batches", ["batch_ref", "cycle", "file_name", "state", "built_at"])
    taken = set(ledger["file_name"])
    abandoned = set(ledger.loc[ledger["state"] == BatchState.ABANDONED.value, "batch_ref"])
    # The time of building decides which batch of a learner is the last. So a clock that was put back must not make a new
    # batch look older.
    as_of = max([as_of, *ledger.loc[ledger["cycle"] == cycle.id, "built_at"]])
    entries: list[dict[str, Any]] = []
    tables: list[pd.DataFrame] = []
    at = moment(as_of)
    for batch in build(rows, ukprns=ukprns, profile=profile, fmt=fmt, cycle_id=cycle.id, abandoned=abandoned):
        minute = free_minute(at, taken, lambda m, u=batch.ukprn: batch_file_name(u, m, fmt))  # type: ignore[misc]
        name = batch_file_name(batch.ukprn, minute, fmt)
        taken.add(name)
        content = write_batch(batch.rows, profile=profile, fmt=fmt, ukprn=batch.ukprn, file_name=name)
        shared = {
            "batch_ref": batch.ref,
            "cycle": cycle.id,
            "la_code": batch.school_number[:3],
            "school_number": batch.school_number,
            "ukprn": batch.ukprn,
        }
        entries.append(
            {
                **shared,
                "profile": profile.version,
                "format": fmt,
                "file_name": name,
                "file_sha256": hashlib.sha256(content).hexdigest(),
                "state": None,
                "built_at": as_of if minute <= at else minute.isoformat(timespec="minutes"),
                "sent_at": None,
                "reason": None,
                "rows": len(batch.rows),
            }
        )
        tables.append(batch.rows.assign(**shared, position=range(1, len(batch.rows) + 1)))
    if not tables:
        return BuiltBatches(BATCHES.schema.empty_table(), BATCH_ROWS.schema.empty_table())
    learners = pd.concat(tables, ignore_index=True)
    batches = pd.DataFrame(entries).astype({"state": "str", "sent_at": "str", "reason": "str"})
    return BuiltBatches(
        arrow_of(BATCHES, change_state(batches, BatchEvent.BUILT)),
        arrow_of(BATCH_ROWS, learners[[c.name for c in BATCH_ROWS.columns]]),
    )


def batch_files(ctx: RunContext, ready: pd.DataFrame) -> dict[str, bytes]:
    """Make batch files again from the ledger and compare them with the hash taken when the batches were built.

    Args:
        ctx: data root, lake and cycle.
        ready: rows of `batches`.

    Raises:
        ServiceFault: a file would differ from what was built; names the batch.
    """
    la_codes = ready["la_code"].unique().tolist()
    rows = ctx.lake.read("batch_rows", cycle=ctx.cycle.id, la_code=la_codes, batch_ref=ready["batch_ref"])
    return contents_of(ctx, ready, rows)


def contents_of(ctx: RunContext, batches: pd.DataFrame, rows: pd.DataFrame) -> dict[str, bytes]:
    """Return each batch's file content by file name.

    Args:
        ctx: data root, lake and cycle.
        batches: rows of `batches`.
        rows: their rows of `batch_rows`.

    Raises:
        ServiceFault: a file would differ from what was built; names the batch.
    """
    profiles: dict[str, Profile] = all_profiles(ctx.root.reference / "lrs")
    of_batch = rows.sort_values(["batch_ref", "position"], ignore_index=True).groupby("batch_ref", sort=False)
    files = {}
    columns = ["batch_ref", "profile", "format", "ukprn", "file_name", "file_sha256"]
    for ref, profile, fmt, ukprn, name, sha256 in zip(*(batches[c] for c in columns), strict=True):
        content = write_batch(of_batch.get_group(ref), profile=profiles[profile], fmt=fmt, ukprn=ukprn, file_name=name)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ServiceFault(bilingual("fault.batch_would_differ", ref=ref))
        files[name] = content
    return files
