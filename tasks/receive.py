"""Receive: each new file of an authority's DEWi inbox, known by sha256, accepted or quarantined with a reason.

The inbox is left as it is: a file is known by its content, and the same bytes again are nothing to do.
"""

import datetime as dt
from typing import Any

import pandas as pd

from schemas.faults import Refused, ServiceFault
from schemas.plasc_layouts import all_layouts
from schemas.quarantine_reasons import all_reasons
from schemas.tables import RECEIVED
from schemas.texts import both
from tasks.io.data_root import DataRoot
from tasks.io.dewi_inbox import Arrival, ReturnDocument, list_arrivals, open_arrival, quarantine
from tasks.io.plasc_xml import ReturnHeader, read_header
from tasks.io.reference import schools
from tasks.stage import Counts, Ground, keep_evidence, stage_task


@stage_task("receive", "receive {la}")
def receive(data: str, cycle: str, la: str, as_of: str) -> Counts:
    """Take in what is new in `dewi/inbox/<la>`.

    Returns:
        Counts: files, accepted, quarantined, faults.
    """
    ground = Ground.of(data, cycle)
    known = ground.lake.read("received")
    settled = _settled(known)
    register = set(schools(ground.root.reference)["school_number"])
    counts = {"files": 0, "accepted": 0, "quarantined": 0, "faults": 0}
    rows: list[dict[str, Any]] = []
    for arrival in list_arrivals(ground.root.dewi_inbox, la):
        if arrival.sha256 in settled:
            continue
        counts["files"] += 1
        try:
            new = _take_in(ground, arrival, la, register, settled)
        except OSError as error:
            counts["faults"] += 1
            keep_evidence(data, cycle, "receive", la, error)
            continue
        rows += [{**row, "received_at": as_of} for row in new]
    record = _without_repeats(pd.DataFrame(rows, columns=[c.name for c in RECEIVED.columns]), known)
    ground.lake.upsert("received", record)
    counts["accepted"] = int(((record["status"] == "accepted") & (record["kind"] == "return")).sum())
    counts["quarantined"] = int((record["status"] == "quarantined").sum())
    return counts


def _settled(known: pd.DataFrame) -> set[str]:
    """Files that need no second look; some reasons may have gone when the reference data or the cycle changed."""
    again = {reason.code for reason in all_reasons().values() if reason.looked_at_again}
    open_again = (known["status"] == "quarantined") & known["reason"].isin(again)
    containers = set(known.loc[open_again, "container_sha256"].dropna())
    return set(known.loc[~open_again, "sha256"]) - containers


def _without_repeats(rows: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Drop what was looked at again and found as before; of equal bytes under two names, keep the first."""
    rows = rows.drop_duplicates("sha256")
    before = known[["sha256", "status", "reason"]].fillna("").agg("|".join, axis=1)
    now = rows[["sha256", "status", "reason"]].fillna("").astype("str").agg("|".join, axis=1)
    return rows[~now.isin(set(before))].reset_index(drop=True)


def _take_in(ground: Ground, arrival: Arrival, la: str, register: set[str], settled: set[str]) -> list[dict[str, Any]]:
    path = ground.root.dewi_inbox / arrival.path
    base: dict[str, Any] = {"path": arrival.path, "file_name": path.name, "la_code": la}
    try:
        documents = open_arrival(path)
    except Refused as refused:
        return [
            _refused_row(ground.root, arrival.sha256, None, path.read_bytes(), refused, {**base, "kind": "arrival"})
        ]
    rows = []
    if any(d.sha256 != arrival.sha256 for d in documents):
        rows.append({**base, "kind": "zip", "sha256": arrival.sha256, "status": "accepted"})
    for document in documents:
        if document.sha256 in settled:
            continue
        container = arrival.sha256 if document.sha256 != arrival.sha256 else None
        about: dict[str, Any] = {**base, "kind": "return", "member": document.member, "container_sha256": container}
        try:
            header = read_header(document.data, all_layouts())
            _check(header, ground, la, register)
        except Refused as refused:
            rows.append(_refused_row(ground.root, document.sha256, document.member, document.data, refused, about))
        else:
            rows.append({**about, "sha256": document.sha256, "status": "accepted", **_header_columns(header, ground)})
    return rows


def _check(header: ReturnHeader, ground: Ground, la: str, register: set[str]) -> None:
    if header.school_number not in register:
        raise Refused("unknown_school", f"{header.school_number[:20]!r} is not in the schools register")
    if header.la_code != la:
        raise Refused("la_mismatch", f"the header says authority {header.la_code[:20]!r}, the folder is {la}")
    if not ground.cycle.covers(dt.date.fromisoformat(header.census_date[:10])):
        span = f"{ground.cycle.census_from} to {ground.cycle.census_to}"
        raise Refused("outside_cycle", f"census date {header.census_date[:10]}; cycle {ground.cycle.id} takes {span}")


def _header_columns(header: ReturnHeader, ground: Ground) -> dict[str, str]:
    return {
        "cycle": ground.cycle.id,
        "school_number": header.school_number,
        "census_date": header.census_date,
        "header_datetime": header.header_datetime,
        "serial_no": header.serial_no,
        "layout": header.layout,
    }


def _refused_row(
    root: DataRoot, sha256: str, member: str | None, content: bytes, refused: Refused, about: dict[str, Any]
) -> dict[str, Any]:
    reason = all_reasons()[refused.reason]
    where = f"{about['path']}#{member}" if member else about["path"]
    quarantine(
        root.path,
        sha256,
        content,
        {
            "file": where,
            "reason": refused.reason,
            "detail": refused.detail,
            "text_cy": reason.text_cy,
            "text_en": reason.text_en,
            "action_cy": reason.action_cy,
            "action_en": reason.action_en,
        },
    )
    return {**about, "sha256": sha256, "status": "quarantined", "reason": refused.reason, "detail": refused.detail}


def document_of(root: DataRoot, path: str, sha256: str) -> ReturnDocument:
    """The return with that content, opened from the inbox again.

    Raises:
        ServiceFault: the file has gone from the inbox or has changed since it was received.
    """
    try:
        documents = open_arrival(root.dewi_inbox / path)
    except (OSError, Refused):
        documents = []
    for document in documents:
        if document.sha256 == sha256:
            return document
    raise ServiceFault(both("fault.return_gone", path=path))
