"""Calls of the LRS web service: a batch is submitted once, and the ledger records it before and after.

As in `release`: SENT_UNCONFIRMED is committed before a batch is submitted, for as many batches at a time as calls are
allowed at once. Then its job is kept (`lrs_jobs`), then the batch is SENT. If the LRS certainly does not have it, it is
READY again. If that is not known, it stays SENT_UNCONFIRMED and a person decides (`tasks.ledger.hand_over`). If a run dies
after the job was kept, the next run finds the job. If a reply means that the next call would end in the same way, no more
calls are made.

No engine: the doctor calls it too. No codes of the LRS: their meaning is data (`schemas.codes.service_codes`).
"""

from collections import Counter
from collections.abc import Callable, Iterable
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
from tasks.ledger.lrs_jobs import Submitted, keep_jobs
from tasks.runtime.context import RunContext

if TYPE_CHECKING:
    from tasks.io.lrs.web_service import LearnerService, Reply

#: Outcomes that show whether a batch was handed over; after any other it stays SENT_UNCONFIRMED.
_OUTCOMES = {
    BatchEvent.HANDED_OVER: [Outcome.TAKEN.value],
    BatchEvent.NOT_HANDED_OVER: [Outcome.NOT_TAKEN.value, Outcome.LATER.value],
}


@dataclass(frozen=True)
class CallResult:
    """The rows of `batches` after the calls; the faults by authority; whether the LRS is closed at this time."""

    ledger: pd.DataFrame
    undone: dict[str, Exception] = field(default_factory=dict)
    later: bool = False


def hand_over_by_service(ctx: RunContext, ledger: pd.DataFrame, contents: dict[str, bytes], as_of: str) -> CallResult:
    """Hand over the READY batches that were built for the web service.

    `contents` has the content, by file name, of the batches that may go; the others wait, as their school is on hold.

    Raises:
        ServiceFault: there are such batches, but no address to call.
        ConfigurationFault: the settings are wrong.
    """
    is_ready = ledger["state"].eq(BatchState.READY.value) & ledger["format"].eq(SOAP)
    ready = ledger[is_ready & ledger["file_name"].isin(contents)]
    if ready.empty:
        return CallResult(ledger)
    settings = lrs_service(ctx.root.reference)
    service, codes = learner_service(settings), service_codes(ctx.root.reference)
    away = service.reached()
    if away is not None:
        # Checked before any learner is named: a server that does not trust a connection may end it during a call.
        return CallResult(ledger, _undone([(la, codes[away]) for la in ready["la_code"]]))
    codes_met: list[tuple[str, ServiceCode]] = []
    for start in range(0, len(ready), settings.calls_at_once):
        group = ready.iloc[start : start + settings.calls_at_once]
        done = change_state(group, BatchEvent.HAND_OVER_BEGUN)
        _keep(ctx, done)
        replies = submitted(service, [contents[name] for name in group["file_name"]], JobKind.FULL, codes)
        keep_jobs(ctx, group, replies, JobKind.FULL, as_of)
        outcome = pd.Series([reply.meant.outcome for reply in replies], index=group.index)
        for event, outcomes in _OUTCOMES.items():
            done = change_state(done, event, outcome.isin(outcomes), as_of=as_of)
        _keep(ctx, done)
        ledger = pd.concat([ledger.drop(group.index), done]).sort_index()
        codes_met += [(la, reply.meant) for la, reply in zip(group["la_code"], replies, strict=True)]
        if any(reply.meant.stops == "Y" for reply in replies):
            break
    return CallResult(ledger, _undone(codes_met), any(reply.outcome == Outcome.LATER.value for _, reply in codes_met))


def _keep(ctx: RunContext, entries: pd.DataFrame) -> None:
    ctx.lake.upsert("batches", entries[[c.name for c in BATCHES.columns]])


def learner_service(settings: LrsService) -> "LearnerService":
    """Return the web service with some settings.

    Raises:
        ServiceFault: no address to call is set.
    """
    from tasks.io.lrs.web_service import LearnerService  # noqa: PLC0415 - only callers need zeep

    if not settings.can_call:
        raise ServiceFault(bilingual("fault.lrs_no_address"))
    return LearnerService(settings)


def submitted(
    service: "LearnerService", documents: list[bytes], kind: JobKind, codes: dict[str, ServiceCode]
) -> list[Submitted]:
    """Submit some batches at once; no more `documents` than the calls allowed at once."""
    with ThreadPoolExecutor(len(documents)) as threads:
        replies = list(threads.map(lambda document: service.submit(document, kind), documents))
    results = []
    for reply in replies:
        meant = meaning(reply.code, codes)
        is_taken = meant.outcome == Outcome.TAKEN.value
        if is_taken and not reply.job_ref:
            # A batch taken without a job number: its answers could not be asked for.
            meant = codes[Connection.ODD_ANSWER]
        results.append(Submitted(meant, reply.job_ref if is_taken else ""))
    return results


def meaning_of_reply(reply: "Reply", codes: dict[str, ServiceCode]) -> ServiceCode:
    """Return the meaning of a reply about answers; ODD_ANSWER if it announces answers but has none."""
    meant = meaning(reply.code, codes)
    return codes[Connection.ODD_ANSWER] if meant.outcome == Outcome.ANSWERED.value and not reply.message else meant


def is_wrong(meant: ServiceCode) -> bool:
    """Whether a call about answers failed: it says nothing about the job, and waiting for another time does not help."""
    return meant.kind != "result" and meant.outcome not in (Outcome.LATER.value, Outcome.FAILED.value)


def question_fault(code: ServiceCode, batches: int = 1) -> ServiceFault:
    """Return the fault of calls that hand nothing over and ended with this code, about that number of batches."""
    return ServiceFault(bilingual("fault.lrs_call", batches=batches, told=code.question_explanation))


def first_faults(
    codes_met: Iterable[tuple[str, ServiceCode]], fault: Callable[[ServiceCode, int], ServiceFault]
) -> dict[str, Exception]:
    """Return a fault for each authority: that of the first code it met, with the number of times it met this code."""
    faults: dict[str, Exception] = {}
    for (la, code), number in Counter(codes_met).items():
        if la not in faults:
            faults[la] = fault(code, number)
    return faults


#: Maximum number of jobs named in a sentence.
_MOST_NAMED = 5


def job_list(jobs: list[str]) -> str:
    """Return the numbers of some jobs, no more than fit in a sentence."""
    return ", ".join(jobs[:_MOST_NAMED]) + (", .." if len(jobs) > _MOST_NAMED else "")


def _undone(codes_met: list[tuple[str, ServiceCode]]) -> dict[str, Exception]:
    """Return, by authority, the fault of the first code that stopped a batch; waiting for another time is not a fault."""
    return first_faults(
        ((la, code) for la, code in codes_met if code.outcome not in (Outcome.TAKEN.value, Outcome.LATER.value)),
        lambda code, number: ServiceFault(bilingual("fault.lrs_call", batches=number, told=code.explanation)),
    )
