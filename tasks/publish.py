"""Publish: the conservation check, then each school's zip and each authority's workbook, then the cycle's snapshots.

Nothing leaves unless every record of the cycle is accounted for. A school whose content is as it was delivered gets
nothing new, and an authority neither, unless one of its schools does. Numbers run on per school and authority, over
cycles, so that no two files of one share a name. A file is written before it is written down as delivered: after a run
that died between the two, the same bytes are put there again, other bytes get the next number, as the file that stands
there may have been fetched.
"""

import hashlib
import json
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import pandas as pd
import pyarrow as pa

from schemas.exceptions import exception_terms
from schemas.faults import ServiceFault
from schemas.tables import DELIVERIES, EXCEPTION_LIVES
from schemas.texts import both
from schemas.views import PUBLISHED
from tasks.boundary import keep_evidence
from tasks.code_texts import merge_codes, texts_of
from tasks.core.standing import as_status
from tasks.exceptions import lives_of
from tasks.ground import Ground, Lot, all_portions, moment
from tasks.io.data_root import write_each, write_together, write_whole
from tasks.io.lake import arrow_of
from tasks.io.parquet_file import parquet_of
from tasks.io.reference import schools
from tasks.one_worker import give_back
from tasks.own_findings import record
from tasks.returns_work import (
    SNAPSHOT,
    for_authority,
    path_of,
    possible_matches,
    published_now,
    snapshot_rows,
    together,
)
from tasks.run_log import schools_published
from tasks.showing import shown
from tasks.stage import Counts, Steps, Walked, stage_task, walk
from tasks.status import counts_of
from tasks.workers import begin, in_turn, parts, spread


@stage_task("conserve", "conserve {cycle}", retried=True)
def conserve(data: str, cycle: str) -> Counts:
    """Check that every record of a cycle is exactly one of the states, per school; write the counts as a report.

    Returns:
        Counts: schools, records.

    Raises:
        ServiceFault: naming the schools that do not balance; nothing is published then.
    """
    counts = counts_of(data, cycle)
    status = json.dumps(as_status(cycle, counts), indent=1, sort_keys=True).encode() + b"\n"
    write_whole(Ground.of(data, cycle).root.reports(cycle) / "conservation.json", status)
    wrong = list(counts.index[~counts["balanced"]])
    if wrong:
        named = ", ".join(wrong[:5]) + (f" (+{len(wrong) - 5})" if len(wrong) > 5 else "")
        raise ServiceFault(both("fault.unbalanced", cycle=cycle, schools=named))
    return {"schools": len(counts), "records": int(counts["records"].sum())}


@stage_task("publish", "publish {cycle}")
def publish(data: str, cycle: str, las: list[str], as_of: str) -> Walked:
    """Make the zips of some authorities' schools whose content is new, and the workbooks of these authorities.

    Returns:
        Counts by authority: zips, workbooks, ulns, exceptions, faults.
    """
    return publish_now(Ground.of(data, cycle), las, as_of)


def publish_now(ground: Ground, las: list[str], as_of: str) -> Walked:
    """`publish`, also where there is no engine."""
    moment(as_of)  # told once, before any authority is begun
    return walk("publish", _publish, ground, las, as_of=as_of)


def _publish(ground: Ground, lot: Lot, as_of: str) -> Steps:
    portions, likely = lot.portions(parts()), possible_matches(ground, lot)
    give_back()  # the whole country's ledger was looked through
    begun = begin(published_now, repeat(ground), portions, repeat(as_of), repeat(likely))
    yield
    results = begun()
    record(ground, lot, sorted(merge_codes()), [r.findings for r in results])
    counts = {la: {"zips": 0, "workbooks": 0, "ulns": 0, "exceptions": 0, "faults": 0} for la in lot.las}
    for result in results:
        for la, name, n in ((la, name, int(n)) for name, column in result.counts.items() for la, n in column.items()):
            counts[str(la)][str(name)] += n
    listed = together([r.listed for r in results])
    books = spread(for_authority, repeat(ground), lot.las, [listed.of(la) for la in lot.las], repeat(as_of))
    made = [*(one for result in results for one in result.filled), *(one for one in books if one is not None)]
    files = {path_of(ground, one): one.file for one in made if isinstance(one.file, bytes)}
    unwritten = write_each(files)
    entries: list[dict[str, Any]] = []
    for one in made:
        la, path = one.receiver[:3], path_of(ground, one)
        fault = one.file if isinstance(one.file, Exception) else unwritten.get(path)
        if fault is not None:
            counts[la]["faults"] += 1
            keep_evidence(str(ground.root.path), ground.cycle.id, "publish", one.receiver, fault)
            continue
        counts[la]["workbooks" if one.receiver == la else "zips"] += 1
        entries.append(
            {
                "sha256": hashlib.sha256(files[path]).hexdigest(),
                "cycle": ground.cycle.id,
                "la_code": la,
                "school_number": one.receiver,
                "content_ref": one.content_ref,
                "path": path.relative_to(ground.root.path).as_posix(),
                "delivered_at": as_of,
                "number": one.number,
                "ulns": one.ulns,
                "exceptions": one.exceptions,
            }
        )
    if entries:
        ground.lake.append("deliveries", pd.DataFrame(entries)[[c.name for c in DELIVERIES.columns]])
        zips = [
            {c.name: one[c.name] for c in PUBLISHED.columns}
            for one in entries
            if one["school_number"] != one["la_code"]
        ]
        schools_published(ground.cycle.id, shown(PUBLISHED, zips))
    return counts


@stage_task("snapshot", "snapshot {cycle}", retried=True)
def snapshot(data: str, cycle: str) -> Counts:
    """Write the cycle's Parquet snapshots, with the Delta versions they were taken at.

    Returns:
        Counts: learners, exceptions.
    """
    ground = Ground.of(data, cycle)
    versions = ground.lake.versions()
    # As the cycle sees it: what a later cycle resolved was open here. Before the learners, whose file is large.
    exceptions = lives_of(ground, [cycle])
    give_back()
    counted = 0

    def learners_by_school() -> Iterator[pa.Table]:
        nonlocal counted
        for rows in in_turn(snapshot_rows, repeat(ground), all_portions(ground)):
            counted += len(rows)
            yield rows

    learners = parquet_of(learners_by_school(), SNAPSHOT)
    folder = ground.root.snapshots(cycle)
    files = {
        folder / "learners.parquet": learners,
        folder / "exceptions.parquet": parquet_of([arrow_of(EXCEPTION_LIVES, exceptions)], EXCEPTION_LIVES.schema),
    }
    manifest = {
        "cycle": cycle,
        "learners": counted,
        "exceptions": len(exceptions),
        # By these a reader sees that he holds one snapshot, and not parts of two while one takes the other's place.
        "sha256": {path.name: hashlib.sha256(content).hexdigest() for path, content in files.items()},
        "delta_versions": versions,
        "texts_and_schools": _fingerprint(ground),
    }
    files[folder / "manifest.json"] = json.dumps(manifest, indent=1, sort_keys=True).encode() + b"\n"
    write_together(files)
    return {"learners": counted, "exceptions": len(exceptions)}


#: A cycle is published anew where one of these tables has moved on since its last snapshot.
_INPUTS = ("pupils", "dispositions", "findings", "batches", "learners", "exceptions", "operator_decisions")


def published(data: str, cycle: str) -> bool:
    """Whether the cycle's snapshot was taken at the lake's present versions, with the present texts and schools."""
    ground = Ground.of(data, cycle)
    manifest = ground.root.snapshots(cycle) / "manifest.json"
    if not manifest.exists():
        return False
    taken = json.loads(manifest.read_text(encoding="utf-8"))
    moved = any(taken["delta_versions"].get(name, -1) != ground.lake.version(name) for name in _INPUTS)
    return not moved and taken["texts_and_schools"] == _fingerprint(ground)


def _fingerprint(ground: Ground) -> str:
    """A hash over what is published besides what the lake holds."""
    tables = (texts_of(ground.root), schools(ground.root.reference))
    digest = hashlib.sha256(ground.cycle.ctf_version.encode())
    for table in tables:
        digest.update(table.to_csv(index=False, lineterminator="\n").encode())
    # By these the snapshot says what an exception was resolved by.
    digest.update(repr(exception_terms(ground.root.reference / "exceptions.toml").export_words).encode())
    return digest.hexdigest()
