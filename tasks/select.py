"""Select: for every pupil record one disposition; and, once a run, which UPNs stand in two schools.

Who gives way to another school (`one_learner.giving_way`) is known only when every school is decided. So selection takes
what the cross-check found the last time, and the cross-check, which looks at those who give way as at those who are
chosen, finds it anew: the end does not depend on the last time, and where nothing changed nothing is written.
"""

from itertools import repeat
from typing import Any

import pandas as pd
import pyarrow as pa
from pandas.util import hash_pandas_object

from schemas.cycles import up_to
from schemas.states import Disposition, NotChosen
from schemas.tables import DISPOSITIONS
from tasks.census_work import asked_elsewhere, chosen_upns, claimed, dispositions_of
from tasks.core.evidence import shared_upns
from tasks.core.identifiers import canonical_upn
from tasks.core.membership import among
from tasks.core.one_learner import giving_way
from tasks.ground import Ground, Lot, all_portions
from tasks.one_worker import give_back
from tasks.stage import Counts, Steps, Walked, stage_task, walk
from tasks.workers import begin, parts, spread


@stage_task("select", "select {cycle}", retried=True)
def select(data: str, cycle: str, las: list[str], as_of: str) -> Walked:  # noqa: ARG001 - every stage takes the same references
    """Decide every record of some authorities.

    Returns:
        Counts by authority: records, chosen.
    """
    return walk("select", _select, Ground.of(data, cycle), las)


def _select(ground: Ground, lot: Lot) -> Steps:
    portions = lot.portions(parts())
    held = _held(ground, lot)
    tables = begin(dispositions_of, repeat(ground), portions, repeat(held))
    yield
    rows = pa.concat_tables([DISPOSITIONS.schema.empty_table(), *tables()])
    ground.lake.replace("dispositions", rows, cycle=ground.cycle.id, **lot.where)
    decided = rows.select(["la_code", "disposition"]).to_pandas()
    chosen = decided[decided["disposition"] == Disposition.CHOSEN.value]
    records, asked = decided["la_code"].value_counts(), chosen["la_code"].value_counts()
    return {la: {"records": int(records.get(la, 0)), "chosen": int(asked.get(la, 0))} for la in lot.las}


def _held(ground: Ground, lot: Lot) -> pd.DataFrame:
    """What earlier cycles left in the register of these pupils: upn, uln, dob."""
    earlier = up_to(ground.cycle)[:-1]
    known = ["upn", "uln", "dob"]
    if ground.lake.version("learners") < 0:
        return pd.DataFrame({name: [] for name in known}, dtype="str")
    pupils = ground.lake.read("pupils", ["upn", "former_upn"], cycle=ground.cycle.id, **lot.where)
    upns = canonical_upn(pd.concat([pupils["upn"], pupils["former_upn"]]))
    return ground.lake.read("learners", known, cycle=earlier, upn=upns)


@stage_task("cross-check", "cross-check {cycle}", retried=True)
def cross_check(data: str, cycle: str) -> Counts:
    """Find, once for all Wales, the UPNs that stand among the chosen of two schools or more, and settle the plain cases.

    Returns:
        Counts: shared_upns (what is left to the schools), asked_elsewhere (records that give way).
    """
    ground = Ground.of(data, cycle)
    shared = _shared(ground)
    give_back()
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
    found = spread(chosen_upns, repeat(ground), all_portions(ground))
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
