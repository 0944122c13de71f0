"""Which findings hold a record."""

import pandas as pd

from schemas.states import Severity
from tasks.core.held import held_rows, is_blocking


def test_a_record_is_held_where_one_of_its_findings_blocks():
    rows = [("r1", "blocking"), ("r1", "warning"), ("r2", "warning"), ("r3", "blocking")]
    findings = pd.DataFrame(rows, columns=["row_ref", "severity"])
    assert is_blocking(findings).to_list() == [True, False, False, True]
    assert held_rows(findings).to_list() == ["r1", "r3"]
    assert held_rows(findings.head(0)).empty
    assert {severity.value for severity in Severity} == {"blocking", "warning"}
