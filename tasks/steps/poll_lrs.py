"""Poll: ask the LRS web service about jobs, some jobs at a time.

No engine and no writing: the stage writes the files and the ledger.
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pandas as pd

from schemas.codes.service_codes import Connection, Outcome, ServiceCode, service_codes
from schemas.tables import LRS_JOBS
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault, TransientFault
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tasks.io.lrs.messages import answered_learners, result_file
from tasks.io.lrs.settings import lrs_service
from tasks.runtime.chunks import Counts
from tasks.runtime.executor import capture
from tasks.steps.lrs_calls import is_wrong, job_list, learner_service, meaning_of_reply, question_fault

#: Number of jobs whose answers are saved in one commit.
_AT_ONCE = 50
#: Faults of jobs, as `fault.lrs_<case>`: the job failed; too few learners have answers; the answer states more learners
#: than it contains.
_CASES = ("job_failed", "answer_short", "answer_counted")


@dataclass(frozen=True)
class JobAnswers:
    """The answers of the LRS about some jobs.

    Attributes:
        files: result files for the LRS inbox, by name.
        settled: rows of `lrs_jobs` with their new code; without jobs whose call failed, or whose answers are unusable or too
            few.
        codes: the meaning of each reply.
        odd: references of faulty jobs by case (`_CASES`).
    """

    files: dict[str, bytes]
    settled: pd.DataFrame
    codes: list[ServiceCode]
    odd: dict[str, list[str]]


def job_answers(root: DataRoot, lake: Lake, jobs: pd.DataFrame) -> Iterator[JobAnswers]:
    """Ask about jobs (rows of `lrs_jobs`), some at a time.

    Stop after a reply which means that the next call would fail in the same way.

    Raises:
        ServiceFault: no address to call is set.
    """
    settings, codes = lrs_service(root.reference), service_codes(root.reference)
    service = learner_service(settings)
    sent = lake.read("batches", ["batch_ref", "rows"], batch_ref=jobs["batch_ref"]).set_index("batch_ref")["rows"]
    with ThreadPoolExecutor(settings.calls_at_once) as threads:
        for start in range(0, len(jobs), _AT_ONCE):
            group = jobs.iloc[start : start + _AT_ONCE]
            replies = list(threads.map(service.output, group["job_ref"], group["ukprn"]))
            meant = [meaning_of_reply(reply, codes) for reply in replies]
            yield _job_answers(group, [reply.message for reply in replies], meant, sent, codes[Connection.ODD_ANSWER])
            if any(code.stops == "Y" for code in meant):
                return


def _job_answers(
    jobs: pd.DataFrame, messages: list[bytes], meant: list[ServiceCode], sent: pd.Series, unusable: ServiceCode
) -> JobAnswers:
    """Return the answers of a group of jobs.

    `sent` is the number of learners by batch_ref. An unusable reply counts as `unusable`; the others are still used.
    """
    files: dict[str, bytes] = {}
    codes: list[ServiceCode] = []
    failed, short, miscounted = (odd := {case: list[str]() for case in _CASES}).values()
    for job, message, code in zip(jobs.to_dict("records"), messages, meant, strict=True):
        ref, stem = str(job["job_ref"]), str(job["file_name"]).rpartition(".")[0]
        codes.append(code)
        if code.outcome == Outcome.FAILED.value:
            failed.append(ref)
        if code.outcome != Outcome.ANSWERED.value:
            continue
        content, numbers = (
            capture(result_file, message, str(job["ukprn"]), stem, ref),
            capture(answered_learners, message),
        )
        if isinstance(content, Exception) or isinstance(numbers, Exception):
            codes[-1] = unusable
            continue
        files[f"{stem}_RESULT_{ref}.XML"] = content
        learners, counted = numbers
        if learners < sent[job["batch_ref"]]:
            short.append(ref)
        elif counted > learners:
            miscounted.append(ref)
    settled = jobs.assign(code=[code.code for code in codes]).astype({"code": "str"})
    # A fault of the call says nothing about the job.
    settled = settled[[code.kind == "result" or code.outcome == Outcome.FAILED.value for code in codes]]
    settled = settled.loc[~settled["job_ref"].isin(short), [c.name for c in LRS_JOBS.columns]]
    return JobAnswers(files, settled, codes, odd)


def job_counts(received: list[JobAnswers]) -> Counts:
    """Return the number of jobs, and how many of them were answered, are unfinished, failed."""
    outcomes = Counter(code.outcome for answers in received for code in answers.codes)
    answered, failed = outcomes[Outcome.ANSWERED.value], outcomes[Outcome.FAILED.value]
    jobs = outcomes.total()
    return {"jobs": jobs, "answered": answered, "unfinished": jobs - answered - failed, "failed": failed}


def refuse(received: list[JobAnswers]) -> None:
    """Raise a fault for all jobs and calls that went wrong.

    Raises:
        ServiceFault: there were any; TransientFault if only the connection failed.
    """
    odd = {case: [job for answers in received for job in answers.odd[case]] for case in _CASES}
    wrong = [code for answers in received for code in answers.codes if is_wrong(code)]
    lines = [
        bilingual(f"fault.lrs_{case}", number=len(jobs), jobs=job_list(jobs)) for case, jobs in odd.items() if jobs
    ]
    # Faults of jobs are reported only in this run, so it must not be retried.
    may_retry = not lines and bool(wrong) and wrong[0].kind == "connection"
    calls = [str(question_fault(wrong[0], wrong.count(wrong[0])))] if wrong else []
    if lines or calls:
        raise (TransientFault if may_retry else ServiceFault)("; ".join([*lines, *calls]))
