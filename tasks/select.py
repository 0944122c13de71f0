"""Select: for every pupil record one disposition; and, once a run, which UPNs stand in two schools."""

from itertools import repeat

import pandas as pd
import pyarrow as pa

from schemas.cycles import up_to
from schemas.states import Disposition
from schemas.tables import DISPOSITIONS
from tasks.census_work import chosen_upns, dispositions_of
from tasks.core.evidence import shared_upns
from tasks.core.identifiers import canonical_upn
from tasks.ground import Ground, Lot, all_portions
from tasks.stage import Counts, Steps, Walked, stage_task, walk
from tasks.workers import begin, parts, spread


@stage_task("select", "select {cycle}")
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


@stage_task("cross-check", "cross-check {cycle}")
def cross_check(data: str, cycle: str) -> Counts:
    """Find, once for all Wales, the UPNs that stand among the chosen of two schools or more.

    Returns:
        Counts: shared_upns.
    """
    ground = Ground.of(data, cycle)
    portions = all_portions(ground)
    found = spread(chosen_upns, repeat(ground), portions)
    pairs = pd.concat([pd.DataFrame({"upn": [], "school_number": []}, dtype="str"), *found])
    table = pd.DataFrame({"upn": shared_upns(pairs)}, dtype="str").assign(cycle=cycle)
    ground.lake.replace("shared_upns", table.astype("str"), cycle=cycle)
    return {"shared_upns": len(table)}
