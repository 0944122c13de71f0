"""The state of each record of a cycle, and counts by school. The rules are in `core.standing`."""

from pathlib import Path
from typing import Any

import pandas as pd

from schemas.cycles import Cycle, up_to
from schemas.settings.terms import Kind
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
    """Return the row_refs that a finding holds (`core.held`), of a cycle or of one authority in it (`la_code=..`)."""
    return held_rows(lake.read("findings", ["row_ref", "severity"], cycle=cycle_id, **where))


def register_of(lake: Lake, cycle: Cycle, **where: Any) -> pd.DataFrame:
    """Return the learner register, or part of it (`upn=..`), without what later cycles added."""
    return lake.read("learners", cycle=up_to(cycle), **where)


def record_states(
    lake: Lake, cycle: Cycle, register: pd.DataFrame | None = None, **where: Any
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return every record of a cycle, or of one authority in it (`la_code=..`), and its state.

    Args:
        lake: the lake.
        cycle: the cycle.
        register: `register_of` these learners at least, if the caller has it already.
        where: which records.

    Returns:
        pupils (row_ref, la_code, school_number, upn, former_upn), dispositions (row_ref, school_number, disposition, reason),
        `derive_states` of the chosen ones.
    """
    cycles = up_to(cycle)
    columns = ["row_ref", "la_code", "school_number", "upn", "former_upn"]
    pupils = lake.read("pupils", columns, cycle=cycle.id, **where)
    columns = ["row_ref", "school_number", "disposition", "reason"]
    dispositions = lake.read("dispositions", columns, cycle=cycle.id, **where)
    chosen = dispositions.loc[dispositions["disposition"] == Disposition.CHOSEN.value, "row_ref"]
    records = pupils[is_in(pupils["row_ref"], chosen)]
    wanted = ["batch_ref", "upn", "school_number", "cycle"]
    sent, batches = rows_sent(lake, wanted, cycles, canonical_upn(records["upn"]))
    records, before = _under_former_upns(lake, cycle, records, sent, register)
    sent, upns = pd.concat([sent, before], ignore_index=True), records["known_as"]
    standing = derive_states(
        records,
        cycle_id=cycle.id,
        held=rows_held(lake, cycle.id, **where),
        latest=latest_batch(sent, batches, cycles),
        learners=lake.read("learners", ["upn", "uln"], cycle=cycles, upn=upns) if register is None else register,
        exceptions=lake.read("exceptions", ["upn", "batch_ref"], cycle=cycles, upn=upns),
    )
    return pupils, dispositions, standing


def _under_former_upns(
    lake: Lake, cycle: Cycle, asked: pd.DataFrame, sent: pd.DataFrame, register: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the records with known_as (`one_learner.known_as`), and what was sent under former UPNs."""
    upn, former = canonical_upn(asked["upn"]), canonical_upn(asked["former_upn"])
    # Few records have a former UPN. Fewer were sent only under it, or have a ULN only under it.
    also = former.notna() & is_in(upn, sent["upn"])
    names = pd.concat([upn[also], former[also]])
    if register is None and also.any():
        register = lake.read("learners", ["upn", "uln"], cycle=up_to(cycle), upn=names)
    with_uln = names.head(0) if register is None else register.loc[register["uln"].notna(), "upn"]
    few = asked[(former.notna() & ~also) | (also & is_in(former, with_uln) & ~is_in(upn, with_uln))]
    if few.empty:
        return asked.assign(known_as=upn), sent.head(0)
    before, _ = rows_sent(lake, [*sent.columns, "given_name", "dob", "gender"], up_to(cycle), former[few.index])
    who = ["forename", "dob", "gender"]
    pupils = lake.read("pupils", ["row_ref", *who], cycle=cycle.id, la_code=few["la_code"], row_ref=few["row_ref"])
    records = pd.DataFrame({name: lookup(few["row_ref"], pupils["row_ref"], pupils[name]) for name in who})
    under_current = sent.loc[is_in(sent["upn"], upn[few.index]), ["upn"]]
    ledger = pd.concat([before[["upn", "given_name", "dob", "gender"]], under_current])
    known = known_as(records.assign(upn=upn[few.index], former_upn=former[few.index]), ledger, with_uln)
    return asked.assign(known_as=upn.mask(upn.index.isin(few.index), known)), before[list(sent.columns)]


def counts_of(data: str, cycle_id: str, la: list[str] | None = None) -> pd.DataFrame:
    """Return a cycle's counts by school (`standing.count_by_school`), for all Wales or some authorities."""
    ctx = RunContext.of(data, cycle_id)
    cut = all_chunks(ctx, la)
    # Law 1 (docs/explanation/laws.md) counts every stored pupil, also one whose return is not known. A chunk of a whole
    # authority has such pupils already.
    known, of_las = records_by_school(ctx, la), {"la_code": la} if la else {}
    whole = {code for chunk in cut if chunk.schools is None for code in chunk.las}
    stored = ctx.lake.distinct("pupils", "school_number", cycle=cycle_id, **of_las)
    strays = [school for school in stored if school not in known and school[:3] not in whole]
    if strays:
        cut.append(Chunk(tuple(sorted({s[:3] for s in strays})), tuple(strays)))
    tallies = [count_chunk(ctx, chunk) for chunk in cut]
    if tallies:
        return pd.concat(tallies)
    return count_by_school(*record_states(ctx.lake, ctx.cycle, la_code=[]), pd.Series(dtype="int64"))


def count_chunk(ctx: RunContext, chunk: Chunk) -> pd.DataFrame:
    """Return the counts of a chunk's schools."""
    declared = pd.Series(records_by_school(ctx, list(chunk.las)), dtype="int64")
    if chunk.schools is not None:
        declared = declared.reindex(list(chunk.schools))
    return count_by_school(*record_states(ctx.lake, ctx.cycle, **chunk.where), declared)


def purged_cycles(data: str) -> dict[str, str]:
    """Return the cycles that are over because their pupils were or are being purged: day by cycle."""
    rows = Lake.of(DataRoot(Path(data))).read("purged", ["ref", "purged_on"], kind=Kind.PUPILS.value)
    return dict(zip(rows["ref"], rows["purged_on"], strict=True))


def cycles_with_returns(data: str) -> list[str]:
    """Return the cycles with a return, sorted."""
    return sorted(set(Lake.of(DataRoot(Path(data))).read("received", ["cycle"])["cycle"].dropna()))
