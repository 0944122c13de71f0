"""The LRS's own check of what is due, before anything is handed over (`uln census --check-only`).

The batches that would go are built and submitted as jobs of the kind CHK: the LRS registers nobody, and the batches are not
in the ledger. Only the jobs are kept, so that the next check asks for their answers and does not submit them again. If the
LRS has lost a job or could not carry it out, the next check submits its batch again. The expected answers are in
`reports/<cycle>/lrs_check/<LA>.csv`: they name the record's place, never the learner.
"""

import time
from collections import Counter
from functools import partial

import pandas as pd

from schemas.codes.return_codes import normalise_code
from schemas.codes.service_codes import Outcome, ServiceCode, service_codes
from schemas.lrs.profiles import all_profiles
from schemas.states import JobKind
from schemas.tables import LRS_JOBS
from schemas.texts.catalogue import bilingual, text
from schemas.texts.faults import ServiceFault
from tasks.core.batching import first_of_each_learner
from tasks.io.data_root.data_root import write_whole
from tasks.io.data_root.report_csv import write_report
from tasks.io.lake.lake import frame_of
from tasks.io.lrs.files import read_result
from tasks.io.lrs.messages import result_file
from tasks.io.lrs.settings import lrs_service
from tasks.ledger.code_texts import lrs_codes
from tasks.ledger.lrs_jobs import keep_jobs, take_up_jobs
from tasks.runtime.chunks import Chunk, Counts, PartialFailure, Progress, StageResult, chunks, run_chunks, whole_chunks
from tasks.runtime.context import RunContext
from tasks.runtime.task import stage_task
from tasks.steps.batch import batches_of, contents_of, due_rows
from tasks.steps.lrs_calls import is_wrong, learner_service, meaning_of_reply, submitted

#: Between two questions for the same answers, in seconds.
_EVERY = 10.0
#: Codes of unknown meaning. The list of exceptions begins after them, so most likely they are none. They are counted and not
#: listed, because nearly every learner may have one (docs/reference/sources.md#return-codes).
_NO_EXCEPTION = ("RC001", "RC002", "RC003", "RC004", "RC005")
_ONCE = ("school_number", "file_name", "ordinal", "return_code")


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

    Args:
        data: the data root.
        cycle: the cycle's id.
        las: the authorities' codes.
        as_of: the scheduled time.
        schools: only these schools; all if None.
        progress: hears the share that is done.

    Returns:
        Counts by authority: batches, learners, checked, exceptions (learners who would get no ULN), unclear (learners with a
        code of unknown meaning, so that nothing is predicted), unfinished (batches without an answer yet: check again).

    Raises:
        ServiceFault: no address to call is set.
    """
    ctx = RunContext.of(data, cycle)
    if not lrs_service(ctx.root.reference).can_call:
        raise ServiceFault(bilingual("fault.lrs_no_address"))
    write = partial(_checked, ctx, as_of=as_of, only=schools)
    return run_chunks("lrs-check", ctx, whole_chunks(ctx, las), write, progress=progress)


def _checked(ctx: RunContext, chunk: Chunk, as_of: str, only: list[str] | None) -> dict[str, Counts]:
    take_up_jobs(ctx.root, ctx.lake)
    due = [due_rows(ctx, part, only) for part in chunks(ctx, list(chunk.las))]
    rows = pd.concat([one.rows for one in due], ignore_index=True)
    built = batches_of(ctx, first_of_each_learner(rows), as_of, by_service=True)
    batches, batch_rows = frame_of(built.batches), frame_of(built.rows)
    codes = service_codes(ctx.root.reference)
    refused, stopped = _asked(ctx, batches, contents_of(ctx, batches, batch_rows), codes, as_of)
    answers, not_told = _answers(ctx, batches, codes, stopped=stopped)
    refused = not_told | refused
    found = _findings(ctx, batch_rows, answers)
    for la in chunk.las:
        listed = found["exception"] | (found["unclear"] & ~found["return_code"].isin(_NO_EXCEPTION))
        told = _as_list(ctx, found[listed & (found["la_code"] == la)])
        write_whole(ctx.root.reports(ctx.cycle.id) / "lrs_check" / f"{la}.csv", write_report(told))
    counts = {
        la: {
            "batches": int((batches["la_code"] == la).sum()),
            "learners": int(batches.loc[batches["la_code"] == la, "rows"].sum()),
            "checked": int((found["la_code"] == la).sum()),
            "exceptions": int(found.loc[found["la_code"] == la, "exception"].sum()),
            "unclear": int(found.loc[found["la_code"] == la, "unclear"].sum()),
            "unfinished": int((~batches["batch_ref"].isin(answers["batch_ref"]) & (batches["la_code"] == la)).sum()),
        }
        for la in chunk.las
    }
    if refused:
        raise PartialFailure(counts, refused)
    return counts


def _asked(
    ctx: RunContext, batches: pd.DataFrame, contents: dict[str, bytes], codes: dict[str, ServiceCode], as_of: str
) -> tuple[dict[str, Exception], bool]:
    """Submit the batches that have no check job that may still be answered.

    Returns:
        What the LRS refused, by authority; and whether no more calls may be made.
    """
    settings = lrs_service(ctx.root.reference)
    service = learner_service(settings)
    new = batches[~batches["batch_ref"].isin(_jobs(ctx, batches, codes)["batch_ref"])]
    refused: dict[str, Exception] = {}
    for start in range(0, len(new), settings.calls_at_once):
        group = new.iloc[start : start + settings.calls_at_once]
        replies = submitted(service, [contents[name] for name in group["file_name"]], JobKind.CHECK, codes)
        keep_jobs(ctx, group, replies, JobKind.CHECK, as_of)
        for la, one in zip(group["la_code"], replies, strict=True):
            if one.meant.outcome != Outcome.TAKEN.value:
                refused.setdefault(
                    str(la), ServiceFault(bilingual("fault.lrs_call", batches=1, told=one.meant.told_of_question))
                )
        if any(one.meant.stops == "Y" for one in replies):
            return refused, True
    return refused, False


def _jobs(ctx: RunContext, batches: pd.DataFrame, codes: dict[str, ServiceCode]) -> pd.DataFrame:
    """Return the check jobs of these batches, without those that failed."""
    jobs = ctx.lake.read("lrs_jobs", kind=JobKind.CHECK.value, batch_ref=batches["batch_ref"])
    return jobs[~jobs["code"].isin([one.code for one in codes.values() if one.outcome == Outcome.FAILED.value])]


def _answers(
    ctx: RunContext, batches: pd.DataFrame, codes: dict[str, ServiceCode], *, stopped: bool
) -> tuple[pd.DataFrame, dict[str, Exception]]:
    """Ask for the answers about the checked batches, for as long as the settings allow.

    Args:
        ctx: data root, lake and cycle.
        batches: rows of `batches`.
        codes: `service_codes`.
        stopped: whether the LRS has said that it cannot be called just now.

    Returns:
        batch_ref, upn, return_code; and by authority the fault that stopped its answers.
    """
    settings, profiles = lrs_service(ctx.root.reference), all_profiles(ctx.root.reference / "lrs")
    service = learner_service(settings)
    waits = _jobs(ctx, batches, codes)
    until = time.monotonic() + settings.check_seconds
    found = [pd.DataFrame({"batch_ref": [], "upn": [], "return_code": []}, dtype="str")]
    met: list[tuple[str, ServiceCode]] = []
    while not (stopped or waits.empty):
        told = list[ServiceCode]()
        for one in waits.to_dict("records"):
            reply = service.output(str(one["job_ref"]), str(one["ukprn"]))
            told.append(meaning_of_reply(reply, codes))
            if told[-1].outcome == Outcome.ANSWERED.value:
                content = result_file(reply.message, str(one["ukprn"]), str(one["file_name"]), str(one["job_ref"]))
                rows = read_result(content, profiles)
                rows = rows.assign(upn=rows["mis_identifier"], batch_ref=one["batch_ref"])
                found.append(rows.assign(return_code=normalise_code(rows["return_code"]))[found[0].columns.to_list()])
            if stopped := told[-1].stops == "Y":
                break
        asked = waits.iloc[: len(told)].assign(code=[one.code for one in told]).astype({"code": "str"})
        # The outcome of the call alone says nothing about the job.
        of_job = [one.kind == "result" or one.outcome == Outcome.FAILED.value for one in told]
        ctx.lake.upsert("lrs_jobs", asked.loc[of_job, [c.name for c in LRS_JOBS.columns]])
        met += zip(asked["la_code"], told, strict=True)
        waits = asked[[one.outcome == Outcome.UNFINISHED.value for one in told]]
        if time.monotonic() + _EVERY > until:
            break
        if not (stopped or waits.empty):
            time.sleep(_EVERY)
    return pd.concat(found, ignore_index=True), _not_told(met)


def _not_told(met: list[tuple[str, ServiceCode]]) -> dict[str, Exception]:
    """Return by authority the fault that stopped its answers; jobs that the LRS has lost come first."""
    faults: dict[str, Exception] = {}
    lost = Counter((la, one.code) for la, one in met if one.outcome == Outcome.FAILED.value)
    for (la, code), number in lost.items():
        faults.setdefault(la, ServiceFault(bilingual("fault.lrs_check_lost", batches=number, code=code)))
    wrong = Counter((la, one) for la, one in met if is_wrong(one))
    for (la, one), number in wrong.items():
        faults.setdefault(la, ServiceFault(bilingual("fault.lrs_call", batches=number, told=one.told_of_question)))
    return faults


def _findings(ctx: RunContext, batch_rows: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Return each checked record: la_code, school_number, row_ref, return_code, exception, unclear.

    A check need not give a ULN, and no code is known to mean success; so every record that is no exception is unclear.
    """
    found = answers.merge(
        batch_rows[["batch_ref", "upn", "row_ref", "la_code", "school_number"]], on=["batch_ref", "upn"]
    )
    known = lrs_codes(ctx.root).set_index("code")["outcome"]
    found["return_code"] = found["return_code"].fillna("").mask(lambda codes: codes.eq(""), "NONE")
    exception = found["return_code"].map(known).eq("exception").to_numpy(dtype=bool)
    return found.assign(exception=exception, unclear=~exception)


def _as_list(ctx: RunContext, found: pd.DataFrame) -> pd.DataFrame:
    """Return the list for people: the record's place, the code, its meaning and what to do, in both languages."""
    places = ctx.lake.read("pupils", ["row_ref", "sha256", "ordinal"], row_ref=found["row_ref"])
    files = ctx.lake.read("received", ["sha256", "file_name"], sha256=places["sha256"])
    rows = found.merge(places, on="row_ref").merge(files, on="sha256")
    codes = lrs_codes(ctx.root)
    rows["code"] = rows["return_code"].where(rows["return_code"].isin(codes["code"]), "UNKNOWN")
    rows = rows.merge(codes, on="code")
    rows = rows.sort_values(["school_number", "file_name", "ordinal"])
    shown: dict[str, pd.Series] = {bilingual(f"lrs_check.{name}"): rows[name] for name in _ONCE}
    for name in ("label", "action"):
        shown |= {text(f"lrs_check.{name}", lang): rows[f"{name}_{lang}"] for lang in ("cy", "en")}
    return pd.DataFrame({str(heading): cells for heading, cells in shown.items()})
