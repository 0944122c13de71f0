"""The hand-over of batches as an operator sees it, and what an operator decides of it. No engine.

Belongs here: the list of batches, and how a decision (`uln retry`, `uln abandon`, the flows in `flows/operator.py`) is kept
and carried out. Does not belong here: which decision a state allows (`tasks.core.hand_over`), the hand-over (`release`).

A decision is kept in `batch_decisions` first, and carried out after it: for an abandoned batch its file is taken out of the
LRS outbox, so that nobody hands it over still; then one commit changes the state in the ledger, with an application
transaction id of the decision. A decision whose id is not in the ledger was cut short: whoever decides next, and every
census before it builds batches, carries it out first. So each is carried out once, in the order in which they were made,
and only a decision whose first commit was made has happened.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from schemas.cycles import all_cycles
from schemas.faults import PassingFault, ServiceFault
from schemas.lrs_profiles import SOAP
from schemas.states import BatchShown, BatchState, Decision, JobKind
from schemas.tables import BATCH_DECISIONS, BATCHES, Tier
from schemas.texts import both
from schemas.views import BATCHES_NAMED, BATCHES_SHOWN
from tasks.core.hand_over import AFTER, allowed, by_evidence, learners_answered, reason_fault, shown
from tasks.core.membership import among
from tasks.ground import Ground, Lot, moment
from tasks.io.data_root import DataRoot, write_whole
from tasks.io.lake import Lake
from tasks.io.lrs_settings import lrs_service
from tasks.io.places import lrs_outbox
from tasks.io.report_csv import write_report
from tasks.io.run_lock import one_run_at_a_time
from tasks.io.transports import Declined
from tasks.lrs_calls import take_up_jobs
from tasks.showing import Shown
from tasks.showing import shown as let_through
from tasks.status import register_of


@dataclass(frozen=True)
class Decided:
    """What became of a decision; references only.

    Attributes:
        changed: False where the batch was so already, and nothing was written.
        told: one sentence in both languages, with the next step.
    """

    batch_ref: str
    file_name: str
    cycle: str
    changed: bool
    told: str


def batches_shown(data: str, day: dt.date, cycle: str | None = None) -> Shown:
    """The batches of a cycle, or of all, as a person sees them.

    Args:
        data: the data root.
        day: the day it counts as; ages and STUCK follow from it.
        cycle: its id.

    Returns:
        As `hand_over.shown`; and decided, the last decision and its time, null where there was none.
    """
    lake = Lake.of(DataRoot(Path(data)))
    where: dict[str, Any] = {} if cycle is None else {"cycle": cycle}
    found = _shown(lake, lake.read("batches", **where), day)
    last = _last_decisions(lake).set_index("batch_ref")
    decided = found["batch_ref"].map(last["decision"] + " " + last["decided_at"]).astype("str")
    return let_through(BATCHES_SHOWN, found.assign(decided=decided), to=Tier.INTERNAL)


def for_a_person(data: str, day: dt.date, cycle: str) -> dict[str, list[str]]:
    """The files of the batches that wait for a person, by the text's key under `terminal.`."""
    found = batches_shown(data, day, cycle).frame
    keys = {"unconfirmed_batches": BatchShown.SENT_UNCONFIRMED, "stuck_batches": BatchShown.STUCK}
    return {key: list(found.loc[found["state"] == state.value, "file_name"]) for key, state in keys.items()}


#: What a person must look at: nobody knows whether it was handed over, or the LRS has not answered for too long.
_WAITS = [BatchShown.SENT_UNCONFIRMED.value, BatchShown.STUCK.value]


#: After a cycle has closed, days for which a person is told of its batches; `uln batches` shows them ever after.
_CHASED_DAYS = 365


def batches_waiting(data: str, day: dt.date) -> Shown:
    """The batches of all cycles that wait for a person, as every user of the engine may see them; the oldest first.

    Args:
        data: the data root.
        day: the day it counts as.
    """
    lake = Lake.of(DataRoot(Path(data)))
    batches = lake.read("batches")
    # The poll asks every half-hour: what has time yet, and what nobody chases any more, is not looked through.
    last = {c.id: (day - dt.timedelta(days=c.answer_within_days)).isoformat() for c in all_cycles().values()}
    chased = [c.id for c in all_cycles().values() if (day - c.closes_on).days <= _CHASED_DAYS]
    due = pd.Series(last, dtype="str").reindex(batches["cycle"]).set_axis(batches.index)
    late = batches["sent_at"].fillna(batches["built_at"]).str[:10] < due
    unsure = batches["state"].eq(BatchState.SENT_UNCONFIRMED.value)
    given_up = batches["state"].eq(BatchState.ABANDONED.value)
    found = _shown(lake, batches[batches["cycle"].isin(chased) & (unsure | (late & ~given_up))], day)
    names = [column.name for column in BATCHES_NAMED.columns]
    return let_through(BATCHES_NAMED, found.loc[found["state"].isin(_WAITS), names])


def _shown(lake: Lake, batches: pd.DataFrame, day: dt.date) -> pd.DataFrame:
    answers = lake.read("lrs_returns", ["batch_ref", "upn"], tied="Y", batch_ref=batches["batch_ref"])
    within = {c.id: c.answer_within_days for c in all_cycles().values()}
    return shown(batches, learners_answered(answers), day, within)


def _last_decisions(lake: Lake) -> pd.DataFrame:
    decisions = lake.read("batch_decisions")
    return decisions.sort_values(["batch_ref", "number"]).drop_duplicates("batch_ref", keep="last")


def decide(data: str, ref: str, decision: Decision, reason: str, as_of: str) -> Decided:
    """Retry or abandon a batch; while no other run is on the data root.

    Args:
        data: the data root.
        ref: the batch's reference, or the name of its file.
        decision: which.
        reason: why; kept with the decision, and nowhere in the engine.
        as_of: the time it counts as, ISO.

    Raises:
        ServiceFault: there is no such batch, its state does not allow it, or the reason cannot be taken.
    """
    fault = reason_fault(reason)
    if fault:
        raise ServiceFault(both(fault))
    day = moment(as_of).date()
    root = DataRoot(Path(data))
    lake = Lake.of(root)
    if lake.version("batches") < 0:  # where nothing is, nothing is made
        raise ServiceFault(both("fault.no_batch", ref=ref))
    with one_run_at_a_time(data):
        carry_out_decisions(root, lake)
        ledger = lake.read("batches")
        meant = ledger[(ledger["batch_ref"] == ref) | (ledger["file_name"] == ref)]
        if meant.empty:
            raise ServiceFault(both("fault.no_batch", ref=ref))
        entry = meant.iloc[0].to_dict()
        about = {key: str(entry[key]) for key in ("batch_ref", "file_name", "cycle")}
        unknown = entry["state"] == BatchState.SENT_UNCONFIRMED.value
        if decision is Decision.RETRY and unknown and lies_in_outbox(root, meant).iloc[0]:
            # Handed over once more it would be sent twice.
            raise ServiceFault(both("fault.in_outbox", **about))
        take_up_jobs(root, lake)
        jobs = jobs_of(lake, meant["batch_ref"])
        if decision is Decision.RETRY and unknown and len(jobs):
            raise ServiceFault(both("fault.has_job", **about, job=jobs.iloc[0]))
        now = _shown(lake, meant, day).iloc[0]
        if now["state"] == AFTER[decision].value:
            return Decided(**about, changed=False, told=both(f"terminal.already_{decision.value}", **about))
        if not allowed(decision, BatchShown(now["state"])):
            days = {"age": int(now["age"]), "days": all_cycles()[about["cycle"]].answer_within_days}
            raise ServiceFault(both(f"fault.no_decision_{now['state']}", **about, **days))
        _keep(lake, entry, decision, reason, as_of)
        not_yet = carry_out_decisions(root, lake)
        if about["batch_ref"] in not_yet:
            raise not_yet[about["batch_ref"]]
    return Decided(**about, changed=True, told=both(f"terminal.done_{decision.value}", **about))


def _keep(lake: Lake, entry: dict[Any, Any], decision: Decision, reason: str, as_of: str) -> None:
    before = lake.read("batch_decisions", ["batch_ref", "number"], batch_ref=entry["batch_ref"])
    row = {name: entry[name] for name in ("batch_ref", "cycle", "la_code")} | {
        "number": len(before) + 1,
        "decision": decision.value,
        "decided_at": as_of,
        "state_before": entry["state"],
        "state_after": AFTER[decision].value,
        "reason": reason,
    }
    lake.append("batch_decisions", pa.Table.from_pylist([row], schema=BATCH_DECISIONS.schema))


def carry_out_decisions(root: DataRoot, lake: Lake) -> dict[str, Exception]:
    """Carry out what was decided and is not in the ledger yet; nothing, and quickly, where there is no such decision.

    Returns:
        Why a batch could not be abandoned yet, by its reference: nobody can look into the LRS outbox. The next run does it.
    """
    if lake.version("batch_decisions") < 0:
        return {}
    last = _last_decisions(lake)
    rows = lake.read("batches", batch_ref=last["batch_ref"]).merge(
        last[["batch_ref", "number", "decision", "state_before", "state_after"]], on="batch_ref"
    )
    open_ones = rows[rows["state"] == rows["state_before"]]
    ids = "decision/" + open_ones["batch_ref"] + "/" + open_ones["number"].astype("str")
    done = lake.committed("batches", ids)
    open_ones = open_ones.assign(id=ids)[~ids.isin(done)]
    not_yet = _take_out(root, open_ones[open_ones["decision"] == Decision.ABANDON.value])
    for at, own_id in open_ones.loc[~open_ones["batch_ref"].isin(list(not_yet)), "id"].items():
        entry = open_ones.loc[[at]].assign(state=lambda r: r["state_after"])
        lake.upsert("batches", entry[[c.name for c in BATCHES.columns]], [str(own_id)])
    for cycle in sorted(set(last["cycle"])):
        _report(root, lake, cycle)
    return not_yet


def _take_out(root: DataRoot, batches: pd.DataFrame) -> dict[str, Exception]:
    """Take batches that are given up out of the LRS outbox, should they lie there, so that nobody hands them over still.

    Returns:
        Why one's file could not be taken out, by batch_ref.
    """
    as_files = batches[batches["format"] != SOAP]
    not_yet: dict[str, Exception] = {}
    if as_files.empty:
        return not_yet
    try:
        with lrs_outbox(root) as outbox:
            # Batches that a person has decided on, each with its own file to take out; no learner is walked.
            for ref, name, sha256 in as_files[["batch_ref", "file_name", "file_sha256"]].itertuples(index=False):
                try:
                    outbox.take_away(name, sha256)
                except Declined as fault:
                    not_yet[ref] = fault
    except (PassingFault, Declined) as fault:
        return dict.fromkeys(as_files["batch_ref"], fault)
    return not_yet


_REPORTED = ("file_name", "school_number", "decision", "decided_at", "state_before", "state_after", "reason")


def _report(root: DataRoot, lake: Lake, cycle: str) -> None:
    """`reports/<cycle>/decisions.csv`: every decision of the cycle, its reason and when it was made."""
    named = lake.read("batches", ["batch_ref", "file_name", "school_number"], cycle=cycle)
    rows = lake.read("batch_decisions", cycle=cycle).merge(named, on="batch_ref")
    rows = rows.sort_values(["decided_at", "file_name", "number"])[list(_REPORTED)]
    heads = {name: both(f"decisions.{name}") for name in _REPORTED}
    write_whole(root.reports(cycle) / "decisions.csv", write_report(rows.rename(columns=heads)))


def lies_in_outbox(root: DataRoot, batches: pd.DataFrame) -> pd.Series:
    """Whether each batch's own file, byte for byte, lies in the LRS outbox.

    Args:
        root: the data root.
        batches: file_name, file_sha256, format; none that goes by the web service ever lies there.

    Raises:
        Away, Declined: it is elsewhere, and nobody can look.
    """
    as_files = batches[batches["format"] != SOAP]
    found: list[bool] = []
    if not as_files.empty:
        with lrs_outbox(root) as outbox:
            names = zip(as_files["file_name"], as_files["file_sha256"], strict=True)
            found = [outbox.holds(name, sha256) for name, sha256 in names]
    return pd.Series(found, index=as_files.index, dtype=bool).reindex(batches.index, fill_value=False)


def jobs_of(lake: Lake, batch_refs: pd.Series) -> pd.Series:
    """The numbers of the jobs as which the LRS web service has taken some batches, by batch_ref."""
    jobs = lake.read("lrs_jobs", ["batch_ref", "job_ref"], kind=JobKind.FULL.value, batch_ref=batch_refs)
    found: pd.Series = jobs.drop_duplicates("batch_ref").set_index("batch_ref")["job_ref"]
    return found


def settle_by_evidence(ground: Ground, lot: Lot, as_of: str) -> None:
    """Bring the ledger up to what is known of its hand-overs, before anything more is built (`hand_over.by_evidence`).

    Raises:
        Away, Declined: nobody can look whether what is given up lies in the outbox; nothing was changed.
    """
    lake, where = ground.lake, {"cycle": ground.cycle.id, **lot.where}
    ledger = lake.read("batches", **where)
    waiting = ledger[ledger["state"].isin([BatchState.READY.value, BatchState.SENT_UNCONFIRMED.value])]
    if waiting.empty:
        return
    answered = lake.read("lrs_returns", ["batch_ref"], tied="Y", batch_ref=waiting["batch_ref"])["batch_ref"]
    rows = lake.read("batch_rows", ["batch_ref", "upn"], batch_ref=waiting["batch_ref"], **where)
    held = register_of(lake, ground.cycle, upn=rows["upn"])[["upn", "uln"]].dropna()
    overtaken = rows.loc[among(rows["upn"], held["upn"]), "batch_ref"]
    by_service = lrs_service(ground.root.reference).by_service
    settled = by_evidence(ledger, answered=answered, overtaken=overtaken, by_service=by_service, as_of=as_of)
    given_up = settled[settled["state"].eq(BatchState.ABANDONED.value) & (settled["state"] != ledger["state"])]
    if not_yet := _take_out(ground.root, given_up):
        raise next(iter(not_yet.values()))
    lake.replace("batches", settled, **where)
