"""Batch: the rows that are due in a chunk, and the batches made of them."""

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
from tasks.ledger.sent import rows_sent
from tasks.ledger.standing import record_states, rows_held
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
    """The rows that may go now (`batching.to_send`), and what changed in those that went (`superseding.changed_values`).

    Attributes:
        on_hold: the schools whose rows wait for a person (`holds`).
    """

    rows: pd.DataFrame
    changed: pd.DataFrame
    on_hold: list[str]


def due_rows(ctx: RunContext, chunk: Chunk, only: list[str] | None = None) -> DueRows:
    """Batch: the chunk's rows that may go now, in the LRS form; and what is otherwise than it was sent.

    Args:
        ctx: data root, lake and cycle.
        chunk: the schools.
        only: of these, the ones that are batched; all where None.
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
    """A chunk batched: who was due (upn, known_as), the batches of them, and the rest of `DueRows`."""

    due: pd.DataFrame
    built: BuiltBatches
    changed: pd.DataFrame
    on_hold: list[str]


def due_batches(ctx: RunContext, chunk: Chunk, as_of: str, only: list[str] | None) -> ChunkBatches:
    """Batch: what is due in the chunk, and the batches of it."""
    due = due_rows(ctx, chunk, only)
    return ChunkBatches(due.rows[["upn", "known_as"]], batches_of(ctx, due.rows, as_of), due.changed, due.on_hold)


def batches_of(ctx: RunContext, rows: pd.DataFrame, as_of: str, *, by_service: bool | None = None) -> BuiltBatches:
    """Build batches, and write each once to know its hash.

    Args:
        ctx: data root, lake and cycle.
        rows: `Due.rows` of whole schools.
        as_of: the scheduled time; names the files.
        by_service: whether they are for the LRS web service; as it is set where None.
    """
    cycle = ctx.cycle
    by_service = lrs_service(ctx.root.reference).by_service if by_service is None else by_service
    # What a learner says follows from the cycle's own layout (`lrs_forms`); how it is written, from the way it goes.
    fmt, layout = (SOAP, BY_SERVICE) if by_service else (cycle.lrs_format, cycle.lrs_profile)
    profile = all_profiles(ctx.root.reference / "lrs")[layout]
    ukprns = registration(ctx.root.reference).set_index("school_number")["ukprn"].str.strip()
    ledger = ctx.lake.read("batches", ["batch_ref", "cycle", "file_name", "state", "built_at"])
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
                "state": None,
                "built_at": as_of if minute <= at else minute.isoformat(timespec="minutes"),
                "sent_at": None,
                "reason": None,
                "rows": len(one.rows),
            }
        )
        tables.append(one.rows.assign(**shared, position=range(1, len(one.rows) + 1)))
    if not tables:
        return BuiltBatches(BATCHES.schema.empty_table(), BATCH_ROWS.schema.empty_table())
    learners = pd.concat(tables, ignore_index=True)
    batches = pd.DataFrame(entries).astype({"state": "str", "sent_at": "str", "reason": "str"})
    return BuiltBatches(
        arrow_of(BATCHES, change_state(batches, BatchEvent.BUILT)),
        arrow_of(BATCH_ROWS, learners[[c.name for c in BATCH_ROWS.columns]]),
    )


def batch_files(ctx: RunContext, ready: pd.DataFrame) -> dict[str, bytes]:
    """Release: batch files, made again from the ledger and held against the hash taken when they were built.

    Args:
        ctx: data root, lake and cycle.
        ready: rows of `batches`.

    Raises:
        ServiceFault: a file would not be what was built; names the batch.
    """
    la_codes = ready["la_code"].unique().tolist()
    rows = ctx.lake.read("batch_rows", cycle=ctx.cycle.id, la_code=la_codes, batch_ref=ready["batch_ref"])
    return contents_of(ctx, ready, rows)


def contents_of(ctx: RunContext, batches: pd.DataFrame, rows: pd.DataFrame) -> dict[str, bytes]:
    """What each batch hands over, by its file name.

    Args:
        ctx: data root, lake and cycle.
        batches: rows of `batches`.
        rows: those of `batch_rows`.

    Raises:
        ServiceFault: it would not be what was built; names the batch.
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
