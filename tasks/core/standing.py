"""Where every record stands (law 1, docs/explanation/laws.md). Derived from the tables, never stored beside them.

A record is exactly one of: not chosen (reason), held, waiting to go, sent, ULN held, exception open.
"""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from schemas.states import BatchState, Disposition, NotChosen, RowState
from tasks.core.identifiers import canonical_upn
from tasks.core.membership import composite_key, is_in, lookup, place_in


def latest_sent_rows(batch_rows: pd.DataFrame, batches: pd.DataFrame, answered: pd.DataFrame) -> pd.DataFrame:
    """The rows of batches that count as sent: of an abandoned batch those alone that the LRS answered after all.

    Whoever is in an abandoned batch and has no answer was, for the service, never sent.

    Args:
        batch_rows: batch_ref, upn and whatever else is wanted.
        batches: batch_ref, state.
        answered: upn, batch_ref; the LRS's answers, with or without a ULN.
    """
    abandoned = is_in(batch_rows["batch_ref"], batches.loc[batches["state"] == BatchState.ABANDONED.value, "batch_ref"])
    keep = is_in(batch_rows["batch_ref"], batches["batch_ref"]) & ~abandoned
    if abandoned.any():
        pairs = [composite_key(rows["upn"], rows["batch_ref"]) for rows in (batch_rows, answered)]
        keep |= abandoned & is_in(*pairs)
    return batch_rows[keep]


def latest_batch(sent: pd.DataFrame, batches: pd.DataFrame, cycles: list[str]) -> pd.DataFrame:
    """The last batch that each learner went into.

    Args:
        sent: `latest_sent_rows`: batch_ref, upn, school_number, cycle.
        batches: batch_ref, state, built_at.
        cycles: the cycles that count, in order (`schemas.cycles.up_to`); batches of others are not seen.

    Returns:
        upn, batch_ref, batch_cycle, batch_school, state; one row per UPN.
    """
    known = batches[["batch_ref", "state", "built_at"]]
    rows = sent.loc[sent["cycle"].isin(cycles), ["batch_ref", "upn", "school_number", "cycle"]]
    # Nearly every learner went out once; only the others have to be put in order.
    several = rows["upn"].duplicated(keep=False)
    again = rows[several].merge(known, on="batch_ref").assign(place=lambda r: place_in(r["cycle"], cycles))
    last = again.sort_values(["upn", "place", "built_at", "batch_ref"]).drop_duplicates("upn", keep="last")
    rows = pd.concat([rows[~several], last[list(rows.columns)]]).sort_values("upn", ignore_index=True)
    rows = rows.assign(state=lookup(rows["batch_ref"], known["batch_ref"], known["state"]))
    return rows.rename(columns={"cycle": "batch_cycle", "school_number": "batch_school"})[
        ["upn", "batch_ref", "batch_cycle", "batch_school", "state"]
    ]


def derive_states(
    chosen: pd.DataFrame,
    *,
    cycle_id: str,
    held: pd.Series,
    latest: pd.DataFrame,
    learners: pd.DataFrame,
    exceptions: pd.DataFrame,
) -> pd.DataFrame:
    """Where each chosen record stands.

    A record does not get the answer that its UPN got while a finding blocks it, unless it is the one record of that UPN
    in the school whose batch asked: two schools, or two records of one school, may have given one UPN to two people.

    Args:
        chosen: row_ref, school_number, upn (as sent); all chosen records of the schools concerned. Where it has a column
            known_as, that is the UPN by which the ledger knows the learner (`one_learner.known_as`).
        cycle_id: the cycle of these records.
        held: row_refs with a blocking finding (`held.held_rows`).
        latest: `latest_batch`.
        learners: upn, uln; what the register held when the cycle was the latest.
        exceptions: upn, batch_ref; answers without a ULN.

    Returns:
        row_ref, school_number, upn (canonical; by which the ledger knows the learner), state (RowState), batch_ref (null
        where never sent), in given order.
    """
    rows = chosen[["row_ref", "school_number"]].assign(upn=chosen.get("known_as", canonical_upn(chosen["upn"])))
    for name in ("batch_ref", "batch_cycle", "batch_school"):
        rows[name] = lookup(rows["upn"], latest["upn"], latest[name])
    uln = is_in(rows["upn"], learners.loc[learners["uln"].notna(), "upn"])
    excepted = is_in(
        composite_key(rows["upn"], rows["batch_ref"]), composite_key(exceptions["upn"], exceptions["batch_ref"])
    )
    in_cycle = rows["batch_cycle"].eq(cycle_id)
    alone = ~composite_key(rows["school_number"], rows["upn"]).duplicated(keep=False)
    own = in_cycle & rows["batch_school"].eq(rows["school_number"]) & alone
    is_held = is_in(rows["row_ref"], held) & ~own
    # An exception of an earlier cycle does not keep a learner from being asked for again; a live batch does. Whoever has
    # a ULN has no exception any more, whatever was answered before.
    live = rows["batch_ref"].notna() & ~excepted
    # The first that holds.
    cases = [
        (is_held, RowState.HELD),
        (uln, RowState.ULN),
        (in_cycle & excepted, RowState.EXCEPTION),
        (live, RowState.SENT),
        (pd.Series(True, index=rows.index), RowState.WAITING),
    ]
    case = np.select([holds.to_numpy(dtype=bool) for holds, _ in cases], range(len(cases)))
    state = pd.Series(
        pa.array([state.value for _, state in cases], pa.large_string()).take(pa.array(case)), dtype="str"
    )
    return rows.assign(state=state.set_axis(rows.index))[
        ["row_ref", "school_number", "upn", "state", "batch_ref"]
    ].reset_index(drop=True)


def count_by_school(
    pupils: pd.DataFrame, dispositions: pd.DataFrame, standing: pd.DataFrame, declared: pd.Series
) -> pd.DataFrame:
    """Count every record of every school once.

    Args:
        pupils: row_ref, school_number; what was read.
        dispositions: row_ref, school_number, disposition, reason.
        standing: row_ref, school_number, state; of the chosen records.
        declared: records per school as counted when the returns were received.

    Returns:
        index school_number; records, not_chosen:<reason> for each reason, held, waiting, sent, uln, exception, balanced.
    """
    schools = pd.Index(sorted({*pupils["school_number"].unique(), *declared.index}), name="school_number")
    counts = pd.DataFrame(index=schools)
    counts["records"] = pupils.groupby("school_number").size()
    reasons = dispositions.loc[dispositions["disposition"] != Disposition.CHOSEN.value]
    for reason in NotChosen:
        counts[f"not_chosen:{reason.value}"] = (
            reasons[reasons["reason"] == reason.value].groupby("school_number").size()
        )
    for state in RowState:
        counts[state.value] = standing[standing["state"] == state.value].groupby("school_number").size()
    counts = counts.reindex(schools).fillna(0).astype("int64")
    parts = counts.drop(columns="records").sum(axis=1)
    said = declared.reindex(schools).fillna(0).astype("int64")
    once = not dispositions["row_ref"].duplicated().any() and not standing["row_ref"].duplicated().any()
    counts["balanced"] = (parts == counts["records"]) & (said == counts["records"]) & once
    return counts


def as_status(cycle_id: str, counts: pd.DataFrame) -> dict[str, object]:
    """The counts as `uln status --json` gives them.

    Args:
        cycle_id: the cycle.
        counts: `count_by_school`.

    Returns:
        {"cycle", "total": {...}, "schools": {school_number: {...}}}; each with records, not_chosen, held, waiting, sent,
        uln, exception, balanced.
    """

    def one(row: "pd.Series[Any]") -> dict[str, object]:
        not_chosen = {r.value: int(row[f"not_chosen:{r.value}"]) for r in NotChosen if row[f"not_chosen:{r.value}"]}
        found: dict[str, object] = {"records": int(row["records"]), "not_chosen": not_chosen}
        found |= {s.value: int(row[s.value]) for s in RowState}
        return found | {"balanced": bool(row["balanced"])}

    total = counts.sum().astype(object)
    total["balanced"] = bool(counts["balanced"].all())
    return {
        "cycle": cycle_id,
        "total": one(total),
        "schools": {str(school): one(counts.loc[school]) for school in counts.index},
    }
