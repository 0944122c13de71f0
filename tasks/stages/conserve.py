"""Conserve: check that every record of a cycle is in exactly one state."""

import json

from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.core.standing import as_status
from tasks.io.data_root.data_root import write_whole
from tasks.ledger.standing import counts_of
from tasks.runtime.chunks import Counts
from tasks.runtime.context import RunContext
from tasks.runtime.task import stage_task


@stage_task("conserve", "conserve {cycle}", retried=True)
def conserve(data: str, cycle: str) -> Counts:
    """Check for each school that every record of a cycle is in exactly one state; write the counts as a report.

    Returns:
        Counts: schools, records.

    Raises:
        ServiceFault: schools do not balance; it names them. Nothing is published then.
    """
    counts = counts_of(data, cycle)
    status = json.dumps(as_status(cycle, counts), indent=1, sort_keys=True).encode() + b"\n"
    write_whole(RunContext.of(data, cycle).root.reports(cycle) / "conservation.json", status)
    wrong = list(counts.index[~counts["balanced"]])
    if wrong:
        named = ", ".join(wrong[:5]) + (f" (+{len(wrong) - 5})" if len(wrong) > 5 else "")
        raise ServiceFault(bilingual("fault.unbalanced", cycle=cycle, schools=named))
    return {"schools": len(counts), "records": int(counts["records"].sum())}
