"""Release: hand each built batch over to the LRS, once: into its outbox, or by its web service (`tasks.steps.lrs_calls`).

Law 2 (docs/explanation/laws.md): before the hand-over the ledger says SENT_UNCONFIRMED, after it SENT. If a run died
between the two, the next run finds the file in the outbox and confirms it. If the file is not there, nobody knows whether
the LRS has taken it, and a person decides (`tasks.ledger.hand_over`), unless the LRS answers first. If a write fails
without ending the run, the batch is READY again if the file is certainly not there; else it stays SENT_UNCONFIRMED.
"""

from functools import partial

import pandas as pd

from schemas.lrs.profiles import SOAP
from schemas.states import BatchEvent, BatchState
from schemas.texts.faults import TransientFault
from schemas.views import BATCHES_NAMED
from tasks.core.batch_states import change_state
from tasks.io.remote.folders import lrs_outbox
from tasks.io.remote.transport import OutcomeUnknown, Rejected
from tasks.ledger.hand_over import jobs_of, lies_in_outbox
from tasks.ledger.holds import on_hold
from tasks.ledger.lrs_jobs import take_up_jobs
from tasks.runtime.chunks import Chunk, Counts, PartialFailure, Progress, StageResult, run_chunks, whole_chunks
from tasks.runtime.context import RunContext
from tasks.runtime.run_log import log_batches
from tasks.runtime.task import stage_task
from tasks.runtime.visibility import check_visible
from tasks.steps.batch import batch_files
from tasks.steps.lrs_calls import hand_over_by_service


@stage_task("release", "release {cycle}")
def release(data: str, cycle: str, las: list[str], as_of: str, progress: Progress | None = None) -> StageResult:
    """Hand over some authorities' READY batches, each in the way it was built for.

    Returns:
        Counts by authority: sent, learners, unconfirmed; later, if the LRS is closed at this hour.
    """
    ctx = RunContext.of(data, cycle)
    write = partial(_release, ctx, as_of=as_of)
    return run_chunks("release", ctx, whole_chunks(ctx, las), write, progress=progress)


def _release(ctx: RunContext, chunk: Chunk, as_of: str) -> dict[str, Counts]:
    take_up_jobs(ctx.root, ctx.lake)
    ledger = ctx.lake.read("batches", cycle=ctx.cycle.id, **chunk.where)
    undone: dict[str, Exception] = {}
    away: Exception | None = None
    try:
        in_outbox = lies_in_outbox(ctx.root, ledger[_is_unconfirmed(ledger)])
        arrived = in_outbox.reindex(ledger.index, fill_value=False)
    except (TransientFault, Rejected) as fault:  # the outbox cannot be read: unconfirmed batches stay so
        away, arrived = fault, pd.Series(False, index=ledger.index)
        undone = dict.fromkeys(ledger.loc[_is_unconfirmed(ledger), "la_code"], fault)
    ledger = _confirmed(ctx, ledger, arrived, as_of)
    _keep(ctx, ledger, chunk)
    is_ready = _may_go(ctx, ledger)
    ready = ledger[is_ready]
    later = False
    if not ready.empty:
        contents = batch_files(ctx, ready)
        ledger, not_handed_over = _into_outbox(ctx, chunk, ledger, contents, as_of, away)
        undone |= not_handed_over
        called = hand_over_by_service(ctx, ledger, contents, as_of)
        ledger, undone, later = called.ledger, called.undone | undone, called.later
        went = ledger[is_ready & (ledger["state"] == BatchState.SENT.value)]
        log_batches(
            "release",
            check_visible(BATCHES_NAMED, went[["batch_ref", "cycle", "la_code", "school_number", "state", "rows"]]),
        )
    counts = {la: _counts(ledger[ledger["la_code"] == la], is_ready, later) for la in chunk.las}
    if undone:
        raise PartialFailure(counts, undone)
    return counts


def _may_go(ctx: RunContext, ledger: pd.DataFrame) -> pd.Series:
    """Return which batches may go: those READY whose school is not on hold. A hold also stops batches built before it."""
    is_ready = ledger["state"] == BatchState.READY.value
    schools = sorted(set(ledger.loc[is_ready, "school_number"]))
    if not schools:
        return is_ready
    las = sorted({school[:3] for school in schools})
    return is_ready & ~ledger["school_number"].isin(on_hold(ctx, la_code=las, school_number=schools))


def _into_outbox(
    ctx: RunContext,
    chunk: Chunk,
    ledger: pd.DataFrame,
    contents: dict[str, bytes],
    as_of: str,
    away: Exception | None,
) -> tuple[pd.DataFrame, dict[str, Exception]]:
    """Put the batches that go as files and have content into the outbox, unless it is known to be unreachable (`away`).

    Return the ledger afterwards, and the fault of each authority whose batch was stopped.
    """
    goes = ledger["state"].eq(BatchState.READY.value) & ledger["format"].ne(SOAP) & ledger["file_name"].isin(contents)
    if not goes.any():
        return ledger, {}
    if away is not None:
        return ledger, dict.fromkeys(sorted(set(ledger.loc[goes, "la_code"])), away)
    begun = change_state(ledger, BatchEvent.HAND_OVER_BEGUN, goes)
    try:
        with lrs_outbox(ctx.root) as outbox:
            outbox.ready()
            _keep(ctx, begun, chunk)
            faults = outbox.hand_over({name: contents[name] for name in ledger.loc[goes, "file_name"]})
    except (TransientFault, Rejected) as fault:  # nothing was handed over: the batches stay ready
        return ledger, dict.fromkeys(sorted(set(ledger.loc[goes, "la_code"])), fault)
    # A batch that was certainly not handed over is READY for the next run; one of unknown outcome stays SENT_UNCONFIRMED.
    not_gone = [name for name, fault in faults.items() if not isinstance(fault, OutcomeUnknown)]
    after = change_state(begun, BatchEvent.NOT_HANDED_OVER, goes & ledger["file_name"].isin(not_gone))
    sent = change_state(after, BatchEvent.HANDED_OVER, goes & ~ledger["file_name"].isin(faults), as_of=as_of)
    _keep(ctx, sent, chunk)
    first = ledger[ledger["file_name"].isin(faults)].drop_duplicates("la_code")
    return sent, {str(la): faults[str(name)] for la, name in zip(first["la_code"], first["file_name"], strict=True)}


def _counts(ledger: pd.DataFrame, was_ready: pd.Series, later: bool) -> Counts:
    was_ready = was_ready.reindex(ledger.index)
    sent = ledger[was_ready & (ledger["state"] == BatchState.SENT.value)]
    unconfirmed = int((ledger["state"] == BatchState.SENT_UNCONFIRMED.value).sum())
    counts = {"sent": len(sent), "learners": int(sent["rows"].sum()), "unconfirmed": unconfirmed}
    waits = was_ready & ledger["state"].eq(BatchState.READY.value) & ledger["format"].eq(SOAP)
    return counts | ({"later": int(waits.sum())} if later and waits.any() else {})


def _keep(ctx: RunContext, ledger: pd.DataFrame, chunk: Chunk) -> None:
    ctx.lake.replace("batches", ledger, cycle=ctx.cycle.id, **chunk.where)


def _is_unconfirmed(ledger: pd.DataFrame) -> pd.Series:
    return ledger["state"] == BatchState.SENT_UNCONFIRMED.value


def _confirmed(ctx: RunContext, ledger: pd.DataFrame, arrived: pd.Series, as_of: str) -> pd.DataFrame:
    """Return the ledger; an unconfirmed batch is SENT if it has arrived, in the outbox or as a job of the web service."""
    unconfirmed = _is_unconfirmed(ledger)
    taken = unconfirmed & ledger["batch_ref"].isin(jobs_of(ctx.lake, ledger.loc[unconfirmed, "batch_ref"]).index)
    return change_state(ledger, BatchEvent.CONFIRMED, arrived | taken, as_of=as_of)
