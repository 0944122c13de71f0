"""Collect: what the LRS put into its inbox, as return rows tied to the learners sent. Nothing is dropped."""

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd

from schemas.faults import Refused
from schemas.lrs_profiles import all_profiles
from schemas.quarantine_reasons import all_reasons
from schemas.return_codes import normalise_code
from schemas.tables import LRS_RETURNS, RECEIVED
from tasks.core.merging import tie
from tasks.io.data_root import DataRoot
from tasks.io.dewi_inbox import quarantine
from tasks.io.lake import Lake
from tasks.io.lrs_files import read_result
from tasks.stage import Counts, keep_evidence, stage_task


@stage_task("collect", "collect")
def collect(data: str, as_of: str) -> Counts:
    """Take in the files of `lrs/inbox` that are not known yet.

    Returns:
        Counts: files, rows, untied, quarantined, faults.
    """
    root = DataRoot(Path(data))
    lake = Lake(root.lake)
    known = set(lake.read("received", ["sha256"])["sha256"])
    counts = {"files": 0, "rows": 0, "untied": 0, "quarantined": 0, "faults": 0}
    rows: list[dict[str, Any]] = []
    tables: dict[str, pd.DataFrame] = {}
    for path in sorted(p for p in root.lrs_inbox.iterdir() if p.is_file() and _whole(p)):
        try:
            content = path.read_bytes()
        except OSError as error:
            counts["faults"] += 1
            keep_evidence(data, "returns", "collect", "all", error)
            continue
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 in known:
            continue
        known.add(sha256)
        counts["files"] += 1
        about: dict[str, Any] = {"sha256": sha256, "kind": "lrs_result", "path": path.name, "file_name": path.name}
        try:
            tables[sha256] = read_result(content, all_profiles(root.reference / "lrs"))
            rows.append({**about, "status": "accepted", "received_at": as_of})
        except Refused as refused:
            _set_aside(root, sha256, content, path.name, refused)
            counts["quarantined"] += 1
            reason = {"reason": refused.reason, "detail": refused.detail}
            rows.append({**about, "status": "quarantined", "received_at": as_of, **reason})
    _record(lake, tables, as_of, counts)
    if rows:
        lake.upsert("received", pd.DataFrame(rows, columns=[c.name for c in RECEIVED.columns]))
    return counts


def _whole(path: Path) -> bool:
    return not path.name.startswith(".") and path.suffix.lower() not in (".part", ".tmp")


def _record(lake: Lake, tables: dict[str, pd.DataFrame], as_of: str, counts: Counts) -> None:
    """Append the answers, one transaction id per file: a file whose commit was made before is not added again."""
    done = lake.committed("lrs_returns", [f"collect/{s}" for s in tables])
    new = {s: t for s, t in tables.items() if f"collect/{s}" not in done}
    if not new:
        return
    sent = lake.read("batch_rows", ["batch_ref", "upn", "ukprn"])
    ledger = lake.read("batches", ["batch_ref", "file_name", "cycle", "built_at"])
    answers = pd.concat([table.assign(sha256=sha256) for sha256, table in new.items()], ignore_index=True)
    tied = tie(answers, sent, ledger).assign(received_at=as_of)
    tied["return_code"] = normalise_code(tied["return_code"])
    counts["rows"] += len(tied)
    counts["untied"] += int((tied["tied"] == "N").sum())
    lake.append("lrs_returns", tied[[c.name for c in LRS_RETURNS.columns]], [f"collect/{s}" for s in new])


def _set_aside(root: DataRoot, sha256: str, content: bytes, name: str, refused: Refused) -> None:
    reason = all_reasons()[refused.reason]
    about = {"file": name, "reason": refused.reason, "detail": refused.detail}
    texts = {k: getattr(reason, k) for k in ("text_cy", "text_en", "action_cy", "action_en")}
    quarantine(root.path, sha256, content, {**about, **texts})
