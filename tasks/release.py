"""Release: hand each built batch over to the LRS outbox, once.

Design law 2: before the hand-over the ledger says SENT_UNCONFIRMED, after it SENT. A run that died between the two finds
the file in the outbox and confirms it; where the file is not there, nobody knows whether the LRS has taken it, and a
person decides (`tasks.hand_over`), unless the LRS answers first. A run that lives to see its write fail knows that nothing
was handed over, and leaves the batch READY.
"""

from itertools import repeat

import pandas as pd

from schemas.states import BatchState
from schemas.views import BATCHES_NAMED
from tasks.census_work import batch_files
from tasks.ground import Ground, Lot
from tasks.hand_over import lies_in_outbox
from tasks.holds import on_hold
from tasks.io.data_root import write_each
from tasks.run_log import batches_told
from tasks.showing import shown
from tasks.stage import Counts, Steps, Undone, Walked, stage_task, walk
from tasks.workers import begin, parts


@stage_task("release", "release {cycle}")
def release(data: str, cycle: str, las: list[str], as_of: str) -> Walked:
    """Put some authorities' READY batches into `lrs/outbox`.

    Returns:
        Counts by authority: sent, learners, unconfirmed.
    """
    return walk("release", _release, Ground.of(data, cycle), las, as_of=as_of)


def _release(ground: Ground, lot: Lot, as_of: str) -> Steps:
    ledger = _confirmed(ground, ground.lake.read("batches", cycle=ground.cycle.id, **lot.where), as_of)
    _keep(ground, ledger, lot)
    is_ready = _may_go(ground, ledger)
    ready = ledger[is_ready]
    at_once = max(1, -(-len(ready) // parts()))
    shares = [ready.iloc[n : n + at_once] for n in range(0, len(ready), at_once)]
    begun = begin(batch_files, repeat(ground), shares)
    yield
    if not ready.empty:
        made = begun()
        _keep(ground, ledger.assign(state=ledger["state"].mask(is_ready, BatchState.SENT_UNCONFIRMED.value)), lot)
        files = {ground.root.lrs_outbox / name: content for one in made for name, content in one.items()}
        faults = write_each(files)
        # What this very process could not write was surely not handed over: it is ready for the next run.
        refused = {path.name: fault for path, fault in faults.items()}
        ledger = _sent(ledger, is_ready & ~ledger["file_name"].isin(refused), as_of)
        _keep(ground, ledger, lot)
        went = ledger[is_ready & ~ledger["file_name"].isin(refused)]
        batches_told(
            "release", shown(BATCHES_NAMED, went[["batch_ref", "cycle", "la_code", "school_number", "state", "rows"]])
        )
        if refused:
            name_of = (
                ready[ready["file_name"].isin(refused)].drop_duplicates("la_code").set_index("la_code")["file_name"]
            )
            undone: dict[str, Exception] = {str(la): refused[str(name)] for la, name in name_of.items()}
            sent = ready[~ready["file_name"].isin(refused)]
            raise Undone({la: _counts(*_of(la, ledger, sent)) for la in lot.las}, undone)
    return {la: _counts(*_of(la, ledger, ready)) for la in lot.las}


def _may_go(ground: Ground, ledger: pd.DataFrame) -> pd.Series:
    """Which batches are READY; not those of a school that is on hold, though they were built before it was: they wait."""
    is_ready = ledger["state"] == BatchState.READY.value
    schools = sorted(set(ledger.loc[is_ready, "school_number"]))
    if not schools:
        return is_ready
    las = sorted({school[:3] for school in schools})
    return is_ready & ~ledger["school_number"].isin(on_hold(ground, la_code=las, school_number=schools))


def _of(la: str, *tables: pd.DataFrame) -> list[pd.DataFrame]:
    return [table[table["la_code"] == la] for table in tables]


def _counts(ledger: pd.DataFrame, ready: pd.DataFrame) -> Counts:
    unconfirmed = int((ledger["state"] == BatchState.SENT_UNCONFIRMED.value).sum())
    return {"sent": len(ready), "learners": int(ready["rows"].sum()), "unconfirmed": unconfirmed}


def _keep(ground: Ground, ledger: pd.DataFrame, lot: Lot) -> None:
    ground.lake.replace("batches", ledger, cycle=ground.cycle.id, **lot.where)


def _sent(ledger: pd.DataFrame, which: pd.Series, as_of: str) -> pd.DataFrame:
    sent_at = ledger["sent_at"].mask(which, as_of)
    return ledger.assign(state=ledger["state"].mask(which, BatchState.SENT.value), sent_at=sent_at)


def _confirmed(ground: Ground, ledger: pd.DataFrame, as_of: str) -> pd.DataFrame:
    """The ledger, with those batches as sent whose file lies in the outbox though no run has said so."""
    unconfirmed = ledger["state"] == BatchState.SENT_UNCONFIRMED.value
    there = lies_in_outbox(ground.root, ledger[unconfirmed]).reindex(ledger.index, fill_value=False)
    return _sent(ledger, there, as_of)
