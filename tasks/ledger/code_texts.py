"""Texts for every code in a school's list of exceptions: the problem and the action, in both languages.

The codes come from the rules, from merging and publishing, and from the LRS (`schemas/codes/return_codes.csv`, or the data
root's own file). They are in the order in which a school works: faults of the record first, the LRS's answers last.
"""

import pandas as pd

from expectations.rule_catalogue import all_rules
from schemas.codes.merge_findings import merge_findings
from schemas.codes.possible_match_causes import possible_match_causes
from schemas.codes.return_codes import all_return_codes, code_table
from tasks.io.data_root.data_root import DataRoot

_COLUMNS = ["code", "wrong_en", "wrong_cy", "action_en", "action_cy", "field_en", "field_cy", "lrs_code"]


def lrs_codes(root: DataRoot) -> pd.DataFrame:
    """Return the LRS's codes (`return_codes.code_table`): from the data root's file if there is one, else as shipped."""
    return code_table(all_return_codes(root.reference))


def merge_codes() -> set[str]:
    """Return the codes of the findings of merging."""
    return {finding.code for finding in merge_findings()}


def cause_texts() -> pd.DataFrame:
    """Return the texts for likely causes of a possible match: code, why_en, why_cy, check_en, check_cy."""
    return pd.DataFrame([cause.model_dump() for cause in possible_match_causes()]).astype("str")


def texts_of(root: DataRoot) -> pd.DataFrame:
    """Return the texts: code, wrong_en, wrong_cy, action_en, action_cy, field_en, field_cy, lrs_code; in working order.

    lrs_code is the LRS's code for the fault that a rule finds; null if it has none.
    """
    rules = pd.DataFrame([{name: getattr(rule, name) for name in _COLUMNS} for rule in all_rules()])
    wrong = {"label_en": "wrong_en", "label_cy": "wrong_cy"}
    merging = pd.DataFrame([finding.model_dump() for finding in merge_findings()]).rename(columns=wrong)
    tables = (
        rules.assign(lrs_code=rules["lrs_code"].mask(rules["lrs_code"] == "")),
        merging,
        lrs_codes(root).rename(columns=wrong),
    )
    return pd.concat([table.reindex(columns=_COLUMNS) for table in tables], ignore_index=True).astype("str")
