"""Where each record of a cycle is, and counts by school."""

from pathlib import Path
from typing import Any

import pandas as pd

from schemas.cycles import Cycle, up_to
from schemas.settings.retention import Kind
from schemas.states import Disposition
from tasks.core.held import held_rows
from tasks.core.identifiers import canonical_upn
from tasks.core.membership import is_in, lookup
from tasks.core.one_learner import known_as
from tasks.core.standing import count_by_school, derive_states, latest_batch
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tasks.ledger.sent import rows_sent
from tasks.runtime.chunks import Chunk, all_chunks, records_by_school
from tasks.runtime.context import RunContext


def rows_held(lake: Lake, cycle_id: str, **where: Any) -> pd.Series:
    """The row_refs of a cycle, or of one authority in it (`la_code=..`), that a finding holds (`core.held`)."""
    return held_rows(lake.read("findings", ["row_ref", "severity"], cycle=cycle_id, **where))


def register_of(lake: Lake, cycle: Cycle, **where: Any) -> pd.DataFrame:
    """The learner register, or some of it (`upn=..`), as it was while the cycle was the latest: no later cycle is seen."""
    return lake.read("learners", cycle=up_to(cycle), **where)


def record_states(
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
    asked = pupils[is_in(pupils["row_ref"], chosen)]
    wanted = ["batch_ref", "upn", "school_number", "cycle"]
    sent, batches = rows_sent(lake, wanted, seen, canonical_upn(asked["upn"]))
    asked, before = _under_former_upns(lake, cycle, asked, sent, register)
    sent, upns = pd.concat([sent, before], ignore_index=True), asked["known_as"]
    standing = derive_states(
        asked,
        cycle_id=cycle.id,
        held=rows_held(lake, cycle.id, **where),
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
    also = former.notna() & is_in(own, sent["upn"])
    names = pd.concat([own[also], former[also]])
    if register is None and also.any():
        register = lake.read("learners", ["upn", "uln"], cycle=up_to(cycle), upn=names)
    with_uln = names.head(0) if register is None else register.loc[register["uln"].notna(), "upn"]
    few = asked[(former.notna() & ~also) | (also & is_in(former, with_uln) & ~is_in(own, with_uln))]
    if few.empty:
        return asked.assign(known_as=own), sent.head(0)
    before, _ = rows_sent(lake, [*sent.columns, "given_name", "dob", "gender"], up_to(cycle), former[few.index])
    who = ["forename", "dob", "gender"]
    said = lake.read("pupils", ["row_ref", *who], cycle=cycle.id, la_code=few["la_code"], row_ref=few["row_ref"])
    records = pd.DataFrame({name: lookup(few["row_ref"], said["row_ref"], said[name]) for name in who})
    under_own = sent.loc[is_in(sent["upn"], own[few.index]), ["upn"]]
    ledger = pd.concat([before[["upn", "given_name", "dob", "gender"]], under_own])
    known = known_as(records.assign(upn=own[few.index], former_upn=former[few.index]), ledger, with_uln)
    return asked.assign(known_as=own.mask(own.index.isin(few.index), known)), before[list(sent.columns)]


def counts_of(data: str, cycle_id: str, la: list[str] | None = None) -> pd.DataFrame:
    """The counts per school of a cycle (`standing.count_by_school`), all Wales or some authorities."""
    ctx = RunContext.of(data, cycle_id)
    cut = all_chunks(ctx, la)
    # Law 1 (docs/explanation/laws.md) counts what is there: also pupils of whose return nothing is known, where no whole
    # authority's chunk has them.
    known, of_las = records_by_school(ctx, la), {"la_code": la} if la else {}
    whole = {code for chunk in cut if chunk.schools is None for code in chunk.las}
    there = ctx.lake.distinct("pupils", "school_number", cycle=cycle_id, **of_las)
    strays = [school for school in there if school not in known and school[:3] not in whole]
    if strays:
        cut.append(Chunk(tuple(sorted({s[:3] for s in strays})), tuple(strays)))
    tallies = [count_chunk(ctx, chunk) for chunk in cut]
    if tallies:
        return pd.concat(tallies)
    return count_by_school(*record_states(ctx.lake, ctx.cycle, la_code=[]), pd.Series(dtype="int64"))


def count_chunk(ctx: RunContext, chunk: Chunk) -> pd.DataFrame:
    """The counts of a chunk's schools."""
    declared = pd.Series(records_by_school(ctx, list(chunk.las)), dtype="int64")
    if chunk.schools is not None:
        declared = declared.reindex(list(chunk.schools))
    return count_by_school(*record_states(ctx.lake, ctx.cycle, **chunk.where), declared)


def purged_cycles(data: str) -> dict[str, str]:
    """The cycles whose pupils were purged, or were going to be: they are over. Cycle and day."""
    rows = Lake.of(DataRoot(Path(data))).read("purged", ["ref", "purged_on"], kind=Kind.PUPILS.value)
    return dict(zip(rows["ref"], rows["purged_on"], strict=True))


def cycles_with_returns(data: str) -> list[str]:
    """The cycles that any return was accepted for, sorted."""
    return sorted(set(Lake.of(DataRoot(Path(data))).read("received", ["cycle"])["cycle"].dropna()))
