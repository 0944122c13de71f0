"""Derive the state of every record (law 1, docs/explanation/laws.md) from the tables; it is never stored beside them.

A record is exactly one of: not chosen (reason), held, waiting to go, sent, ULN known, exception open.
"""

from typing import Any

import numpy as np
import pandas as pd

from schemas.states import BatchState, Disposition, NotChosen, RowState
from tasks.core.identifiers import canonical_upn
from tasks.core.membership import composite_key, is_in, lookup, place_in
from tasks.core.text_columns import chosen_texts


def latest_sent_rows(batch_rows: pd.DataFrame, batches: pd.DataFrame, answered: pd.DataFrame) -> pd.DataFrame:
    """Return the batch rows that count as sent.

    A row of an abandoned batch counts only if the LRS has answered it; otherwise its learner counts as never sent. Columns:
    `batch_rows` batch_ref, upn; `batches` batch_ref, state; `answered` upn, batch_ref of answers, with or without a ULN.
    """
    abandoned = is_in(batch_rows["batch_ref"], batches.loc[batches["state"] == BatchState.ABANDONED.value, "batch_ref"])
    keep = is_in(batch_rows["batch_ref"], batches["batch_ref"]) & ~abandoned
    if abandoned.any():
        pairs = [composite_key(rows["upn"], rows["batch_ref"]) for rows in (batch_rows, answered)]
        keep |= abandoned & is_in(*pairs)
    return batch_rows[keep]


def latest_batch(sent: pd.DataFrame, batches: pd.DataFrame, cycles: list[str]) -> pd.DataFrame:
    """Return the last batch of each learner.

    Args:
        sent: `latest_sent_rows`: batch_ref, upn, school_number, cycle.
        batches: batch_ref, state, built_at.
        cycles: the cycles that count, in order (`schemas.cycles.up_to`); batches of other cycles are ignored.

    Returns:
        upn, batch_ref, batch_cycle, batch_school, state; one row per UPN.
    """
    known = batches[["batch_ref", "state", "built_at"]]
    rows = sent.loc[sent["cycle"].isin(cycles), ["batch_ref", "upn", "school_number", "cycle"]]
    # Nearly every learner was sent once; only the others need sorting.
    several = rows["upn"].duplicated(keep=False)
    again = rows[several].merge(known, on="batch_ref").assign(place=lambda r: place_in(r["cycle"], cycles))
    last = again.sort_values(["upn", "place", "built_at", "batch_ref"]).drop_duplicates("upn", keep="last")
    rows = pd.concat([rows[~several], last[list(rows.columns)]]).sort_values("upn", ignore_index=True)
    rows["state"] = lookup(rows["batch_ref"], known["batch_ref"], known["state"])
    rows = rows.rename(columns={"cycle": "batch_cycle", "school_number": "batch_school"})
    return rows[["upn", "batch_ref", "batch_cycle", "batch_school", "state"]]


def derive_states(
    chosen: pd.DataFrame,
    *,
    cycle_id: str,
    held: pd.Series,
    latest: pd.DataFrame,
    learners: pd.DataFrame,
    exceptions: pd.DataFrame,
) -> pd.DataFrame:
    """Return the state of each chosen record.

    A record with a blocking finding is held, even if its UPN has an answer: two schools, or two records of one school, may
    have used one UPN for two people. The exception is a record that its own school sent in this cycle, if no other record
    of the school has the same UPN: the answer can only be for this record, so it is not held.

    Args:
        chosen: row_ref, school_number, upn (as sent); all chosen records of the schools concerned. An optional column
            known_as is the UPN by which the ledger knows the learner (`one_learner.known_as`).
        cycle_id: the cycle of these records.
        held: row_refs with a blocking finding (`held.held_rows`).
        latest: `latest_batch`.
        learners: upn, uln; the register as it was when the cycle was the latest.
        exceptions: upn, batch_ref; answers without a ULN.

    Returns:
        row_ref, school_number, upn (canonical, as the ledger knows the learner), state (RowState), batch_ref (null if never
        sent), in the order of `chosen`.
    """
    rows = chosen[["row_ref", "school_number"]].assign(upn=chosen.get("known_as", canonical_upn(chosen["upn"])))
    for name in ("batch_ref", "batch_cycle", "batch_school"):
        rows[name] = lookup(rows["upn"], latest["upn"], latest[name])
    uln = is_in(rows["upn"], learners.loc[learners["uln"].notna(), "upn"])
    pairs = [composite_key(table["upn"], table["batch_ref"]) for table in (rows, exceptions)]
    excepted = is_in(*pairs)
    in_cycle = rows["batch_cycle"].eq(cycle_id)
    only_record = ~composite_key(rows["school_number"], rows["upn"]).duplicated(keep=False)
    sent_from_here = in_cycle & rows["batch_school"].eq(rows["school_number"]) & only_record
    is_held = is_in(rows["row_ref"], held) & ~sent_from_here
    # A learner with an exception of an earlier cycle may be sent again; a learner in a live batch may not. A learner with
    # a ULN has no open exception, whatever the LRS answered before.
    live = rows["batch_ref"].notna() & ~excepted
    # The first case that holds.
    cases = [
        (is_held, RowState.HELD),
        (uln, RowState.ULN),
        (in_cycle & excepted, RowState.EXCEPTION),
        (live, RowState.SENT),
        (pd.Series(True, index=rows.index), RowState.WAITING),
    ]
    case = np.select([holds.to_numpy(dtype=bool) for holds, _ in cases], range(len(cases)))
    rows["state"] = chosen_texts([state.value for _, state in cases], case, rows.index)
    return rows[["row_ref", "school_number", "upn", "state", "batch_ref"]].reset_index(drop=True)


def count_by_school(
    pupils: pd.DataFrame, dispositions: pd.DataFrame, standing: pd.DataFrame, declared: pd.Series
) -> pd.DataFrame:
    """Count every record of every school once.

    Args:
        pupils: row_ref, school_number; the records read.
        dispositions: row_ref, school_number, disposition, reason.
        standing: row_ref, school_number, state; of the chosen records.
        declared: records per school, as counted when the returns were received.

    Returns:
        index school_number; records, not_chosen:<reason> for each reason, held, waiting, sent, uln, exception, balanced.
    """
    schools = pd.Index(sorted({*pupils["school_number"].unique(), *declared.index}), name="school_number")
    not_chosen = dispositions[dispositions["disposition"] != Disposition.CHOSEN.value]
    by_reason = not_chosen.pivot_table(index="school_number", columns="reason", aggfunc="size")
    by_reason = by_reason.reindex(columns=[reason.value for reason in NotChosen]).add_prefix("not_chosen:")
    by_state = standing.pivot_table(index="school_number", columns="state", aggfunc="size")
    by_state = by_state.reindex(columns=[state.value for state in RowState])
    records = pupils.groupby("school_number").size().rename("records")
    counts = pd.concat([table.reindex(schools) for table in (records, by_reason, by_state)], axis=1)
    counts = counts.fillna(0).astype("int64")
    parts = counts.drop(columns="records").sum(axis=1)
    expected = declared.reindex(schools).fillna(0).astype("int64")
    once = not dispositions["row_ref"].duplicated().any() and not standing["row_ref"].duplicated().any()
    counts["balanced"] = (parts == counts["records"]) & (expected == counts["records"]) & once
    return counts


def as_status(cycle_id: str, counts: pd.DataFrame) -> dict[str, object]:
    """Return the counts (`count_by_school`) as `uln status --json` prints them.

    {"cycle", "total": {...}, "schools": {school_number: {...}}}; each with records, not_chosen, held, waiting, sent, uln,
    exception, balanced.
    """

    def as_json(row: "pd.Series[Any]") -> dict[str, object]:
        not_chosen = {r.value: int(row[f"not_chosen:{r.value}"]) for r in NotChosen if row[f"not_chosen:{r.value}"]}
        fields: dict[str, object] = {"records": int(row["records"]), "not_chosen": not_chosen}
        fields |= {s.value: int(row[s.value]) for s in RowState}
        return fields | {"balanced": bool(row["balanced"])}

    total = counts.sum().astype(object)
    total["balanced"] = bool(counts["balanced"].all())
    return {
        "cycle": cycle_id,
        "total": as_json(total),
        "schools": {str(school): as_json(counts.loc[school]) for school in counts.index},
    }
