"""Which ULNs in returns the LRS is asked about, and what its answers say of a record. No ULN follows from an answer.

To tell a further outcome: `FOUND`, its row in `schemas/merge_findings.csv`.
"""

import pandas as pd

from schemas.service_codes import Outcome
from tasks.core.identifiers import canonical_upn, uln_valid
from tasks.core.membership import among, paired

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
    pair = paired(rows["upn"], rows["uln"])
    known = pd.concat([paired(asked["upn"], asked["uln"]), paired(held["upn"], held["uln"])])
    new = rows[~among(pair, known)].sort_values(["school_number", "upn", "row_ref"])
    return new.drop_duplicates(["upn", "uln"], ignore_index=True)


def told_of(rows: pd.DataFrame, checks: pd.DataFrame, outcomes: dict[str, str]) -> pd.DataFrame:
    """What the LRS says of the records' ULNs: row_ref, school_number, rule, field.

    Args:
        rows: row_ref, school_number, upn, uln.
        checks: upn, uln, code.
        outcomes: by code.
    """
    found = rows.merge(checks[["upn", "uln", "code"]], on=["upn", "uln"])
    rule = found["code"].map(outcomes).map(FOUND).astype("str")
    return found.assign(rule=rule, field="uln").loc[rule.notna(), ["row_ref", "school_number", "rule", "field"]]
