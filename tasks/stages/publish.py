"""Publish: the conservation check, then each school's zip and each authority's workbook, then the cycle's snapshots.

Nothing leaves unless every record of the cycle is accounted for. A school whose content is as it was delivered gets
nothing new, and an authority neither, unless one of its schools does. Numbers run on per school and authority, over
cycles, so that no two files of one share a name. A file is written before it is written down as delivered: after a run
that died between the two, the same bytes are put there again, other bytes get the next number, as the file that stands
there may have been fetched.
"""

import hashlib
from itertools import repeat
from typing import Any

import pandas as pd

from schemas.tables import DELIVERIES
from schemas.views import PUBLISHED
from tasks.io.data_root.data_root import write_each
from tasks.ledger.code_texts import merge_codes
from tasks.ledger.findings import record
from tasks.runtime.chunks import Steps, Walked, walk
from tasks.runtime.context import Ground, moment
from tasks.runtime.error_boundary import keep_evidence
from tasks.runtime.executor import begin, parts, spread
from tasks.runtime.memory import give_back
from tasks.runtime.partition import Lot
from tasks.runtime.run_log import schools_published
from tasks.runtime.task import stage_task
from tasks.runtime.visibility import shown
from tasks.steps.possible_matches import possible_matches
from tasks.steps.publish import for_authority, path_of, published_now, together


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
