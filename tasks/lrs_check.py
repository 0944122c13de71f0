"""The LRS's own check of what is due, before anything is handed over (`uln census --check-only`).

The batches that would go are built and asked about as jobs of the kind CHK: the LRS registers nobody, and the ledger does
not know of them; only the jobs are kept, so that the next check asks for their answers instead of asking anew. What the LRS
would answer stands in `reports/<cycle>/lrs_check/<LA>.csv`: where the record is, never whose it is.
"""

import time
from itertools import repeat

import pandas as pd

from schemas.faults import ServiceFault
from schemas.lrs_profiles import all_profiles
from schemas.return_codes import normalise_code
from schemas.service_codes import Outcome, ServiceCode, meaning, service_codes
from schemas.states import JobKind
from schemas.tables import LRS_JOBS
from schemas.texts import both, text
from tasks.census_work import batches_of, contents_of, due_rows
from tasks.code_texts import lrs_codes
from tasks.core.batching import one_of_each
from tasks.ground import Ground, Lot
from tasks.io.data_root import write_whole
from tasks.io.lake import frame_of
from tasks.io.lrs_files import read_result
from tasks.io.lrs_messages import result_file
from tasks.io.lrs_settings import lrs_service
from tasks.io.report_csv import write_report
from tasks.lrs_calls import keep_jobs, learner_service, submitted
from tasks.stage import Steps, Undone, Walked, stage_task, walk
from tasks.workers import parts, spread

#: Between two questions for the same answers, in seconds.
_EVERY = 10.0
_ONCE = ("school_number", "file_name", "ordinal", "return_code")


@stage_task("lrs-check", "lrs-check {cycle}")
def lrs_check(data: str, cycle: str, las: list[str], as_of: str, schools: list[str] | None = None) -> Walked:
    """Have some authorities' due rows checked by the LRS; nobody is registered, and nothing counts as sent.

    Args:
        data: the data root.
        cycle: the cycle's id.
        las: the authorities' codes.
        as_of: the scheduled time.
        schools: only these schools; all where None.

    Returns:
        Counts by authority: batches, learners, checked, exceptions (learners for whom the LRS would give no ULN),
        unfinished (batches whose answers are not there yet: check again).

    Raises:
        ServiceFault: no address to call is set.
    """
    ground = Ground.of(data, cycle)
    if not lrs_service(ground.root.reference).can_call:
        raise ServiceFault(both("fault.lrs_no_address"))
    return walk("lrs-check", _checked, ground, las, as_of=as_of, only=schools)


def _checked(ground: Ground, lot: Lot, as_of: str, only: list[str] | None) -> Steps:
    yield
    due = spread(due_rows, repeat(ground), lot.portions(parts()), repeat(only))
    rows = pd.concat([one.rows for one in due], ignore_index=True)
    built = batches_of(ground, one_of_each(rows), as_of, by_service=True)
    batches, batch_rows = frame_of(built.batches), frame_of(built.rows)
    codes = service_codes(ground.root.reference)
    refused = _asked(ground, batches, contents_of(ground, batches, batch_rows), codes, as_of)
    answers, lost = _answers(ground, batches, codes)
    refused = lost | refused
    found = _findings(ground, batch_rows, answers)
    for la in lot.las:
        told = _as_list(ground, found[found["exception"] & (found["la_code"] == la)])
        write_whole(ground.root.reports(ground.cycle.id) / "lrs_check" / f"{la}.csv", write_report(told))
    counts = {
        la: {
            "batches": int((batches["la_code"] == la).sum()),
            "learners": int(batches.loc[batches["la_code"] == la, "rows"].sum()),
            "checked": int((found["la_code"] == la).sum()),
            "exceptions": int(found.loc[found["la_code"] == la, "exception"].sum()),
            "unfinished": int((~batches["batch_ref"].isin(answers["batch_ref"]) & (batches["la_code"] == la)).sum()),
        }
        for la in lot.las
    }
    if refused:
        raise Undone(counts, refused)
    return counts


def _asked(
    ground: Ground, batches: pd.DataFrame, contents: dict[str, bytes], codes: dict[str, ServiceCode], as_of: str
) -> dict[str, Exception]:
    """Have those batches checked that have no such job yet; what the LRS refused, by authority."""
    settings = lrs_service(ground.root.reference)
    service = learner_service(settings)
    before = _jobs(ground, batches, codes)
    new = batches[~batches["batch_ref"].isin(before["batch_ref"])]
    refused: dict[str, Exception] = {}
    for start in range(0, len(new), settings.calls_at_once):
        group = new.iloc[start : start + settings.calls_at_once]
        replies = submitted(service, [contents[name] for name in group["file_name"]], JobKind.CHECK, codes)
        keep_jobs(ground, group, replies, JobKind.CHECK, as_of)
        for la, one in zip(group["la_code"], replies, strict=True):
            if one.meant.outcome != Outcome.TAKEN.value:
                refused.setdefault(str(la), ServiceFault(both("fault.lrs_call", batches=1, told=one.meant.told)))
        if any(one.meant.stops == "Y" for one in replies):
            break
    return refused


def _jobs(ground: Ground, batches: pd.DataFrame, codes: dict[str, ServiceCode]) -> pd.DataFrame:
    """The check jobs of some batches, but for those that the LRS has lost: they are asked for anew."""
    jobs = ground.lake.read("lrs_jobs", kind=JobKind.CHECK.value, batch_ref=batches["batch_ref"])
    lost = [one.code for one in codes.values() if one.outcome == Outcome.FAILED.value]
    return jobs[~jobs["code"].isin(lost)].reset_index(drop=True)


def _answers(
    ground: Ground, batches: pd.DataFrame, codes: dict[str, ServiceCode]
) -> tuple[pd.DataFrame, dict[str, Exception]]:
    """What the LRS says of the checked batches, for as long as the settings let it take.

    Returns:
        batch_ref, upn, return_code; and what it could not answer, by authority.
    """
    settings, profiles = lrs_service(ground.root.reference), all_profiles(ground.root.reference / "lrs")
    service = learner_service(settings)
    waits = _jobs(ground, batches, codes)
    undone: dict[str, Exception] = {}
    until = time.monotonic() + settings.check_seconds
    found = [pd.DataFrame({"batch_ref": [], "upn": [], "return_code": []}, dtype="str")]
    while not waits.empty:
        told = []
        for one in waits.to_dict("records"):
            reply = service.output(str(one["job_ref"]), str(one["ukprn"]))
            meant = meaning(reply.code, codes)
            # What became of the call alone says nothing of the job.
            told.append(reply.code if meant.kind == "result" else one["code"])
            if meant.outcome not in (Outcome.ANSWERED.value, Outcome.UNFINISHED.value, Outcome.LATER.value):
                undone.setdefault(str(one["la_code"]), ServiceFault(both("fault.lrs_call", batches=1, told=meant.told)))
            if meant.stops == "Y":
                break
            if meant.outcome == Outcome.ANSWERED.value:
                content = result_file(reply.message, str(one["ukprn"]), str(one["file_name"]), str(one["job_ref"]))
                rows = read_result(content, profiles)
                rows = rows.assign(upn=rows["mis_identifier"], batch_ref=one["batch_ref"])
                found.append(rows.assign(return_code=normalise_code(rows["return_code"]))[found[0].columns.to_list()])
        asked = waits.head(len(told)).assign(code=told).astype({"code": "str"})
        ground.lake.upsert("lrs_jobs", asked[[c.name for c in LRS_JOBS.columns]])
        unfinished = [
            code is not None and meaning(str(code), codes).outcome == Outcome.UNFINISHED.value for code in told
        ]
        stopped = len(told) < len(waits) or meant.stops == "Y"
        waits = waits[unfinished] if not stopped else waits.head(0)
        if waits.empty or time.monotonic() + _EVERY > until:
            break
        time.sleep(_EVERY)
    return pd.concat(found, ignore_index=True), undone


def _findings(ground: Ground, batch_rows: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Each checked record: la_code, school_number, row_ref, return_code, and whether it would be an exception."""
    found = answers.merge(
        batch_rows[["batch_ref", "upn", "row_ref", "la_code", "school_number"]], on=["batch_ref", "upn"]
    )
    known = lrs_codes(ground.root).set_index("code")["outcome"]
    return found.assign(exception=found["return_code"].map(known).eq("exception").to_numpy(dtype=bool))


def _as_list(ground: Ground, found: pd.DataFrame) -> pd.DataFrame:
    """What a person reads: where the record is, the code, what it means and what to do, in both languages."""
    places = ground.lake.read("pupils", ["row_ref", "sha256", "ordinal"], row_ref=found["row_ref"])
    files = ground.lake.read("received", ["sha256", "file_name"], sha256=places["sha256"])
    rows = found.merge(places, on="row_ref").merge(files, on="sha256")
    rows = rows.merge(lrs_codes(ground.root), left_on="return_code", right_on="code", how="left")
    rows = rows.sort_values(["school_number", "file_name", "ordinal"])
    shown: dict[str, pd.Series] = {both(f"lrs_check.{name}"): rows[name] for name in _ONCE}
    for name in ("label", "action"):
        shown |= {text(f"lrs_check.{name}", lang): rows[f"{name}_{lang}"] for lang in ("cy", "en")}
    return pd.DataFrame({str(heading): cells for heading, cells in shown.items()})
