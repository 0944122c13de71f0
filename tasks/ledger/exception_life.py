"""Exceptions as people see them: counts by state and cause, by code and by age; and what the snapshot holds of each.

Reads only; what becomes of an exception is decided in `core.exception_life`. No engine here. A purged cycle is over: what
its last snapshot says of its exceptions stays said, and later cycles do not count them.
"""

import pandas as pd
import pyarrow.parquet as pq

from schemas.cycles import Cycle, cycle_by_id, last_of, up_to
from schemas.settings.exceptions import exception_terms
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
from tasks.ledger.sent import rows_sent
from tasks.ledger.standing import cycles_with_returns, purged_cycles, record_states, register_of
from tasks.runtime.chunks import Chunk, all_chunks
from tasks.runtime.context import RunContext

_RECORD = [
    *("upn", "cycle", "school_number", "sha256", "uln", "disposition", "reason", "state", "batch_ref"),
    *("former_upn", "forename", "dob", "gender"),
]
#: What must agree for a former UPN to name the learner.
_PERSON = ["given_name", "dob", "gender"]


def lives_of(ctx: RunContext, cycles: list[str]) -> pd.DataFrame:
    """The lives (`exception_life.lives`) of the exceptions of some cycles, as the ground's cycle sees them.

    Args:
        ctx: data root, lake and cycle.
        cycles: whose exceptions; that cycle and earlier ones, in order.
    """
    return lives(_milestones_of(ctx, cycles))


def _milestones_of(ctx: RunContext, cycles: list[str], upns: list[str] | None = None) -> pd.DataFrame:
    """`exception_life.milestones` of the exceptions of some cycles; of some learners' alone, or of all where None."""
    lake, seen = ctx.lake, up_to(ctx.cycle)
    exceptions = lake.read("exceptions", cycle=cycles, **({} if upns is None else {"upn": upns}))
    asked = exceptions["upn"]
    if exceptions.empty:
        return pd.DataFrame({name: [] for name in MILESTONE_COLUMNS}, dtype="str")
    # Only what cycles from the first exception on say of a learner decides; a purged one says nothing any more.
    purged = purged_cycles(str(ctx.root.path))
    later = [c for c in seen[seen.index(cycles[0]) :] if c not in purged]
    records, returns = _records(ctx, later, asked), _returns(lake, later)
    asked = pd.concat([asked, records["upn"], records["former_upn"]]).drop_duplicates()
    sent, batches = rows_sent(lake, ["batch_ref", "upn", "cycle", *_PERSON], seen, asked)
    history = LearnerHistory(
        another=learner_upns(_last_said(records, returns), sent),
        answers=_answers(ctx, seen, asked),
        held=register_of(lake, ctx.cycle, upn=asked)[["upn", "uln"]].dropna(),
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


def _last_said(records: pd.DataFrame, returns: pd.DataFrame) -> pd.DataFrame:
    """The records in the last return of each school and cycle that has the UPN: a former one may be put right."""
    records = records[is_in(records["sha256"], returns["sha256"])]
    at = place_in(records["sha256"], list(returns["sha256"]))
    last = at.groupby([records[name] for name in ("cycle", "school_number", "upn")]).transform("max")
    return records[at == last]


def _records(ctx: RunContext, cycles: list[str], upns: pd.Series) -> pd.DataFrame:
    found = [pd.DataFrame({name: [] for name in _RECORD}, dtype="str")]
    for cycle in cycles:
        then = RunContext(ctx.root, ctx.lake, cycle_by_id(cycle))
        found += [records_of(then, chunk, upns) for chunk in all_chunks(then)]
    return pd.concat(found, ignore_index=True)


def records_of(ctx: RunContext, chunk: Chunk, upns: pd.Series) -> pd.DataFrame:
    """The records of some learners in a chunk's returns, new and old, and where they stand; as `lives` takes them.

    Those that name one of the UPNs as the former one are among them, and what else stands under theirs.
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
    """Every exception that a cycle sees (EXCEPTION_LIVES): its own, and those of earlier cycles that are not purged."""
    ctx = RunContext.of(data, cycle.id)
    purged = purged_cycles(data)
    if cycle.id in purged:
        taken = frame_of(pq.read_table(ctx.root.snapshots(cycle.id) / "exceptions.parquet"))
        return taken.reindex(columns=[c.name for c in EXCEPTION_LIVES.columns]).astype("str")
    return lives_of(ctx, [c for c in up_to(cycle) if c not in purged])


def milestones_under(data: str, upns: list[str]) -> pd.DataFrame:
    """What happened to one learner's exceptions, as things stand now.

    Args:
        data: the data root.
        upns: the learner's, canonical.

    Returns:
        `exception_life.milestones`; of a purged cycle's exceptions, by day, what its last snapshot says.
    """
    last, purged = last_of(cycles_with_returns(data)), purged_cycles(data)
    cycles = [] if last is None else up_to(last)
    names = {f"{name}_on": name for name in MILESTONES}
    over = [exceptions_seen(data, cycle_by_id(c)).rename(columns=names) for c in cycles if c in purged]
    over = [one[one["upn"].isin(upns)].assign(asked_by=one["school_number"]) for one in over]
    live = (
        []
        if last is None
        else [_milestones_of(RunContext.of(data, last.id), [c for c in cycles if c not in purged], upns)]
    )
    nothing = pd.DataFrame({name: [] for name in MILESTONE_COLUMNS}, dtype="str")
    return pd.concat([nothing, *live, *over], ignore_index=True)
