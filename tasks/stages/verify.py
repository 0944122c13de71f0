"""Verify: ask the LRS web service whether ULNs in the schools' returns are their learners'; off by default (`verify_ulns`).

Asking creates nothing at the LRS, so a question that was lost is asked again. Each ULN of a learner is asked about once;
answers come to the returns run (`tasks.stages.poll_lrs`). If an answer leaves a learner out, or a job fails, the ULN is not
verified, and the next census asks again. A ULN that does not agree becomes a finding on the record, for the school; no ULN
is changed, neither the school's nor the register's.
"""

from functools import partial
from pathlib import Path

import pandas as pd

from schemas.codes.service_codes import Connection, Outcome, ServiceCode, meaning, service_codes
from schemas.lrs.profiles import BY_SERVICE, all_profiles
from schemas.tables import PUPIL_FIELDS, ULN_CHECKS
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.core.lrs_form import lrs_rows
from tasks.core.verification import OUTCOME_FINDINGS, answered, to_verify, verification_findings, with_ulns
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.reference import registration
from tasks.io.lake.lake import Lake
from tasks.io.lrs.messages import verified_learners
from tasks.io.lrs.settings import lrs_service
from tasks.ledger.findings import save
from tasks.ledger.standing import register_of
from tasks.runtime.chunks import Chunk, Counts, PartialFailure, Progress, StageResult, chunks, run_chunks
from tasks.runtime.context import RunContext
from tasks.runtime.task import stage_task
from tasks.steps.lrs_calls import is_wrong, learner_service, meaning_of_reply
from tasks.steps.records import current_rows

_NAMES = {"upn": "MISIdentifier", "uln": "ULN", "family_name": "FamilyName", "given_name": "GivenName"}
_NAMES |= {"dob": "DateOfBirth", "gender": "Gender"}


def verifies(data: str) -> bool:
    """Whether ULNs are to be verified."""
    return lrs_service(DataRoot(Path(data)).reference).verify_ulns


@stage_task("verify", "verify {cycle}", retried=True)
def verify(data: str, cycle: str, las: list[str], as_of: str, progress: Progress | None = None) -> StageResult:
    """Ask the LRS about ULNs of which it has not been asked, and save its answers about current returns as findings.

    Args:
        data: the data root.
        cycle: the cycle's id.
        las: the authorities' codes.
        as_of: the scheduled time.
        progress: hears the share that is done.

    Returns:
        Counts by authority: asked, told.
    """
    ctx = RunContext.of(data, cycle)
    return run_chunks("verify", ctx, chunks(ctx, las), partial(_verify, ctx, as_of=as_of), progress=progress)


def _verify(ctx: RunContext, chunk: Chunk, as_of: str) -> dict[str, Counts]:
    rows = current_ulns(ctx, chunk)
    settings, codes = lrs_service(ctx.root.reference), service_codes(ctx.root.reference)
    if not settings.can_call:
        raise ServiceFault(bilingual("fault.lrs_no_address"))
    checks = ctx.lake.read("uln_checks", ["upn", "uln", "code"])
    lost = checks["code"].map({one.code: one.outcome for one in codes.values()}).eq(Outcome.FAILED.value)
    held = register_of(ctx.lake, ctx.cycle, upn=rows["upn"])
    new = to_verify(rows, checks[~lost], held)
    new = _forms(ctx, new)
    service, limit = learner_service(settings), all_profiles(ctx.root.reference / "lrs")[BY_SERVICE].limit
    asked: dict[str, int] = {}
    undone: dict[str, Exception] = {}
    for school, of_school in new.groupby("school_number", sort=True):
        la = str(school)[:3]
        for start in range(0, len(of_school), limit):
            group = of_school.iloc[start : start + limit]
            learners = [
                {name: str(one[own]) for own, name in _NAMES.items() if isinstance(one[own], str)}
                for one in group.to_dict("records")
            ]
            reply = service.submit_verification(str(group["ukprn"].iloc[0]), learners)
            meant = meaning(reply.code, codes)
            if meant.outcome == Outcome.TAKEN.value and reply.job_ref:
                kept = group.assign(cycle=ctx.cycle.id, la_code=la, job_ref=reply.job_ref, asked_at=as_of)
                kept = kept.assign(code=None, flags=None).astype({"code": "str", "flags": "str"})
                ctx.lake.upsert("uln_checks", kept[[c.name for c in ULN_CHECKS.columns]])
                asked[la] = asked.get(la, 0) + len(group)
            elif meant.outcome != Outcome.LATER.value:
                undone.setdefault(la, ServiceFault(bilingual("fault.lrs_call", batches=1, told=meant.told_of_question)))
            if meant.stops == "Y":
                return _write_findings(ctx, chunk, rows, asked, undone)
    return _write_findings(ctx, chunk, rows, asked, undone)


def _write_findings(
    ctx: RunContext, chunk: Chunk, rows: pd.DataFrame, asked: dict[str, int], undone: dict[str, Exception]
) -> dict[str, Counts]:
    found = record_findings(ctx, chunk, rows)
    counts: dict[str, Counts] = {
        la: {"asked": asked.get(la, 0), "told": int((found["school_number"].str[:3] == la).sum())} for la in chunk.las
    }
    if undone:
        raise PartialFailure(counts, undone)
    return counts


def record_findings(ctx: RunContext, chunk: Chunk, rows: pd.DataFrame) -> pd.DataFrame:
    """Save the LRS's answers about ULNs in current returns as the chunk's findings; return the findings."""
    outcomes = {one.code: one.outcome for one in service_codes(ctx.root.reference).values()}
    checks = ctx.lake.read("uln_checks", ["upn", "uln", "code"], upn=rows["upn"])
    found = verification_findings(rows, checks, outcomes)
    save(ctx, chunk, list(OUTCOME_FINDINGS.values()), [found])
    return found


def current_ulns(ctx: RunContext, chunk: Chunk) -> pd.DataFrame:
    """Return the chunk's current records with a ULN: row_ref, school_number, upn, uln and the other pupil fields."""
    current = current_rows(ctx, chunk)["row_ref"]
    columns = ["row_ref", "school_number", *PUPIL_FIELDS]
    return with_ulns(ctx.lake.read("pupils", columns, cycle=ctx.cycle.id, row_ref=current, **chunk.where))


def _forms(ctx: RunContext, rows: pd.DataFrame) -> pd.DataFrame:
    """Return each record's question: school_number, ukprn and the fields asked about; records need a name and a UKPRN."""
    no = pd.Series(False, index=rows.index)
    profile = all_profiles(ctx.root.reference / "lrs")[ctx.cycle.lrs_profile]
    ukprns = registration(ctx.root.reference).set_index("school_number")["ukprn"].str.strip()
    forms = (
        lrs_rows(rows, profile, no, no)
        .drop(columns="upn")
        .assign(
            **{name: rows[name] for name in ("upn", "uln", "school_number")},
            ukprn=rows["school_number"].map(ukprns).astype("str"),
        )
    )
    return forms.dropna(subset=["ukprn", "given_name", "family_name"])


def ask_for_verifications(root: DataRoot, lake: Lake) -> Counts:
    """Ask for the answers of the open verifications, and save them as findings.

    Returns:
        Counts: verified (learners); left_out, if an answer leaves learners out.

    Raises:
        ServiceFault: some answers could not be had, or some ULNs not verified; the other answers are kept.
    """
    settings, codes = lrs_service(root.reference), service_codes(root.reference)
    service = learner_service(settings)
    counts, wrong, lost = {"verified": 0}, list[ServiceCode](), dict[str, int]()
    cycles: dict[str, set[str]] = {}
    checks = open_verifications(lake)
    for (job, ukprn), rows in checks.groupby(["job_ref", "ukprn"], sort=True):
        reply = service.verification(str(job), str(ukprn))
        meant = meaning_of_reply(reply, codes)
        if meant.outcome == Outcome.ANSWERED.value:
            now = answered(rows, verified_learners(reply.message))
            lake.upsert("uln_checks", now)
            left_out = int(now["code"].eq(Connection.LEFT_OUT.value).sum())
            counts["verified"] += len(now) - left_out
            if left_out:
                counts["left_out"] = counts.get("left_out", 0) + left_out
            cycles.setdefault(str(rows["cycle"].iloc[0]), set()).update(rows["la_code"])
        elif meant.outcome == Outcome.FAILED.value:
            lake.upsert("uln_checks", rows.assign(code=meant.code).astype({"code": "str"}))
            lost[meant.code] = lost.get(meant.code, 0) + len(rows)
        elif is_wrong(meant):
            wrong.append(meant)
        if meant.stops == "Y":
            break
    for cycle, las in cycles.items():
        ctx = RunContext.of(str(root.path), cycle)
        for chunk in chunks(ctx, sorted(las)):
            record_findings(ctx, chunk, current_ulns(ctx, chunk))
    told = [bilingual("fault.lrs_not_verified", number=number, code=code) for code, number in lost.items()]
    told += [bilingual("fault.lrs_call", batches=len(wrong), told=wrong[0].told_of_question)] if wrong else []
    if told:
        raise ServiceFault("; ".join(told))
    return counts


def open_verifications(lake: Lake) -> pd.DataFrame:
    """Return the rows of `uln_checks` that the LRS has not answered."""
    checks = lake.read("uln_checks")
    return checks[checks["code"].isna()]
