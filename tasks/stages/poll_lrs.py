"""Ask: the LRS web service for the answers of the jobs that it has taken, as result files into the LRS inbox.

What it answers is kept as it came, in a file like those of the portal: from there on everything is as with files
(`tasks.stages.collect`). Asking changes nothing at the LRS, and is done again as often as it takes: a job is asked for
until the LRS has answered it, or has said that it cannot; that is told once, and by the doctor until somebody has
settled the batch. The file is written before the job counts as answered, so that a run that dies between the two asks
once more. An answer that leaves learners out is taken, and its job stays open: they would wait for a ULN that nobody
asks for.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from schemas.codes.service_codes import Outcome, ServiceCode, service_codes
from schemas.tables import LRS_JOBS
from schemas.texts.catalogue import both
from schemas.texts.faults import PassingFault, ServiceFault
from tasks.io.data_root.data_root import DataRoot, clear_parts_of, write_whole
from tasks.io.lake.tables import Lake
from tasks.io.lrs.messages import learners_told, result_file
from tasks.io.lrs.settings import lrs_service
from tasks.ledger.lrs_jobs import awaited_jobs, take_up_jobs
from tasks.runtime.chunks import Counts
from tasks.runtime.task import stage_task
from tasks.stages.verify import ask_for_verifications, open_verifications
from tasks.steps.lrs_calls import is_wrong, learner_service, meant_by, named

#: Jobs whose answers are kept in one commit.
_AT_ONCE = 50


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
    settings, codes = lrs_service(root.reference), service_codes(root.reference)
    take_up_jobs(root, lake)
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
    failed, short, miscounted = (told_of := {case: list[str]() for case in _OF_JOBS}).values()
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
                    named_there, counted = learners_told(reply.message)
                    if named_there < rows_of[one["batch_ref"]]:
                        short.append(str(one["job_ref"]))
                    elif counted > named_there:
                        miscounted.append(str(one["job_ref"]))
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
    _refuse(told_of, wrong)
    if verifying:
        # Last: what keeps ULNs from being verified keeps no answer back.
        counts |= ask_for_verifications(root, lake)
    return counts


#: What is told of jobs, as `fault.lrs_<case>`: could not be carried out; names too few learners; counts more than it names.
_OF_JOBS = ("job_failed", "answer_short", "answer_counted")


def _refuse(told_of: dict[str, list[str]], wrong: list[ServiceCode]) -> None:
    """Tell what did not come as it should.

    Args:
        told_of: by the words of `_OF_JOBS`, the numbers of jobs.
        wrong: what calls came to that say nothing of their job.

    Raises:
        ServiceFault: there was any such thing.
    """
    told = [both(f"fault.lrs_{case}", number=len(jobs), jobs=named(jobs)) for case, jobs in told_of.items() if jobs]
    of_calls_alone = not told
    if wrong:
        told.append(both("fault.lrs_call", batches=wrong.count(wrong[0]), told=wrong[0].told_of_question))
    if told:
        # What is told of jobs is told by this run alone: none that tries again must take its place.
        passes = of_calls_alone and wrong[0].kind == "connection"
        raise (PassingFault if passes else ServiceFault)("; ".join(told))


_COUNTED = {Outcome.ANSWERED.value: "answered", Outcome.FAILED.value: "failed"}
