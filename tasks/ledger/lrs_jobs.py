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
    """The LRS's reply to a submitted batch: the meaning of its code, and the job; empty if the LRS did not take the batch."""

    meant: ServiceCode
    job_ref: str


def keep_jobs(ctx: RunContext, batches: pd.DataFrame, replies: list[Submitted], kind: JobKind, as_of: str) -> None:
    """Keep the jobs of the batches that the LRS took. They are noted in a file first, in case the lake is unreachable."""
    jobs = batches.assign(job_ref=[reply.job_ref for reply in replies], kind=kind.value, submitted_at=as_of, code=None)
    jobs = jobs.loc[jobs["job_ref"] != "", [c.name for c in LRS_JOBS.columns]]
    if len(jobs):
        note = ctx.root.jobs_noted / f"{kind.value}-{jobs['batch_ref'].iloc[0]}.json"
        write_whole(note, json.dumps(jobs.to_dict("records")).encode())
        take_up_jobs(ctx.root, ctx.lake)


def take_up_jobs(root: DataRoot, lake: Lake) -> None:
    """Move noted jobs into the lake: the run that noted them may have stopped there. Safe to repeat."""
    for note in sorted(root.jobs_noted.glob("*.json")):
        jobs = pd.DataFrame(json.loads(note.read_text(encoding="utf-8"))).astype("str").assign(code=None)
        stored = lake.read("lrs_jobs", ["batch_ref", "job_ref"], batch_ref=jobs["batch_ref"])
        new = jobs[~jobs["job_ref"].isin(stored["job_ref"])]
        lake.append("lrs_jobs", new.astype({"code": "str"}))
        note.unlink()


def awaited_jobs(root: DataRoot, lake: Lake) -> pd.DataFrame:
    """Return hand-over jobs that may still get answers: columns of `lrs_jobs`, sorted by job_ref, batch_ref.

    Leaves out jobs that the LRS has ended, and jobs of abandoned batches.
    """
    jobs = lake.read("lrs_jobs", kind=JobKind.FULL.value)
    return _still_wanted(lake, jobs[~_outcomes(root, jobs).isin([Outcome.ANSWERED.value, Outcome.FAILED.value])])


def failed_jobs(root: DataRoot, lake: Lake) -> pd.DataFrame:
    """Return failed hand-over jobs whose batch is neither abandoned nor answered in another way; as `awaited_jobs`."""
    jobs = lake.read("lrs_jobs", kind=JobKind.FULL.value)
    failed = _still_wanted(lake, jobs[_outcomes(root, jobs).eq(Outcome.FAILED.value)])
    answered = lake.read("lrs_returns", ["batch_ref"], tied="Y", batch_ref=failed["batch_ref"])["batch_ref"]
    return failed[~failed["batch_ref"].isin(answered)]


def _outcomes(root: DataRoot, jobs: pd.DataFrame) -> pd.Series:
    return jobs["code"].map({code.code: code.outcome for code in service_codes(root.reference).values()})


def _still_wanted(lake: Lake, jobs: pd.DataFrame) -> pd.DataFrame:
    if jobs.empty:
        return jobs
    abandoned = lake.read("batches", ["batch_ref"], state=BatchState.ABANDONED.value, batch_ref=jobs["batch_ref"])
    wanted = jobs[~jobs["batch_ref"].isin(abandoned["batch_ref"])]
    return wanted.sort_values(["job_ref", "batch_ref"], ignore_index=True)
