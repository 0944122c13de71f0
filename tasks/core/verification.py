"""Which ULNs in returns the LRS is asked about, and what its answers say of them and of a record. No ULN follows from one.

To tell a further outcome: `FOUND`, its row in `schemas/codes/merge_findings.csv`.
"""

import pandas as pd

from schemas.codes.service_codes import Connection, Outcome
from tasks.core.identifiers import canonical_upn, uln_valid
from tasks.core.membership import composite_key, is_in

#: What a record is told of its ULN, by the outcome of its verification.
FOUND = {Outcome.SIMILAR.value: "VRF01", Outcome.DIFFERS.value: "VRF02"}


def with_ulns(pupils: pd.DataFrame) -> pd.DataFrame:
    """The records that have a ULN by its check digit, and a UPN: upn canonical, uln without blanks.

    Args:
        pupils: upn, uln and whatever else is wanted.
    """
    rows = pupils.assign(upn=canonical_upn(pupils["upn"]), uln=pupils["uln"].str.strip())
    return rows[uln_valid(rows["uln"]).astype(bool) & rows["upn"].notna()]


def to_verify(rows: pd.DataFrame, asked: pd.DataFrame, held: pd.DataFrame) -> pd.DataFrame:
    """Of those records the ones of which the LRS has not been asked, and that did not get their ULN from it by this service.

    Args:
        rows: upn, uln and whatever else is wanted.
        asked: upn, uln of those that were asked about, or are being.
        held: upn, uln of the register.

    Returns:
        The rows, one of each UPN and ULN; by school_number and UPN.
    """
    pair = composite_key(rows["upn"], rows["uln"])
    known = pd.concat([composite_key(asked["upn"], asked["uln"]), composite_key(held["upn"], held["uln"])])
    new = rows[~is_in(pair, known)].sort_values(["school_number", "upn", "row_ref"])
    return new.drop_duplicates(["upn", "uln"], ignore_index=True)


def answered(asked: pd.DataFrame, said: pd.DataFrame) -> pd.DataFrame:
    """What an answer says of each of those that it was asked about; whom it leaves out, LEFT_OUT.

    Args:
        asked: upn, uln, code, flags and whatever else is wanted; one job's.
        said: upn, uln, code, flags. The UPN is null where the LRS gives none back: then the ULN alone names the learner,
            unless it was asked about for several.

    Returns:
        The rows of `asked` in their order, with their codes and flags.
    """
    once = asked.drop_duplicates("uln", keep=False).set_index("uln")["upn"]
    said = said.assign(upn=said["upn"].fillna(said["uln"].map(once))).dropna(subset=["upn", "uln", "code"])
    said = said.drop_duplicates(["upn", "uln"], keep="last")
    rows = asked.drop(columns=["code", "flags"]).merge(said, on=["upn", "uln"], how="left")
    return rows.assign(code=rows["code"].fillna(Connection.LEFT_OUT.value))[list(asked.columns)]


def verification_findings(rows: pd.DataFrame, checks: pd.DataFrame, outcomes: dict[str, str]) -> pd.DataFrame:
    """What the LRS says of the records' ULNs: row_ref, school_number, rule, field.

    Args:
        rows: row_ref, school_number, upn, uln.
        checks: upn, uln, code.
        outcomes: by code.
    """
    found = rows.merge(checks[["upn", "uln", "code"]], on=["upn", "uln"])
    rule = found["code"].map(outcomes).map(FOUND).astype("str")
    return found.assign(rule=rule, field="uln").loc[rule.notna(), ["row_ref", "school_number", "rule", "field"]]
