"""What is wrong and what to do, for every code that can stand in a school's list of exceptions, in both languages.

The codes are the rules', those that merging and publishing find, and the LRS's (`schemas/codes/return_codes.csv` or the data
root's own). In this order a school works them off: the record first, and what the LRS said of it last.
"""

from dataclasses import asdict

import pandas as pd

from expectations.rule_catalogue import all_rules
from schemas.codes.own_findings import merge_findings
from schemas.codes.possible_match_causes import possible_match_causes
from schemas.codes.return_codes import all_return_codes, code_table
from tasks.io.data_root.data_root import DataRoot

_COLUMNS = ["code", "wrong_en", "wrong_cy", "action_en", "action_cy", "field_en", "field_cy", "lrs_code"]


def lrs_codes(root: DataRoot) -> pd.DataFrame:
    """The LRS's codes (`return_codes.code_table`): the data root's own where there are any, else the shipped ones."""
    own = root.reference / "return_codes.csv"
    return code_table(all_return_codes(own if own.exists() else None))


def merge_codes() -> set[str]:
    """The codes of what merging finds."""
    return {finding.code for finding in merge_findings()}


def cause_texts() -> pd.DataFrame:
    """What a school is told of each likely cause of a possible match: code, why_en, why_cy, check_en, check_cy."""
    return pd.DataFrame(map(asdict, possible_match_causes())).astype("str")


def texts_of(root: DataRoot) -> pd.DataFrame:
    """The texts: code, wrong_en, wrong_cy, action_en, action_cy, field_en, field_cy; first things first.

    lrs_code is the code that the LRS would have given for what a rule holds; null where it would have given none.
    """
    rules = pd.DataFrame([{name: getattr(rule, name) for name in _COLUMNS} for rule in all_rules()])
    told = {"label_en": "wrong_en", "label_cy": "wrong_cy"}
    merging = pd.DataFrame(map(asdict, merge_findings())).rename(columns=told)
    tables = (
        rules.assign(lrs_code=rules["lrs_code"].mask(rules["lrs_code"] == "")),
        merging,
        lrs_codes(root).rename(columns=told),
    )
    return pd.concat([table.reindex(columns=_COLUMNS) for table in tables], ignore_index=True).astype("str")
