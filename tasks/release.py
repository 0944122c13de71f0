"""Release: hand each built batch over to the LRS outbox, once.

Design law 2: before the hand-over the ledger says SENT_UNCONFIRMED, after it SENT. A run that died between the two finds
the file in the outbox and confirms it; where the file is not there, nobody knows whether the LRS has taken it, and a
person decides. A run that lives to see its write fail knows that nothing was handed over, and leaves the batch READY.
"""

import hashlib

import pandas as pd

from schemas.faults import ServiceFault
from schemas.lrs_profiles import all_profiles
from schemas.states import BatchState
from schemas.texts import both
from tasks.io.data_root import write_whole
from tasks.io.lrs_files import write_batch
from tasks.stage import Counts, Ground, stage_task


@stage_task("release", "release {la}")
def release(data: str, cycle: str, la: str, as_of: str) -> Counts:
    """Put an authority's READY batches into `lrs/outbox`.

    Returns:
        Counts: sent, learners, unconfirmed.
    """
    ground = Ground.of(data, cycle)
    ledger = ground.lake.read("batches", cycle=cycle, la_code=la)
    _confirm(ground, ledger[ledger["state"] == BatchState.SENT_UNCONFIRMED.value], as_of)
    ready = ledger[ledger["state"] == BatchState.READY.value]
    if not ready.empty:
        files = _files(ground, ready)
        ground.lake.upsert("batches", ready.assign(state=BatchState.SENT_UNCONFIRMED.value))
        handed_over: set[str] = set()
        try:
            for name, content in files.items():
                write_whole(ground.root.lrs_outbox / name, content)
                handed_over.add(name)
        except OSError:
            # What this very process could not write was surely not handed over: it is ready for the next run.
            done = ready["file_name"].isin(handed_over)
            ground.lake.upsert("batches", _sent(ready[done], as_of))
            ground.lake.upsert("batches", ready[~done])
            raise
        ground.lake.upsert("batches", _sent(ready, as_of))
    now = ground.lake.read("batches", ["state"], cycle=cycle, la_code=la)
    unconfirmed = int((now["state"] == BatchState.SENT_UNCONFIRMED.value).sum())
    return {"sent": len(ready), "learners": int(ready["rows"].sum()), "unconfirmed": unconfirmed}


def _sent(batches: pd.DataFrame, as_of: str) -> pd.DataFrame:
    return batches.assign(state=BatchState.SENT.value, sent_at=as_of)


def _files(ground: Ground, ready: pd.DataFrame) -> dict[str, bytes]:
    """The batch files, made again from the ledger and held against the hash taken when they were built."""
    profiles = all_profiles(ground.root.reference / "lrs")
    la = str(ready["la_code"].iloc[0])
    rows = ground.lake.read("batch_rows", cycle=ground.cycle.id, la_code=la, batch_ref=ready["batch_ref"])
    files = {}
    columns = ["batch_ref", "profile", "format", "ukprn", "file_name", "file_sha256"]
    for ref, profile, fmt, ukprn, name, sha256 in zip(*(ready[c] for c in columns), strict=True):
        of_batch = rows[rows["batch_ref"] == ref].sort_values("position")
        content = write_batch(of_batch, profile=profiles[profile], fmt=fmt, ukprn=ukprn, file_name=name)
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ServiceFault(both("fault.batch_would_differ", ref=ref))
        files[name] = content
    return files


def _confirm(ground: Ground, unconfirmed: pd.DataFrame, as_of: str) -> None:
    outbox = ground.root.lrs_outbox
    there = [
        (outbox / name).exists() and hashlib.sha256((outbox / name).read_bytes()).hexdigest() == sha256
        for name, sha256 in zip(unconfirmed["file_name"], unconfirmed["file_sha256"], strict=True)
    ]
    found = unconfirmed[there]
    if not found.empty:
        ground.lake.upsert("batches", _sent(found, as_of))
