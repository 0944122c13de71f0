"""The texts of what merging and publishing find, in both languages, from `merge_findings.csv`."""

import csv
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("merge_findings.csv")


@cache
def merge_finding_texts() -> dict[str, dict[str, str]]:
    """Code -> code, label_en, label_cy, action_en, action_cy, field_en, field_cy, cy_review."""
    with _FILE.open(encoding="utf-8", newline="") as file:
        return {row["code"]: row for row in csv.DictReader(file)}
