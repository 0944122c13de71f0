"""What everybody who uses the engine may see of a cycle: where it stands by authority, its batches, what waits for a person.

Belongs here: which numbers of the lake are told there, and that none of them tells of fewer than five learners
(`tasks.core.suppression`). One table alone counts learners by where they stand; every other number is of files, schools or
batches, or is rounded, or is told only where that table has no hidden total that it could be set off against. Does not
belong here: words and layout (`flows.run.run_page`). Reads only. To tell something more: its view in `schemas.views`, its
function here, its place in `flows.run.run_page`; and a look at what it lets be worked out beside the others.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from expectations.rule_catalogue import rules_for
from schemas.cycles import cycle_by_id
from schemas.states import BatchShown, RowState
from schemas.views import BATCHES_BY_STATE, CYCLE_BY_AUTHORITY, FOR_A_PERSON, OPEN_BATCHES, RULES_TRIED
from tasks.core.standing import as_status
from tasks.core.suppression import SMALL, TOTAL, suppressed, to_fives, to_two_figures
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.reference import authorities
from tasks.ledger.standing import counts_of
from tasks.reports.batches import batches_shown, for_a_person
from tasks.reports.exception_counts import open_for_long_at_snapshot
from tasks.reports.status import attention
from tasks.runtime.context import moment
from tasks.runtime.visibility import VisibleRows, check_visible

#: Stands in the place of an authority's code for all of them.
WALES = TOTAL
_STATES = tuple(state.value for state in RowState)
#: How a record's places add up.
PARTS = {"chosen": _STATES, "records": ("not_chosen", "chosen")}
#: What `attention` counts learners by, each with the column of the table whose total it is a part of, or none.
_OF_LEARNERS = {
    "untied_answers": None,
    "untied_near_misses": None,
    "unmatched_opt_outs": None,
    "conflicts": RowState.ULN.value,
    "to_correct_on_portal": RowState.ULN.value,
    "changed_while_waiting": RowState.SENT.value,
    "long_open": RowState.EXCEPTION.value,
}
#: Batches in these states need nothing more; the first two wait for a person.
_OVER = [BatchShown.ANSWERED.value, BatchShown.ABANDONED.value]
_FIRST = [BatchShown.SENT_UNCONFIRMED.value, BatchShown.STUCK.value]


@dataclass(frozen=True)
class Overview:
    """What is told of a cycle.

    Attributes:
        waiting: what waits for a person, as `views.FOR_A_PERSON`; only what there is any of.
        authorities: `views.CYCLE_BY_AUTHORITY`, in order of codes, the country's total (WALES) last.
        batches: `views.OPEN_BATCHES`; those that wait for a person first, then the oldest.
        batch_states: `views.BATCHES_BY_STATE`, in the order of the states.
    """

    waiting: VisibleRows
    authorities: VisibleRows
    batches: VisibleRows
    batch_states: VisibleRows


def overview_of(data: str, cycle_id: str, as_of: str, *, conserved: bool) -> Overview:
    """Ask the lake what may be told of a cycle.

    Args:
        data: the data root.
        cycle_id: the cycle.
        as_of: the time that the run counts as, ISO; ages are counted until then.
        conserved: whether `publish.conserve` has just counted the cycle, and nothing has moved since; then its report is
            read instead of counting again.
    """
    by_authority = visible_by_authority(counted(data, cycle_id, conserved=conserved)["schools"])
    day = moment(as_of).date()
    waiting: dict[str, Any] = {
        **for_a_person(data, day, cycle_id),
        **attention(data, cycle_id),
        "long_open": open_for_long_at_snapshot(data, cycle_by_id(cycle_id), day),
    }
    batches = batches_shown(data, day, cycle_id).frame
    return Overview(
        waiting=check_visible(FOR_A_PERSON, _visible_waiting(waiting, by_authority.loc[[TOTAL]].iloc[0])),
        authorities=check_visible(CYCLE_BY_AUTHORITY, by_authority.rename_axis("la_code").reset_index()),
        batches=check_visible(OPEN_BATCHES, _open_ones(batches)),
        batch_states=check_visible(BATCHES_BY_STATE, _by_state(batches)),
    )


def counted(data: str, cycle_id: str, *, conserved: bool) -> Any:
    """Where a cycle's records stand by school (`standing.as_status`).

    Args:
        data: the data root.
        cycle_id: the cycle.
        conserved: whether the report of the last conservation check still says so; where there is none it is counted.
    """
    report = DataRoot(Path(data)).reports(cycle_id) / "conservation.json"
    if conserved and report.exists():
        return json.loads(report.read_bytes())
    return as_status(cycle_id, counts_of(data, cycle_id))


def visible_rules(rules: Mapping[str, Mapping[str, int]], cycle_id: str) -> VisibleRows:
    """How many rows each rule tried, to two figures, and how many failed it, to five; those of which most failed first.

    Rounded, because a rule tries those that passed another: exactly told, the two differ by the ones that failed.

    Args:
        rules: tried and failed by code, as `tasks.runtime.chunks.StageResult` has them.
        cycle_id: the cycle, whose rules they are.
    """
    severity = {rule.code: rule.severity for rule in rules_for(cycle_by_id(cycle_id))}
    rows = pd.DataFrame([{"rule": code, "severity": severity[code], **own} for code, own in rules.items()])
    if rows.empty:
        return check_visible(RULES_TRIED, rows)
    told = rows.assign(tried=to_two_figures(rows["tried"]), failed=to_fives(rows["failed"]))
    # By what is told: the order must not tell which of two hidden ones is larger.
    order = told.assign(at=told["failed"].fillna(1)).sort_values(["at", "rule"], ascending=[False, True])
    return check_visible(RULES_TRIED, order.drop(columns="at"))


def visible_by_authority(schools: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Counts by la_code, with schools and the total, small ones hidden.

    Args:
        schools: those of `standing.as_status`.
    """
    own = [
        {"la_code": school[:3], "not_chosen": sum(row["not_chosen"].values()), **{s: row[s] for s in _STATES}}
        for school, row in schools.items()
    ]
    rows = pd.DataFrame(own, columns=["la_code", "not_chosen", *_STATES])
    las = sorted(authorities()["la_code"])
    counts = rows.groupby("la_code").sum().reindex(las, fill_value=0).astype("int64")
    told = suppressed(counts, PARTS)
    has = rows.groupby("la_code").size().reindex(las, fill_value=0)
    return told.assign(schools=pd.concat([has, pd.Series({TOTAL: has.sum()})]))[
        ["schools", "records", "not_chosen", "chosen", *_STATES]
    ]


def _visible_waiting(waiting: Mapping[str, Any], total: "pd.Series[Any]") -> pd.DataFrame:
    numbers = {what: found if isinstance(found, int) else len(found) for what, found in waiting.items()}
    there = pd.Series({what: n for what, n in numbers.items() if n}, dtype="Int64")
    wholes = {what: of for what, of in _OF_LEARNERS.items() if what in there}
    hidden = [what for what, of in wholes.items() if there[what] < SMALL or _gives_away(there[what], of, total)]
    return there.mask(there.index.isin(hidden)).rename_axis("what").reset_index(name="number")


def _gives_away(part: int, of: str | None, total: "pd.Series[Any]") -> bool:
    """Whether a part would tell a small number of learners beside the whole that is told, or the whole itself is hidden."""
    return of is not None and (pd.isna(total[of]) or 0 < total[of] - part < SMALL)


def _open_ones(batches: pd.DataFrame) -> pd.DataFrame:
    rows = batches.loc[~batches["state"].isin(_OVER), [column.name for column in OPEN_BATCHES.columns]]
    later = ~rows["state"].isin(_FIRST)
    return (
        rows.assign(later=later)
        .sort_values(["later", "age", "batch_ref"], ascending=[True, False, True])
        .drop(columns="later")
    )


def _by_state(batches: pd.DataFrame) -> pd.DataFrame:
    found = batches["state"].value_counts().reindex([state.value for state in BatchShown], fill_value=0)
    return found[found > 0].rename_axis("state").reset_index(name="number")
