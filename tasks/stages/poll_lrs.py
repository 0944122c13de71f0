"""Ask: get the answers of the LRS web service's jobs, as result files in the LRS inbox.

An answer is kept as it came, in a file like those of the portal, and then handled like them (`tasks.stages.collect`).
Asking changes nothing at the LRS, so it is repeated until the LRS has answered a job, or has said that it cannot. That
failure is reported here once, and by the doctor until a person has settled the batch. The file is written
before the job counts as answered, so a run that dies between the two asks again. An answer that leaves learners out is
kept, and its job stays open; otherwise nobody would ask for their ULNs.
"""

from pathlib import Path

from tasks.io.data_root.data_root import DataRoot, clear_parts_of, write_whole
from tasks.io.lake.lake import Lake
from tasks.ledger.lrs_jobs import awaited_jobs, take_up_jobs
from tasks.runtime.chunks import Counts
from tasks.runtime.task import stage_task
from tasks.stages.verify import ask_for_verifications, open_verifications
from tasks.steps.poll_lrs import JobAnswers, job_answers, job_counts, refuse


def has_jobs(data: str) -> bool:
    """Whether any answer is awaited."""
    root = DataRoot(Path(data))
    lake = Lake.of(root)
    full = any(root.jobs_noted.glob("*.json"))
    full = full or (lake.version("lrs_jobs") >= 0 and not awaited_jobs(root, lake).empty)
    return full or (lake.version("uln_checks") >= 0 and not open_verifications(lake).empty)


@stage_task("ask", "ask", retried=True)
def ask(data: str) -> Counts:
    """Ask for the answers of the open jobs.

    Returns:
        Counts: jobs, answered, unfinished, failed; verified (ULNs of returns), if some wait for it.

    Raises:
        ServiceFault: a call about some jobs failed, the LRS could not carry them out, or an answer left learners out; the
            answers that came are kept.
    """
    root = DataRoot(Path(data))
    lake = Lake.of(root)
    take_up_jobs(root, lake)
    jobs, verifying = awaited_jobs(root, lake), not open_verifications(lake).empty
    received: list[JobAnswers] = []
    if not jobs.empty:
        clear_parts_of(root.lrs_inbox)  # part of an answer from a run that was killed; it is asked for again
        for answers in job_answers(root, lake, jobs):
            for name, content in answers.files.items():
                write_whole(root.lrs_inbox / name, content)
            lake.upsert("lrs_jobs", answers.settled)
            received.append(answers)
    refuse(received)
    counts = job_counts(received)
    if verifying:
        # Last, so that a fault in verifying stops no answer.
        counts |= ask_for_verifications(root, lake)
    return counts
