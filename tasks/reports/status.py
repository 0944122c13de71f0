"""Questions to the lake that need no engine: where a cycle stands, what holds schools back. Reads only."""

import json
from pathlib import Path

import pandas as pd

from schemas.cycles import cycle_by_id, up_to
from schemas.states import Volume
from schemas.tables import RECEIVED, Table, Tier
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


def unusual(ctx: RunContext) -> dict[str, list[str]]:
    """The schools that are on hold and those far above their last cycle, by the text's key under `terminal.`."""
    found = check_visible(VOLUMES, volumes(ctx).reset_index()).frame
    line = found["school_number"] + ": " + found["learners"].astype("str")
    line += " (" + found["in_cycle"].fillna("") + ": " + found["before"].astype("str") + ")"
    keys = {"on_hold": Volume.ON_HOLD, "far_above": Volume.FAR_ABOVE}
    return {key: list(line[found["volume"] == volume.value]) for key, volume in keys.items()}


def status_of(data: str, cycle_id: str, la: list[str] | None = None) -> dict[str, object]:
    """What `uln status CYCLE --json` prints."""
    return as_status(
        cycle_id, check_visible(STANDING, counts_of(data, cycle_id, la).reset_index()).frame.set_index("school_number")
    )


def attention(data: str, cycle_id: str) -> dict[str, list[str] | int]:
    """What a person has to look at, by the text's key under `terminal.`: how many, or which where they have a name."""
    root = DataRoot(Path(data))
    lake = Lake.of(root)
    outside = misplaced(root.dewi_inbox, list(authorities()["la_code"]))
    pupils = lake.read("pupils", ["upn", "former_upn"], cycle=cycle_id)
    upns = pd.concat([pupils["upn"], pupils["former_upn"]])
    whole = len(pupils) > 0 and cycle_id not in purged_cycles(data)
    received = lake.read("received", ["path", "kind", "status", "pupils"], cycle=cycle_id)
    accepted = (received["kind"] == "return") & (received["status"] == "accepted")
    unread = received[accepted & received["pupils"].isna()]
    told = lake.sizes("findings", "rule", cycle=cycle_id)
    untied, near = untied_and_near(lake)
    return {
        "open_to_others": root.open_places(),
        **unusual(RunContext.of(data, cycle_id)),
        "misplaced": _named(RECEIVED, pd.DataFrame({"path": outside}, dtype="str"), "path"),
        "unread": _named(RECEIVED, unread, "path"),
        "quarantined": int((lake.read("received", ["status"])["status"] == "quarantined").sum()),
        "untied_answers": untied,
        "untied_near_misses": near,
        "conflicts": lake.filled("learners", "conflict", cycle=up_to(cycle_by_id(cycle_id))),
        "to_correct_on_portal": told.get(CORRECT_ON_PORTAL, 0),
        "changed_while_waiting": told.get(CHANGED_WHILE_WAITING, 0),
        "unmatched_opt_outs": unmatched_opt_outs(opt_outs(root.reference), upns) if whole else 0,
    }


def _named(table: Table, rows: pd.DataFrame, column: str) -> list[str]:
    """What some rows call themselves, sorted, as whoever has the data root may see it."""
    return sorted(check_visible(table, rows[[column]], to=Tier.INTERNAL).frame[column])


def unknown_elements(data: str, cycle_id: str, la: list[str] | None = None) -> VisibleRows:
    """The elements of a cycle's returns that no layout knows: something new that the service does not read.

    Returns:
        element, times, returns (how many hold it), path (of the first of them); sorted by element.
    """
    received = Lake.of(DataRoot(Path(data))).read("received", cycle=cycle_id)
    noted = received[received["unknown_elements"].notna() & (received["la_code"].isin(la) if la else True)]
    found = [
        {"element": element, "times": times, "path": path}
        for path, note in zip(noted["path"], noted["unknown_elements"], strict=True)
        for element, times in json.loads(note).items()
    ]
    rows = pd.DataFrame(found, columns=["element", "times", "path"]).sort_values(["element", "path"])
    found_in = rows.groupby("element", as_index=False).agg(
        times=("times", "sum"), returns=("path", "size"), path=("path", "first")
    )
    return check_visible(UNKNOWN_ELEMENTS, found_in, to=Tier.INTERNAL)
