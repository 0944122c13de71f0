"""Batch: the rows that are due in a chunk, their batches, and the batches' files. The rules are in `core.batching`."""

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd
import pyarrow as pa

from schemas.lrs.profiles import BY_SERVICE, SOAP, all_profiles
from schemas.states import BatchEvent, BatchState
from schemas.tables import BATCH_ROWS, BATCHES, PUPIL_FIELDS
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.core.batch_states import change_state
from tasks.core.batching import build, first_of_each_learner, free_minute, to_send
from tasks.io.data_root.reference import registration
from tasks.io.lake.lake import arrow_of
from tasks.io.lrs.files import batch_file_name, write_batch
from tasks.io.lrs.settings import lrs_service
from tasks.ledger.changed_records import COMPARED, changes
from tasks.ledger.holds import on_hold
from tasks.ledger.lrs_forms import lrs_forms
from tasks.ledger.standing import record_states, rows_held, rows_sent
from tasks.runtime.chunks import Chunk, chunks
from tasks.runtime.context import RunContext, moment
from tasks.steps.records import chosen_rows


@dataclass(frozen=True)
class DueBatches:
    """The batches of a chunk's due rows; `rows` and `changed` may be several tables each.

    Attributes:
        batches: rows of `batches`.
        rows: their rows of `batch_rows`.
        changed: changes in records that were sent (`superseding.changed_values`).
        on_hold: schools whose rows wait for a person (`ledger.holds`).
    """

    batches: pa.Table
    rows: list[pa.Table]
    changed: list[pd.DataFrame]
    on_hold: list[str]


def due_batches(
    ctx: RunContext, chunk: Chunk, as_of: str, only: list[str] | None, *, by_service: bool | None = None
) -> DueBatches:
    """Build the batches of the chunk's rows that may go now, each learner in one of them.

    The time `as_of` names the files. Only these schools are batched; all if None. The batches are for the LRS web service if
    `by_service`; if None, the setting decides.
    """
    build_from = partial(_batches_of, ctx, as_of=as_of, by_service=by_service)
    parts = chunks(ctx, list(chunk.las))  # so that less is in memory at a time
    built, upns, changed, stopped = [], list[pd.DataFrame](), list[pd.DataFrame](), list[str]()
    for part in parts:
        rows, changes_here, on_hold_here = _due_rows(ctx, part, only)
        built.append(build_from(rows))
        upns.append(rows[["upn", "known_as"]])
        del rows  # before the next part's
        changed.append(changes_here)
        stopped += on_hold_here
    if _is_repeated(upns, "upn") or _is_repeated(upns, "known_as"):
        # Law 2: a learner who is due in two parts, by the UPN or the ledger's UPN, goes with one of them.
        due = pd.concat([_due_rows(ctx, part, only)[0] for part in parts], ignore_index=True)
        built = [build_from(first_of_each_learner(due))]
    batches = pa.concat_tables([BATCHES.schema.empty_table(), *(batches for batches, _ in built)])
    return DueBatches(batches, [rows for _, rows in built], changed, stopped)


def _due_rows(ctx: RunContext, chunk: Chunk, only: list[str] | None) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Return rows that may go now (`batching.to_send`), in the LRS's form; then `DueBatches.changed` and `on_hold`."""
    lake, cycle = ctx.lake, ctx.cycle
    chosen = chosen_rows(ctx, ["school_number", "sha256", *PUPIL_FIELDS], **chunk.where)
    _, _, standing = record_states(lake, cycle, **chunk.where)
    sent, _ = rows_sent(lake, COMPARED, [cycle.id], standing["upn"])
    forms, held = lrs_forms(ctx, chosen), rows_held(lake, cycle.id, **chunk.where)
    stopped = on_hold(ctx, **chunk.where)
    goes = ~chosen["school_number"].isin(stopped) & (chosen["school_number"].isin(only) if only else True)
    changed = changes(ctx, chunk.where, standing, forms, sent, held)
    return to_send(standing, forms[goes.to_numpy()], sent, held), changed, stopped


def _is_repeated(parts: list[pd.DataFrame], name: str) -> bool:
    text = pa.large_string()
    upns = pa.chunked_array([pa.array(part[name], text, from_pandas=True) for part in parts], text)
    return len(upns.unique()) < len(upns)


def _batches_of(ctx: RunContext, rows: pd.DataFrame, as_of: str, by_service: bool | None) -> tuple[pa.Table, pa.Table]:
    """Build batches of whole schools; return rows of `batches` and `batch_rows`. A file is made only to hash it."""
    cycle = ctx.cycle
    by_service = lrs_service(ctx.root.reference).by_service if by_service is None else by_service
    # The cycle's layout decides the values (`lrs_forms`); file or web service decides how they are written.
    fmt, layout = (SOAP, BY_SERVICE) if by_service else (cycle.lrs_format, cycle.lrs_profile)
    profile = all_profiles(ctx.root.reference / "lrs")[layout]
    ukprns = registration(ctx.root.reference).set_index("school_number")["ukprn"]
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
        return BATCHES.schema.empty_table(), BATCH_ROWS.schema.empty_table()
    learners = pd.concat(tables, ignore_index=True)
    batches = pd.DataFrame(entries).astype({"state": "str", "sent_at": "str", "reason": "str"})
    return (
        arrow_of(BATCHES, change_state(batches, BatchEvent.BUILT)),
        arrow_of(BATCH_ROWS, learners[[c.name for c in BATCH_ROWS.columns]]),
    )


def batch_files(ctx: RunContext, ready: pd.DataFrame) -> dict[str, bytes]:
    """Make the files of rows of `batches` again from the ledger: `contents_of`."""
    la_codes = ready["la_code"].unique().tolist()
    rows = ctx.lake.read("batch_rows", cycle=ctx.cycle.id, la_code=la_codes, batch_ref=ready["batch_ref"])
    return contents_of(ctx, ready, rows)


def contents_of(ctx: RunContext, batches: pd.DataFrame, rows: pd.DataFrame) -> dict[str, bytes]:
    """Return content by file name, from rows of `batches` and `batch_rows`, compared with the hash of what was built.

    Raises:
        ServiceFault: a file would differ from what was built; names the batch.
    """
    profiles = all_profiles(ctx.root.reference / "lrs")
    of_batch = rows.sort_values(["batch_ref", "position"], ignore_index=True).groupby("batch_ref", sort=False)
    files = {}
    columns = ["batch_ref", "profile", "format", "ukprn", "file_name", "file_sha256"]
    for ref, profile, fmt, ukprn, name, sha256 in zip(*(batches[c] for c in columns), strict=True):
        content = write_batch(of_batch.get_group(ref), profile=profiles[profile], fmt=fmt, ukprn=ukprn, file_name=name)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ServiceFault(bilingual("fault.batch_would_differ", ref=ref))
        files[name] = content
    return files
