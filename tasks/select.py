"""Select: for every pupil record one disposition; and, once a run, which UPNs stand in two schools."""

import pandas as pd

from schemas.cycles import up_to
from schemas.states import Disposition
from tasks.core.evidence import shared_upns
from tasks.core.membership import among
from tasks.core.readiness import missing_things
from tasks.core.selection import current_returns
from tasks.core.selection import select as decide
from tasks.io.reference import registration, schools
from tasks.stage import Counts, Ground, stage_task


@stage_task("select", "select {la}")
def select(data: str, cycle: str, la: str, as_of: str) -> Counts:  # noqa: ARG001 - every stage takes the same references
    """Decide every record of an authority.

    Returns:
        Counts: records, chosen.
    """
    ground = Ground.of(data, cycle)
    received = ground.lake.read("received", cycle=cycle, la_code=la)
    # Also one that could not be read yet: what an older one says is out of date and must not be sent in its place.
    returns = received[(received["status"] == "accepted") & (received["kind"] == "return")]
    pupils = ground.lake.read("pupils", cycle=cycle, la_code=la)
    rows = decide(
        pupils,
        cycle=ground.cycle,
        current=current_returns(returns),
        missing=missing_things(schools(ground.root.reference), registration(ground.root.reference), ground.cycle),
        held=ground.lake.read("learners", ["upn", "uln", "dob"], cycle=up_to(ground.cycle)[:-1]),
    )
    ground.lake.replace("dispositions", rows.assign(cycle=cycle, la_code=la), cycle=cycle, la_code=la)
    return {"records": len(rows), "chosen": int((rows["disposition"] == Disposition.CHOSEN.value).sum())}


def chosen_rows(ground: Ground, columns: list[str] | None = None, **where: str) -> pd.DataFrame:
    """The chosen records of a cycle, or of one authority in it.

    Args:
        ground: the data root, lake and cycle.
        columns: pupil columns besides row_ref; all where None.
        where: further conditions, such as la_code.
    """
    decided = ground.lake.read("dispositions", ["row_ref", "disposition"], cycle=ground.cycle.id, **where)
    wanted = None if columns is None else ["row_ref", *columns]
    pupils = ground.lake.read("pupils", wanted, cycle=ground.cycle.id, **where)
    chosen = decided.loc[decided["disposition"] == Disposition.CHOSEN.value, "row_ref"]
    return pupils[among(pupils["row_ref"], chosen)].reset_index(drop=True)


@stage_task("cross-check", "cross-check {cycle}")
def cross_check(data: str, cycle: str) -> Counts:
    """Find, once for all Wales, the UPNs that stand among the chosen of two schools or more.

    Returns:
        Counts: shared_upns.
    """
    ground = Ground.of(data, cycle)
    shared = shared_upns(chosen_rows(ground, ["upn", "school_number"]))
    table = pd.DataFrame({"upn": pd.Series(sorted(set(shared)), dtype="str")}).assign(cycle=cycle)
    ground.lake.replace("shared_upns", table.astype("str"), cycle=cycle)
    return {"shared_upns": len(table)}
