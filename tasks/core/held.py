"""Whether a finding holds a record: the only module that decides it.

Belongs here: which findings block, and which records they hold. Does not belong here: the rules that make findings
(`expectations`), their table (`ledger.standing.rows_held`), or schools on hold (`volume`).
"""

import pandas as pd

from schemas.states import Severity


def is_blocking(findings: pd.DataFrame) -> pd.Series:
    """Whether each finding holds its record.

    Args:
        findings: severity.
    """
    return findings["severity"].eq(Severity.BLOCKING.value)


def held_rows(findings: pd.DataFrame) -> pd.Series:
    """The row_refs of the records that are held; a record once for each of its blocking findings.

    Args:
        findings: row_ref, severity.
    """
    rows: pd.Series = findings.loc[is_blocking(findings), "row_ref"]
    return rows
