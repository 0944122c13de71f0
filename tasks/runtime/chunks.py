"""Chunks: how the authorities of a cycle are cut, and how a stage works through them.

A chunk is some whole authorities. Its number of records is bounded, which bounds the memory of the work on it. An
authority with more records than the bound is cut by schools. The cut does not change the bytes of any result.

Faults stay with their authority: if a whole chunk fails, its authorities are tried one by one.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate, repeat
from typing import Any, TypeVar

import pandas as pd

from tasks.runtime.context import RunContext
from tasks.runtime.error_boundary import OUR_OWN, is_transient, sentence_of
from tasks.runtime.executor import IN_PLACE, Workers, capture
from tasks.runtime.memory import release_memory

Item = TypeVar("Item")
Counts = dict[str, int]
#: Called with the share of a stage that is done, from 0 to 1; never raises.
Progress = Callable[[float], None]

#: Maximum records of a chunk: all Wales is two chunks, one for each of two workers.
CHUNK_RECORDS = 125_000
#: Maximum records of a chunk of whole authorities, for stages that write or call once a chunk: all Wales is one chunk.
WHOLE_RECORDS = 250_000


@dataclass(frozen=True)
class Chunk:
    """Some schools of a cycle: authority codes, and school numbers (None for all schools of these authorities)."""

    las: tuple[str, ...]
    schools: tuple[str, ...] | None = None

    @property
    def where(self) -> dict[str, Any]:
        """Return the chunk as conditions on a table of the lake."""
        where = {"la_code": list(self.las)}
        return where if self.schools is None else {**where, "school_number": list(self.schools)}


def chunks(ctx: RunContext, las: list[str], *, count: int = 1) -> list[Chunk]:
    """Cut authorities into chunks, by the records that each school has sent. Every authority is covered.

    `count` is the number of chunks to aim at, such as one for each worker; there are more if one would exceed CHUNK_RECORDS,
    and fewer if authorities are few or uneven. They come in the order of authorities, and within one of school numbers.
    """
    sizes = records_by_school(ctx, las)
    of_la = {la: {school: n for school, n in sizes.items() if school[:3] == la} for la in las}
    cut: list[Chunk] = []
    waiting: dict[str, int] = {}
    for la, schools in of_la.items():
        if sum(schools.values()) <= CHUNK_RECORDS:
            waiting[la] = sum(schools.values())
            continue
        cut += [Chunk(tuple(part)) for part in _cut(waiting, count, CHUNK_RECORDS)]
        cut += [Chunk((la,), tuple(part)) for part in _cut(schools, 1, CHUNK_RECORDS)]
        waiting = {}
    return cut + [Chunk(tuple(part)) for part in _cut(waiting, count, CHUNK_RECORDS)]


def whole_chunks(ctx: RunContext, las: list[str]) -> list[Chunk]:
    """Cut authorities into chunks of whole authorities, each of at most WHOLE_RECORDS unless a single authority has more."""
    sizes = records_by_school(ctx, las)
    of_la = {la: sum(n for school, n in sizes.items() if school[:3] == la) for la in las}
    return [Chunk(tuple(part)) for part in _cut(of_la, 1, WHOLE_RECORDS)]


def all_chunks(ctx: RunContext, las: list[str] | None = None) -> list[Chunk]:
    """Return the chunks of every school with a return in the cycle, or of those in some authorities."""
    return chunks(ctx, sorted({school[:3] for school in records_by_school(ctx, las)}))


def _cut(sizes: dict[str, int], count: int, most: int) -> list[list[str]]:
    """Cut names into parts of about equal size, keeping their order.

    About `count` parts, none without a name; more if one would exceed the size `most`, unless it has a single name.
    """
    ends = list(accumulate(sizes.values()))
    total = ends[-1] if ends else 0
    for n in range(max(1, min(count, len(sizes))), len(sizes) + 1):
        parts: list[list[str]] = [[] for _ in range(n)]
        for position, ((name, size), end) in enumerate(zip(sizes.items(), ends, strict=True)):
            # A name goes where its middle falls. If nothing has a size, its position decides.
            middle = (end - size / 2) / total if total else position / len(sizes)
            parts[min(n - 1, int(middle * n))].append(name)
        if all(len(part) < 2 or sum(sizes[name] for name in part) <= most for part in parts):
            return [part for part in parts if part]
    return [[name] for name in sizes]


def in_groups(items: Iterable[Item], size: Callable[[Item], int], most: int) -> Iterator[list[Item]]:
    """Yield items in groups, in their order; a group's sizes add up to at most `most`, unless it has a single item."""
    group: list[Item] = []
    total = 0
    for item in items:
        if group and total + size(item) > most:
            yield group
            group, total = [], 0
        group.append(item)
        total += size(item)
    if group:
        yield group


def records_by_school(ctx: RunContext, las: list[str] | None = None) -> dict[str, int]:
    """Return the number of records in all returns of each school in the cycle, in the order of school numbers."""
    where: dict[str, Any] = {"cycle": ctx.cycle.id} | ({} if las is None else {"la_code": las})
    received = ctx.lake.read("received", ["school_number", "kind", "status", "declared"], **where)
    accepted = received[(received["status"] == "accepted") & (received["kind"] == "return")]
    records = accepted.groupby("school_number", sort=True)["declared"].sum()
    return {str(school): int(n) for school, n in records.items()}


def counts_by_authority(las: Iterable[str], **numbers: pd.Series | Mapping[str, int]) -> dict[str, Counts]:
    """Return the counts of some authorities: each name with its numbers by authority code, 0 for a missing one."""
    return {la: {name: int(of_la.get(la, 0)) for name, of_la in numbers.items()} for la in las}


@dataclass
class StageResult:
    """A stage's counts by authority, and a sentence for each authority that failed.

    Attributes:
        rules: for validate: rows tried and failed by rule code (keys tried, failed).
        is_transient: whether some faults are transient (`error_boundary.is_transient`).
    """

    counts: dict[str, Counts] = field(default_factory=dict)
    faults: dict[str, str] = field(default_factory=dict)
    rules: dict[str, Counts] = field(default_factory=dict)
    is_transient: bool = False

    def add(self, counts: dict[str, Counts]) -> None:
        """Add the counts of a chunk. An authority may be in several chunks."""
        for la, added in counts.items():
            before = self.counts.get(la, {})
            self.counts[la] = before | {name: before.get(name, 0) + n for name, n in added.items()}

    def add_faults(self, stage: str, ctx: RunContext, faults: dict[str, Exception]) -> None:
        """Add the faults of some authorities. Evidence of the unforeseen ones is written to the data root."""
        self.is_transient |= any(is_transient(fault) for fault in faults.values())
        place = {"data": str(ctx.root.path), "cycle": ctx.cycle.id, "stage": stage}
        for la, fault in faults.items():
            self.faults[la] = str(fault) if isinstance(fault, OUR_OWN) else sentence_of(fault, about=la, **place)

    def total(self) -> Counts:
        """Return the sum of the counts of all authorities."""
        total = Counter[str]()
        for counts in self.counts.values():
            total.update(counts)
        return dict(total)


class PartialFailure(Exception):
    """Some authorities of a chunk failed; holds the counts of the others, and the faults, by authority."""

    def __init__(self, counts: dict[str, Counts], faults: dict[str, Exception]) -> None:
        super().__init__(", ".join(faults))
        self.counts, self.faults = counts, faults


def run_chunks(
    stage: str,
    ctx: RunContext,
    cut: list[Chunk],
    write: Callable[..., dict[str, Counts]],
    *,
    compute: Callable[[RunContext, Chunk], Any] | None = None,
    workers: Workers = IN_PLACE,
    progress: Progress | None = None,
) -> StageResult:
    """Run a stage's work for some chunks, one after the other.

    Args:
        stage: the stage's word.
        ctx: data root, lake and cycle.
        cut: the chunks.
        write: takes a chunk, and the result of `compute` if there is one; returns counts by authority. It must be safe to
            repeat. It sees the lake as the previous chunk left it.
        compute: has no effect but its result, so the workers may call it before the chunk's turn.
        workers: call `compute`.
        progress: called with the share that is done.

    Raises:
        ServiceFault: a worker cannot be used.
    """
    done = StageResult()

    def finish(chunk: Chunk, result: Any) -> None:
        try:
            if isinstance(result, Exception):
                raise result
            done.add(write(chunk) if compute is None else write(chunk, result))
            return
        except PartialFailure as partial:
            counts, faults = partial.counts, partial.faults
        except Exception as error:  # noqa: BLE001 - becomes a sentence or evidence below
            counts, faults = {}, dict.fromkeys(chunk.las, error)
        if len(chunk.las) > 1 and not counts:
            for alone in (Chunk((la,)) for la in chunk.las):
                finish(alone, None if compute is None else capture(compute, ctx, alone))
            return
        done.add(counts)
        done.add_faults(stage, ctx, faults)

    results: Iterator[Any] = repeat(None) if compute is None else workers.map(compute, repeat(ctx), cut)
    for number, (chunk, result) in enumerate(zip(cut, results, strict=False), 1):
        finish(chunk, result)
        release_memory()
        if progress is not None:
            progress(number / len(cut))
    return done
