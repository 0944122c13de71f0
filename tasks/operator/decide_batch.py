"""Retry or abandon a batch: an operator's decision, checked and recorded.

Does not belong here: the decisions that a state allows (`tasks.core.hand_over`), or carrying out a recorded decision
(`tasks.ledger.hand_over`).
"""

from pathlib import Path
from typing import Any

import pyarrow as pa

from schemas.cycles import all_cycles
from schemas.states import BatchEvent, BatchShown, BatchState, Decision
from schemas.tables import BATCH_DECISIONS
from schemas.texts.catalogue import Bilingual, bilingual
from schemas.texts.faults import ServiceFault
from tasks.core.batch_states import state_after
from tasks.core.hand_over import allowed
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.io.lake.lake import Lake
from tasks.ledger.hand_over import carry_out_decisions, jobs_of, lies_in_outbox, shown_batches
from tasks.ledger.lrs_jobs import take_up_jobs
from tasks.ledger.operator_decisions import refuse_reason
from tasks.runtime.context import moment


def decide(data: str, ref: str, decision: Decision, reason: str, as_of: str) -> Bilingual:
    """Retry or abandon a batch; waits for a run that holds the data root, but not endlessly (`one_run_at_a_time`).

    `ref` is the batch's reference, or the name of its file. The reason is kept with the decision at the time `as_of` (ISO);
    it is not stored in the engine. The result is one sentence with the next step; references only.

    Raises:
        ServiceFault: there is no such batch, its state forbids the decision, the reason is refused, or the wait is too long.
    """
    refuse_reason(reason, as_of)
    root = DataRoot(Path(data))
    lake = Lake.of(root)
    if lake.version("batches") < 0:  # do not create an empty lake
        raise ServiceFault(bilingual("fault.no_batch", ref=ref))
    with one_run_at_a_time(data):
        carry_out_decisions(root, lake)
        ledger = lake.read("batches")
        selected = ledger[(ledger["batch_ref"] == ref) | (ledger["file_name"] == ref)]
        if selected.empty:
            raise ServiceFault(bilingual("fault.no_batch", ref=ref))
        entry = selected.iloc[0].to_dict()
        about = {key: str(entry[key]) for key in ("batch_ref", "file_name", "cycle")}
        unknown = entry["state"] == BatchState.SENT_UNCONFIRMED.value
        if decision is Decision.RETRY and unknown and lies_in_outbox(root, selected).iloc[0]:
            # A retry would send the batch twice.
            raise ServiceFault(bilingual("fault.in_outbox", **about))
        take_up_jobs(root, lake)
        jobs = jobs_of(lake, selected["batch_ref"])
        if decision is Decision.RETRY and unknown and len(jobs):
            raise ServiceFault(bilingual("fault.has_job", **about, job=jobs.iloc[0]))
        now = shown_batches(lake, selected, moment(as_of).date()).iloc[0]
        if now["state"] == state_after(BatchEvent(decision)).value:
            return bilingual(f"terminal.already_{decision.value}", **about)
        if not allowed(decision, BatchShown(now["state"])):
            days = {"age": int(now["age"]), "days": all_cycles()[about["cycle"]].answer_within_days}
            raise ServiceFault(bilingual(f"fault.no_decision_{now['state']}", **about, **days))
        _keep(lake, entry, decision, reason, as_of)
        not_yet = carry_out_decisions(root, lake)
        if about["batch_ref"] in not_yet:
            raise not_yet[about["batch_ref"]]
    return bilingual(f"terminal.done_{decision.value}", **about)


def _keep(lake: Lake, entry: dict[Any, Any], decision: Decision, reason: str, as_of: str) -> None:
    before = lake.read("batch_decisions", ["batch_ref", "number"], batch_ref=entry["batch_ref"])
    row = {name: entry[name] for name in ("batch_ref", "cycle", "la_code")} | {
        "number": len(before) + 1,
        "decision": decision.value,
        "decided_at": as_of,
        "state_before": entry["state"],
        "state_after": state_after(BatchEvent(decision)).value,
        "reason": reason,
    }
    lake.append("batch_decisions", pa.Table.from_pylist([row], schema=BATCH_DECISIONS.schema))
