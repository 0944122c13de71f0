"""Read: the pupils of each accepted return, everything still text, each with its row_ref."""

import json
from collections.abc import Hashable
from itertools import repeat
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from schemas.tables import PUPILS
from tasks.runtime.chunks import Counts, Steps, Walked, walk
from tasks.runtime.context import Ground
from tasks.runtime.error_boundary import keep_evidence
from tasks.runtime.executor import one_by_one
from tasks.runtime.partition import Lot
from tasks.runtime.task import stage_task
from tasks.steps.read import read_returns

#: Records that a worker reads before it hands them over.
_READ_AT_ONCE = 25_000
#: Records that are written together, while the workers read on.
_WRITTEN_AT_ONCE = 100_000
_NEEDED = ["path", "sha256", "la_code", "school_number", "layout", "declared", "unknown_elements"]


@stage_task("read", "read {cycle}", retried=True, counts_new=True)
def read(data: str, cycle: str, las: list[str], as_of: str) -> Walked:  # noqa: ARG001 - every stage takes the same references
    """Read the returns of some authorities that were received and not read yet.

    Returns:
        Counts by authority: returns, records, leavers, unknown_elements, faults.
    """
    return walk("read", _read, Ground.of(data, cycle), las)


def _read(ground: Ground, lot: Lot) -> Steps:
    received = ground.lake.read("received", cycle=ground.cycle.id, **lot.where)
    accepted = received[(received["status"] == "accepted") & (received["kind"] == "return")]
    unread = accepted[accepted["pupils"].isna()].reset_index(drop=True)
    counts = {la: {"returns": 0, "records": 0, "leavers": 0, "unknown_elements": 0, "faults": 0} for la in lot.las}
    shares = _shares(unread)
    begun = one_by_one(read_returns, repeat(ground), [returns for _, returns in shares])
    yield
    if unread.empty:
        return counts
    there = ground.lake.read_arrow("pupils", ["sha256"], cycle=ground.cycle.id, **lot.where)["sha256"].unique()
    records: dict[str, int] = {}
    written: list[pa.Table] = []
    for (la, _), found in zip(shares, begun, strict=True):
        if isinstance(found, Exception):
            raise found
        counts[la]["faults"] += len(found.faults)
        for school, fault in found.faults:
            keep_evidence(str(ground.root.path), ground.cycle.id, "read", school, fault)
        records |= found.records
        written.append(found.pupils.filter(pc.invert(pc.is_in(found.pupils["sha256"], there))))
        if sum(map(len, written)) > _WRITTEN_AT_ONCE:
            ground.lake.append("pupils", pa.concat_tables(written))
            written = []
    ground.lake.append("pupils", pa.concat_tables([PUPILS.schema.empty_table(), *written]))
    # A return counts as read once all pupils stand there; what a run that died had written is not written again.
    notes = unread[unread["sha256"].isin(records)]
    ground.lake.upsert("received", notes.assign(pupils=notes["sha256"].map(records).astype("Int64")))
    for of_la, own in notes.groupby("la_code"):
        counts[str(of_la)] |= _counts(own, records)
    return counts


def _shares(unread: pd.DataFrame) -> list[tuple[str, list[dict[Hashable, Any]]]]:
    """Returns that a worker reads together: an authority's, of a large one as many as have so many records."""
    before = unread.groupby("la_code")["declared"].cumsum() - unread["declared"]
    shares = unread.groupby(["la_code", before // _READ_AT_ONCE], sort=True)
    return [(str(la), own[_NEEDED].to_dict("records")) for (la, _), own in shares]


def _counts(notes: pd.DataFrame, records: dict[str, int]) -> Counts:
    unknown = [sum(json.loads(note).values()) for note in notes["unknown_elements"].dropna()]
    return {
        "returns": len(notes),
        "records": sum(records[sha256] for sha256 in notes["sha256"]),
        "leavers": int(notes["leavers"].sum()),
        "unknown_elements": sum(unknown),
    }
