"""Read: the pupils of each accepted return, everything still text, each with its row_ref."""

import json
from itertools import repeat

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from schemas.tables import PUPILS
from tasks.ground import Ground, Lot
from tasks.portion_work import pupil_rows
from tasks.stage import Counts, Walked, keep_evidence, stage_task, walk
from tasks.workers import attempt

#: Returns that a worker reads together.
_AT_ONCE = 8


@stage_task("read", "read {cycle}")
def read(data: str, cycle: str, las: list[str], as_of: str) -> Walked:  # noqa: ARG001 - every stage takes the same references
    """Read the returns of some authorities that were received and not read yet.

    Returns:
        Counts by authority: returns, records, leavers, unknown_elements, faults.
    """
    return walk("read", _read, Ground.of(data, cycle), las)


def _read(ground: Ground, lot: Lot) -> dict[str, Counts]:
    received = ground.lake.read("received", cycle=ground.cycle.id, **lot.where)
    accepted = received[(received["status"] == "accepted") & (received["kind"] == "return")]
    unread = accepted[accepted["pupils"].isna()].reset_index(drop=True)
    counts = {la: {"returns": 0, "records": 0, "leavers": 0, "unknown_elements": 0, "faults": 0} for la in lot.las}
    known = ["path", "sha256", "la_code", "school_number", "layout", "declared", "unknown_elements"]
    calls = unread[known].to_dict("records")
    tables: list[pa.Table] = []
    read: dict[str, int] = {}
    for one, found in zip(calls, attempt(pupil_rows, repeat(ground), calls, at_once=_AT_ONCE), strict=True):
        if isinstance(found, Exception):
            counts[one["la_code"]]["faults"] += 1
            keep_evidence(str(ground.root.path), ground.cycle.id, "read", str(one["school_number"]), found)
            continue
        tables.append(found)
        read[one["sha256"]] = len(found)
    if read:
        there = ground.lake.read_arrow("pupils", ["sha256"], cycle=ground.cycle.id, **lot.where)
        new = pa.concat_tables([PUPILS.schema.empty_table(), *tables])
        ground.lake.append("pupils", new.filter(pc.invert(pc.is_in(new["sha256"], there["sha256"].unique()))))
        notes = unread[unread["sha256"].isin(read)]
        ground.lake.upsert("received", notes.assign(pupils=notes["sha256"].map(read).astype("Int64")))
        for la, own in notes.groupby("la_code"):
            counts[str(la)] |= _counts(own, read)
    return counts


def _counts(notes: pd.DataFrame, read: dict[str, int]) -> Counts:
    unknown = [sum(json.loads(note).values()) for note in notes["unknown_elements"].dropna()]
    return {
        "returns": len(notes),
        "records": sum(read[sha256] for sha256 in notes["sha256"]),
        "leavers": int(notes["leavers"].sum()),
        "unknown_elements": sum(unknown),
    }
