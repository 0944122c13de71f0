"""Batches by the LRS web service: the call that creates is made once, and the ledger knows of it before and after.

As in `release`: SENT_UNCONFIRMED is committed before a batch is called, some batches at a time and no more than are called
at once; then its job is kept (`lrs_jobs`), then it is SENT. What was surely not heard is READY again; of what nobody knows
the batch stays SENT_UNCONFIRMED, and a person decides (`tasks.ledger.hand_over`). A run that died after the job was
kept finds it. Where a call says that the next one would meet the same, nothing more is called.

No engine here: the doctor looks too. No code of the LRS stands here: what follows from one is data
(`schemas.codes.service_codes`).
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from schemas.codes.service_codes import Connection, Outcome, ServiceCode, meaning, service_codes
from schemas.lrs.profiles import SOAP
from schemas.states import BatchEvent, BatchState, JobKind
from schemas.tables import BATCHES
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.core.batch_states import change_state
from tasks.io.lrs.settings import LrsService, lrs_service
from tasks.runtime.context import RunContext

if TYPE_CHECKING:
    from tasks.io.lrs.web_service import LearnerService, Reply
from tasks.ledger.lrs_jobs import Submitted, keep_jobs

#: The outcomes that say whether a batch was handed over; after any other it stays SENT_UNCONFIRMED.
_OUTCOMES = {
    BatchEvent.HANDED_OVER: [Outcome.TAKEN.value],
    BatchEvent.NOT_HANDED_OVER: [Outcome.NOT_TAKEN.value, Outcome.LATER.value],
}


@dataclass(frozen=True)
class CallResult:
    """What became of the calls.

    Attributes:
        ledger: the rows of `batches` after them.
        undone: what stopped an authority's batches.
        later: whether the LRS is closed at this hour.
    """

    ledger: pd.DataFrame
    undone: dict[str, Exception] = field(default_factory=dict)
    later: bool = False


def hand_over_by_service(ctx: RunContext, ledger: pd.DataFrame, contents: dict[str, bytes], as_of: str) -> CallResult:
    """Hand the READY batches over that were built for the web service.

    Args:
        ctx: data root, lake and cycle.
        ledger: rows of `batches`.
        contents: what each hands over that may go, by its file name.
        as_of: when they count as sent.

    Raises:
        ServiceFault: there are such batches, and no address to call.
        ConfigurationFault: the settings are wrong.
    """
    is_ready = ledger["state"].eq(BatchState.READY.value) & ledger["format"].eq(SOAP)
    # A batch without content is one that may not go yet: its school is on hold.
    ready = ledger[is_ready & ledger["file_name"].isin(contents)]
    if ready.empty:
        return CallResult(ledger)
    settings = lrs_service(ctx.root.reference)
    if not settings.can_call:
        raise ServiceFault(bilingual("fault.lrs_no_address"))
    service, codes = learner_service(settings), service_codes(ctx.root.reference)
    away = service.reached()
    if away is not None:
        # Asked before any learner is named: a side that ends a connection that it does not trust may do so in mid-call.
        return CallResult(ledger, _undone([(la, codes[away]) for la in ready["la_code"]]))
    met: list[tuple[str, ServiceCode]] = []
    for start in range(0, len(ready), settings.calls_at_once):
        group = ready.iloc[start : start + settings.calls_at_once]
        done = change_state(group, BatchEvent.HAND_OVER_BEGUN)
        _keep(ctx, done)
        replies = submitted(service, [contents[name] for name in group["file_name"]], JobKind.FULL, codes)
        keep_jobs(ctx, group, replies, JobKind.FULL, as_of)
        outcome = pd.Series([one.meant.outcome for one in replies], index=group.index)
        for event, outcomes in _OUTCOMES.items():
            done = change_state(done, event, outcome.isin(outcomes), as_of=as_of)
        _keep(ctx, done)
        ledger = pd.concat([ledger.drop(group.index), done]).sort_index()
        met += [(la, one.meant) for la, one in zip(group["la_code"], replies, strict=True)]
        if any(one.meant.stops == "Y" for one in replies):
            break
    return CallResult(ledger, _undone(met), any(one.outcome == Outcome.LATER.value for _, one in met))


def _keep(ctx: RunContext, entries: pd.DataFrame) -> None:
    ctx.lake.upsert("batches", entries[[c.name for c in BATCHES.columns]])


def learner_service(settings: LrsService) -> "LearnerService":
    """The web service of some settings."""
    from tasks.io.lrs.web_service import LearnerService  # noqa: PLC0415 - zeep is for those alone who call

    return LearnerService(settings)


def submitted(
    service: "LearnerService", documents: list[bytes], kind: JobKind, codes: dict[str, ServiceCode]
) -> list[Submitted]:
    """Make some calls at once.

    Args:
        service: which.
        documents: what each hands over; as many as may be under way at once.
        kind: what shall be done with them.
        codes: `service_codes`.
    """
    with ThreadPoolExecutor(len(documents)) as threads:
        replies = list(threads.map(lambda document: service.submit(document, kind), documents))
    found = []
    for reply in replies:
        meant = meaning(reply.code, codes)
        is_taken = meant.outcome == Outcome.TAKEN.value
        if is_taken and not reply.job_ref:
            # To have taken it and to name no job is no answer that anything can be asked by.
            meant = codes[Connection.ODD_ANSWER]
        found.append(Submitted(meant, reply.job_ref if is_taken else ""))
    return found


def meant_by(reply: "Reply", codes: dict[str, ServiceCode]) -> ServiceCode:
    """What a reply to a question for answers means; one that says that there are some and brings none is no answer."""
    meant = meaning(reply.code, codes)
    return codes[Connection.ODD_ANSWER] if meant.outcome == Outcome.ANSWERED.value and not reply.message else meant


def is_wrong(meant: ServiceCode) -> bool:
    """Whether a question for answers came to nothing: of the job it says nothing, and another hour alone mends nothing."""
    return meant.kind != "result" and meant.outcome not in (Outcome.LATER.value, Outcome.FAILED.value)


#: Jobs that are named in a sentence.
_MOST_NAMED = 5


def job_list(jobs: list[str]) -> str:
    """The numbers of some jobs, as many as a sentence takes."""
    return ", ".join(jobs[:_MOST_NAMED]) + (", .." if len(jobs) > _MOST_NAMED else "")


def _undone(met: list[tuple[str, ServiceCode]]) -> dict[str, Exception]:
    """Of each authority the first thing that stopped a batch of it; to wait for another hour is no fault."""
    undone: dict[str, Exception] = {}
    for la, one in met:
        if one.outcome not in (Outcome.TAKEN.value, Outcome.LATER.value) and la not in undone:
            number = sum(other == (la, one) for other in met)
            undone[la] = ServiceFault(bilingual("fault.lrs_call", batches=number, told=one.told))
    return undone
