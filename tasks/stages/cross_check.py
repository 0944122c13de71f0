"""Cross-check: learners for whom several records ask."""

from typing import Any

import pandas as pd
from pandas.util import hash_pandas_object

from schemas.states import Disposition, NotChosen
from tasks.core.evidence import shared_upns
from tasks.core.membership import is_in
from tasks.core.one_learner import yielding_records
from tasks.runtime.chunks import Counts, all_chunks
from tasks.runtime.context import RunContext
from tasks.runtime.memory import release_memory
from tasks.runtime.task import stage_task
from tasks.steps.select import asked_elsewhere, chosen_upns, competing_records


@stage_task("cross-check", "cross-check {cycle}", retried=True)
def cross_check(data: str, cycle: str) -> Counts:
    """Find, once for all Wales, the UPNs that stand among the chosen of two schools or more, and settle the plain cases.

    Returns:
        Counts: shared_upns (what is left to the schools), asked_elsewhere (records that give way).
    """
    ctx = RunContext.of(data, cycle)
    shared = _shared(ctx)
    release_memory()
    gives_way = yielding_records(competing_records(ctx, shared))
    _mark(ctx, gives_way)
    left = shared_upns(shared[~is_in(shared["row_ref"], gives_way)])
    table = pd.DataFrame({"upn": left}, dtype="str").assign(cycle=cycle)
    ctx.lake.replace("shared_upns", table.astype("str"), cycle=cycle)
    return {"shared_upns": len(table), "asked_elsewhere": len(gives_way)}


def _shared(ctx: RunContext) -> pd.DataFrame:
    """The chosen records of UPNs that stand in two schools or more: row_ref, upn, school_number.

    A whole country's are put together by their hashes alone: two UPNs that share one are looked at, and no more.
    """
    found = [chosen_upns(ctx, chunk) for chunk in all_chunks(ctx)]
    hashes = [hash_pandas_object(one["upn"], index=False) for one in found]
    every = pd.concat([pd.Series(dtype="uint64"), *hashes], ignore_index=True)
    twice = every[every.duplicated()].unique()
    none = pd.DataFrame({name: [] for name in ("row_ref", "upn", "school_number")}, dtype="str")
    pairs = pd.concat([none, *(one[own.isin(twice).to_numpy()] for one, own in zip(found, hashes, strict=True))])
    return pairs[is_in(pairs["upn"], shared_upns(pairs))]


def _mark(ctx: RunContext, gives_way: pd.Series) -> None:
    """Make these, and no others, the cycle's records for which another school asks."""
    before = asked_elsewhere(ctx)
    changed = pd.concat([gives_way[~is_in(gives_way, before)], before[~is_in(before, gives_way)]])
    if changed.empty:
        return
    there = ctx.lake.read("pupils", ["la_code"], cycle=ctx.cycle.id, row_ref=changed)
    where: dict[str, Any] = {"cycle": ctx.cycle.id, "la_code": sorted(set(there["la_code"]))}
    rows = ctx.lake.read("dispositions", **where)
    now, no_more = is_in(rows["row_ref"], gives_way), is_in(rows["row_ref"], before[~is_in(before, gives_way)])
    rows["disposition"] = rows["disposition"].mask(now, Disposition.NOT_CHOSEN.value)
    rows["disposition"] = rows["disposition"].mask(no_more, Disposition.CHOSEN.value)
    rows["reason"] = rows["reason"].mask(now, NotChosen.ASKED_ELSEWHERE.value).mask(no_more)
    ctx.lake.replace("dispositions", rows, **where)
