"""Ask: the LRS web service for the answers of the jobs that it has taken, as result files into the LRS inbox.

What it answers is kept as it came, in a file like those of the portal: from there on everything is as with files
(`tasks.stages.collect`). Asking changes nothing at the LRS, and is done again as often as it takes: a job is asked for
until the LRS has answered it, or has said that it cannot; that is told once, and by the doctor until somebody has
settled the batch. The file is written before the job counts as answered, so that a run that dies between the two asks
once more. An answer that leaves learners out is taken, and its job stays open: they would wait for a ULN that nobody
asks for.
"""

from pathlib import Path

from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.io.data_root.data_root import DataRoot, clear_parts_of, write_whole
from tasks.io.lake.lake import Lake
from tasks.io.lrs.settings import lrs_service
from tasks.ledger.lrs_jobs import awaited_jobs, take_up_jobs
from tasks.runtime.chunks import Counts
from tasks.runtime.task import stage_task
from tasks.stages.verify import ask_for_verifications, open_verifications
from tasks.steps.poll_lrs import JobAnswers, job_answers, refuse


def has_jobs(data: str) -> bool:
    """Whether there is anything to ask for."""
    root = DataRoot(Path(data))
    lake = Lake.of(root)
    full = any(root.jobs_noted.glob("*.json"))
    full = full or (lake.version("lrs_jobs") >= 0 and not awaited_jobs(root, lake).empty)
    return full or (lake.version("uln_checks") >= 0 and not open_verifications(lake).empty)


@stage_task("ask", "ask", retried=True)
def ask(data: str) -> Counts:
    """Ask for the answers of the open jobs.

    Returns:
        Counts: jobs, answered, unfinished, failed; verified (ULNs of returns), where some wait to be.

    Raises:
        ServiceFault: some could not be asked for, the LRS could not carry them out, or left learners out; what came is kept.
    """
    root = DataRoot(Path(data))
    lake = Lake.of(root)
    take_up_jobs(root, lake)
    jobs, verifying = awaited_jobs(root, lake), not open_verifications(lake).empty
    came: list[JobAnswers] = []
    if not jobs.empty or verifying:
        settings = lrs_service(root.reference)
        if not settings.can_call:
            raise ServiceFault(bilingual("fault.lrs_no_address"))
        clear_parts_of(root.lrs_inbox)  # half an answer, of a run that was killed: it is asked for again
        for answers in job_answers(root, lake, jobs, settings):
            for name, content in answers.files.items():
                write_whole(root.lrs_inbox / name, content)
            lake.upsert("lrs_jobs", answers.settled)
            came.append(answers)
    refuse(came)
    counts = {name: sum(one.counts[name] for one in came) for name in ("jobs", "answered", "unfinished", "failed")}
    if verifying:
        # Last: what keeps ULNs from being verified keeps no answer back.
        counts |= ask_for_verifications(root, lake)
    return counts
