"""Whether a finding holds a record. No other module decides it.

Belongs here: which findings block, and which records they hold. Does not belong here: the rules that make findings
(`expectations`; a rule's severity: `expectations/catalogue.csv`), the lake's findings (`ledger.standing.rows_held`), schools
on hold (`volume`), the state of a held record that was sent before (`standing.derive_states`).
"""

import pandas as pd

from schemas.states import Severity


def is_blocking(findings: pd.DataFrame) -> pd.Series:
    """Whether each finding (severity) holds its record."""
    return findings["severity"].eq(Severity.BLOCKING.value)


def held_rows(findings: pd.DataFrame) -> pd.Series:
    """Return the row_refs of held records, one for each blocking finding; `findings` has row_ref, severity."""
    rows: pd.Series = findings.loc[is_blocking(findings), "row_ref"]
    return rows
