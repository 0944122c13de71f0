"""Findings of merging and publishing, with texts for schools in both languages, from `merge_findings.csv`.

To add a finding: a row in the table, and its code beside the function that finds it (`tasks.core.merging`, `publication`).
"""

from pathlib import Path

from schemas.codes.code_table import load_table
from schemas.texts.edited_files import Checked

_FILE = Path(__file__).with_name("merge_findings.csv")


class MergeFinding(Checked):
    """A finding: the problem, the action, and the field concerned."""

    code: str
    label_en: str
    label_cy: str
    action_en: str
    action_cy: str
    field_en: str
    field_cy: str


def merge_findings() -> tuple[MergeFinding, ...]:
    """Return all findings, in file order (`load_table`)."""
    return tuple(load_table(MergeFinding, _FILE).values())
