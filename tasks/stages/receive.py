"""Receive: each new file of an authority's DEWi inbox, known by sha256, accepted or quarantined with a reason.

The inbox is not changed. A file is known by its content; the same bytes again need no work.
"""

import hashlib
import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pandas as pd

from schemas.codes.quarantine_reasons import all_reasons
from schemas.tables import RECEIVED
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import Refused
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.dewi_inbox import Arrival, document_at, let_go, list_arrivals, quarantine, sha256_of
from tasks.io.data_root.reference import schools
from tasks.io.plasc.reader import ReturnHeader
from tasks.runtime.chunks import Chunk, Counts, Progress, StageResult, run_chunks
from tasks.runtime.context import RunContext
from tasks.runtime.error_boundary import keep_evidence
from tasks.runtime.executor import capture, processors
from tasks.runtime.task import stage_task
from tasks.steps.receive import Arrived, admit, arrived


@stage_task("receive", "receive {cycle}", retried=True, counts_new=True)
def receive(data: str, cycle: str, las: list[str], as_of: str, progress: Progress | None = None) -> StageResult:
    """Take in new files of `dewi/inbox/<la>` of some authorities.

    Returns:
        Counts by authority: files, accepted, quarantined, faults.
    """
    ctx = RunContext.of(data, cycle)
    # One chunk: new files have no size yet, and the same bytes may be in the folders of two authorities.
    write = partial(_receive, ctx, as_of=as_of, progress=progress)
    return run_chunks("receive", ctx, [Chunk(tuple(las))], write)


def _receive(ctx: RunContext, chunk: Chunk, as_of: str, progress: Progress | None) -> dict[str, Counts]:
    known = ctx.lake.read("received")
    settled, members = _settled(known), _members(known)
    register = set(schools(ctx.root.reference)["school_number"])
    counts = {la: {"files": 0, "accepted": 0, "quarantined": 0, "faults": 0} for la in chunk.las}
    rows: list[dict[str, Any]] = []
    arrivals = _new_arrivals(ctx, chunk.las, known)
    for number, (la, arrival, sha256) in enumerate(arrivals, 1):
        if progress is not None:
            progress(number / len(arrivals))
        try:
            if isinstance(sha256, Exception):
                raise sha256
            content = capture(arrived, arrival.file, members.get(sha256, frozenset()))
            if isinstance(content, Exception) and not isinstance(content, Refused):
                raise content
            if sha256_of(arrival.file) != sha256:
                continue  # it is still being written; the next run finds it whole
            new = _rows(ctx, la, arrival, sha256, content, register)
        except Exception as error:  # noqa: BLE001 - one odd file must not stop the others of its authority
            counts[la]["faults"] += 1
            keep_evidence(str(ctx.root.path), ctx.cycle.id, "receive", la, error)
            continue
        counts[la]["files"] += bool(new)
        rows += [{**row, "received_at": as_of} for row in new if row["sha256"] not in settled]
    record = _without_repeats(pd.DataFrame(rows, columns=[c.name for c in RECEIVED.columns]), known)
    ctx.lake.upsert("received", record)
    # After the commit, and for every file ever accepted: what a killed run left in quarantine is removed too.
    accepted = {s for table in (known, record) for s in table.loc[table["status"] == "accepted", "sha256"]}
    let_go(ctx.root.path, accepted)
    for la_code, files in record.groupby("la_code"):
        counts[str(la_code)]["accepted"] = int(((files["status"] == "accepted") & (files["kind"] == "return")).sum())
        counts[str(la_code)]["quarantined"] = int((files["status"] == "quarantined").sum())
    return counts


def _new_arrivals(
    ctx: RunContext, las: Iterable[str], known: pd.DataFrame
) -> list[tuple[str, Arrival, str | Exception]]:
    """Return the files that are not settled: authority, file, and its hash or the exception that stopped the reading."""
    arrivals = [(la, arrival) for la in las for arrival in list_arrivals(ctx.root.dewi_inbox, la)]
    with ThreadPoolExecutor(processors()) as threads:  # hashing and reading leave Python to others
        hashes = list(threads.map(lambda file: capture(sha256_of, file), [arrival.file for _, arrival in arrivals]))
    settled = _settled(known)
    return [(*arrival, sha256) for arrival, sha256 in zip(arrivals, hashes, strict=True) if sha256 not in settled]


def _members(known: pd.DataFrame) -> dict[str, frozenset[str]]:
    """Return the hashes of the settled returns in each zip, by the zip's hash."""
    inside = known[known["sha256"].isin(_settled(known)) & known["container_sha256"].notna()]
    return {str(zip_hash): frozenset(hashes) for zip_hash, hashes in inside.groupby("container_sha256")["sha256"]}


def _settled(known: pd.DataFrame) -> set[str]:
    """Return the hashes of files not to look at again: a new cycle or reference data cannot change their outcome."""
    again = {reason.code for reason in all_reasons().values() if reason.retry == "Y"}
    open_again = (known["status"] == "quarantined") & known["reason"].isin(again)
    containers = set(known.loc[open_again, "container_sha256"].dropna())
    return set(known.loc[~open_again, "sha256"]) - containers


def _without_repeats(rows: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Drop rows with the same outcome as before; keep one row for equal bytes under two names."""
    # An accepted one comes first: a return in the wrong folder must not block its copy in the right one.
    rows = rows.sort_values("status", kind="stable").drop_duplicates("sha256")
    return rows[~_outcome(rows).isin(set(_outcome(known)))].reset_index(drop=True)


def _outcome(rows: pd.DataFrame) -> pd.Series:
    # As objects first: an empty column has no type of its own.
    sha256, status, reason = (rows[c].astype("object").fillna("").astype("str") for c in ("sha256", "status", "reason"))
    return sha256 + "|" + status + "|" + reason


def _rows(
    ctx: RunContext, la: str, arrival: Arrival, sha256: str, content: Arrived | Exception, register: set[str]
) -> list[dict[str, Any]]:
    """Return the rows of `received` for a file and the returns in it that are not settled."""
    path = arrival.path
    base: dict[str, Any] = {"path": path, "file_name": path.rpartition("/")[2], "la_code": la}
    if isinstance(content, Refused):
        original = None if content.reason == "file_too_large" else arrival.file.read_bytes()
        if original is not None and hashlib.sha256(original).hexdigest() != sha256:
            return []  # it has grown since it was hashed
        return [_refused_row(ctx.root, sha256, None, original, content, {**base, "kind": "arrival"})]
    assert isinstance(content, Arrived)  # noqa: S101 - for the type checker; other exceptions were raised
    rows = []
    if content.is_zip:
        detail = bilingual("detail.left_out", count=content.left_out) if content.left_out else None
        rows.append({**base, "kind": "zip", "sha256": sha256, "status": "accepted", "detail": detail})
    for plasc in content.returns:
        container = sha256 if content.is_zip else None
        row: dict[str, Any] = {**base, "kind": "return", "member": plasc.member, "container_sha256": container}
        try:
            if isinstance(plasc.header, Refused):
                raise plasc.header
            admit(plasc.header, ctx.cycle, register, la)
        except Refused as refused:
            refused_bytes = document_at(ctx.root.dewi_inbox, path, plasc.sha256)
            rows.append(_refused_row(ctx.root, plasc.sha256, plasc.member, refused_bytes, refused, row))
        else:
            rows.append({**row, "sha256": plasc.sha256, "status": "accepted", **_header_columns(plasc.header, ctx)})
    return rows


def _header_columns(header: ReturnHeader, ctx: RunContext) -> dict[str, Any]:
    same = ("school_number", "census_date", "header_datetime", "serial_no", "layout", "declared", "leavers")
    unknown = json.dumps(header.unknown_elements, sort_keys=True) if header.unknown_elements else None
    return {"cycle": ctx.cycle.id, **{name: getattr(header, name) for name in same}, "unknown_elements": unknown}


def _refused_row(
    root: DataRoot, sha256: str, member: str | None, content: bytes | None, refused: Refused, about: dict[str, Any]
) -> dict[str, Any]:
    file = f"{about['path']}#{member}" if member else about["path"]
    quarantine(root.path, sha256, content, file, refused)
    return {**about, "sha256": sha256, "status": "quarantined", "reason": refused.reason, "detail": refused.detail}
