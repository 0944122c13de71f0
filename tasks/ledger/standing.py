"""The state of each record of a cycle, counts by school, the batch rows that count as sent, and the cycles that are over.

Code that asks who was sent uses this module, never the rows of `batch_rows` alone. The rules are in `core.standing`.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from schemas.cycles import Cycle, up_to
from schemas.settings.terms import Kind
from schemas.states import BatchState, Disposition
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ConfigurationFault
from tasks.core.held import held_rows
from tasks.core.identifiers import canonical_upn
from tasks.core.membership import is_in, lookup
from tasks.core.one_learner import known_as
from tasks.core.standing import count_by_school, derive_states, latest_batch, latest_sent_rows
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tasks.runtime.chunks import Chunk, all_chunks, records_by_school
from tasks.runtime.context import RunContext


def rows_held(lake: Lake, cycle_id: str, **where: Any) -> pd.Series:
    """Return the row_refs that a finding holds (`core.held`), of a cycle or of one authority in it (`la_code=..`)."""
    return held_rows(lake.read("findings", ["row_ref", "severity"], cycle=cycle_id, **where))


def register_of(lake: Lake, cycle: Cycle, **where: Any) -> pd.DataFrame:
    """Return the learner register, or part of it (`upn=..`), without what later cycles added."""
    return lake.read("learners", cycle=up_to(cycle), **where)


def rows_sent(lake: Lake, columns: list[str], cycles: list[str], upns: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows that count as sent (`those_sent`) for some learners in some cycles, and a table of batches.

    `columns` are columns of `batch_rows`, with batch_ref and upn; `upns` are canonical. The second table has batch_ref,
    state, built_at of every batch.
    """
    batches = lake.read("batches", ["batch_ref", "state", "built_at"])
    rows = lake.read("batch_rows", columns, cycle=cycles, upn=upns)
    return those_sent(lake, rows, batches, cycles), batches


def those_sent(lake: Lake, rows: pd.DataFrame, batches: pd.DataFrame, cycles: list[str]) -> pd.DataFrame:
    """Return the rows of `batch_rows` (batch_ref, upn ..) that count as sent (`latest_sent_rows`).

    `batches` has batch_ref and state of every batch; answers in the cycles count.
    """
    abandoned = batches.loc[batches["state"] == BatchState.ABANDONED.value, "batch_ref"]
    upns = rows.loc[is_in(rows["batch_ref"], abandoned), "upn"]
    # Answers are read for the learners of abandoned batches only: few, and mostly none.
    answers = [lake.read(table, ["upn", "batch_ref"], cycle=cycles, upn=upns) for table in ("exceptions", "learners")]
    return latest_sent_rows(rows, batches, pd.concat(answers))


def record_states(
    lake: Lake, cycle: Cycle, register: pd.DataFrame | None = None, **where: Any
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return every record of a cycle, or of one authority in it (`la_code=..`), and its state.

    `register`: the result of `register_of` for at least these learners, if the caller has it already.

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
    columns = ["batch_ref", "upn", "school_number", "cycle"]
    sent, batches = rows_sent(lake, columns, cycles, canonical_upn(records["upn"]))
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
    lake: Lake, cycle: Cycle, records: pd.DataFrame, sent: pd.DataFrame, register: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the records with known_as (`one_learner.known_as`), and what was sent under former UPNs."""
    upn, former = canonical_upn(records["upn"]), canonical_upn(records["former_upn"])
    # Few records have a former UPN. Fewer were sent only under it, or have a ULN only under it.
    also = former.notna() & is_in(upn, sent["upn"])
    names = pd.concat([upn[also], former[also]])
    if register is None and also.any():
        register = lake.read("learners", ["upn", "uln"], cycle=up_to(cycle), upn=names)
    with_uln = names.head(0) if register is None else register.loc[register["uln"].notna(), "upn"]
    few = records[(former.notna() & ~also) | (also & is_in(former, with_uln) & ~is_in(upn, with_uln))]
    if few.empty:
        return records.assign(known_as=upn), sent.head(0)
    before, _ = rows_sent(lake, [*sent.columns, "given_name", "dob", "gender"], up_to(cycle), former[few.index])
    person = ["forename", "dob", "gender"]
    pupils = lake.read("pupils", ["row_ref", *person], cycle=cycle.id, la_code=few["la_code"], row_ref=few["row_ref"])
    people = pd.DataFrame({name: lookup(few["row_ref"], pupils["row_ref"], pupils[name]) for name in person})
    under_current = sent.loc[is_in(sent["upn"], upn[few.index]), ["upn"]]
    ledger = pd.concat([before[["upn", "given_name", "dob", "gender"]], under_current])
    known = known_as(people.assign(upn=upn[few.index], former_upn=former[few.index]), ledger, with_uln)
    return records.assign(known_as=upn.mask(upn.index.isin(few.index), known)), before[list(sent.columns)]


def counts_of(data: str, cycle_id: str, la: list[str] | None = None) -> pd.DataFrame:
    """Return a cycle's counts by school (`standing.count_by_school`), for all Wales or some authorities."""
    ctx = RunContext.of(data, cycle_id)
    cut = all_chunks(ctx, la)
    # Law 1 (docs/explanation/laws.md) counts every stored pupil, including one whose return is not known. A chunk of a
    # whole authority covers such pupils already.
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


def refuse_purged(data: str, cycle: str) -> None:
    """Stop before a run works on a purged cycle.

    Raises:
        ConfigurationFault: the cycle's pupils were purged.
    """
    purged_on = purged_cycles(data).get(cycle)
    if purged_on is not None:
        raise ConfigurationFault(cycle, [bilingual("fault.cycle_purged", cycle=cycle, day=purged_on)])


def cycles_with_returns(data: str) -> list[str]:
    """Return the cycles with a return, sorted."""
    return sorted(set(Lake.of(DataRoot(Path(data))).read("received", ["cycle"])["cycle"].dropna()))
