"""Purge: removes data about pupils when the retention of its kind (`schemas/settings/retention.toml`) has passed.

The ledger stays. Nothing is removed that a run or a person still needs: a return that was not read, an answer that ties to
nobody, a batch without all its answers, an unfinished cycle, the last snapshot. Each item is first recorded (in `purged`,
which names no pupil), then removed; if a purge dies, the next one removes the rest. A purged file is still known by its
content: no run needs the file, and if it is put back, it is not new. A cycle whose pupils were purged is closed: it keeps its
counts and its register, and accepts no more returns or answers.
To purge another kind: `schemas.settings.terms`, and here a function that yields its items, called by `items_due`.
"""

import datetime as dt
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from schemas.cycles import all_cycles
from schemas.settings.terms import Kind, all_retention
from schemas.states import BatchState
from tasks.core.retention import emptied, files_taken_in, is_settled, settled_batches
from tasks.io.data_root.data_root import DataRoot, last_day, remove, size_of
from tasks.io.data_root.dewi_inbox import list_arrivals, sha256_of
from tasks.io.data_root.reference import authorities
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.io.lake import maintenance
from tasks.io.lake.lake import Lake
from tasks.io.school.slips_pdf import beside
from tasks.ledger.snapshots import published
from tasks.ledger.standing import counts_of, purged_cycles, record_states
from tasks.reports.pages import drop_dead_links
from tasks.runtime.chunks import whole_chunks
from tasks.runtime.context import RunContext


@dataclass(frozen=True)
class PurgeItem:
    """One item that may be removed.

    Attributes:
        ref: its reference in the ledger: a hash, a batch, a path, a table or a cycle.
        paths: its files and folders; none if it is in the lake.
        files, bytes: its size; rows of the lake count as files.
    """

    kind: Kind
    ref: str
    paths: tuple[Path, ...]
    files: int
    bytes: int
    cycle: str | None = None


def items_due(data: str, before: dt.date, today: dt.date) -> list[PurgeItem]:
    """Return the items that may be removed: older than `before` and than their kind's retention, counted back from `today`.

    Raises:
        ConfigurationFault: `reference/retention.toml` is wrong.
    """
    root = DataRoot(Path(data))
    kept_for = all_retention(root.reference / "retention.toml")
    cut = {kind: retention.cut_off(before, today).isoformat() for kind, retention in kept_for.items()}
    lake = Lake.of(root)
    versions = maintenance.former_versions(lake, today - dt.date.fromisoformat(cut[Kind.LAKE_VERSIONS]))
    return [
        *_inbox_files(root, lake, cut),
        *_batch_files(root, lake, cut[Kind.BATCH_FILES]),
        *_school_files(root, lake, cut[Kind.SCHOOL_FILES]),
        *_evidence_and_logs(root, cut),
        *(PurgeItem(Kind.LAKE_VERSIONS, name, (), *size) for name, size in versions.items()),
        *_rows_of_closed_cycles(data, lake, cut),
    ]


def purge(data: str, before: dt.date, today: dt.date, kinds: Container[Kind] = frozenset(Kind)) -> list[PurgeItem]:
    """Record and remove the items due (`items_due`) of some kinds, and return them; safe to repeat at any time.

    Raises:
        ConfigurationFault: `reference/retention.toml` is wrong.
        ServiceFault: a run holds the data root.
        OSError: an item could not be removed; all are recorded, and the next purge removes the rest.
    """
    root = DataRoot(Path(data))
    lake = Lake.of(root)
    with one_run_at_a_time(data):
        items = [item for item in items_due(data, before, today) if item.kind in kinds]
        if items:
            names = ["kind", "ref", "purged_on", "cycle", "files", "bytes"]
            rows = [
                (item.kind.value, item.ref, today.isoformat(), item.cycle, item.files, item.bytes) for item in items
            ]
            lake.upsert("purged", pd.DataFrame(rows, columns=names).astype({"cycle": "str"}))
        for item in items:
            remove(item.paths)
            if item.kind is Kind.PUPILS:
                _empty(data, item.ref)
            if item.kind is Kind.VERIFICATIONS:
                lake.replace("uln_checks", lake.read("uln_checks").head(0), cycle=item.ref)
        # Even if no item is due: a purge that died may have left dead links.
        drop_dead_links(root)
        # Last: removing rows leaves them in a former version of the table, and versions have a retention period of their own.
        kept_for = all_retention(root.reference / "retention.toml")[Kind.LAKE_VERSIONS]
        for item in items:
            if item.kind is Kind.LAKE_VERSIONS:
                maintenance.forget_versions(lake, item.ref, today - kept_for.cut_off(before, today))
        maintenance.shorten_logs(lake)
    return items


def _inbox_files(root: DataRoot, lake: Lake, cut: dict[Kind, str]) -> Iterator[PurgeItem]:
    """Yield files of the inboxes and of quarantine, one item per content, with all its copies."""
    untied = lake.read("lrs_returns", ["sha256"], tied="N")["sha256"]
    columns = ["sha256", "container_sha256", "kind", "status", "pupils", "received_at"]
    received = lake.read("received", columns)
    known = files_taken_in(received, untied)
    inbox = [(Kind.RETURNS, a.file) for la in authorities()["la_code"] for a in list_arrivals(root.dewi_inbox, str(la))]
    results = sorted(path for path in root.lrs_inbox.glob("*") if path.is_file()) if len(known) else []
    places: dict[tuple[Kind, str], list[Path]] = {}
    for kind, path in [*inbox, *((Kind.RESULTS, path) for path in results)]:
        sha256 = sha256_of(path)
        if sha256 not in known.index or known.loc[sha256, "needed"]:
            continue
        kind = Kind.REFUSED if known.loc[sha256, "refused"] else kind  # noqa: PLW2901 - a refused file has its own retention
        if str(known.loc[sha256, "since"])[:10] < cut[kind]:
            places.setdefault((kind, sha256), []).append(path)
    file_of = dict(zip(received["sha256"], received["container_sha256"].fillna(received["sha256"]), strict=True))
    for folder in sorted(root.quarantine.glob("*")):
        file = file_of.get(folder.name)
        if file is not None and known.loc[file, "needed"]:
            continue
        # A file quarantined by a run that died is not in the ledger; its day comes from the disk.
        since = last_day(folder) if file is None else str(known.loc[file, "since"])[:10]
        if since < cut[Kind.REFUSED]:
            places.setdefault((Kind.REFUSED, folder.name), []).append(folder)
    for (kind, sha256), paths in places.items():
        yield PurgeItem(kind, sha256, tuple(paths), *size_of(paths))


def _batch_files(root: DataRoot, lake: Lake, cut: str) -> Iterator[PurgeItem]:
    batches = lake.read("batches", ["batch_ref", "cycle", "state", "rows", "file_name", "built_at", "sent_at"])
    in_outbox = batches["file_name"].map(lambda name: (root.lrs_outbox / name).is_file()).astype(bool)
    old = batches["sent_at"].fillna(batches["built_at"]).str[:10] < cut
    ended = batches["state"].isin([BatchState.SENT.value, BatchState.ABANDONED.value])
    batches = batches[in_outbox & old & ended]
    if batches.empty:
        return
    answers = lake.read("lrs_returns", ["batch_ref", "upn"], tied="Y", batch_ref=batches["batch_ref"])
    for row in settled_batches(batches, answers).to_dict("records"):
        path = root.lrs_outbox / row["file_name"]
        yield PurgeItem(Kind.BATCH_FILES, row["batch_ref"], (path,), *size_of([path]), row["cycle"])


def _school_files(root: DataRoot, lake: Lake, cut: str) -> Iterator[PurgeItem]:
    delivered = lake.read("deliveries", ["sha256", "cycle", "path", "delivered_at"])
    for row in delivered[delivered["delivered_at"].str[:10] < cut].to_dict("records"):
        path = root.path / row["path"]
        # A zip's slips are removed with it, or without it if the zip has already been taken away.
        files = tuple(p for p in (path, *beside(path).values()) if p.is_file())
        if files:
            yield PurgeItem(Kind.SCHOOL_FILES, row["sha256"], files, *size_of(files), row["cycle"])


def _evidence_and_logs(root: DataRoot, cut: dict[Kind, str]) -> Iterator[PurgeItem]:
    # The list of near misses names learners too. A run writes it again if there still are near misses.
    evidence = [*sorted(root.path.glob("reports/*/faults/*")), root.near_misses_report]
    old = [(Kind.EVIDENCE, path) for path in evidence if path.exists() and last_day(path) < cut[Kind.EVIDENCE]]
    # A log's name is its day, so today's log is never due.
    logs = sorted(root.logs.glob("????-??-??.jsonl"))
    for kind, path in old + [(Kind.LOGS, path) for path in logs if path.stem < cut[Kind.LOGS]]:
        yield PurgeItem(kind, path.relative_to(root.path).as_posix(), (path,), *size_of([path]))


def _rows_of_closed_cycles(data: str, lake: Lake, cut: dict[Kind, str]) -> Iterator[PurgeItem]:
    """Yield the pupils, then the ULN checks; in an open cycle the checks keep a census from asking the LRS again."""
    cycles, begun = all_cycles().values(), purged_cycles(data)
    for cycle in (c for c in cycles if c.closes_on.isoformat() < cut[Kind.PUPILS]):
        # Once a purge has begun, the lake is newer than the snapshot because of the purge itself; so it is finished anyway.
        rows = lake.filled("pupils", "surname", cycle=cycle.id)
        if rows and (cycle.id in begun or (published(data, cycle.id) and is_settled(counts_of(data, cycle.id)))):
            yield PurgeItem(Kind.PUPILS, cycle.id, (), rows, 0, cycle.id)
    for cycle in (c for c in cycles if c.closes_on.isoformat() < cut[Kind.VERIFICATIONS]):
        if rows := lake.filled("uln_checks", "upn", cycle=cycle.id):
            yield PurgeItem(Kind.VERIFICATIONS, cycle.id, (), rows, 0, cycle.id)


def _empty(data: str, cycle: str) -> None:
    ctx = RunContext.of(data, cycle)
    for chunk in whole_chunks(ctx, list(authorities()["la_code"])):
        pupils = ctx.lake.read("pupils", cycle=cycle, **chunk.where)
        if len(pupils):
            _, _, chosen = record_states(ctx.lake, ctx.cycle, **chunk.where)
            ctx.lake.replace("pupils", emptied(pupils, chosen), cycle=cycle, **chunk.where)


def totals(items: Sequence[PurgeItem]) -> dict[Kind, tuple[int, int]]:
    """Return files and bytes by kind; every kind has an entry."""
    by_kind = {kind: [item for item in items if item.kind is kind] for kind in Kind}
    return {kind: (sum(i.files for i in of_kind), sum(i.bytes for i in of_kind)) for kind, of_kind in by_kind.items()}
