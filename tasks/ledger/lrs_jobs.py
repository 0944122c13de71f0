"""Jobs of the LRS web service: which are awaited, which failed."""

import json
from dataclasses import dataclass

import pandas as pd

from schemas.codes.service_codes import Outcome, ServiceCode, service_codes
from schemas.states import BatchState, JobKind
from schemas.tables import LRS_JOBS
from tasks.io.data_root.data_root import DataRoot, write_whole
from tasks.io.lake.lake import Lake
from tasks.runtime.context import RunContext


@dataclass(frozen=True)
class Submitted:
    """What became of a batch that was called.

    Attributes:
        meant: what the LRS's code means.
        job_ref: the job, where the LRS has taken the batch; else empty.
    """

    meant: ServiceCode
    job_ref: str


def keep_jobs(ctx: RunContext, batches: pd.DataFrame, replies: list[Submitted], kind: JobKind, as_of: str) -> None:
    """Keep the jobs of those batches that the LRS has taken: noted first, as the lake may be away just then."""
    jobs = batches.assign(job_ref=[one.job_ref for one in replies], kind=kind.value, submitted_at=as_of, code=None)
    jobs = jobs.loc[jobs["job_ref"] != "", [c.name for c in LRS_JOBS.columns]]
    if len(jobs):
        note = ctx.root.jobs_noted / f"{kind.value}-{jobs['batch_ref'].iloc[0]}.json"
        write_whole(note, json.dumps(jobs.to_dict("records")).encode())
        take_up_jobs(ctx.root, ctx.lake)


def take_up_jobs(root: DataRoot, lake: Lake) -> None:
    """Take into the lake what is noted of jobs: the run that noted it may have come no further. Again does no harm."""
    for note in sorted(root.jobs_noted.glob("*.json")):
        jobs = pd.DataFrame(json.loads(note.read_text(encoding="utf-8"))).astype("str").assign(code=None)
        there = lake.read("lrs_jobs", ["batch_ref", "job_ref"], batch_ref=jobs["batch_ref"])
        new = jobs[~jobs["job_ref"].isin(there["job_ref"])]
        lake.append("lrs_jobs", new.astype({"code": "str"}))
        note.unlink()


def awaited_jobs(root: DataRoot, lake: Lake) -> pd.DataFrame:
    """The jobs that hand over and whose answers may still come; as `lrs_jobs`, in order of their numbers.

    Neither those of which the LRS has said how they ended, nor those of batches that were given up.
    """
    jobs = lake.read("lrs_jobs", kind=JobKind.FULL.value)
    return _still_wanted(lake, jobs[~_outcomes(root, jobs).isin([Outcome.ANSWERED.value, Outcome.FAILED.value])])


def failed_jobs(root: DataRoot, lake: Lake) -> pd.DataFrame:
    """The jobs that the LRS could not carry out, whose batches are neither given up nor answered another way; as above."""
    jobs = lake.read("lrs_jobs", kind=JobKind.FULL.value)
    failed = _still_wanted(lake, jobs[_outcomes(root, jobs).eq(Outcome.FAILED.value)])
    answered = lake.read("lrs_returns", ["batch_ref"], tied="Y", batch_ref=failed["batch_ref"])["batch_ref"]
    return failed[~failed["batch_ref"].isin(answered)]


def _outcomes(root: DataRoot, jobs: pd.DataFrame) -> pd.Series:
    return jobs["code"].map({one.code: one.outcome for one in service_codes(root.reference).values()})


def _still_wanted(lake: Lake, jobs: pd.DataFrame) -> pd.DataFrame:
    if jobs.empty:
        return jobs
    given_up = lake.read("batches", ["batch_ref"], state=BatchState.ABANDONED.value, batch_ref=jobs["batch_ref"])
    wanted = jobs[~jobs["batch_ref"].isin(given_up["batch_ref"])]
    return wanted.sort_values(["job_ref", "batch_ref"], ignore_index=True)
