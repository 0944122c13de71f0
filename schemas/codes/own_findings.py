"""What merging and publishing find, told to schools in both languages, from `merge_findings.csv`.

To add a finding: a row in the table, and its code beside the function that finds it (`tasks.core.merging`, `publication`).
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from schemas.texts.edited_files import text_of
from schemas.texts.tables import parse_table

_FILE = Path(__file__).with_name("merge_findings.csv")


@dataclass(frozen=True)
class MergeFinding:
    """One finding: what is wrong, what to do, and the field concerned."""

    code: str
    label_en: str
    label_cy: str
    action_en: str
    action_cy: str
    field_en: str
    field_cy: str


@cache
def merge_findings() -> tuple[MergeFinding, ...]:
    """Every finding, in file order.

    Raises:
        ConfigurationFault: the table is wrong; with every fault.
    """
    return tuple(parse_table(text_of(_FILE), MergeFinding, _FILE.name))
