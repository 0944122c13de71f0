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
    ledger = _confirmed(ground, ground.lake.read("batches", cycle=cycle, la_code=la), as_of)
    _keep(ground, ledger, la)
    is_ready = ledger["state"] == BatchState.READY.value
    ready = ledger[is_ready]
    if not ready.empty:
        files = _files(ground, ready)
        _keep(ground, ledger.assign(state=ledger["state"].mask(is_ready, BatchState.SENT_UNCONFIRMED.value)), la)
        handed_over: set[str] = set()
        try:
            for name, content in files.items():
                write_whole(ground.root.lrs_outbox / name, content)
                handed_over.add(name)
        except OSError:
            # What this very process could not write was surely not handed over: it is ready for the next run.
            _keep(ground, _sent(ledger, is_ready & ledger["file_name"].isin(handed_over), as_of), la)
            raise
        ledger = _sent(ledger, is_ready, as_of)
        _keep(ground, ledger, la)
    unconfirmed = int((ledger["state"] == BatchState.SENT_UNCONFIRMED.value).sum())
    return {"sent": len(ready), "learners": int(ready["rows"].sum()), "unconfirmed": unconfirmed}


def _keep(ground: Ground, ledger: pd.DataFrame, la: str) -> None:
    ground.lake.replace("batches", ledger, cycle=ground.cycle.id, la_code=la)


def _sent(ledger: pd.DataFrame, which: pd.Series, as_of: str) -> pd.DataFrame:
    sent_at = ledger["sent_at"].mask(which, as_of)
    return ledger.assign(state=ledger["state"].mask(which, BatchState.SENT.value), sent_at=sent_at)


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


def _confirmed(ground: Ground, ledger: pd.DataFrame, as_of: str) -> pd.DataFrame:
    """The ledger, with those batches as sent whose file lies in the outbox though no run has said so."""
    unconfirmed = ledger["state"] == BatchState.SENT_UNCONFIRMED.value
    outbox = ground.root.lrs_outbox
    there = [
        waits and (outbox / name).exists() and hashlib.sha256((outbox / name).read_bytes()).hexdigest() == sha256
        for waits, name, sha256 in zip(unconfirmed, ledger["file_name"], ledger["file_sha256"], strict=True)
    ]
    return _sent(ledger, pd.Series(there, index=ledger.index, dtype=bool), as_of)
