"""Publish: the conservation check, then each school's zip and each authority's workbook, then the cycle's snapshots.

Nothing is published unless every record of the cycle is accounted for. A school whose content has not changed since its
last delivery gets nothing new unless a person wants it published again, nor does an authority if none of its schools'
content has changed. The files of each school and authority are numbered over all cycles, so that no two share a name. A
file is written before it is recorded as delivered. After a run that died between the two, the same bytes are written again;
other bytes get the next number, because the existing file may have been fetched.
"""

import hashlib
from functools import partial
from typing import Any

import pandas as pd

from schemas.tables import DELIVERIES
from schemas.views import PUBLISHED
from tasks.io.data_root.data_root import write_each
from tasks.ledger.code_texts import merge_codes
from tasks.ledger.findings import save
from tasks.runtime.chunks import Chunk, Counts, Progress, StageResult, chunks, run_chunks
from tasks.runtime.context import RunContext, moment
from tasks.runtime.error_boundary import keep_evidence
from tasks.runtime.executor import IN_PLACE, Workers, capture
from tasks.runtime.memory import release_memory
from tasks.runtime.run_log import log_published
from tasks.runtime.task import stage_task
from tasks.runtime.visibility import check_visible
from tasks.steps.possible_matches import possible_matches
from tasks.steps.publish import (
    AuthorityList,
    Published,
    SchoolFile,
    authority_workbook,
    join_lists,
    path_of,
    publish_chunk,
)


# Publishing is the stage that gains from workers: all Wales took 11.4 s in place and 8.3 s over two on two idle cores, their
# start included. Spreading costs processor time (24.1 s, not 20.9 s, on a busy machine), so no other stage is spread.
@stage_task("publish", "publish {cycle}")
def publish(
    data: str,
    cycle: str,
    las: list[str],
    as_of: str,
    workers: Workers = IN_PLACE,
    progress: Progress | None = None,
) -> StageResult:
    """Make the zips of some authorities' schools whose content is new, and the workbooks of these authorities.

    Returns:
        Counts by authority: zips, workbooks, ulns, exceptions, faults.
    """
    return publish_authorities(RunContext.of(data, cycle), las, as_of, workers, progress)


def publish_authorities(
    ctx: RunContext, las: list[str], as_of: str, workers: Workers = IN_PLACE, progress: Progress | None = None
) -> StageResult:
    """Publish without the engine; arguments and result as for `publish`."""
    moment(as_of)  # a fault is reported once, before any authority begins
    # Looked up once for all, because it scans the whole country's ledger; if that fails, each chunk looks for itself.
    likely = capture(possible_matches, ctx, Chunk(tuple(las)))
    release_memory()
    compute = partial(publish_chunk, as_of=as_of, likely=None if isinstance(likely, Exception) else likely)
    cut = chunks(ctx, las, count=workers.count)
    write = _Publication(ctx, as_of, cut).write
    return run_chunks("publish", ctx, cut, write, compute=compute, workers=workers, progress=progress)


class _Publication:
    """Writes each chunk's files, and an authority's workbook after its last chunk."""

    def __init__(self, ctx: RunContext, as_of: str, cut: list[Chunk]) -> None:
        self._ctx, self._as_of = ctx, as_of
        self._parts = {la: {chunk.schools for chunk in cut if la in chunk.las} for chunk in cut for la in chunk.las}
        self._listed: dict[str, dict[tuple[str, ...] | None, AuthorityList]] = {la: {} for la in self._parts}

    def write(self, chunk: Chunk, published: Published) -> dict[str, Counts]:
        """Write a chunk's files, then record their delivery in the lake; return counts by authority."""
        save(self._ctx, chunk, sorted(merge_codes()), [published.findings])
        counts = {la: {"zips": 0, "workbooks": 0, "ulns": 0, "exceptions": 0, "faults": 0} for la in chunk.las}
        for name, column in published.counts.items():
            for la, n in column.items():
                counts[str(la)][str(name)] = int(n)
        made = [*published.filled, *self._workbooks(chunk, published.listed)]
        _deliver(self._ctx, made, self._as_of, counts)
        return counts

    def _workbooks(self, chunk: Chunk, listed: AuthorityList) -> list[SchoolFile]:
        books = []
        for la in chunk.las:
            self._listed[la][chunk.schools] = listed.of(la)
            if self._listed[la].keys() == self._parts[la]:
                whole = join_lists(list(self._listed[la].values()))
                self._listed[la].clear()
                books.append(authority_workbook(self._ctx, la, whole, self._as_of))
        return [book for book in books if book is not None]


def _deliver(ctx: RunContext, made: list[SchoolFile], as_of: str, counts: dict[str, Counts]) -> None:
    files = {path_of(ctx, file.receiver, file.number): file.file for file in made if isinstance(file.file, bytes)}
    unwritten = write_each(files)
    entries: list[dict[str, Any]] = []
    for file in made:
        la, path = file.receiver[:3], path_of(ctx, file.receiver, file.number)
        fault = file.file if isinstance(file.file, Exception) else unwritten.get(path)
        if fault is not None:
            counts[la]["faults"] += 1
            keep_evidence(str(ctx.root.path), ctx.cycle.id, "publish", file.receiver, fault)
            continue
        counts[la]["workbooks" if file.receiver == la else "zips"] += 1
        entries.append(
            {
                "sha256": hashlib.sha256(files[path]).hexdigest(),
                "cycle": ctx.cycle.id,
                "la_code": la,
                "school_number": file.receiver,
                "content_ref": file.content_ref,
                "path": path.relative_to(ctx.root.path).as_posix(),
                "delivered_at": as_of,
                "number": file.number,
                "ulns": file.ulns,
                "exceptions": file.exceptions,
            }
        )
    if entries:
        ctx.lake.append("deliveries", pd.DataFrame(entries)[[c.name for c in DELIVERIES.columns]])
        zips = [
            {c.name: entry[c.name] for c in PUBLISHED.columns}
            for entry in entries
            if entry["school_number"] != entry["la_code"]
        ]
        log_published(ctx.cycle.id, check_visible(PUBLISHED, zips))
