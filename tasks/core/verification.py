"""Choose the ULNs in returns that the LRS is to verify, and turn its answers into findings. No answer gives a ULN.

To report another outcome: a code in `OUTCOME_FINDINGS` and its row in `schemas/codes/merge_findings.csv`.
"""

import pandas as pd

from schemas.codes.service_codes import Connection, Outcome
from tasks.core.identifiers import canonical_upn, uln_valid
from tasks.core.membership import composite_key, is_in

#: Outcome of a ULN's verification -> the finding for its record.
OUTCOME_FINDINGS = {Outcome.SIMILAR.value: "VRF01", Outcome.DIFFERS.value: "VRF02"}


def with_ulns(pupils: pd.DataFrame) -> pd.DataFrame:
    """Return the pupils with a UPN and a ULN that passes its check digit; upn canonical, uln without blanks."""
    rows = pupils.assign(upn=canonical_upn(pupils["upn"]), uln=pupils["uln"].str.strip())
    return rows[uln_valid(rows["uln"]).astype(bool) & rows["upn"].notna()]


def to_verify(rows: pd.DataFrame, checks: pd.DataFrame, held: pd.DataFrame) -> pd.DataFrame:
    """Return the records that the LRS has not verified, and whose ULN did not come from it through this service.

    Args:
        rows: upn, uln, school_number, row_ref and any other columns (`with_ulns`).
        checks: upn, uln; verified, or being verified.
        held: upn, uln of the register.

    Returns:
        The rows, one for each UPN and ULN; by school_number and UPN.
    """
    pair = composite_key(rows["upn"], rows["uln"])
    known = pd.concat([composite_key(table["upn"], table["uln"]) for table in (checks, held)])
    new = rows[~is_in(pair, known)].sort_values(["school_number", "upn", "row_ref"])
    return new.drop_duplicates(["upn", "uln"], ignore_index=True)


def answered(job: pd.DataFrame, answers: pd.DataFrame) -> pd.DataFrame:
    """Add to each ULN of a job (upn, uln, code, flags ..) the code and flags that the LRS answered; LEFT_OUT otherwise.

    `answers` has upn, uln, code, flags. Where the LRS returns no UPN it is null: then the ULN alone identifies the learner,
    unless the job has it for several. The rows keep their order.
    """
    single = job.drop_duplicates("uln", keep=False).set_index("uln")["upn"]
    last = answers.assign(upn=answers["upn"].fillna(answers["uln"].map(single)))
    last = last.dropna(subset=["upn", "uln", "code"]).drop_duplicates(["upn", "uln"], keep="last")
    rows = job.drop(columns=["code", "flags"]).merge(last, on=["upn", "uln"], how="left")
    return rows.assign(code=rows["code"].fillna(Connection.LEFT_OUT.value))[list(job.columns)]


def verification_findings(rows: pd.DataFrame, checks: pd.DataFrame, outcomes: dict[str, str]) -> pd.DataFrame:
    """Return the findings on the records' ULNs: row_ref, school_number, rule, field.

    `rows` has row_ref, school_number, upn, uln; `checks` upn, uln, code; `outcomes` the outcome of each code.
    """
    verified = rows.merge(checks[["upn", "uln", "code"]], on=["upn", "uln"])
    rule = verified["code"].map(outcomes).map(OUTCOME_FINDINGS).astype("str")
    return verified.assign(rule=rule, field="uln").loc[rule.notna(), ["row_ref", "school_number", "rule", "field"]]
