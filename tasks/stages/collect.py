"""Collect: the LRS's answers from its inbox, as return rows tied to the learners sent. Nothing is dropped."""

import hashlib
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from schemas.tables import LRS_RETURNS, RECEIVED
from schemas.texts.faults import Refused
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.dewi_inbox import let_go, quarantine
from tasks.io.lake.lake import Lake
from tasks.io.lrs.files import LARGEST_RESULT
from tasks.ledger.operator_decisions import report_decisions
from tasks.reports.untied import report_untied
from tasks.runtime.chunks import Counts, in_groups
from tasks.runtime.error_boundary import keep_evidence
from tasks.runtime.memory import release_memory
from tasks.runtime.task import stage_task
from tasks.steps.collect import Arrival, StillGrowing, answers_in, new_arrivals, tied_answers

#: Bytes of result files taken in together: about half of the answers for Wales.
_BYTES_TOGETHER = 12 * 2**20


@stage_task("collect", "collect", retried=True)
def collect(data: str, as_of: str) -> Counts:
    """Take in the files of `lrs/inbox` that are not known yet, or were refused.

    Returns:
        Counts: files, rows, untied, quarantined, faults.
    """
    root = DataRoot(Path(data))
    lake = Lake.of(root)
    before = lake.read("received", ["sha256", "kind", "status", "reason"])
    # A refused file is looked at again: its layout may be known by now.
    refused = before[(before["kind"] == "lrs_result") & (before["status"] == "quarantined")]
    refused_for = dict(zip(refused["sha256"], refused["reason"], strict=True))
    new, faults = new_arrivals(root.lrs_inbox, set(before["sha256"]) - refused_for.keys())
    for fault in faults:
        keep_evidence(data, "returns", "collect", "all", fault)
    counts = {"files": 0, "rows": 0, "untied": 0, "quarantined": 0, "faults": len(faults)}
    accepted = set(before.loc[before["status"] == "accepted", "sha256"])
    for files in in_groups(new, lambda arrival: arrival.size, _BYTES_TOGETHER):
        accepted |= set(_collect(root, lake, files, refused_for, as_of, counts))
        release_memory()
    # After the commits, and for every file ever accepted: this also clears what a killed run left in quarantine.
    let_go(root.path, accepted)
    # The lake decides, not what this run has taken in: a run that died may not have written the report.
    if _tie_again(lake) or root.untied_report.exists():
        report_untied(root, lake)
    report_decisions(root, lake)
    return counts


def _collect(
    root: DataRoot, lake: Lake, files: list[Arrival], refused_for: dict[str, str], as_of: str, counts: Counts
) -> list[str]:
    """Take some files in; return the hashes of those whose answers are kept."""
    answers, unusable = answers_in(root, files, as_of)
    rows: list[dict[str, Any]] = []
    accepted: list[str] = []
    for place, file in enumerate(files):
        about = {"sha256": file.sha256, "kind": "lrs_result", "path": file.name, "file_name": file.name}
        fault = unusable.get(place)
        if isinstance(fault, StillGrowing):
            continue  # the next run finds it whole
        if isinstance(fault, Refused):
            if refused_for.get(file.sha256) == fault.reason:
                continue
            # A file that is too large is not copied to quarantine; it is in the inbox.
            content = file.path.read_bytes() if file.size <= LARGEST_RESULT else None
            if content is not None and hashlib.sha256(content).hexdigest() != file.sha256:
                continue
            quarantine(root.path, file.sha256, content, file.name, fault)
            counts["quarantined"] += 1
            reason = {"reason": fault.reason, "detail": fault.detail}
            rows.append({**about, "status": "quarantined", "received_at": as_of, **reason})
        elif fault is not None:
            counts["faults"] += 1
            keep_evidence(str(root.path), "returns", "collect", "all", fault)
            continue
        else:
            accepted.append(file.sha256)
            rows.append({**about, "status": "accepted", "received_at": as_of})
        counts["files"] += 1
    _record(lake, accepted, answers, counts)
    del answers
    if rows:
        lake.upsert(
            "received", pd.DataFrame(rows, columns=[c.name for c in RECEIVED.columns]).astype({"reason": "str"})
        )
    return accepted


def _record(lake: Lake, files: list[str], answers: pa.Table, counts: Counts) -> None:
    """Append the answers with a transaction id for each file, so that no file is added twice."""
    done = lake.committed("lrs_returns", [f"collect/{sha256}" for sha256 in files])
    new = [sha256 for sha256 in files if f"collect/{sha256}" not in done]
    if not new:
        return
    answers = answers.filter(pc.is_in(answers["sha256"], value_set=pa.array(new)))
    counts["rows"] += len(answers)
    counts["untied"] += int(pc.sum(pc.equal(answers["tied"], "N")).as_py() or 0)
    lake.append("lrs_returns", answers, [f"collect/{s}" for s in new])


def _tie_again(lake: Lake) -> bool:
    """Tie answers that matched nothing when they arrived but do now; return whether there were any untied answers.

    So the order of arrival does not matter.
    """
    untied = lake.read("lrs_returns", tied="N")
    if not untied.empty:
        tied = tied_answers(lake, untied)
        lake.upsert("lrs_returns", tied.loc[tied["tied"] == "Y", [c.name for c in LRS_RETURNS.columns]])
    return not untied.empty
