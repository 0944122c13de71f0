"""Why a file is refused, and what to do about it, in both languages, from `quarantine_reasons.csv`."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from schemas.texts.edited_files import text_of
from schemas.texts.tables import parse_table

_FILE = Path(__file__).with_name("quarantine_reasons.csv")


@dataclass(frozen=True)
class Reason:
    """One reason; a file refused for a reason with `retry` is looked at again by every later run."""

    code: str
    text_en: str
    text_cy: str
    action_en: str
    action_cy: str
    retry: str

    @property
    def looked_at_again(self) -> bool:
        """Whether reference data or another cycle may cure it."""
        return self.retry == "Y"


@cache
def all_reasons() -> dict[str, Reason]:
    """Every reason, by code."""
    return {r.code: r for r in parse_table(text_of(_FILE), Reason, _FILE.name)}
