"""Decisions of a person on a school or a file (`uln release`, `uln publish`, `uln import`), kept with time and reason.

Belongs here: how a decision is kept, read and reported. Does not belong here: its effect (`ledger.holds`, `tasks.operator`),
or decisions on batches (`ledger.hand_over`). A decision is kept before it takes effect, and its effect is derived
from what is kept: if the command dies in between, the decision counts and the next run carries it out.
To add a decision: a word in `schemas.states.OperatorDecision`, a module in this room to read it, its commands and its flow.
"""

from typing import Any

import pandas as pd
import pyarrow as pa

from schemas.states import OperatorDecision
from schemas.tables import OPERATOR_DECISIONS
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.core.hand_over import reason_fault
from tasks.io.data_root.data_root import DataRoot, write_whole
from tasks.io.data_root.report_csv import write_report
from tasks.io.lake.lake import Lake
from tasks.runtime.context import moment

_REPORTED = ("decision", "ref", "cycle", "school_number", "decided_at", "counted", "reason")


def refuse_reason(reason: str, as_of: str) -> None:
    """Refuse a bad reason or time before anything is read.

    Raises:
        ServiceFault: the reason cannot be accepted, or the time is not a time.
    """
    fault = reason_fault(reason)
    if fault:
        raise ServiceFault(bilingual(fault))
    moment(as_of)


def save_decision(
    root: DataRoot, decision: OperatorDecision, ref: str, reason: str, as_of: str, counted: int, **whose: str
) -> None:
    """Keep a decision; the caller makes sure that no other run uses the data root.

    `ref` is its subject: `school_ref`, or a file's sha256. `as_of` is its time, ISO. `counted` is the number that the person
    saw; the decision's own module defines it. `whose` is cycle, la_code and school_number, if it is about a school.
    """
    lake = Lake.of(root)
    before = lake.read("operator_decisions", ["number"], decision=decision.value, ref=ref)
    row = {"decision": decision.value, "ref": ref, "number": len(before) + 1, "decided_at": as_of, **whose}
    row |= {"counted": counted, "reason": reason}
    lake.append("operator_decisions", pa.Table.from_pylist([row], schema=OPERATOR_DECISIONS.schema))
    report_decisions(root, lake)


def last_decided(lake: Lake, decision: OperatorDecision, **where: Any) -> pd.DataFrame:
    """Return the last decision of a kind for each ref: ref, number, cycle, school_number, counted."""
    columns = ["ref", "number", "cycle", "school_number", "counted"]
    rows = lake.read("operator_decisions", columns, decision=decision.value, **where)
    return rows.sort_values(["ref", "number"]).drop_duplicates("ref", keep="last", ignore_index=True)


def school_ref(cycle: str, school: str) -> str:
    """Return the ref of a decision on a school in a cycle."""
    return f"{cycle}/{school}"


def report_decisions(root: DataRoot, lake: Lake) -> None:
    """Write `reports/operator_decisions.csv`: every decision, with reason and time; nothing if there are none.

    Called with each decision, and by each run that collects or batches: if a command dies, its decision is only in the lake.
    """
    if lake.version("operator_decisions") < 0:
        return
    rows = lake.read("operator_decisions").sort_values(["decided_at", "decision", "ref", "number"])
    heads = {name: bilingual(f"decisions.{name}") for name in _REPORTED}
    table = rows[list(_REPORTED)].astype({"counted": "str"}).rename(columns=heads)
    path, content = root.path / "reports" / "operator_decisions.csv", write_report(table)
    if not path.is_file() or path.read_bytes() != content:
        write_whole(path, content)
