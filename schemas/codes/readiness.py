"""Readiness checks: what a school may lack before its learners can be sent, in both languages, from `readiness.csv`.

To add a check: a row in the table, and its line in `tasks.core.readiness.unmet_requirements`.
"""

from pathlib import Path

from schemas.codes.code_table import load_table
from schemas.texts.edited_files import Checked

_FILE = Path(__file__).with_name("readiness.csv")


class Lack(Checked):
    """Something that a school may lack, the action, and where to take it."""

    code: str
    text_en: str
    text_cy: str
    action_en: str
    action_cy: str
    where_en: str
    where_cy: str


def lacks() -> tuple[Lack, ...]:
    """Return all checks, in file order (`load_table`)."""
    return tuple(load_table(Lack, _FILE).values())
