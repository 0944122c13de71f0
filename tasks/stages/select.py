"""Select: for every pupil record one disposition; and, once a run, which UPNs stand in two schools.

Who gives way to another school (`one_learner.giving_way`) is known only when every school is decided. So selection takes
what the cross-check found the last time, and the cross-check, which looks at those who give way as at those who are
chosen, finds it anew: the end does not depend on the last time, and where nothing changed nothing is written.
"""

from itertools import repeat

import pandas as pd
import pyarrow as pa

from schemas.cycles import up_to
from schemas.states import Disposition
from schemas.tables import DISPOSITIONS
from tasks.core.identifiers import canonical_upn
from tasks.runtime.chunks import Steps, Walked, walk
from tasks.runtime.context import Ground
from tasks.runtime.executor import begin, parts
from tasks.runtime.partition import Lot
from tasks.runtime.task import stage_task
from tasks.steps.select import dispositions_of


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
