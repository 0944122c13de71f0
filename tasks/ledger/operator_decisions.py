"""What a person decides of a school or a file (`uln release`, `uln publish`, `uln import`), kept with its time and reason.

Belongs here: how such a decision is kept, read and reported. Does not belong here: what it does (`holds`, `publish_again`,
`import_export`), and decisions of batches (`hand_over`). A decision is kept before anything follows from it, and what follows
is worked out from what is kept: a command that dies after it has happened, and the next run carries it out.
To add a decision: a word in `schemas.states.OperatorDecision`, a module that asks here, its commands and its flow.
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
    """Stop before anything is looked at.

    Raises:
        ServiceFault: the reason cannot be taken, or the time is none.
    """
    fault = reason_fault(reason)
    if fault:
        raise ServiceFault(bilingual(fault))
    moment(as_of)


def keep(
    root: DataRoot, decision: OperatorDecision, ref: str, reason: str, as_of: str, counted: int, **whose: str
) -> None:
    """Write a decision down; while no other run is on the data root.

    Args:
        root: the data root.
        decision: which.
        ref: of what: `school_ref`, or a file's sha256.
        reason: why.
        as_of: the time it counts as, ISO.
        counted: what it was made in view of; what that is says the decision's own module.
        whose: cycle, la_code, school_number, where it is of a school.
    """
    lake = Lake.of(root)
    before = lake.read("operator_decisions", ["number"], decision=decision.value, ref=ref)
    row: dict[str, Any] = {"cycle": None, "la_code": None, "school_number": None} | whose
    row |= {"decision": decision.value, "ref": ref, "number": len(before) + 1, "decided_at": as_of}
    row |= {"counted": counted, "reason": reason}
    lake.append("operator_decisions", pa.Table.from_pylist([row], schema=OPERATOR_DECISIONS.schema))
    report_decisions(root, lake)


def last_decided(lake: Lake, decision: OperatorDecision, **where: Any) -> pd.DataFrame:
    """The last decision of that kind of each ref: ref, number, cycle, school_number, counted.

    Args:
        lake: the lake.
        decision: which.
        where: further conditions, such as cycle.
    """
    columns = ["ref", "number", "cycle", "school_number", "counted"]
    rows = lake.read("operator_decisions", columns, decision=decision.value, **where)
    return rows.sort_values(["ref", "number"]).drop_duplicates("ref", keep="last", ignore_index=True)


def school_ref(cycle: str, school: str) -> str:
    """How a decision of a school in a cycle is known."""
    return f"{cycle}/{school}"


def report_decisions(root: DataRoot, lake: Lake) -> None:
    """`reports/operator_decisions.csv`: every decision, its reason and when it was made; nothing where there is none.

    With each decision, and with each run that collects or batches, as a decision that was cut short is in the lake alone.
    """
    if lake.version("operator_decisions") < 0:
        return
    rows = lake.read("operator_decisions").sort_values(["decided_at", "decision", "ref", "number"])
    heads = {name: bilingual(f"decisions.{name}") for name in _REPORTED}
    table = rows[list(_REPORTED)].astype({"counted": "str"}).rename(columns=heads)
    path, content = root.path / "reports" / "operator_decisions.csv", write_report(table)
    if not path.is_file() or path.read_bytes() != content:
        write_whole(path, content)
