"""The lives of exceptions, read from the lake: milestones, states, and the records behind them.

Does not belong here: the rules (`core.exception_life`). No engine. A purged cycle is over: its exceptions stay as its last
snapshot shows them, and later cycles do not count them.
"""

import pandas as pd
import pyarrow.parquet as pq

from schemas.cycles import Cycle, cycle_by_id, last_of, up_to
from schemas.settings.terms import exception_terms
from schemas.states import OperatorDecision
from schemas.tables import EXCEPTION_LIVES
from tasks.core.exception_life import (
    MILESTONE_COLUMNS,
    MILESTONES,
    LearnerHistory,
    exported,
    lives,
    milestones,
)
from tasks.core.identifiers import canonical_upn
from tasks.core.membership import is_in, lookup, place_in
from tasks.core.one_learner import learner_upns
from tasks.core.selection import oldest_first
from tasks.io.lake.lake import Lake, frame_of
from tasks.ledger.operator_decisions import last_decided
from tasks.ledger.standing import cycles_with_returns, purged_cycles, record_states, register_of, rows_sent
from tasks.runtime.chunks import Chunk, all_chunks
from tasks.runtime.context import RunContext

_RECORD = [
    *("upn", "cycle", "school_number", "sha256", "uln", "disposition", "reason", "state", "batch_ref"),
    *("former_upn", "forename", "dob", "gender"),
]
#: Fields that must agree before a former UPN counts as the same learner's.
_PERSON = ["given_name", "dob", "gender"]


def lives_of(ctx: RunContext, cycles: list[str]) -> pd.DataFrame:
    """Return `exception_life.lives` of the exceptions of `cycles` (in order of time), as the context's cycle sees them."""
    return lives(_milestones_of(ctx, cycles))


def _milestones_of(ctx: RunContext, cycles: list[str], upns: list[str] | None = None) -> pd.DataFrame:
    """Return `exception_life.milestones` of the exceptions of `cycles` (in order of time), for `upns` or all learners."""
    lake, seen = ctx.lake, up_to(ctx.cycle)
    exceptions = lake.read("exceptions", cycle=cycles, **({} if upns is None else {"upn": upns}))
    if exceptions.empty:
        return pd.DataFrame(columns=list(MILESTONE_COLUMNS), dtype="str")
    # Records count only from the first of `cycles` on; a purged cycle has none left.
    purged = purged_cycles(str(ctx.root.path))
    later = [c for c in seen[seen.index(cycles[0]) :] if c not in purged]
    records, returns = _records(ctx, later, exceptions["upn"]), _returns(lake, later)
    upns_seen = pd.concat([exceptions["upn"], records["upn"], records["former_upn"]]).drop_duplicates()
    sent, batches = rows_sent(lake, ["batch_ref", "upn", "cycle", *_PERSON], seen, upns_seen)
    history = LearnerHistory(
        another=learner_upns(_last_records(records, returns), sent),
        answers=_answers(ctx, seen, upns_seen),
        held=register_of(lake, ctx.cycle, upn=upns_seen)[["upn", "uln"]].dropna(),
        records=records,
        returns=returns,
        sent=sent.drop(columns=_PERSON).merge(batches[["batch_ref", "built_at"]], on="batch_ref"),
        deliveries=lake.read("deliveries", ["cycle", "school_number", "delivered_at"], cycle=cycles),
        cycles=seen,
    )
    return milestones(exceptions, history)


def _answers(ctx: RunContext, cycles: list[str], upns: pd.Series) -> pd.DataFrame:
    columns = ["upn", "batch_ref", "uln", "received_at", "sha256", "ordinal", "file_name_cell"]
    rows = ctx.lake.read("lrs_returns", columns, upn=upns, tied="Y", cycle=cycles)
    files = ctx.lake.read("received", ["sha256", "file_name"], kind="lrs_result")
    names = lookup(rows["sha256"], files["sha256"], files["file_name"])
    terms = exception_terms(ctx.root.reference / "exceptions.toml")
    by_name = exported(names, rows["file_name_cell"], terms)
    by_a_person = is_in(rows["sha256"], last_decided(ctx.lake, OperatorDecision.IMPORT)["ref"])
    return rows.assign(exported=by_name | by_a_person).drop(columns="file_name_cell")


def _returns(lake: Lake, cycles: list[str]) -> pd.DataFrame:
    columns = ["sha256", "cycle", "school_number", "header_datetime", "serial_no", "layout", "received_at"]
    rows = lake.read("received", columns, cycle=cycles, kind="return", status="accepted")
    return oldest_first(rows)[["sha256", "cycle", "school_number", "received_at"]]


def _last_records(records: pd.DataFrame, returns: pd.DataFrame) -> pd.DataFrame:
    """Return the records in the last return of each school and cycle that has the UPN: a former UPN may be corrected."""
    records = records[is_in(records["sha256"], returns["sha256"])]
    position = place_in(records["sha256"], list(returns["sha256"]))
    last = position.groupby([records[name] for name in ("cycle", "school_number", "upn")]).transform("max")
    return records[position == last]


def _records(ctx: RunContext, cycles: list[str], upns: pd.Series) -> pd.DataFrame:
    records = [pd.DataFrame(columns=_RECORD, dtype="str")]
    for cycle in cycles:
        earlier = RunContext(ctx.root, ctx.lake, cycle_by_id(cycle))
        records += [records_of(earlier, chunk, upns) for chunk in all_chunks(earlier)]
    return pd.concat(records, ignore_index=True)


def records_of(ctx: RunContext, chunk: Chunk, upns: pd.Series) -> pd.DataFrame:
    """Return the records of some learners in a chunk's returns, new and old, with their states, for `LearnerHistory`.

    They include records that name one of `upns` as former UPN, and all records with the same UPN as such a record.
    """
    lake, cycle = ctx.lake, ctx.cycle
    columns = ["row_ref", "school_number", "sha256", "upn", "uln", "former_upn", "forename", "dob", "gender"]
    pupils = lake.read("pupils", columns, cycle=cycle.id, **chunk.where)
    upn, former = canonical_upn(pupils["upn"]), canonical_upn(pupils["former_upn"])
    theirs = upn[is_in(upn, upns) | is_in(former, upns)]
    pupils = pupils.assign(upn=upn, former_upn=former, cycle=cycle.id)[is_in(upn, theirs)]
    _, dispositions, standing = record_states(lake, cycle, **{**chunk.where, "row_ref": pupils["row_ref"]})
    rows = pupils.merge(dispositions[["row_ref", "disposition", "reason"]], on="row_ref")
    return rows.merge(standing[["row_ref", "state", "batch_ref"]], on="row_ref", how="left")[_RECORD]


def exceptions_seen(data: str, cycle: Cycle) -> pd.DataFrame:
    """Return every exception that a cycle sees (EXCEPTION_LIVES): its own, and those of earlier cycles not purged."""
    ctx = RunContext.of(data, cycle.id)
    purged = purged_cycles(data)
    if cycle.id in purged:
        snapshot = frame_of(pq.read_table(ctx.root.snapshots(cycle.id) / "exceptions.parquet"))
        return snapshot.reindex(columns=[c.name for c in EXCEPTION_LIVES.columns]).astype("str")
    return lives_of(ctx, [c for c in up_to(cycle) if c not in purged])


def milestones_under(data: str, upns: list[str]) -> pd.DataFrame:
    """Return what happened to a learner's exceptions up to now (`exception_life.milestones`).

    A purged cycle's exceptions have the days of its last snapshot. `upns` are the learner's, canonical.
    """
    last, purged = last_of(cycles_with_returns(data)), purged_cycles(data)
    if last is None:
        return pd.DataFrame(columns=list(MILESTONE_COLUMNS), dtype="str")
    names = {f"{name}_on": name for name in MILESTONES}
    over = [exceptions_seen(data, cycle_by_id(c)).rename(columns=names) for c in up_to(last) if c in purged]
    over = [rows[rows["upn"].isin(upns)].assign(asked_by=rows["school_number"]) for rows in over]
    live = _milestones_of(RunContext.of(data, last.id), [c for c in up_to(last) if c not in purged], upns)
    return pd.concat([live, *over], ignore_index=True)
