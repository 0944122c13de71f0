"""Merging: answers of the LRS become the learner register and the exceptions, as a function of the set of answers.

Design law 3 and 4: a differing ULN is shown, never put over the held one; the order of arrival does not matter, but for
which of two differing ULNs is the held one: that is the one received first, by what the lake recorded.
Law 6: whether there is a ULN is decided by the check digit in the ULN cell, not by the return code.
"""

import pandas as pd

from tasks.core.identifiers import canonical_upn, uln_valid

#: Rules that merging finds; their texts stand in `schemas/merge_findings.csv`.
ULN_DIFFERS = "LRS01"
ULN_SHARED = "LRS02"


def tie(answers: pd.DataFrame, batch_rows: pd.DataFrame, batches: pd.DataFrame) -> pd.DataFrame:
    """Tie answers to what was sent, by UKPRN and MISIdentifier.

    Where the learner went out in several batches, the one whose file name stands in the answer is meant, else the last.

    Args:
        answers: sha256, ordinal, file_name_cell, ukprn, mis_identifier; rows of result files.
        batch_rows: batch_ref, upn, ukprn.
        batches: batch_ref, file_name, cycle, built_at.

    Returns:
        `answers` with batch_ref and cycle (null where nothing was sent) and tied (Y or N), in the given order.
    """
    key = answers[["sha256", "ordinal", "ukprn", "file_name_cell"]].assign(upn=canonical_upn(answers["mis_identifier"]))
    sent = batch_rows[["batch_ref", "upn", "ukprn"]].merge(
        batches[["batch_ref", "file_name", "cycle", "built_at"]], on="batch_ref"
    )
    found = key.assign(ukprn=key["ukprn"].str.strip()).merge(sent, on=["ukprn", "upn"])
    stem = found["file_name"].str.rsplit(".", n=1).str[0]
    found["named"] = stem.eq(
        found["file_name_cell"].str.strip().str.replace(r"\.(csv|xml)$", "", case=False, regex=True)
    )
    found = found.sort_values(["sha256", "ordinal", "named", "cycle", "built_at", "batch_ref"]).drop_duplicates(
        ["sha256", "ordinal"], keep="last"
    )
    out = answers.drop(columns=["batch_ref", "cycle", "tied"], errors="ignore")
    out = out.merge(found[["sha256", "ordinal", "batch_ref", "cycle"]], on=["sha256", "ordinal"], how="left")
    return out.assign(tied=out["batch_ref"].notna().map({True: "Y", False: "N"}).astype("str"))


def merge_answers(
    answers: pd.DataFrame, batch_rows: pd.DataFrame, codes: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The register entries and exceptions that a set of tied answers amounts to.

    Args:
        answers: every tied answer of the learners concerned: sha256, ordinal, received_at, batch_ref, mis_identifier,
            uln, return_code (normalised).
        batch_rows: batch_ref, upn, row_ref, cycle, la_code, school_number, dob.
        codes: code, precedence; which code stands first where several answers came without a ULN.

    Returns:
        learners (columns of the table; one row per UPN) and exceptions (columns of the table; one per UPN and batch).
    """
    rows = answers.assign(upn=canonical_upn(answers["mis_identifier"]), uln=answers["uln"].str.strip())
    rows = rows[["sha256", "ordinal", "received_at", "batch_ref", "upn", "uln", "return_code"]]
    rows = rows.merge(
        batch_rows[["batch_ref", "upn", "row_ref", "cycle", "la_code", "school_number", "dob"]], on=["batch_ref", "upn"]
    )
    rows["has_uln"] = uln_valid(rows["uln"]).astype(bool)
    return _learners(rows), _exceptions(rows, codes)


def _learners(rows: pd.DataFrame) -> pd.DataFrame:
    given = rows[rows["has_uln"]].sort_values(["upn", "received_at", "sha256", "ordinal"])
    first = given.drop_duplicates("upn").set_index("upn")["uln"]
    distinct = given.drop_duplicates(["upn", "uln"])
    others = distinct[distinct["uln"] != distinct["upn"].map(first)].sort_values(["upn", "uln"])
    joined = others.groupby("upn")["uln"].agg(";".join)
    # Where the learner stands: the last batch that gave the held ULN, else the last batch that was answered.
    rows = rows.assign(gave=rows["has_uln"] & (rows["uln"] == rows["upn"].map(first)))
    last = rows.sort_values(["upn", "gave", "cycle", "batch_ref"]).drop_duplicates("upn", keep="last")
    learners = last[["upn", "dob", "cycle", "la_code", "school_number", "batch_ref"]].reset_index(drop=True)
    return learners.assign(
        uln=learners["upn"].map(first).astype("str"), other_ulns=learners["upn"].map(joined).astype("str")
    )[["upn", "uln", "other_ulns", "dob", "cycle", "la_code", "school_number", "batch_ref"]]


def _exceptions(rows: pd.DataFrame, codes: pd.DataFrame) -> pd.DataFrame:
    without = rows[~rows["has_uln"]]
    without = without.assign(return_code=without["return_code"].fillna("NONE"))
    without = without.assign(rank=without["return_code"].map(codes.set_index("code")["precedence"]).fillna(0))
    without = without.sort_values(["upn", "batch_ref", "rank", "return_code"])
    every = without.drop_duplicates(["upn", "batch_ref", "return_code"]).sort_values(
        ["upn", "batch_ref", "return_code"]
    )
    every_code = every.groupby(["upn", "batch_ref"])["return_code"].agg(";".join).rename("all_codes")
    first = without.drop_duplicates(["upn", "batch_ref"])
    exceptions = first.merge(every_code, left_on=["upn", "batch_ref"], right_index=True)
    resolved = exceptions["upn"].isin(rows.loc[rows["has_uln"], "upn"])
    return exceptions.assign(state=resolved.map({True: "resolved", False: "open"}).astype("str"))[
        ["upn", "batch_ref", "cycle", "la_code", "school_number", "row_ref", "return_code", "all_codes", "state"]
    ].reset_index(drop=True)


def conflicts(learners: pd.DataFrame, batch_rows: pd.DataFrame) -> pd.DataFrame:
    """What merging has to show a person: a differing ULN (LRS01), one ULN answered for two UPNs (LRS02).

    Args:
        learners: upn, uln, other_ulns, batch_ref.
        batch_rows: batch_ref, upn, row_ref, cycle, la_code, school_number.

    Returns:
        Rows of the findings table, sorted by row_ref and rule.
    """
    held = learners[learners["uln"].notna()]
    shared = held[held["uln"].duplicated(keep=False)]
    differs = held[held["other_ulns"].notna()]
    found = pd.concat([differs.assign(rule=ULN_DIFFERS), shared.assign(rule=ULN_SHARED)])[["upn", "batch_ref", "rule"]]
    found = found.merge(
        batch_rows[["batch_ref", "upn", "row_ref", "cycle", "la_code", "school_number"]], on=["batch_ref", "upn"]
    )
    found = found.assign(severity="warning", field="uln").sort_values(["row_ref", "rule"], ignore_index=True)
    return found[["row_ref", "rule", "cycle", "la_code", "school_number", "severity", "field"]].astype("str")
