"""Ask: the LRS web service for the answers of the jobs that it has taken, as result files into the LRS inbox.

What it answers is kept as it came, in a file like those of the portal: from there on everything is as with files
(`tasks.collect`). Asking changes nothing at the LRS, and is done again as often as it takes: a job is asked for until the
LRS has answered it, or has said that it cannot; that is told once, and by the doctor until somebody has settled the batch.
The file is written before the job counts as answered, so that a run that dies between the two asks once more. An answer
that leaves learners out is taken, and its job stays open: they would wait for a ULN that nobody asks for.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from schemas.faults import PassingFault, ServiceFault
from schemas.service_codes import Outcome, ServiceCode, service_codes
from schemas.tables import LRS_JOBS
from schemas.texts import both
from tasks.io.data_root import DataRoot, clear_parts_of, write_whole
from tasks.io.lake import Lake
from tasks.io.lrs_messages import learners_missing, result_file
from tasks.io.lrs_settings import lrs_service
from tasks.lrs_calls import awaited_jobs, is_wrong, learner_service, meant_by, named
from tasks.stage import Counts, stage_task
from tasks.verify import ask_for_verifications, open_verifications

#: Jobs whose answers are kept in one commit.
_AT_ONCE = 50


def has_jobs(data: str) -> bool:
    """Whether there is anything to ask for."""
    root = DataRoot(Path(data))
    lake = Lake.of(root)
    full = lake.version("lrs_jobs") >= 0 and not awaited_jobs(root, lake).empty
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
    settings, codes = lrs_service(root.reference), service_codes(root.reference)
    jobs = awaited_jobs(root, lake)
    counts = {"jobs": 0, "answered": 0, "unfinished": 0, "failed": 0}
    verifying = not open_verifications(lake).empty
    if jobs.empty and not verifying:
        return counts
    if not settings.can_call:
        raise ServiceFault(both("fault.lrs_no_address"))
    clear_parts_of(root.lrs_inbox)  # half an answer, of a run that was killed: it is asked for again
    service = learner_service(settings)
    wrong: list[ServiceCode] = []
    failed, short = list[str](), list[str]()
    rows_of = lake.read("batches", ["batch_ref", "rows"], batch_ref=jobs["batch_ref"]).set_index("batch_ref")["rows"]
    with ThreadPoolExecutor(settings.calls_at_once) as threads:
        for start in range(0, len(jobs), _AT_ONCE):
            group = jobs.iloc[start : start + _AT_ONCE]
            replies = list(threads.map(service.output, group["job_ref"], group["ukprn"]))
            meant = [meant_by(reply, codes) for reply in replies]
            for one, reply, what in zip(group.to_dict("records"), replies, meant, strict=True):
                counts["jobs"] += 1
                if what.outcome == Outcome.ANSWERED.value:
                    stem = str(one["file_name"]).rpartition(".")[0]
                    content = result_file(reply.message, str(one["ukprn"]), stem, str(one["job_ref"]))
                    write_whole(root.lrs_inbox / f"{stem}_RESULT_{one['job_ref']}.XML", content)
                    if learners_missing(reply.message, int(rows_of[one["batch_ref"]])):
                        short.append(str(one["job_ref"]))
                if what.outcome == Outcome.FAILED.value:
                    failed.append(str(one["job_ref"]))
                counts[_COUNTED.get(what.outcome, "unfinished")] += 1
            told = group.assign(code=[one.code for one in meant]).astype({"code": "str"})
            # What became of the call alone says nothing of the job.
            told = told[[one.kind == "result" or one.outcome == Outcome.FAILED.value for one in meant]]
            told = told[~told["job_ref"].isin(short)]
            lake.upsert("lrs_jobs", told[[c.name for c in LRS_JOBS.columns]])
            wrong += [one for one in meant if is_wrong(one)]
            if any(one.stops == "Y" for one in meant):
                break
    told_of = [both("fault.lrs_job_failed", number=len(failed), jobs=named(failed))] if failed else []
    if short:
        told_of.append(both("fault.lrs_answer_short", number=len(short), jobs=named(short)))
    if wrong:
        first = wrong[0]
        told_of.append(both("fault.lrs_call", batches=sum(one == first for one in wrong), told=first.told))
    if told_of:
        # What failed is told by this run alone: none that tries again must take its place.
        kind = PassingFault if wrong and wrong[0].kind == "connection" and not (failed or short) else ServiceFault
        raise kind("; ".join(told_of))
    if verifying:
        # Last: what keeps ULNs from being verified keeps no answer back.
        counts |= ask_for_verifications(root, lake)
    return counts


_COUNTED = {Outcome.ANSWERED.value: "answered", Outcome.FAILED.value: "failed"}
