"""Receive: each new file of an authority's DEWi inbox, known by sha256, accepted or quarantined with a reason.

The inbox is left as it is: a file is known by its content, and the same bytes again are nothing to do.
"""

from typing import Any

import pandas as pd

from schemas.faults import Refused, ServiceFault
from schemas.plasc_layouts import PlascLayout, all_layouts
from schemas.quarantine_reasons import all_reasons
from schemas.tables import RECEIVED
from schemas.texts import both
from tasks.admission import admit
from tasks.io.data_root import DataRoot
from tasks.io.dewi_inbox import (
    Arrival,
    ReturnDocument,
    files_at,
    let_go,
    list_arrivals,
    open_arrival,
    quarantine,
    sha256_of,
)
from tasks.io.plasc_xml import ReturnHeader, inspect
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
    settled, layouts = _settled(known), all_layouts()
    register = set(schools(ground.root.reference)["school_number"])
    counts = {"files": 0, "accepted": 0, "quarantined": 0, "faults": 0}
    rows: list[dict[str, Any]] = []
    for arrival in list_arrivals(ground.root.dewi_inbox, la):
        try:
            new = _take_in(ground, arrival, la, register, settled, layouts)
        except Exception as error:  # noqa: BLE001 - one odd file must not stop the others of its authority
            counts["faults"] += 1
            keep_evidence(data, cycle, "receive", la, error)
            continue
        counts["files"] += bool(new)
        rows += [{**row, "received_at": as_of} for row in new]
    record = _without_repeats(pd.DataFrame(rows, columns=[c.name for c in RECEIVED.columns]), known)
    ground.lake.upsert("received", record)
    # After the commit, and of all that was ever accepted: what a killed run left behind goes too.
    accepted = {s for table in (known, record) for s in table.loc[table["status"] == "accepted", "sha256"]}
    let_go(ground.root.path, accepted)
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
    return rows[~_outcome(rows).isin(set(_outcome(known)))].reset_index(drop=True)


def _outcome(rows: pd.DataFrame) -> pd.Series:
    # As objects first: a column in which nothing stands has no type of its own.
    sha256, status, reason = (rows[c].astype("object").fillna("").astype("str") for c in ("sha256", "status", "reason"))
    return sha256 + "|" + status + "|" + reason


def _take_in(
    ground: Ground,
    arrival: Arrival,
    la: str,
    register: set[str],
    settled: set[str],
    layouts: dict[str, PlascLayout],
) -> list[dict[str, Any]]:
    """Rows of `received` for a file and what it holds; none where it is settled."""
    sha256 = sha256_of(arrival.file)
    if sha256 in settled:
        return []
    base: dict[str, Any] = {"path": arrival.path, "file_name": arrival.path.rpartition("/")[2], "la_code": la}
    try:
        opened = open_arrival(arrival.file)
    except Refused as refused:
        content = None if refused.reason == "file_too_large" else arrival.file.read_bytes()
        return [_refused_row(ground.root, sha256, None, content, refused, {**base, "kind": "arrival"})]
    rows = []
    if any(d.sha256 != sha256 for d in opened.documents):
        detail = both("detail.left_out", count=opened.left_out) if opened.left_out else None
        rows.append({**base, "kind": "zip", "sha256": sha256, "status": "accepted", "detail": detail})
    for document in opened.documents:
        if document.sha256 in settled:
            continue
        container = sha256 if document.sha256 != sha256 else None
        about: dict[str, Any] = {**base, "kind": "return", "member": document.member, "container_sha256": container}
        try:
            header = inspect(document.data, layouts)
            admit(header, ground.cycle, register, la)
        except Refused as refused:
            rows.append(_refused_row(ground.root, document.sha256, document.member, document.data, refused, about))
        else:
            rows.append({**about, "sha256": document.sha256, "status": "accepted", **_header_columns(header, ground)})
    return rows


def _header_columns(header: ReturnHeader, ground: Ground) -> dict[str, Any]:
    return {
        "cycle": ground.cycle.id,
        "school_number": header.school_number,
        "census_date": header.census_date,
        "header_datetime": header.header_datetime,
        "serial_no": header.serial_no,
        "layout": header.layout,
        "declared": header.declared,
    }


def _refused_row(
    root: DataRoot, sha256: str, member: str | None, content: bytes | None, refused: Refused, about: dict[str, Any]
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
    for file in files_at(root.dewi_inbox, path):
        try:
            documents = open_arrival(file).documents
        except (OSError, Refused):
            continue
        for document in documents:
            if document.sha256 == sha256:
                return document
    raise ServiceFault(both("fault.return_gone", path=path))
