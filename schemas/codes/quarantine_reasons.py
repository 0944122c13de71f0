"""Why a file is refused, and what to do about it, in both languages, from `quarantine_reasons.csv`."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from schemas.codes.code_table import load_table
from schemas.texts.edited_files import Checked

_FILE = Path(__file__).with_name("quarantine_reasons.csv")


@dataclass(frozen=True)
class Reason(Checked):
    """One reason; a file refused for a reason with `retry` is looked at again by every later run."""

    code: str
    text_en: str
    text_cy: str
    action_en: str
    action_cy: str
    retry: Literal["Y", "N"]

    @property
    def looked_at_again(self) -> bool:
        """Whether reference data or another cycle may cure it."""
        return self.retry == "Y"


@cache
def all_reasons() -> dict[str, Reason]:
    """Every reason, by code."""
    return load_table(Reason, _FILE)
