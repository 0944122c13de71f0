"""Headings, titles and sentences that a person reads, in both languages, from `texts.csv`.

Belongs here: the fixed texts of files that go out, and the sentences of our own faults. Rules, codes and findings keep
theirs in their own tables.
To add a text: a row in `texts.csv`; `cy_review` is Y where a Welsh speaker should look at the Welsh.
"""

import string
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from schemas.faults import ConfigurationFault
from schemas.text_tables import parse_table

Language = Literal["en", "cy"]

_FILE = Path(__file__).with_name("texts.csv")


@dataclass(frozen=True)
class _Row:
    key: str
    en: str
    cy: str
    cy_review: str


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
    rows = parse_table(content, _Row, source)
    faults = [f"{row.key}: cy_review must be Y or N" for row in rows if row.cy_review not in ("Y", "N")]
    faults += [
        f"{row.key}: English and Welsh differ in the places to fill"
        for row in rows
        if _places(row.en) != _places(row.cy)
    ]
    if faults:
        raise ConfigurationFault(source, faults)
    return {row.key: {"en": row.en, "cy": row.cy} for row in rows}


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


def both(key: str, /, **places: object) -> str:
    """A sentence in both languages, Welsh first.

    Args:
        key: as in `texts.csv`.
        places: what fills the text's places: files, schools, batches, numbers; never a pupil's data.

    Raises:
        ConfigurationFault: there is no such text.
    """
    return f"{text(key, 'cy').format(**places)} / {text(key, 'en').format(**places)}"
