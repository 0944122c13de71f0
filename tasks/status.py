"""Questions to the lake that need no engine: where a cycle stands, what holds schools back. Reads only."""

import json
from dataclasses import asdict
from itertools import repeat
from pathlib import Path
from typing import Any

import pandas as pd

from schemas.cycles import Cycle, cycle_by_id, up_to
from schemas.readiness import lacks
from schemas.retention import Kind
from schemas.states import Disposition, Severity
from schemas.tables import RECEIVED, Table, Tier
from schemas.views import STANDING, UNKNOWN_ELEMENTS
from tasks.core.identifiers import canonical_upn
from tasks.core.membership import among, looked_up
from tasks.core.one_learner import known_as
from tasks.core.readiness import missing_things, side_by_side, unmatched_opt_outs
from tasks.core.standing import as_status, latest_batch, stand, tally
from tasks.core.superseding import CHANGED_WHILE_WAITING, CORRECT_ON_PORTAL
from tasks.ground import Ground, Portion, all_portions, records_by_school
from tasks.holds import unusual
from tasks.io.data_root import DataRoot
from tasks.io.dewi_inbox import misplaced
from tasks.io.lake import Lake
from tasks.io.reference import authorities, opt_outs, registration, schools
from tasks.sent import rows_sent
from tasks.showing import Shown, shown
from tasks.untied import untied_and_near
from tasks.workers import spread


def blocked_rows(lake: Lake, cycle_id: str, **where: Any) -> pd.Series:
    """The row_refs of a cycle, or of one authority in it (`la_code=..`), that a finding holds."""
    findings = lake.read("findings", ["row_ref", "severity"], cycle=cycle_id, **where)
    return findings.loc[findings["severity"] == Severity.BLOCKING.value, "row_ref"]


def register_of(lake: Lake, cycle: Cycle, **where: Any) -> pd.DataFrame:
    """The learner register, or some of it (`upn=..`), as it was while the cycle was the latest: no later cycle is seen."""
    return lake.read("learners", cycle=up_to(cycle), **where)


def standing_of(
    lake: Lake, cycle: Cycle, register: pd.DataFrame | None = None, **where: Any
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Every record of a cycle, or of one authority in it (`la_code=..`), and where it stands.

    Args:
        lake: the lake.
        cycle: the cycle.
        register: `register_of` these learners at least, where the caller has it already.
        where: which records.

    Returns:
        pupils (row_ref, la_code, school_number, upn, former_upn), dispositions (row_ref, school_number, disposition, reason),
        standing of the chosen ones.
    """
    seen = up_to(cycle)
    columns = ["row_ref", "la_code", "school_number", "upn", "former_upn"]
    pupils = lake.read("pupils", columns, cycle=cycle.id, **where)
    decided = ["row_ref", "school_number", "disposition", "reason"]
    dispositions = lake.read("dispositions", decided, cycle=cycle.id, **where)
    chosen = dispositions.loc[dispositions["disposition"] == Disposition.CHOSEN.value, "row_ref"]
    asked = pupils[among(pupils["row_ref"], chosen)]
    wanted = ["batch_ref", "upn", "school_number", "cycle"]
    sent, batches = rows_sent(lake, wanted, seen, canonical_upn(asked["upn"]))
    asked, before = _under_former_upns(lake, cycle, asked, sent, register)
    sent, upns = pd.concat([sent, before], ignore_index=True), asked["known_as"]
    standing = stand(
        asked,
        cycle_id=cycle.id,
        blocked=blocked_rows(lake, cycle.id, **where),
        latest=latest_batch(sent, batches, seen),
        learners=lake.read("learners", ["upn", "uln"], cycle=seen, upn=upns) if register is None else register,
        exceptions=lake.read("exceptions", ["upn", "batch_ref"], cycle=seen, upn=upns),
    )
    return pupils, dispositions, standing


def _under_former_upns(
    lake: Lake, cycle: Cycle, asked: pd.DataFrame, sent: pd.DataFrame, register: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The records with known_as (`one_learner.known_as`), and what was sent of those whom the ledger knows otherwise."""
    own, former = canonical_upn(asked["upn"]), canonical_upn(asked["former_upn"])
    # Few have a former UPN; of these fewer were sent under none but that, or have a ULN under that alone.
    also = former.notna() & among(own, sent["upn"])
    names = pd.concat([own[also], former[also]])
    if register is None and also.any():
        register = lake.read("learners", ["upn", "uln"], cycle=up_to(cycle), upn=names)
    with_uln = names.head(0) if register is None else register.loc[register["uln"].notna(), "upn"]
    few = asked[(former.notna() & ~also) | (also & among(former, with_uln) & ~among(own, with_uln))]
    if few.empty:
        return asked.assign(known_as=own), sent.head(0)
    before, _ = rows_sent(lake, [*sent.columns, "given_name", "dob", "gender"], up_to(cycle), former[few.index])
    who = ["forename", "dob", "gender"]
    said = lake.read("pupils", ["row_ref", *who], cycle=cycle.id, la_code=few["la_code"], row_ref=few["row_ref"])
    records = pd.DataFrame({name: looked_up(few["row_ref"], said["row_ref"], said[name]) for name in who})
    under_own = sent.loc[among(sent["upn"], own[few.index]), ["upn"]]
    ledger = pd.concat([before[["upn", "given_name", "dob", "gender"]], under_own])
    known = known_as(records.assign(upn=own[few.index], former_upn=former[few.index]), ledger, with_uln)
    return asked.assign(known_as=own.mask(own.index.isin(few.index), known)), before[list(sent.columns)]


def counts_of(data: str, cycle_id: str, la: list[str] | None = None) -> pd.DataFrame:
    """The counts per school of a cycle (`standing.tally`), all Wales or some authorities."""
    ground = Ground.of(data, cycle_id)
    portions = all_portions(ground, la)
    # Law 1 counts what is there: also pupils of whose return nothing is known, where no whole authority's portion has them.
    known, of_las = records_by_school(ground, la), {"la_code": la} if la else {}
    whole = {code for portion in portions if portion.schools is None for code in portion.las}
    there = ground.lake.distinct("pupils", "school_number", cycle=cycle_id, **of_las)
    strays = [school for school in there if school not in known and school[:3] not in whole]
    if strays:
        portions.append(Portion(tuple(sorted({s[:3] for s in strays})), tuple(strays)))
    tallies = spread(tally_of, repeat(ground), portions)
    if tallies:
        return pd.concat(tallies)
    return tally(*standing_of(ground.lake, ground.cycle, la_code=[]), pd.Series(dtype="int64"))


def tally_of(ground: Ground, portion: Portion) -> pd.DataFrame:
    """The counts of a portion's schools."""
    declared = pd.Series(records_by_school(ground, list(portion.las)), dtype="int64")
    if portion.schools is not None:
        declared = declared.reindex(list(portion.schools))
    return tally(*standing_of(ground.lake, ground.cycle, **portion.where), declared)


def status_of(data: str, cycle_id: str, la: list[str] | None = None) -> dict[str, object]:
    """What `uln status CYCLE --json` prints."""
    return as_status(
        cycle_id, shown(STANDING, counts_of(data, cycle_id, la).reset_index()).frame.set_index("school_number")
    )


def purged_cycles(data: str) -> dict[str, str]:
    """The cycles whose pupils were purged, or were going to be: they are over. Cycle and day."""
    rows = Lake.of(DataRoot(Path(data))).read("purged", ["ref", "purged_on"], kind=Kind.PUPILS.value)
    return dict(zip(rows["ref"], rows["purged_on"], strict=True))


def cycles_with_returns(data: str) -> list[str]:
    """The cycles that any return was accepted for, sorted."""
    return sorted(set(Lake.of(DataRoot(Path(data))).read("received", ["cycle"])["cycle"].dropna()))


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
        **unusual(Ground.of(data, cycle_id)),
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
    return sorted(shown(table, rows[[column]], to=Tier.INTERNAL).frame[column])


def unknown_elements(data: str, cycle_id: str, la: list[str] | None = None) -> Shown:
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
    return shown(UNKNOWN_ELEMENTS, found_in, to=Tier.INTERNAL)


def readiness_of(data: str, cycle: Cycle, la: list[str] | None = None) -> pd.DataFrame:
    """What each school still needs, in the order of their numbers.

    Returns:
        la_code, school_number, school_name, code; ukrlp, edubase, found (`readiness.side_by_side`); text, action, where,
        each with _en and _cy.
    """
    reference = DataRoot(Path(data)).reference
    register = schools(reference)
    registered = registration(reference)
    missing = side_by_side(missing_things(register, registered, cycle), registered)
    texts = pd.DataFrame(map(asdict, lacks()))
    rows = missing.merge(register[["school_number", "school_name", "la_code"]], on="school_number").merge(
        texts, on="code"
    )
    rows = rows.sort_values(["la_code", "school_number", "code"], ignore_index=True)
    return rows[rows["la_code"].isin(la)].reset_index(drop=True) if la else rows
