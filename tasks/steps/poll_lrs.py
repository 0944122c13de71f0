"""Poll: ask the LRS web service about jobs, some jobs at a time.

No engine and no writing: the stage writes the files and the ledger.
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pandas as pd

from schemas.codes.service_codes import Outcome, ServiceCode, service_codes
from schemas.tables import LRS_JOBS
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault, TransientFault
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tasks.io.lrs.messages import answered_learners, result_file
from tasks.io.lrs.settings import LrsService
from tasks.steps.lrs_calls import is_wrong, job_list, learner_service, meaning_of_reply

#: Number of jobs whose answers are saved in one commit.
_AT_ONCE = 50
_COUNTED = {Outcome.ANSWERED.value: "answered", Outcome.FAILED.value: "failed"}
#: Faults of jobs, as `fault.lrs_<case>`: the job failed; too few learners have answers; the answer states more learners
#: than it contains.
_CASES = ("job_failed", "answer_short", "answer_counted")


@dataclass(frozen=True)
class JobAnswers:
    """The answers of the LRS about some jobs.

    Attributes:
        files: result files for the LRS inbox, by name.
        settled: rows of `lrs_jobs` with their new code; jobs to ask about again are left out.
        counts: jobs, answered, unfinished, failed.
        odd: numbers of faulty jobs by case (`_CASES`).
        wrong: codes of calls that say nothing about their job.
    """

    files: dict[str, bytes]
    settled: pd.DataFrame
    counts: Counter[str]
    odd: dict[str, list[str]]
    wrong: list[ServiceCode]


def job_answers(root: DataRoot, lake: Lake, jobs: pd.DataFrame, settings: LrsService) -> Iterator[JobAnswers]:
    """Ask about jobs (rows of `lrs_jobs`), some at a time; `settings` must have an address to call.

    Stop after a reply which means that the next call would fail in the same way.
    """
    service, codes = learner_service(settings), service_codes(root.reference)
    sent = lake.read("batches", ["batch_ref", "rows"], batch_ref=jobs["batch_ref"]).set_index("batch_ref")["rows"]
    with ThreadPoolExecutor(settings.calls_at_once) as threads:
        for start in range(0, len(jobs), _AT_ONCE):
            group = jobs.iloc[start : start + _AT_ONCE]
            replies = list(threads.map(service.output, group["job_ref"], group["ukprn"]))
            meant = [meaning_of_reply(reply, codes) for reply in replies]
            yield _job_answers(group, [reply.message for reply in replies], meant, sent)
            if any(code.stops == "Y" for code in meant):
                return


def _job_answers(jobs: pd.DataFrame, messages: list[bytes], meant: list[ServiceCode], sent: pd.Series) -> JobAnswers:
    """Return the answers of a group of jobs; `sent` is the number of learners by batch_ref."""
    files: dict[str, bytes] = {}
    failed, short, miscounted = (odd := {case: list[str]() for case in _CASES}).values()
    for job, message, code in zip(jobs.to_dict("records"), messages, meant, strict=True):
        ref = str(job["job_ref"])
        if code.outcome == Outcome.ANSWERED.value:
            stem = str(job["file_name"]).rpartition(".")[0]
            files[f"{stem}_RESULT_{ref}.XML"] = result_file(message, str(job["ukprn"]), stem, ref)
            learners, counted = answered_learners(message)
            if learners < sent[job["batch_ref"]]:
                short.append(ref)
            elif counted > learners:
                miscounted.append(ref)
        if code.outcome == Outcome.FAILED.value:
            failed.append(ref)
    settled = jobs.assign(code=[code.code for code in meant]).astype({"code": "str"})
    # A fault of the call says nothing about the job.
    settled = settled[[code.kind == "result" or code.outcome == Outcome.FAILED.value for code in meant]]
    settled = settled.loc[~settled["job_ref"].isin(short), [c.name for c in LRS_JOBS.columns]]
    counts = Counter(_COUNTED.get(code.outcome, "unfinished") for code in meant)
    counts["jobs"] = len(jobs)
    return JobAnswers(files, settled, counts, odd, [code for code in meant if is_wrong(code)])


def refuse(came: list[JobAnswers]) -> None:
    """Raise a fault for all jobs and calls that went wrong.

    Raises:
        ServiceFault: there were any; TransientFault if only the connection failed.
    """
    odd = {case: [job for answers in came for job in answers.odd[case]] for case in _CASES}
    wrong = [code for answers in came for code in answers.wrong]
    lines = [
        bilingual(f"fault.lrs_{case}", number=len(jobs), jobs=job_list(jobs)) for case, jobs in odd.items() if jobs
    ]
    only_calls = not lines
    if wrong:
        lines.append(bilingual("fault.lrs_call", batches=wrong.count(wrong[0]), told=wrong[0].told_of_question))
    if lines:
        # Faults of jobs are reported only in this run, so it must not be retried.
        may_retry = only_calls and wrong[0].kind == "connection"
        raise (TransientFault if may_retry else ServiceFault)("; ".join(lines))
