"""Read: the pupils of each accepted return, everything still text, each with its row_ref."""

import hashlib
import json
from itertools import repeat
from typing import Any

import pandas as pd

from schemas.plasc_layouts import all_layouts
from schemas.tables import PUPILS
from tasks.io.plasc_xml import PlascReturn, read_return
from tasks.receive import document_of
from tasks.stage import Counts, Ground, keep_evidence, stage_task
from tasks.workers import attempt


@stage_task("read", "read {la}")
def read(data: str, cycle: str, la: str, as_of: str) -> Counts:  # noqa: ARG001 - every stage takes the same references
    """Read the returns of an authority that were received and not read yet.

    Returns:
        Counts: returns, records, leavers, unknown_elements, faults.
    """
    ground, layouts = Ground.of(data, cycle), all_layouts()
    received = ground.lake.read("received", cycle=cycle, la_code=la)
    accepted = received[(received["status"] == "accepted") & (received["kind"] == "return")]
    unread = accepted[accepted["pupils"].isna()]
    counts = {"returns": 0, "records": 0, "leavers": 0, "unknown_elements": 0, "faults": 0}
    tables: list[pd.DataFrame] = []
    notes: list[pd.DataFrame] = []
    opened = [_content(ground, path, sha256) for path, sha256 in zip(unread["path"], unread["sha256"], strict=True)]
    results = iter(attempt(read_return, [c for c in opened if isinstance(c, bytes)], repeat(layouts)))
    for sha256, school, content in zip(unread["sha256"], unread["school_number"], opened, strict=True):
        found = next(results) if isinstance(content, bytes) else content
        if isinstance(found, Exception):
            counts["faults"] += 1
            keep_evidence(data, cycle, "read", str(school), found)
            continue
        tables.append(_pupil_rows(found, sha256, cycle, la, str(school)))
        notes.append(unread[unread["sha256"] == sha256].assign(**_note(found)))
        counts["returns"] += 1
        counts["records"] += len(found.pupils)
        counts["leavers"] += found.leavers
        counts["unknown_elements"] += sum(found.unknown_elements.values())
    if tables:
        there = set(ground.lake.read("pupils", ["sha256"], cycle=cycle, la_code=la)["sha256"])
        new = pd.concat(tables, ignore_index=True)
        ground.lake.append("pupils", new[~new["sha256"].isin(there)])
        ground.lake.upsert("received", pd.concat(notes, ignore_index=True))
    return counts


def _content(ground: Ground, path: str, sha256: str) -> bytes | Exception:
    try:
        return document_of(ground.root, path, sha256).data
    except Exception as error:  # noqa: BLE001 - one odd return must not stop the others of its authority
        return error


def _pupil_rows(found: PlascReturn, sha256: str, cycle: str, la: str, school: str) -> pd.DataFrame:
    rows = found.pupils.assign(sha256=sha256, cycle=cycle, la_code=la, school_number=school)
    rows["row_ref"] = [row_ref(sha256, int(n)) for n in rows["ordinal"]]
    return rows[[c.name for c in PUPILS.columns]]


def row_ref(sha256: str, ordinal: int) -> str:
    """The reference of a record: its file's content and its place in it, nothing of the pupil."""
    return hashlib.sha256(f"{sha256}:{ordinal}".encode()).hexdigest()[:24]


def _note(found: PlascReturn) -> dict[str, Any]:
    unknown = json.dumps(found.unknown_elements, sort_keys=True) if found.unknown_elements else None
    return {"pupils": len(found.pupils), "leavers": found.leavers, "unknown_elements": unknown}
