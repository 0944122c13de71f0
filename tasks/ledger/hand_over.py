"""The hand-over of batches: their state as an operator sees it, and decisions on them. No engine.

Belongs here: how a decision (`uln retry`, `uln abandon`, the flows in `flows/operator.py`) is carried out. Does not belong
here: which decision a state allows (`tasks.core.hand_over`), and the hand-over itself (`release`).

A decision is first kept in `batch_decisions`, then carried out. The file of an abandoned batch is taken out of the LRS
outbox, so that nobody can collect it. Then one commit changes the state in the ledger, with the decision as its application
transaction id. If that id is not in the ledger, the decision was cut short, and the next decision or census carries it out
first. So each decision is carried out once, in order, and none counts before it is in `batch_decisions`.
"""

import datetime as dt

import pandas as pd

from schemas.cycles import all_cycles
from schemas.lrs.profiles import SOAP
from schemas.states import BatchEvent, BatchState, Decision, JobKind
from schemas.tables import BATCHES
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import TransientFault
from tasks.core.batch_states import change_state, may_change
from tasks.core.hand_over import by_evidence, learners_answered, shown_states
from tasks.core.membership import is_in
from tasks.io.data_root.data_root import DataRoot, write_whole
from tasks.io.data_root.report_csv import write_report
from tasks.io.lake.lake import Lake
from tasks.io.lrs.settings import lrs_service
from tasks.io.remote.folders import lrs_outbox
from tasks.io.remote.transport import Rejected
from tasks.ledger.standing import register_of
from tasks.runtime.chunks import Chunk
from tasks.runtime.context import RunContext


def shown_batches(lake: Lake, batches: pd.DataFrame, day: dt.date) -> pd.DataFrame:
    """Return batches as a person sees them (`core.hand_over.shown_states`)."""
    answers = lake.read("lrs_returns", ["batch_ref", "upn"], tied="Y", batch_ref=batches["batch_ref"])
    within = {c.id: c.answer_within_days for c in all_cycles().values()}
    return shown_states(batches, learners_answered(answers), day, within)


def last_decisions(lake: Lake) -> pd.DataFrame:
    """Return the last decision on each batch: rows of `batch_decisions`."""
    decisions = lake.read("batch_decisions")
    return decisions.sort_values(["batch_ref", "number"]).drop_duplicates("batch_ref", keep="last")


def carry_out_decisions(root: DataRoot, lake: Lake) -> dict[str, Exception]:
    """Carry out decisions that are not in the ledger yet; quick if there are none.

    Returns:
        The fault of each batch that could not be abandoned, by batch_ref: its LRS outbox cannot be reached, or refuses. The
        next run tries again.
    """
    if lake.version("batch_decisions") < 0:
        return {}
    last = last_decisions(lake)
    decisions = last[["batch_ref", "number", "decision", "state_before"]]
    rows = lake.read("batches", batch_ref=last["batch_ref"]).merge(decisions, on="batch_ref")
    pending = rows[rows["state"] == rows["state_before"]]
    ids = "decision/" + pending["batch_ref"] + "/" + pending["number"].astype("str")
    done = lake.committed("batches", ids)
    pending = pending.assign(id=ids)[~ids.isin(done)]
    not_yet = _take_out(root, pending[pending["decision"] == Decision.ABANDON.value])
    for decision_id, entry in pending[~pending["batch_ref"].isin(list(not_yet))].groupby("id", sort=False):
        decided = change_state(entry, BatchEvent(str(entry["decision"].iloc[0])))
        lake.upsert("batches", decided[[c.name for c in BATCHES.columns]], [str(decision_id)])
    for cycle in sorted(set(last["cycle"])):
        _report(root, lake, cycle)
    return not_yet


def _take_out(root: DataRoot, batches: pd.DataFrame) -> dict[str, Exception]:
    """Take the files of abandoned batches out of the LRS outbox, if they are still in it.

    Returns the fault of each file that could not be taken out, by batch_ref.
    """
    as_files = batches[batches["format"] != SOAP]
    not_yet: dict[str, Exception] = {}
    if as_files.empty:
        return not_yet
    try:
        with lrs_outbox(root) as outbox:
            # Not a hot path: only batches that a person has decided on, each with its file.
            for ref, name, sha256 in as_files[["batch_ref", "file_name", "file_sha256"]].itertuples(index=False):
                try:
                    outbox.take_away(name, sha256)
                except Rejected as fault:
                    not_yet[ref] = fault
    except (TransientFault, Rejected) as fault:
        return dict.fromkeys(as_files["batch_ref"], fault)
    return not_yet


_REPORTED = ("file_name", "school_number", "decision", "decided_at", "state_before", "state_after", "reason")


def _report(root: DataRoot, lake: Lake, cycle: str) -> None:
    """Write `reports/<cycle>/decisions.csv`: every decision of the cycle, with reason and time."""
    batches = lake.read("batches", ["batch_ref", "file_name", "school_number"], cycle=cycle)
    rows = lake.read("batch_decisions", cycle=cycle).merge(batches, on="batch_ref")
    rows = rows.sort_values(["decided_at", "file_name", "number"])[list(_REPORTED)]
    heads = {name: bilingual(f"decisions.{name}") for name in _REPORTED}
    write_whole(root.reports(cycle) / "decisions.csv", write_report(rows.rename(columns=heads)))


def lies_in_outbox(root: DataRoot, batches: pd.DataFrame) -> pd.Series:
    """Whether each batch's file is in the LRS outbox, byte for byte; False for batches that go by the web service.

    Raises:
        Unreachable, Rejected: the outbox is elsewhere and cannot be read.
    """
    as_files = batches.loc[batches["format"] != SOAP, ["file_name", "file_sha256"]]
    in_outbox: list[bool] = []
    if not as_files.empty:
        with lrs_outbox(root) as outbox:
            in_outbox = [outbox.holds(name, sha256) for name, sha256 in as_files.to_numpy()]
    return pd.Series(in_outbox, index=as_files.index, dtype=bool).reindex(batches.index, fill_value=False)


def jobs_of(lake: Lake, batch_refs: pd.Series) -> pd.Series:
    """Return the job numbers of the LRS web service for some batches, by batch_ref."""
    jobs = lake.read("lrs_jobs", ["batch_ref", "job_ref"], kind=JobKind.FULL.value, batch_ref=batch_refs)
    numbers: pd.Series = jobs.drop_duplicates("batch_ref").set_index("batch_ref")["job_ref"]
    return numbers


def settle_by_evidence(ctx: RunContext, chunk: Chunk, as_of: str) -> None:
    """Update a chunk's batches by the evidence of their hand-over, before new ones are built (`hand_over.by_evidence`).

    Raises:
        Unreachable, Rejected: an abandoned batch cannot be taken out of the outbox; the ledger was not changed.
    """
    lake, where = ctx.lake, {"cycle": ctx.cycle.id, **chunk.where}
    ledger = lake.read("batches", **where)
    waiting = ledger[may_change(ledger, BatchEvent.ANSWERED)]
    if waiting.empty:
        return
    answered = lake.read("lrs_returns", ["batch_ref"], tied="Y", batch_ref=waiting["batch_ref"])["batch_ref"]
    rows = lake.read("batch_rows", ["batch_ref", "upn"], batch_ref=waiting["batch_ref"], **where)
    known = register_of(lake, ctx.cycle, upn=rows["upn"])[["upn", "uln"]].dropna()
    overtaken = rows.loc[is_in(rows["upn"], known["upn"]), "batch_ref"]
    by_service = lrs_service(ctx.root.reference).by_service
    settled = by_evidence(ledger, answered=answered, overtaken=overtaken, by_service=by_service, as_of=as_of)
    abandoned = settled[settled["state"].eq(BatchState.ABANDONED.value) & (settled["state"] != ledger["state"])]
    if not_yet := _take_out(ctx.root, abandoned):
        raise next(iter(not_yet.values()))
    lake.replace("batches", settled, **where)
