"""The texts of what a school may lack, in both languages, from `readiness.csv`."""

import csv
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("readiness.csv")


@cache
def readiness_texts() -> dict[str, dict[str, str]]:
    """Code -> text_en, text_cy, action_en, action_cy, cy_review."""
    with _FILE.open(encoding="utf-8", newline="") as file:
        return {row["code"]: row for row in csv.DictReader(file)}
