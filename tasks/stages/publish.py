"""Publish: the conservation check, then each school's zip and each authority's workbook, then the cycle's snapshots.

Nothing leaves unless every record of the cycle is accounted for. A school whose content is as it was delivered gets
nothing new, and an authority neither, unless one of its schools does. Numbers run on per school and authority, over
cycles, so that no two files of one share a name. A file is written before it is written down as delivered: after a run
that died between the two, the same bytes are put there again, other bytes get the next number, as the file that stands
there may have been fetched.
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
# start included. It costs processor time (20.9 s and 24.1 s on a busy machine), so no other stage is spread.
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
    return publish_now(RunContext.of(data, cycle), las, as_of, workers, progress)


def publish_now(
    ctx: RunContext, las: list[str], as_of: str, workers: Workers = IN_PLACE, progress: Progress | None = None
) -> StageResult:
    """`publish`, also where there is no engine."""
    moment(as_of)  # a wrong one is refused once, before any authority is begun
    # Asked for all together, as the whole country's ledger is looked through; where that fails each chunk asks for itself.
    likely = capture(possible_matches, ctx, Chunk(tuple(las)))
    release_memory()
    compute = partial(publish_chunk, as_of=as_of, likely=None if isinstance(likely, Exception) else likely)
    cut = chunks(ctx, las, count=workers.count)
    write = _Publication(ctx, as_of, cut).write
    return run_chunks("publish", ctx, cut, write, compute=compute, workers=workers, progress=progress)


class _Publication:
    """Writes what was made for each chunk's schools, and an authority's workbook once its last chunk is there."""

    def __init__(self, ctx: RunContext, as_of: str, cut: list[Chunk]) -> None:
        self._ground, self._as_of = ctx, as_of
        self._parts = {la: {chunk.schools for chunk in cut if la in chunk.las} for chunk in cut for la in chunk.las}
        self._listed: dict[str, dict[tuple[str, ...] | None, AuthorityList]] = {la: {} for la in self._parts}

    def write(self, chunk: Chunk, found: Published) -> dict[str, Counts]:
        """Write a chunk's files, and then into the lake that they were delivered; counts by authority."""
        save(self._ground, chunk, sorted(merge_codes()), [found.findings])
        counts = {la: {"zips": 0, "workbooks": 0, "ulns": 0, "exceptions": 0, "faults": 0} for la in chunk.las}
        for name, column in found.counts.items():
            for la, n in column.items():
                counts[str(la)][str(name)] = int(n)
        made = [*found.filled, *self._workbooks(chunk, found.listed)]
        _deliver(self._ground, made, self._as_of, counts)
        return counts

    def _workbooks(self, chunk: Chunk, listed: AuthorityList) -> list[SchoolFile]:
        books = []
        for la in chunk.las:
            self._listed[la][chunk.schools] = listed.of(la)
            if self._listed[la].keys() == self._parts[la]:
                whole = join_lists(list(self._listed[la].values()))
                self._listed[la].clear()
                books.append(authority_workbook(self._ground, la, whole, self._as_of))
        return [book for book in books if book is not None]


def _deliver(ctx: RunContext, made: list[SchoolFile], as_of: str, counts: dict[str, Counts]) -> None:
    files = {path_of(ctx, one): one.file for one in made if isinstance(one.file, bytes)}
    unwritten = write_each(files)
    entries: list[dict[str, Any]] = []
    for one in made:
        la, path = one.receiver[:3], path_of(ctx, one)
        fault = one.file if isinstance(one.file, Exception) else unwritten.get(path)
        if fault is not None:
            counts[la]["faults"] += 1
            keep_evidence(str(ctx.root.path), ctx.cycle.id, "publish", one.receiver, fault)
            continue
        counts[la]["workbooks" if one.receiver == la else "zips"] += 1
        entries.append(
            {
                "sha256": hashlib.sha256(files[path]).hexdigest(),
                "cycle": ctx.cycle.id,
                "la_code": la,
                "school_number": one.receiver,
                "content_ref": one.content_ref,
                "path": path.relative_to(ctx.root.path).as_posix(),
                "delivered_at": as_of,
                "number": one.number,
                "ulns": one.ulns,
                "exceptions": one.exceptions,
            }
        )
    if entries:
        ctx.lake.append("deliveries", pd.DataFrame(entries)[[c.name for c in DELIVERIES.columns]])
        zips = [
            {c.name: one[c.name] for c in PUBLISHED.columns}
            for one in entries
            if one["school_number"] != one["la_code"]
        ]
        log_published(ctx.cycle.id, check_visible(PUBLISHED, zips))
