"""Reasons for quarantine: why a file is refused and what to do, in both languages, from `quarantine_reasons.csv`."""

from pathlib import Path
from typing import Literal

from schemas.codes.code_table import load_table
from schemas.texts.catalogue import Bilingual
from schemas.texts.edited_files import Checked

_FILE = Path(__file__).with_name("quarantine_reasons.csv")


class Reason(Checked):
    """A reason. Every later run checks a file again if `retry` is Y: new reference data or another cycle may cure it."""

    code: str
    text_en: str
    text_cy: str
    action_en: str
    action_cy: str
    retry: Literal["Y", "N"]

    @property
    def text(self) -> Bilingual:
        """Return why the file is refused."""
        return Bilingual(self.text_cy, self.text_en)


def all_reasons() -> dict[str, Reason]:
    """Return all reasons, by code."""
    return load_table(Reason, _FILE)
