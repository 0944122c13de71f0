"""Batch: LRB batches per UKPRN from the valid rows, bounded, in a fixed order, known by their content."""

import hashlib
from typing import Any

import pandas as pd

from schemas.lrs_profiles import all_profiles
from schemas.states import BatchState
from schemas.tables import BATCH_ROWS, BATCHES, SENT_FIELDS
from tasks.core.batching import build, free_minute, to_send
from tasks.core.identifiers import canonical_upn
from tasks.core.lrs_form import lrs_rows
from tasks.core.membership import among
from tasks.io.lrs_files import batch_file_name, write_batch
from tasks.io.reference import opt_outs, registration
from tasks.select import chosen_rows
from tasks.stage import Counts, Ground, moment, stage_task
from tasks.status import blocked_rows, standing_of


@stage_task("batch", "batch {la}")
def batch(data: str, cycle: str, la: str, as_of: str, schools: list[str] | None = None) -> Counts:
    """Build the batches of an authority's rows that may go now.

    Args:
        data: the data root.
        cycle: the cycle's id.
        la: the authority's code.
        as_of: the scheduled time; names the files.
        schools: only these schools; all where None.

    Returns:
        Counts: batches, learners.
    """
    ground = Ground.of(data, cycle)
    chosen = chosen_rows(ground, la_code=la)
    if schools:
        chosen = chosen[chosen["school_number"].isin(schools)].reset_index(drop=True)
    if chosen.empty:
        return {"batches": 0, "learners": 0}
    profile = all_profiles(ground.root.reference / "lrs")[ground.cycle.lrs_profile]
    ledger = ground.lake.read("batches", ["batch_ref", "state", "file_name"])
    live = ledger.loc[ledger["state"] != BatchState.ABANDONED.value, "batch_ref"]
    upns = canonical_upn(chosen["upn"])
    in_cycle = ground.lake.read("batch_rows", ["batch_ref", "upn", *SENT_FIELDS], cycle=cycle, upn=upns)
    register = registration(ground.root.reference).set_index("school_number")
    _, _, standing = standing_of(ground.lake, ground.cycle, la_code=la)
    rows = to_send(
        standing,
        _forms(ground, chosen, profile, register),
        in_cycle[among(in_cycle["batch_ref"], live)],
        blocked_rows(ground.lake, cycle, la_code=la),
    )
    built = build(
        rows, ukprns=register["ukprn"].str.strip(), profile=profile, fmt=ground.cycle.lrs_format, cycle_id=cycle
    )
    taken = set(ledger["file_name"])
    entries: list[dict[str, Any]] = []
    tables: list[pd.DataFrame] = []
    for one in built:
        ukprn, fmt = one.ukprn, ground.cycle.lrs_format
        at = free_minute(moment(as_of), taken, lambda m, u=ukprn, f=fmt: batch_file_name(u, m, f))  # type: ignore[misc]
        name = batch_file_name(ukprn, at, fmt)
        taken.add(name)
        content = write_batch(one.rows, profile=profile, fmt=fmt, ukprn=ukprn, file_name=name)
        shared = {
            "batch_ref": one.ref,
            "cycle": cycle,
            "la_code": la,
            "school_number": one.school_number,
            "ukprn": ukprn,
        }
        entries.append(
            {
                **shared,
                "profile": profile.version,
                "format": fmt,
                "file_name": name,
                "file_sha256": hashlib.sha256(content).hexdigest(),
                "state": BatchState.READY.value,
                "built_at": as_of,
                "sent_at": None,
                "reason": None,
                "rows": len(one.rows),
            }
        )
        tables.append(one.rows.assign(**shared, position=range(1, len(one.rows) + 1)))
    if built:
        learners = pd.concat(tables, ignore_index=True)[[c.name for c in BATCH_ROWS.columns]]
        # A batch's rows follow from its reference: those of a run that died before it wrote the ledger are there already.
        ground.lake.append("batch_rows", learners[~among(learners["batch_ref"], in_cycle["batch_ref"])])
        ground.lake.upsert("batches", pd.DataFrame(entries)[[c.name for c in BATCHES.columns]])
    return {"batches": len(built), "learners": sum(len(b.rows) for b in built)}


def _forms(ground: Ground, chosen: pd.DataFrame, profile: Any, register: pd.DataFrame) -> pd.DataFrame:
    """The LRS form of the rows. The privacy notice counts as seen where it was issued by the return's census day."""
    received = ground.lake.read("received", ["sha256", "census_date"], cycle=ground.cycle.id)
    day = chosen["sha256"].map(received.set_index("sha256")["census_date"])
    notice = chosen["school_number"].map(register["privacy_notice_on"])
    opted_out = among(canonical_upn(chosen["upn"]), canonical_upn(opt_outs(ground.root.reference)["upn"]))
    seen = notice.notna() & (notice.fillna("9999") <= day.fillna(""))
    forms = lrs_rows(chosen, profile, seen, opted_out)
    return forms[["upn", *SENT_FIELDS, "ability_to_share"]].assign(row_ref=chosen["row_ref"].to_numpy())
