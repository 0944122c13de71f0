"""Cross-check: learners for whom several records ask."""

from typing import Any

import pandas as pd
from pandas.util import hash_pandas_object

from schemas.states import Disposition, NotChosen
from tasks.core.evidence import shared_upns
from tasks.core.membership import among
from tasks.core.one_learner import giving_way
from tasks.runtime.chunks import Counts, all_chunks
from tasks.runtime.context import Ground
from tasks.runtime.memory import release_memory
from tasks.runtime.task import stage_task
from tasks.steps.select import asked_elsewhere, chosen_upns, claimed


@stage_task("cross-check", "cross-check {cycle}", retried=True)
def cross_check(data: str, cycle: str) -> Counts:
    """Find, once for all Wales, the UPNs that stand among the chosen of two schools or more, and settle the plain cases.

    Returns:
        Counts: shared_upns (what is left to the schools), asked_elsewhere (records that give way).
    """
    ground = Ground.of(data, cycle)
    shared = _shared(ground)
    release_memory()
    gives_way = giving_way(claimed(ground, shared))
    _mark(ground, gives_way)
    left = shared_upns(shared[~among(shared["row_ref"], gives_way)])
    table = pd.DataFrame({"upn": left}, dtype="str").assign(cycle=cycle)
    ground.lake.replace("shared_upns", table.astype("str"), cycle=cycle)
    return {"shared_upns": len(table), "asked_elsewhere": len(gives_way)}


def _shared(ground: Ground) -> pd.DataFrame:
    """The chosen records of UPNs that stand in two schools or more: row_ref, upn, school_number.

    A whole country's are put together by their hashes alone: two UPNs that share one are looked at, and no more.
    """
    found = [chosen_upns(ground, chunk) for chunk in all_chunks(ground)]
    hashes = [hash_pandas_object(one["upn"], index=False) for one in found]
    every = pd.concat([pd.Series(dtype="uint64"), *hashes], ignore_index=True)
    twice = every[every.duplicated()].unique()
    none = pd.DataFrame({name: [] for name in ("row_ref", "upn", "school_number")}, dtype="str")
    pairs = pd.concat([none, *(one[own.isin(twice).to_numpy()] for one, own in zip(found, hashes, strict=True))])
    return pairs[among(pairs["upn"], shared_upns(pairs))]


def _mark(ground: Ground, gives_way: pd.Series) -> None:
    """Make these, and no others, the cycle's records for which another school asks."""
    before = asked_elsewhere(ground)
    changed = pd.concat([gives_way[~among(gives_way, before)], before[~among(before, gives_way)]])
    if changed.empty:
        return
    there = ground.lake.read("pupils", ["la_code"], cycle=ground.cycle.id, row_ref=changed)
    where: dict[str, Any] = {"cycle": ground.cycle.id, "la_code": sorted(set(there["la_code"]))}
    rows = ground.lake.read("dispositions", **where)
    now, no_more = among(rows["row_ref"], gives_way), among(rows["row_ref"], before[~among(before, gives_way)])
    rows["disposition"] = rows["disposition"].mask(now, Disposition.NOT_CHOSEN.value)
    rows["disposition"] = rows["disposition"].mask(no_more, Disposition.CHOSEN.value)
    rows["reason"] = rows["reason"].mask(now, NotChosen.ASKED_ELSEWHERE.value).mask(no_more)
    ground.lake.replace("dispositions", rows, **where)
