"""The LRS's own check of what is due, before anything is handed over (`uln census --check-only`).

The batches that would go are built and submitted as jobs of the kind CHK: the LRS registers nobody, and the batches are not
in the ledger. Only the jobs are kept, so that the next check asks for their answers and does not submit them again. If the
LRS has lost a job or could not carry it out, the next check submits its batch again. The expected answers are in
`reports/<cycle>/lrs_check/<LA>.csv`: they name the record's place, never the learner.
"""

import time
from functools import partial
from typing import Any

import pandas as pd
import pyarrow as pa

from schemas.codes.return_codes import normalise_code
from schemas.codes.service_codes import Connection, Outcome, ServiceCode, service_codes
from schemas.lrs.profiles import Profile, all_profiles
from schemas.states import JobKind
from schemas.tables import BATCH_ROWS, LRS_JOBS
from schemas.texts.catalogue import bilingual, text
from schemas.texts.faults import ServiceFault
from tasks.io.data_root.data_root import write_whole
from tasks.io.data_root.report_csv import write_report
from tasks.io.lake.lake import frame_of
from tasks.io.lrs.files import read_result
from tasks.io.lrs.messages import result_file
from tasks.io.lrs.settings import lrs_service
from tasks.ledger.code_texts import lrs_codes
from tasks.ledger.lrs_jobs import keep_jobs, take_up_jobs
from tasks.runtime.chunks import (
    Chunk,
    Counts,
    PartialFailure,
    Progress,
    StageResult,
    counts_by_authority,
    run_chunks,
    whole_chunks,
)
from tasks.runtime.context import RunContext
from tasks.runtime.executor import capture
from tasks.runtime.task import stage_task
from tasks.steps.batch import contents_of, due_batches
from tasks.steps.lrs_calls import (
    first_faults,
    is_wrong,
    learner_service,
    meaning_of_reply,
    question_fault,
    submitted,
)

#: Seconds between two calls for the same answers.
_EVERY = 10.0
#: Codes of unknown meaning. The list of exceptions begins after them, so most likely they are no exceptions. They are counted
#: but not listed, because nearly every learner may have one (docs/reference/sources.md#return-codes).
_NO_EXCEPTION = ("RC001", "RC002", "RC003", "RC004", "RC005")
_SAME_IN_BOTH_LANGUAGES = ("school_number", "file_name", "ordinal", "return_code")


@stage_task("lrs-check", "lrs-check {cycle}")
def lrs_check(
    data: str,
    cycle: str,
    las: list[str],
    as_of: str,
    schools: list[str] | None = None,
    progress: Progress | None = None,
) -> StageResult:
    """Have some authorities' due rows checked by the LRS; nobody is registered, and nothing counts as sent.

    Returns:
        Counts by authority: batches, learners, checked, exceptions (learners who would get no ULN), unclear (learners with a
        code of unknown meaning, so that nothing is predicted), unfinished (batches without an answer yet: check again).

    Raises:
        ServiceFault: no address to call is set.
    """
    ctx = RunContext.of(data, cycle)
    learner_service(lrs_service(ctx.root.reference))  # a fault is reported once, before any authority begins
    write = partial(_check, ctx, as_of=as_of, only=schools)
    return run_chunks("lrs-check", ctx, whole_chunks(ctx, las), write, progress=progress)


def _check(ctx: RunContext, chunk: Chunk, as_of: str, only: list[str] | None) -> dict[str, Counts]:
    take_up_jobs(ctx.root, ctx.lake)
    due = due_batches(ctx, chunk, as_of, only, by_service=True)
    batches = frame_of(due.batches)
    batch_rows = frame_of(pa.concat_tables([BATCH_ROWS.schema.empty_table(), *due.rows]))
    codes = service_codes(ctx.root.reference)
    not_submitted, stopped = _submit(ctx, batches, contents_of(ctx, batches, batch_rows), codes, as_of)
    answers, not_answered = _answers(ctx, batches, codes, stopped=stopped)
    checked = _checked_records(ctx, batch_rows, answers)
    listed = checked["exception"] | (checked["unclear"] & ~checked["return_code"].isin(_NO_EXCEPTION))
    for la in chunk.las:
        report = write_report(_as_list(ctx, checked[listed & (checked["la_code"] == la)]))
        write_whole(ctx.root.reports(ctx.cycle.id) / "lrs_check" / f"{la}.csv", report)
    counts = counts_by_authority(
        chunk.las,
        batches=batches["la_code"].value_counts(),
        learners=batches.groupby("la_code")["rows"].sum(),
        checked=checked["la_code"].value_counts(),
        exceptions=checked.loc[checked["exception"], "la_code"].value_counts(),
        unclear=checked.loc[checked["unclear"], "la_code"].value_counts(),
        unfinished=batches.loc[~batches["batch_ref"].isin(answers["batch_ref"]), "la_code"].value_counts(),
    )
    faults = not_answered | not_submitted
    if faults:
        raise PartialFailure(counts, faults)
    return counts


def _submit(
    ctx: RunContext, batches: pd.DataFrame, contents: dict[str, bytes], codes: dict[str, ServiceCode], as_of: str
) -> tuple[dict[str, Exception], bool]:
    """Submit the batches that have no check job, or only failed ones.

    Return the faults by authority, and whether no more calls may be made.
    """
    settings = lrs_service(ctx.root.reference)
    service = learner_service(settings)
    new = batches[~batches["batch_ref"].isin(_jobs(ctx, batches, codes)["batch_ref"])]
    not_taken: list[tuple[str, ServiceCode]] = []
    stopped = False
    for start in range(0, len(new), settings.calls_at_once):
        group = new.iloc[start : start + settings.calls_at_once]
        replies = submitted(service, [contents[name] for name in group["file_name"]], JobKind.CHECK, codes)
        keep_jobs(ctx, group, replies, JobKind.CHECK, as_of)
        meant = [(str(la), reply.meant) for la, reply in zip(group["la_code"], replies, strict=True)]
        not_taken += [(la, code) for la, code in meant if code.outcome != Outcome.TAKEN.value]
        stopped = any(code.stops == "Y" for _, code in meant)
        if stopped:
            break
    return first_faults(not_taken, lambda code, _: question_fault(code)), stopped


def _jobs(ctx: RunContext, batches: pd.DataFrame, codes: dict[str, ServiceCode]) -> pd.DataFrame:
    """Return the check jobs of these batches, without those that failed."""
    jobs = ctx.lake.read("lrs_jobs", kind=JobKind.CHECK.value, batch_ref=batches["batch_ref"])
    return jobs[~jobs["code"].isin([code.code for code in codes.values() if code.outcome == Outcome.FAILED.value])]


def _answers(
    ctx: RunContext, batches: pd.DataFrame, codes: dict[str, ServiceCode], *, stopped: bool
) -> tuple[pd.DataFrame, dict[str, Exception]]:
    """Ask for the answers about the checked batches, for as long as the settings allow; not at all if `stopped`.

    Return batch_ref, upn, return_code; and by authority the fault that stopped its answers.
    """
    settings, profiles = lrs_service(ctx.root.reference), all_profiles(ctx.root.reference / "lrs")
    service = learner_service(settings)
    waiting = _jobs(ctx, batches, codes)
    until = time.monotonic() + settings.check_seconds
    answers = [pd.DataFrame({"batch_ref": [], "upn": [], "return_code": []}, dtype="str")]
    codes_met: list[tuple[str, ServiceCode]] = []
    while not (stopped or waiting.empty):
        meant = list[ServiceCode]()
        for job in waiting.to_dict("records"):
            reply = service.output(str(job["job_ref"]), str(job["ukprn"]))
            meant.append(meaning_of_reply(reply, codes))
            stopped = meant[-1].stops == "Y"
            if meant[-1].outcome == Outcome.ANSWERED.value:
                rows = capture(_answers_of, job, reply.message, profiles)
                if isinstance(rows, Exception):  # an odd reply must not keep the other answers back
                    meant[-1] = codes[Connection.ODD_ANSWER]
                else:
                    answers.append(rows)
            if stopped:
                break
        jobs = waiting.iloc[: len(meant)].assign(code=[code.code for code in meant]).astype({"code": "str"})
        # The outcome of the call alone says nothing about the job.
        of_job = [code.kind == "result" or code.outcome == Outcome.FAILED.value for code in meant]
        ctx.lake.upsert("lrs_jobs", jobs.loc[of_job, [c.name for c in LRS_JOBS.columns]])
        codes_met += zip(jobs["la_code"], meant, strict=True)
        waiting = jobs[[code.outcome == Outcome.UNFINISHED.value for code in meant]]
        if time.monotonic() + _EVERY > until:
            break
        if not (stopped or waiting.empty):
            time.sleep(_EVERY)
    # Jobs that failed (lost or not carried out) come first.
    lost = [(la, code) for la, code in codes_met if code.outcome == Outcome.FAILED.value]
    wrong = [(la, code) for la, code in codes_met if is_wrong(code)]
    return pd.concat(answers, ignore_index=True), first_faults(lost + wrong, _fault_of)


def _answers_of(job: dict[Any, Any], message: bytes, profiles: dict[str, Profile]) -> pd.DataFrame:
    rows = read_result(result_file(message, str(job["ukprn"]), str(job["file_name"]), str(job["job_ref"])), profiles)
    answers = {"upn": rows["mis_identifier"], "return_code": normalise_code(rows["return_code"])}
    return pd.DataFrame({"batch_ref": str(job["batch_ref"]), **answers})


def _fault_of(code: ServiceCode, batches: int) -> ServiceFault:
    if code.outcome == Outcome.FAILED.value:
        return ServiceFault(bilingual("fault.lrs_check_lost", batches=batches, code=code.code))
    return question_fault(code, batches)


def _checked_records(ctx: RunContext, batch_rows: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Return each checked record: la_code, school_number, row_ref, return_code, exception, unclear.

    A check need not give a ULN, and no code is known to mean success; so every record that is no exception is unclear.
    """
    places = batch_rows[["batch_ref", "upn", "row_ref", "la_code", "school_number"]]
    records = answers.merge(places, on=["batch_ref", "upn"])
    records["return_code"] = records["return_code"].fillna("").replace("", "NONE")
    outcomes = lrs_codes(ctx.root).set_index("code")["outcome"]
    exception = records["return_code"].map(outcomes).eq("exception").to_numpy(dtype=bool)
    return records.assign(exception=exception, unclear=~exception)


def _as_list(ctx: RunContext, records: pd.DataFrame) -> pd.DataFrame:
    """Return the list for people: the record's place, the code, its meaning and what to do, in both languages."""
    places = ctx.lake.read("pupils", ["row_ref", "sha256", "ordinal"], row_ref=records["row_ref"])
    files = ctx.lake.read("received", ["sha256", "file_name"], sha256=places["sha256"])
    rows = records.merge(places, on="row_ref").merge(files, on="sha256")
    codes = lrs_codes(ctx.root)
    rows["code"] = rows["return_code"].where(rows["return_code"].isin(codes["code"]), "UNKNOWN")
    rows = rows.merge(codes, on="code").sort_values(["school_number", "file_name", "ordinal"])
    shown = {str(bilingual(f"lrs_check.{name}")): rows[name] for name in _SAME_IN_BOTH_LANGUAGES}
    for name in ("label", "action"):
        shown |= {text(f"lrs_check.{name}", lang): rows[f"{name}_{lang}"] for lang in ("cy", "en")}
    return pd.DataFrame(shown)
