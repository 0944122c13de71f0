"""Verify: ask the LRS web service whether ULNs in the schools' returns are their learners'; off by default (`verify_ulns`).

The LRS is asked once about each ULN of a learner. Asking creates nothing there, so a lost question is asked again. The
returns run fetches the answers (`tasks.stages.poll_lrs`). If an answer leaves a learner out, or a job fails, the ULN is not
verified, and the next census asks again. A ULN that does not agree becomes a finding on the record, for the school; no ULN
is changed, neither the school's nor the register's.
"""

from collections import Counter
from functools import partial
from pathlib import Path

import pandas as pd

from schemas.codes.service_codes import Connection, Outcome, ServiceCode, meaning, service_codes
from schemas.lrs.profiles import BY_SERVICE, all_profiles
from schemas.tables import PUPIL_FIELDS, ULN_CHECKS
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.core.verification import OUTCOME_FINDINGS, answered, to_verify, verification_findings, with_ulns
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.reference import registration
from tasks.io.lake.lake import Lake
from tasks.io.lrs.messages import verified_learners
from tasks.io.lrs.settings import lrs_service
from tasks.ledger.findings import save
from tasks.ledger.standing import register_of
from tasks.runtime.chunks import (
    Chunk,
    Counts,
    PartialFailure,
    Progress,
    StageResult,
    chunks,
    counts_by_authority,
    run_chunks,
)
from tasks.runtime.context import RunContext
from tasks.runtime.executor import capture
from tasks.runtime.task import stage_task
from tasks.steps.lrs_calls import first_faults, is_wrong, learner_service, meaning_of_reply, question_fault
from tasks.steps.records import current_rows, plain_forms

#: Fields of `plain_forms`, and the LRS's names for them.
_NAMES = {"upn": "MISIdentifier", "uln": "ULN", "family_name": "FamilyName", "given_name": "GivenName"}
_NAMES |= {"dob": "DateOfBirth", "gender": "Gender"}


def verifies(data: str) -> bool:
    """Whether ULNs are to be verified."""
    return lrs_service(DataRoot(Path(data)).reference).verify_ulns


@stage_task("verify", "verify {cycle}", retried=True)
def verify(data: str, cycle: str, las: list[str], as_of: str, progress: Progress | None = None) -> StageResult:
    """Ask the LRS about ULNs that it has not been asked about, and save its answers about current returns as findings.

    Returns:
        Counts by authority: asked (ULNs), told (findings for schools).
    """
    ctx = RunContext.of(data, cycle)
    return run_chunks("verify", ctx, chunks(ctx, las), partial(_verify, ctx, as_of=as_of), progress=progress)


def _verify(ctx: RunContext, chunk: Chunk, as_of: str) -> dict[str, Counts]:
    settings, codes = lrs_service(ctx.root.reference), service_codes(ctx.root.reference)
    service, limit = learner_service(settings), all_profiles(ctx.root.reference / "lrs")[BY_SERVICE].limit
    rows = current_ulns(ctx, chunk)
    asked: Counter[str] = Counter()
    not_taken: list[tuple[str, ServiceCode]] = []
    questions = _questions(ctx, rows)
    by_school = [school for _, school in questions.groupby("school_number", sort=True)]
    for group in (school.iloc[n : n + limit] for school in by_school for n in range(0, len(school), limit)):
        learners = [
            {str(name): value for name, value in learner.items() if isinstance(value, str)}
            for learner in group[list(_NAMES)].rename(columns=_NAMES).to_dict("records")
        ]
        reply = service.submit_verification(str(group["ukprn"].iloc[0]), learners)
        meant, la = meaning(reply.code, codes), str(group["la_code"].iloc[0])
        if meant.outcome == Outcome.TAKEN.value and reply.job_ref:
            stored = group.assign(cycle=ctx.cycle.id, job_ref=reply.job_ref, asked_at=as_of, code=None, flags=None)
            stored = stored[[c.name for c in ULN_CHECKS.columns]].astype({"code": "str", "flags": "str"})
            ctx.lake.upsert("uln_checks", stored)
            asked[la] += len(group)
        elif meant.outcome != Outcome.LATER.value:
            not_taken.append((la, meant))
        if meant.stops == "Y":
            break
    findings = record_findings(ctx, chunk, rows)
    findings_of = findings["school_number"].str[:3].value_counts()
    counts = counts_by_authority(chunk.las, asked=asked, told=findings_of)
    if not_taken:
        raise PartialFailure(counts, first_faults(not_taken, lambda code, _: question_fault(code)))
    return counts


def _questions(ctx: RunContext, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the records about which the LRS has not been asked: la_code, school_number, ukprn and the fields of `_NAMES`.

    Records need a name and a UKPRN. A job that the LRS has lost does not count as a question.
    """
    lost = [code.code for code in service_codes(ctx.root.reference).values() if code.outcome == Outcome.FAILED.value]
    checks = ctx.lake.read("uln_checks", ["upn", "uln", "code"])
    new = to_verify(rows, checks[~checks["code"].isin(lost)], register_of(ctx.lake, ctx.cycle, upn=rows["upn"]))
    ukprns = registration(ctx.root.reference).set_index("school_number")["ukprn"]
    forms = plain_forms(ctx, new).assign(
        **{name: new[name] for name in ("upn", "uln", "school_number")},
        la_code=new["school_number"].str[:3],
        ukprn=new["school_number"].map(ukprns).astype("str"),
    )
    return forms.dropna(subset=["ukprn", "given_name", "family_name"])


def record_findings(ctx: RunContext, chunk: Chunk, rows: pd.DataFrame) -> pd.DataFrame:
    """Save the LRS's answers about ULNs in current returns as the chunk's findings; return the findings."""
    outcomes = {code.code: code.outcome for code in service_codes(ctx.root.reference).values()}
    checks = ctx.lake.read("uln_checks", ["upn", "uln", "code"], upn=rows["upn"])
    findings = verification_findings(rows, checks, outcomes)
    save(ctx, chunk, list(OUTCOME_FINDINGS.values()), [findings])
    return findings


def current_ulns(ctx: RunContext, chunk: Chunk) -> pd.DataFrame:
    """Return the chunk's current records with a ULN: row_ref, school_number, upn, uln and the other pupil fields."""
    current = current_rows(ctx, chunk)["row_ref"]
    columns = ["row_ref", "school_number", *PUPIL_FIELDS]
    return with_ulns(ctx.lake.read("pupils", columns, cycle=ctx.cycle.id, row_ref=current, **chunk.where))


def ask_for_verifications(root: DataRoot, lake: Lake) -> Counts:
    """Ask for the answers of the open verifications, and save them as findings.

    Returns:
        Counts: verified (learners); left_out, if an answer leaves learners out.

    Raises:
        ServiceFault: some answers could not be fetched, or some ULNs were not verified; the other answers are kept.
    """
    settings, codes = lrs_service(root.reference), service_codes(root.reference)
    service = learner_service(settings)
    counts, wrong, lost = {"verified": 0}, list[ServiceCode](), dict[str, int]()
    cycles: dict[str, set[str]] = {}
    checks = open_verifications(lake)
    for (job, ukprn), rows in checks.groupby(["job_ref", "ukprn"], sort=True):
        reply = service.verification(str(job), str(ukprn))
        meant = meaning_of_reply(reply, codes)
        answers = capture(verified_learners, reply.message) if meant.outcome == Outcome.ANSWERED.value else None
        if isinstance(answers, Exception):  # an odd reply must not keep the other answers back
            wrong.append(codes[Connection.ODD_ANSWER])
        elif answers is not None:
            now = answered(rows, answers)
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
    faults = [str(bilingual("fault.lrs_not_verified", number=number, code=code)) for code, number in lost.items()]
    faults += [str(question_fault(wrong[0], len(wrong)))] if wrong else []
    if faults:
        raise ServiceFault("; ".join(faults))
    return counts


def open_verifications(lake: Lake) -> pd.DataFrame:
    """Return the rows of `uln_checks` that the LRS has not answered."""
    checks = lake.read("uln_checks")
    return checks[checks["code"].isna()]
