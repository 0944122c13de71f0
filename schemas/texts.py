"""Headings and titles that a person reads, in both languages, from `texts.csv`.

Belongs here: the fixed texts of files that go out. Rules, codes and findings keep theirs in their own tables.
To add a text: a row in `texts.csv`; `cy_review` is Y where a Welsh speaker should look at the Welsh.
"""

import csv
import io
import string
from functools import cache
from pathlib import Path
from typing import Literal

from schemas.faults import ConfigurationFault

Language = Literal["en", "cy"]

_FILE = Path(__file__).with_name("texts.csv")
_COLUMNS = ["key", "en", "cy", "cy_review"]


def parse_texts(content: str, source: str = "texts.csv") -> dict[str, dict[Language, str]]:
    """Read a table of texts.

    Args:
        content: CSV with the columns key, en, cy, cy_review.
        source: how to name it in a fault.

    Returns:
        Key -> language -> text.

    Raises:
        ConfigurationFault: with every wrong heading, repeated key, blank text and difference in places to fill.
    """
    reader = csv.DictReader(io.StringIO(content, newline=""), strict=True)
    if reader.fieldnames != _COLUMNS:
        raise ConfigurationFault(source, [f"the columns must be {', '.join(_COLUMNS)}"])
    faults: list[str] = []
    texts: dict[str, dict[Language, str]] = {}
    for number, row in enumerate(reader, 2):
        faults += [f"line {number}: {fault}" for fault in _row_faults(row, texts)]
        texts[row["key"]] = {"en": row["en"], "cy": row["cy"]}
    if faults:
        raise ConfigurationFault(source, faults)
    return texts


def _row_faults(row: dict[str, str], before: dict[str, dict[Language, str]]) -> list[str]:
    if set(row) != set(_COLUMNS) or any(value is None or not value.strip() for value in row.values()):
        return ["a cell is blank, missing or too many"]
    checks = [
        (row["key"] not in before, f"{row['key']!r} stands twice"),
        (row["cy_review"] in ("Y", "N"), "cy_review must be Y or N"),
        (_places(row["en"]) == _places(row["cy"]), "English and Welsh differ in the places to fill"),
    ]
    return [text for holds, text in checks if not holds]


def _places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@cache
def all_texts() -> dict[str, dict[Language, str]]:
    """The texts shipped with the project, by key and language."""
    return parse_texts(_FILE.read_text(encoding="utf-8"))


def text(key: str, lang: Language) -> str:
    """A text in one language.

    Args:
        key: as in `texts.csv`.
        lang: `en` or `cy`.

    Raises:
        ConfigurationFault: there is no such text.
    """
    texts = all_texts()
    if key not in texts:
        raise ConfigurationFault("texts.csv", [f"there is no text {key!r}"])
    return texts[key][lang]
