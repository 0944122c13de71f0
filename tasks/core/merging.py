"""Merge answers of the LRS into the learner register and the exceptions, as a function of the set of answers.

Laws 3 and 4 (docs/explanation/laws.md): a differing ULN is shown and never replaces the known one. The order of arrival
does not matter, with one exception: of two differing ULNs, the one that the register had first stays.
Law 6: the check digit in the ULN cell decides whether there is a ULN, not the return code.

The register keeps a conflict with its learner, so the conflict outlives the return that showed it.
"""

import pandas as pd

from schemas.tables import DEMOGRAPHICS, LEARNERS
from tasks.core.demographics import fitted
from tasks.core.identifiers import canonical_upn, uln_valid
from tasks.core.membership import is_in, lookup, place_in

#: Conflicts that merging finds; their texts are in `schemas/codes/merge_findings.csv`.
ULN_DIFFERS = "LRS01"
ULN_SHARED = "LRS02"
ONE_LEARNER_TWICE = "LRS03"
_FIVE = list(DEMOGRAPHICS)


def tie(
    answers: pd.DataFrame,
    batch_rows: pd.DataFrame,
    batches: pd.DataFrame,
    cycles: list[str],
    *,
    by_demographics: bool = False,
) -> pd.DataFrame:
    """Tie answers to sent rows, by UKPRN and MISIdentifier.

    Where a learner was in several batches, the answer belongs to the batch whose file name it gives, else to the last.
    An export of processed exceptions is made by people and has no UPN column (docs/reference/sources.md#exceptions): its
    answers are tied to the one learner of their UKPRN whose five demographics all fit (`fitted`).

    Args:
        answers: sha256, ordinal, file_name_cell, ukprn, mis_identifier, the five; rows of result files.
        batch_rows: batch_ref, upn, ukprn, the five; the five only `by_demographics`, here and in `answers`.
        batches: batch_ref, file_name, cycle, built_at.
        cycles: every cycle, in order (`schemas.cycles.cycles_in_order`).
        by_demographics: whether to try the five first, where the MISIdentifier is not a UPN.

    Returns:
        `answers` with upn (canonical, null where blank), batch_ref and cycle (null where nothing was sent) and tied
        (Y or N), in the same order.
    """
    upns = canonical_upn(answers["mis_identifier"])
    if by_demographics:
        upns = fitted(answers, batch_rows).fillna(upns)
    stems = answers["file_name_cell"].str.strip().str.replace(r"(?i)\.(csv|xml)$", "", regex=True)
    texts = {"ukprn": answers["ukprn"].str.strip(), "upn": upns, "cell": stems}
    key = pd.DataFrame(texts).astype("str").reset_index(drop=True).assign(row=range(len(answers)))
    files = batches[["batch_ref", "cycle", "built_at"]].assign(stem=batches["file_name"].str.rsplit(".", n=1).str[0])
    sent = batch_rows[["batch_ref", "upn", "ukprn"]].merge(files, on="batch_ref")
    matches = key.merge(sent, on=["ukprn", "upn"])
    matches = matches.assign(named=matches["stem"].eq(matches["cell"]), place=place_in(matches["cycle"], cycles))
    matches = _last(matches, ["row"], ["named", "place", "built_at", "batch_ref"])
    tied = matches.set_index("row")[["batch_ref", "cycle"]].reindex(range(len(answers)))
    out = answers.drop(columns=["upn", "batch_ref", "cycle", "tied"], errors="ignore").reset_index(drop=True)
    out = out.assign(upn=key["upn"], batch_ref=tied["batch_ref"], cycle=tied["cycle"])
    return out.assign(tied=out["batch_ref"].notna().map({True: "Y", False: "N"}).astype("str"))


def _last(rows: pd.DataFrame, by: list[str], order: list[str]) -> pd.DataFrame:
    """Of the rows that are equal in `by`, keep the last in `order`. Only the few repeated rows are sorted."""
    several = rows.duplicated(by, keep=False)
    if not several.any():
        return rows
    last = rows[several].sort_values([*by, *order]).drop_duplicates(by, keep="last")
    return pd.concat([rows[~several], last])


def merge_answers(
    answers: pd.DataFrame, batch_rows: pd.DataFrame, codes: pd.DataFrame, held: pd.DataFrame, cycles: list[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the register entries and exceptions that follow from a set of tied answers.

    Args:
        answers: every tied answer of the learners concerned: sha256, ordinal, received_at, batch_ref, upn, uln,
            return_code (normalised).
        batch_rows: batch_ref, upn, row_ref, cycle, la_code, school_number, dob.
        codes: code, precedence; which code comes first where several answers have no ULN.
        held: upn, uln; the ULNs that the register now holds for these learners.
        cycles: every cycle, in order (`schemas.cycles.cycles_in_order`).

    Returns:
        learners (one row per UPN; the table's columns; `with_conflicts` fills other_upns and conflict) and exceptions
        (the table's columns; one row per UPN and batch).
    """
    rows = answers[["sha256", "ordinal", "received_at", "batch_ref", "upn", "uln", "return_code"]]
    sent = batch_rows[["batch_ref", "upn", "row_ref", "cycle", "la_code", "school_number", "dob"]]
    rows = rows.assign(uln=rows["uln"].str.strip()).merge(sent, on=["batch_ref", "upn"])
    rows["has_uln"] = uln_valid(rows["uln"]).astype(bool)
    rows["place"] = place_in(rows["cycle"], cycles)
    return _learners(rows, held.dropna()), _exceptions(rows, codes)


def _learners(rows: pd.DataFrame, held: pd.DataFrame) -> pd.DataFrame:
    with_uln = rows[rows["has_uln"]]
    several = with_uln.duplicated("upn", keep=False)
    ordered = with_uln[several].sort_values(["upn", "received_at", "sha256", "ordinal"]).drop_duplicates("upn")
    first = pd.concat([with_uln[~several], ordered])
    known = lookup(rows["upn"], held["upn"], held["uln"]).fillna(lookup(rows["upn"], first["upn"], first["uln"]))
    # The entry's cycle, school and batch: of the first cycle that gave the known ULN, else of the last with an answer.
    rows = rows.assign(known_uln=known, gave=rows["has_uln"] & (rows["uln"] == known))
    rows["nearest"] = rows["place"].where(~rows["gave"], -rows["place"])
    last = _last(rows, ["upn"], ["gave", "nearest", "batch_ref"]).sort_values("upn")
    distinct = rows[rows["has_uln"] & ~rows["gave"]].drop_duplicates(["upn", "uln"]).sort_values(["upn", "uln"])
    other_ulns = distinct.groupby("upn")["uln"].agg(";".join)
    others = lookup(last["upn"], other_ulns.index.to_series(), other_ulns)
    learners = last.assign(uln=last["known_uln"], other_ulns=others, other_upns=None, conflict=None)
    return learners[[c.name for c in LEARNERS.columns]].astype("str").reset_index(drop=True)


def _exceptions(rows: pd.DataFrame, codes: pd.DataFrame) -> pd.DataFrame:
    key = ["upn", "batch_ref"]
    without = rows[~rows["has_uln"]].assign(return_code=lambda r: r["return_code"].fillna("NONE"))
    without["rank"] = without["return_code"].map(codes.set_index("code")["precedence"]).fillna(0)
    first = without.sort_values([*key, "rank", "return_code"]).drop_duplicates(key)
    every = without.drop_duplicates([*key, "return_code"]).sort_values([*key, "return_code"])
    all_codes = every.groupby(key)["return_code"].agg(";".join).rename("all_codes")
    exceptions = first.merge(all_codes, left_on=key, right_index=True)
    resolved = is_in(exceptions["upn"], rows.loc[rows["has_uln"], "upn"])
    exceptions["state"] = resolved.map({True: "resolved", False: "open"}).astype("str")
    columns = [*key, "cycle", "la_code", "school_number", "row_ref", "return_code", "all_codes", "state"]
    return exceptions[columns].reset_index(drop=True)


def with_conflicts(entries: pd.DataFrame, batch_rows: pd.DataFrame) -> pd.DataFrame:
    """Add to register entries the conflicts that a person has to settle.

    LRS01: the LRS also answered with another ULN. LRS02: the LRS answered with this ULN for two UPNs. LRS03: the same, but
    the five demographics sent for the two are equal, so to the LRS they are one learner with two UPNs.

    Args:
        entries: rows of the register, including for each entry every other entry with the same ULN.
        batch_rows: batch_ref, upn and the five; what was sent for the entries.

    Returns:
        The entries in the same order, with other_upns and conflict (codes separated by `;`, null where there is none).
    """
    shared = entries["uln"].notna() & entries["uln"].duplicated(keep=False)
    twins = entries.loc[shared, ["upn", "uln", "batch_ref"]]
    person = twins.merge(batch_rows[["batch_ref", "upn", *_FIVE]], on=["batch_ref", "upn"], how="left")
    people = person.fillna("").drop_duplicates(["uln", *_FIVE]).groupby("uln").size()
    upns = twins.sort_values("upn").groupby("uln")["upn"].agg(list)
    others = [";".join(u for u in upns[n] if u != upn) for upn, n in zip(twins["upn"], twins["uln"], strict=True)]
    same = entries["uln"].map(people).eq(1)
    cases = {ULN_DIFFERS: entries["other_ulns"].notna(), ULN_SHARED: shared & ~same, ONE_LEARNER_TWICE: shared & same}
    codes = pd.Series("", index=entries.index, dtype="str")
    for code, holds in cases.items():
        codes = codes.mask(holds, codes + (";" + code))
    return entries.assign(
        other_upns=pd.Series(others, index=twins.index, dtype="str").reindex(entries.index),
        conflict=codes.str.removeprefix(";").mask(codes == ""),
    )
