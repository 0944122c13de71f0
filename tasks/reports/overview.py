"""The overview of a cycle for every user of the engine: states by authority, batches, and the actions needed.

Belongs here: which numbers of the lake are shown there, so that none reveals fewer than five learners
(`tasks.core.suppression`). Only one table counts learners by state. Every other number counts files, schools or batches, or
is rounded, or is shown only if it reveals no small number, alone or next to that table's totals. Does not belong here:
words and layout (`flows.run.run_page`). Reads only. To show something more: its view in `schemas.views`, its function here,
its place in `flows.run.run_page`; then check what can be derived from it together with the other numbers.
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
from tasks.reports.batches import NEEDING_ACTION, batches_needing_action, visible_batches
from tasks.reports.exception_counts import open_for_long
from tasks.reports.status import attention
from tasks.runtime.context import moment
from tasks.runtime.visibility import VisibleRows, check_visible

#: In place of an authority's code: all authorities.
WALES = TOTAL
_STATES = tuple(state.value for state in RowState)
#: Which counts add up to which total.
PARTS = {"chosen": _STATES, "records": ("not_chosen", "chosen")}
#: Counts of learners in `attention`, each with the column of the table that it is part of, or None.
_OF_LEARNERS = {
    "untied_answers": None,
    "untied_near_misses": None,
    "unmatched_opt_outs": None,
    "conflicts": RowState.ULN.value,
    "to_correct_on_portal": RowState.ULN.value,
    "changed_while_waiting": RowState.SENT.value,
    "long_open": RowState.EXCEPTION.value,
}
#: Batches that need nothing more.
_OVER = [BatchShown.ANSWERED.value, BatchShown.ABANDONED.value]


@dataclass(frozen=True)
class Overview:
    """A cycle's overview, open to every user of the engine.

    Attributes:
        waiting: actions needed, as `views.FOR_A_PERSON`; only counts above zero.
        authorities: `views.CYCLE_BY_AUTHORITY`, by code; the total of Wales (WALES) last.
        batches: `views.OPEN_BATCHES`; batches that need a person first, then the oldest.
        batch_states: `views.BATCHES_BY_STATE`, in the order of the states.
    """

    waiting: VisibleRows
    authorities: VisibleRows
    batches: VisibleRows
    batch_states: VisibleRows


def overview_of(data: str, cycle_id: str, as_of: str, *, conserved: bool) -> Overview:
    """Read the overview of a cycle from the lake; ages are counted until `as_of`, the time of the run (ISO).

    `conserved`: the stage `conserve` has just counted the cycle and nothing has changed since, so its report is read
    instead of counting again.
    """
    by_authority = visible_by_authority(counted(data, cycle_id, conserved=conserved)["schools"])
    day = moment(as_of).date()
    waiting: dict[str, Any] = {
        **batches_needing_action(data, day, cycle_id),
        **attention(data, cycle_id),
        "long_open": open_for_long(data, cycle_by_id(cycle_id), day, at_snapshot=True),
    }
    batches = visible_batches(data, day, cycle_id).frame
    states = batches["state"].value_counts().reindex([state.value for state in BatchShown], fill_value=0)
    return Overview(
        waiting=check_visible(FOR_A_PERSON, _visible_waiting(waiting, by_authority.loc[[TOTAL]].iloc[0])),
        authorities=check_visible(CYCLE_BY_AUTHORITY, by_authority.rename_axis("la_code").reset_index()),
        batches=check_visible(OPEN_BATCHES, _open_batches(batches)),
        batch_states=check_visible(
            BATCHES_BY_STATE, states[states > 0].rename_axis("state").reset_index(name="number")
        ),
    )


def counted(data: str, cycle_id: str, *, conserved: bool) -> Any:
    """Return the counts of a cycle's records by school and state (`standing.as_status`); `conserved` as in `overview_of`."""
    report = DataRoot(Path(data)).reports(cycle_id) / "conservation.json"
    if conserved and report.exists():
        return json.loads(report.read_bytes())
    return as_status(cycle_id, counts_of(data, cycle_id))


def visible_rules(rules: Mapping[str, Mapping[str, int]], cycle_id: str) -> VisibleRows:
    """Return how many rows each rule tried (to two figures) and failed (to the nearest five); most failures first.

    Rounded, because some rules try only the rows that passed another rule: exact numbers would show how many failed that one.
    `rules` has tried and failed by code, as in `tasks.runtime.chunks.StageResult`.
    """
    severity = {rule.code: rule.severity for rule in rules_for(cycle_by_id(cycle_id))}
    rows = pd.DataFrame([{"rule": code, "severity": severity[code], **counts} for code, counts in rules.items()])
    if rows.empty:
        return check_visible(RULES_TRIED, rows)
    shown = rows.assign(tried=to_two_figures(rows["tried"]), failed=to_fives(rows["failed"]))
    # Sorted by the shown numbers: the order must not reveal which of two hidden numbers is larger.
    order = shown.assign(at=shown["failed"].fillna(1)).sort_values(["at", "rule"], ascending=[False, True])
    return check_visible(RULES_TRIED, order.drop(columns="at"))


def visible_by_authority(schools: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Return schools and records by la_code and in total; small counts of records are hidden. `schools` as in `as_status`."""
    counts_of = [
        {"la_code": school[:3], "not_chosen": sum(row["not_chosen"].values()), **{s: row[s] for s in _STATES}}
        for school, row in schools.items()
    ]
    rows = pd.DataFrame(counts_of, columns=["la_code", "not_chosen", *_STATES])
    las = sorted(authorities()["la_code"])
    counts = rows.groupby("la_code").sum().reindex(las, fill_value=0).astype("int64")
    shown = suppressed(counts, PARTS)
    has = rows.groupby("la_code").size().reindex(las, fill_value=0)
    return shown.assign(schools=pd.concat([has, pd.Series({TOTAL: has.sum()})]))[
        ["schools", "records", "not_chosen", "chosen", *_STATES]
    ]


def _visible_waiting(waiting: Mapping[str, Any], total: "pd.Series[Any]") -> pd.DataFrame:
    numbers = {need: rows if isinstance(rows, int) else len(rows) for need, rows in waiting.items()}
    counts = pd.Series({need: n for need, n in numbers.items() if n}, dtype="Int64")
    wholes = {need: whole for need, whole in _OF_LEARNERS.items() if need in counts}
    hidden = [need for need, whole in wholes.items() if counts[need] < SMALL or _gives_away(counts[need], whole, total)]
    return counts.mask(counts.index.isin(hidden)).rename_axis("what").reset_index(name="number")


def _gives_away(part: int, whole: str | None, total: "pd.Series[Any]") -> bool:
    """Whether a part, next to its visible total, would reveal a small number of learners; true if the total is hidden."""
    return whole is not None and (pd.isna(total[whole]) or 0 < total[whole] - part < SMALL)


def _open_batches(batches: pd.DataFrame) -> pd.DataFrame:
    rows = batches.loc[~batches["state"].isin(_OVER), [column.name for column in OPEN_BATCHES.columns]]
    ordered = rows.assign(later=~rows["state"].isin(NEEDING_ACTION.values()))
    ordered = ordered.sort_values(["later", "age", "batch_ref"], ascending=[True, False, True])
    return ordered.drop(columns="later")
