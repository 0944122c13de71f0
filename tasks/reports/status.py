"""Questions to the lake that need no engine: a cycle's status, and what a person must look at. Reads only."""

import json
from pathlib import Path

import pandas as pd

from schemas.cycles import cycle_by_id, up_to
from schemas.states import Volume
from schemas.tables import RECEIVED, Tier
from schemas.views import STANDING, UNKNOWN_ELEMENTS, VOLUMES
from tasks.core.readiness import unmatched_opt_outs
from tasks.core.standing import as_status
from tasks.core.superseding import CHANGED_WHILE_WAITING, CORRECT_ON_PORTAL
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.dewi_inbox import misplaced
from tasks.io.data_root.reference import authorities, opt_outs
from tasks.io.lake.lake import Lake
from tasks.ledger.holds import volumes
from tasks.ledger.standing import counts_of, purged_cycles
from tasks.reports.untied import untied_and_near
from tasks.runtime.context import RunContext
from tasks.runtime.visibility import VisibleRows, check_visible


def _unusual_volumes(ctx: RunContext) -> dict[str, list[str]]:
    """Return the schools on hold and those far above their last cycle, by the text's key under `terminal.`."""
    schools = check_visible(VOLUMES, volumes(ctx).reset_index()).frame
    line = schools["school_number"] + ": " + schools["learners"].astype("str")
    line += " (" + schools["in_cycle"].fillna("") + ": " + schools["before"].astype("str") + ")"
    keys = {"on_hold": Volume.ON_HOLD, "far_above": Volume.FAR_ABOVE}
    return {key: list(line[schools["volume"] == volume.value]) for key, volume in keys.items()}


def status_of(data: str, cycle_id: str, la: list[str] | None = None) -> dict[str, object]:
    """Return what `uln status CYCLE --json` prints."""
    counts = check_visible(STANDING, counts_of(data, cycle_id, la).reset_index()).frame
    return as_status(cycle_id, counts.set_index("school_number"))


def attention(data: str, cycle_id: str) -> dict[str, list[str] | int]:
    """Return what needs a person, by the text's key under `terminal.`: a number, or names if there are names."""
    root = DataRoot(Path(data))
    lake = Lake.of(root)
    outside = misplaced(root.dewi_inbox, list(authorities()["la_code"]))
    pupils = lake.read("pupils", ["upn", "former_upn"], cycle=cycle_id)
    upns = pd.concat([pupils["upn"], pupils["former_upn"]])
    has_pupils = len(pupils) > 0 and cycle_id not in purged_cycles(data)
    returns = lake.read("received", ["path", "pupils"], cycle=cycle_id, kind="return", status="accepted")
    by_rule = lake.sizes("findings", "rule", cycle=cycle_id)
    untied, near = untied_and_near(lake)
    return {
        "open_to_others": root.open_places(),
        **_unusual_volumes(RunContext.of(data, cycle_id)),
        "misplaced": _visible_paths(pd.DataFrame({"path": outside}, dtype="str")),
        "unread": _visible_paths(returns[returns["pupils"].isna()]),
        "quarantined": len(lake.read("received", ["status"], status="quarantined")),
        "untied_answers": untied,
        "untied_near_misses": near,
        "conflicts": lake.filled("learners", "conflict", cycle=up_to(cycle_by_id(cycle_id))),
        "to_correct_on_portal": by_rule.get(CORRECT_ON_PORTAL, 0),
        "changed_while_waiting": by_rule.get(CHANGED_WHILE_WAITING, 0),
        "unmatched_opt_outs": unmatched_opt_outs(opt_outs(root.reference), upns) if has_pupils else 0,
    }


def _visible_paths(received: pd.DataFrame) -> list[str]:
    """Return the paths of some files, sorted, as someone who has the data root may see them."""
    return sorted(check_visible(RECEIVED, received[["path"]], to=Tier.INTERNAL).frame["path"])


def unknown_elements(data: str, cycle_id: str, la: list[str] | None = None) -> VisibleRows:
    """Return elements in a cycle's returns that no layout knows: something new that the service does not read.

    Returns:
        element, times, returns (number with the element), path (of the first); sorted by element.
    """
    received = Lake.of(DataRoot(Path(data))).read("received", cycle=cycle_id)
    noted = received[received["unknown_elements"].notna() & (received["la_code"].isin(la) if la else True)]
    elements = [
        {"element": element, "times": times, "path": path}
        for path, note in zip(noted["path"], noted["unknown_elements"], strict=True)
        for element, times in json.loads(note).items()
    ]
    rows = pd.DataFrame(elements, columns=["element", "times", "path"]).sort_values(["element", "path"])
    by_element = rows.groupby("element", as_index=False)
    counts = by_element.agg(times=("times", "sum"), returns=("path", "size"), path=("path", "first"))
    return check_visible(UNKNOWN_ELEMENTS, counts, to=Tier.INTERNAL)
