"""Purge: data about pupils is removed when the retention of its kind has passed. The ledger stays.

Retention by kind: `schemas/settings/retention.toml`.

Nothing goes that a run or a person still needs: a return that was not read, an answer that ties to nobody, a batch
without all its answers, a cycle that is not done, the last snapshot. What shall go is written down first (`purged`, without
a pupil), then removed: a purge that dies is done again and finds the rest. What was purged is known by its content still:
the same file put back is nothing new, and no run misses it.

A cycle whose pupils were purged is over: it keeps its counts and its register, and takes in nothing more.
To purge another kind of thing: a block in `retention.toml`, and here a function that yields what is of it.
"""

import datetime as dt
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from schemas.cycles import all_cycles
from schemas.settings.retention import Kind, all_retention
from schemas.states import BatchState
from schemas.tables import PURGED
from tasks.core.retention import emptied, files_taken_in, is_settled, settled_batches
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.dewi_inbox import list_arrivals, sha256_of
from tasks.io.data_root.reference import authorities
from tasks.io.data_root.removal import last_day, remove, size_of
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.io.lake import maintenance
from tasks.io.lake.lake import Lake
from tasks.io.school.slips_pdf import beside
from tasks.ledger.snapshots import published
from tasks.ledger.standing import counts_of, purged_cycles, record_states
from tasks.reports.pages import drop_dead_links
from tasks.runtime.chunks import chunks
from tasks.runtime.context import RunContext


@dataclass(frozen=True)
class PurgeItem:
    """One thing that may go.

    Attributes:
        kind: what it is.
        ref: what it is known by in the ledger: a hash, a name that the service gave, a table or a cycle.
        paths: the files and folders; none where it is in the lake.
        files, bytes: how much it is; rows of the lake count as files.
        cycle: whose it is, where it is a cycle's.
    """

    kind: Kind
    ref: str
    paths: tuple[Path, ...]
    files: int
    bytes: int
    cycle: str | None = None


def items_due(data: str, before: dt.date, today: dt.date) -> list[PurgeItem]:
    """What may go; nothing is changed.

    Args:
        data: the data root.
        before: only what is of an earlier day.
        today: from which the days of each kind are counted.

    Raises:
        ConfigurationFault: `reference/retention.toml` is wrong.
    """
    root = DataRoot(Path(data))
    kept_for = all_retention(root.reference / "retention.toml")
    cut = {kind: one.cut_off(before, today).isoformat() for kind, one in kept_for.items()}
    lake = Lake.of(root)
    return [
        *_taken_in(root, lake, cut),
        *_batch_files(root, lake, cut[Kind.BATCH_FILES]),
        *_school_files(root, lake, cut[Kind.SCHOOL_FILES]),
        *_evidence(root, cut[Kind.EVIDENCE]),
        *_logs(root, cut[Kind.LOGS]),
        *_lake_versions(lake, today - dt.date.fromisoformat(cut[Kind.LAKE_VERSIONS])),
        *_pupils(data, lake, cut[Kind.PUPILS]),
        *_verifications(lake, cut[Kind.VERIFICATIONS]),
    ]


def purge(data: str, before: dt.date, today: dt.date, kinds: Container[Kind] = frozenset(Kind)) -> list[PurgeItem]:
    """Remove what may go (`items_due`), and write down what it was; safe to do again at any time.

    Args:
        data: the data root.
        before: only what is of an earlier day.
        today: from which the days of each kind are counted.
        kinds: of these alone.

    Returns:
        What was removed.

    Raises:
        ConfigurationFault: `reference/retention.toml` is wrong.
        ServiceFault: a run holds the data root.
        OSError: something could not be removed; what was is written down, the next purge does the rest.
    """
    root = DataRoot(Path(data))
    lake = Lake.of(root)
    with one_run_at_a_time(data):
        going = [one for one in items_due(data, before, today) if one.kind in kinds]
        _write_down(lake, going, today)
        for one in going:
            remove(one.paths)
            if one.kind is Kind.PUPILS:
                _empty(data, one.ref)
            if one.kind is Kind.VERIFICATIONS:
                lake.replace("uln_checks", lake.read("uln_checks").head(0), cycle=one.ref)
        # Also where nothing goes: a purge that died may have left some.
        drop_dead_links(root)
        # Last: what was emptied just now is a former version from now on, and goes when its own days have passed.
        kept_for = all_retention(root.reference / "retention.toml")[Kind.LAKE_VERSIONS]
        for one in going:
            if one.kind is Kind.LAKE_VERSIONS:
                maintenance.forget_versions(lake, one.ref, today - kept_for.cut_off(before, today))
        maintenance.shorten_logs(lake)
    return going


def _write_down(lake: Lake, going: list[PurgeItem], today: dt.date) -> None:
    rows = pd.DataFrame(
        [
            {
                "kind": one.kind.value,
                "ref": one.ref,
                "purged_on": today.isoformat(),
                "cycle": one.cycle,
                "files": one.files,
                "bytes": one.bytes,
            }
            for one in going
        ],
        columns=[column.name for column in PURGED.columns],
    )
    if len(rows):
        lake.upsert("purged", rows.astype({"cycle": "str"}))


def _taken_in(root: DataRoot, lake: Lake, cut: dict[Kind, str]) -> Iterator[PurgeItem]:
    """Files of the inboxes, and of quarantine: known by their content, wherever and however often they lie there."""
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
        kind = Kind.REFUSED if known.loc[sha256, "refused"] else kind  # noqa: PLW2901 - what becomes of it decides
        if str(known.loc[sha256, "since"])[:10] < cut[kind]:
            places.setdefault((kind, sha256), []).append(path)
    file_of = dict(zip(received["sha256"], received["container_sha256"].fillna(received["sha256"]), strict=True))
    for folder in sorted(root.quarantine.glob("*")):
        file = file_of.get(folder.name)
        if file is not None and known.loc[file, "needed"]:
            continue
        # What a run that died had set aside stands in no ledger; the disk knows its day.
        since = last_day(folder) if file is None else str(known.loc[file, "since"])[:10]
        if since < cut[Kind.REFUSED]:
            places.setdefault((Kind.REFUSED, folder.name), []).append(folder)
    for (kind, sha256), paths in places.items():
        yield PurgeItem(kind, sha256, tuple(paths), *size_of(paths))


def _batch_files(root: DataRoot, lake: Lake, cut: str) -> Iterator[PurgeItem]:
    batches = lake.read("batches", ["batch_ref", "cycle", "state", "rows", "file_name", "built_at", "sent_at"])
    there = batches["file_name"].map(lambda name: (root.lrs_outbox / name).is_file()).astype(bool)
    old = batches["sent_at"].fillna(batches["built_at"]).str[:10] < cut
    ended = batches["state"].isin([BatchState.SENT.value, BatchState.ABANDONED.value])
    batches = batches[there & old & ended]
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
        # With a zip go the slips that were made of it, also where somebody has taken the zip away.
        there = tuple(p for p in (path, *beside(path).values()) if p.is_file())
        if there:
            yield PurgeItem(Kind.SCHOOL_FILES, row["sha256"], there, *size_of(there), row["cycle"])


def _evidence(root: DataRoot, cut: str) -> Iterator[PurgeItem]:
    # The list of near misses names learners, too; it is written anew as long as there is something to tell.
    found = sorted((root.path / "reports").glob("*/faults/*"))
    for path in [*found, root.near_misses_report]:
        if path.exists() and last_day(path) < cut:
            yield PurgeItem(Kind.EVIDENCE, path.relative_to(root.path).as_posix(), (path,), *size_of([path]))


def _logs(root: DataRoot, cut: str) -> Iterator[PurgeItem]:
    """The days' logs; a file's name is its day, and a day that is not over is not before any."""
    for path in sorted(root.logs.glob("????-??-??.jsonl")):
        if path.stem < cut:
            yield PurgeItem(Kind.LOGS, path.relative_to(root.path).as_posix(), (path,), *size_of([path]))


def _lake_versions(lake: Lake, older_than: dt.timedelta) -> Iterator[PurgeItem]:
    for name, (files, size) in maintenance.former_versions(lake, older_than).items():
        yield PurgeItem(Kind.LAKE_VERSIONS, name, (), files, size)


def _pupils(data: str, lake: Lake, cut: str) -> Iterator[PurgeItem]:
    begun = purged_cycles(data)
    for cycle in all_cycles().values():
        if cycle.closes_on.isoformat() >= cut or not (rows := lake.filled("pupils", "surname", cycle=cycle.id)):
            continue
        # One that a purge had begun is ended, though the lake has moved on since the snapshot.
        if cycle.id in begun or (published(data, cycle.id) and is_settled(counts_of(data, cycle.id))):
            yield PurgeItem(Kind.PUPILS, cycle.id, (), rows, 0, cycle.id)


def _verifications(lake: Lake, cut: str) -> Iterator[PurgeItem]:
    """Of a cycle that is open a census still goes by them: what it was told of it asks about no more."""
    for cycle in all_cycles().values():
        if cycle.closes_on.isoformat() < cut and (rows := lake.filled("uln_checks", "upn", cycle=cycle.id)):
            yield PurgeItem(Kind.VERIFICATIONS, cycle.id, (), rows, 0, cycle.id)


def _empty(data: str, cycle: str) -> None:
    ctx = RunContext.of(data, cycle)
    for chunk in chunks(ctx, list(authorities()["la_code"])):
        pupils = ctx.lake.read("pupils", cycle=cycle, **chunk.where)
        if len(pupils):
            _, _, standing = record_states(ctx.lake, ctx.cycle, **chunk.where)
            ctx.lake.replace("pupils", emptied(pupils, standing), cycle=cycle, **chunk.where)


def totals(going: Iterable[PurgeItem]) -> dict[Kind, tuple[int, int]]:
    """Files and bytes by kind, every kind named."""
    found = dict.fromkeys(Kind, (0, 0))
    for one in going:
        files, size = found[one.kind]
        found[one.kind] = (files + one.files, size + one.bytes)
    return found
