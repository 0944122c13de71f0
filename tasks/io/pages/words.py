"""The content of a page, and how numbers, days, shares and texts look in one language.

Belongs here: code that tables and charts share. Does not belong here: how a table looks (`tasks.io.pages.html`), what a
chart draws (`tasks.io.pages.charts`), the texts themselves (`schemas.texts.catalogue`).
"""

import datetime as dt
import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from schemas.cycles import Cycle
from schemas.texts.catalogue import Language, all_texts, text

#: Shown for a hidden number, as in official statistics: confidential, cyfrinachol.
HIDDEN_NUMBER = "[c]"
#: Shown where there is no value.
NONE = "–"
#: States with a bar in a chart.
BARS = ("uln", "sent", "waiting", "held", "exception")
OTHER: dict[Language, Language] = {"cy": "en", "en": "cy"}
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII).fullmatch


@dataclass(frozen=True)
class PageRows:
    """A table's visible rows, and its column names, even if it has no rows."""

    columns: tuple[str, ...]
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class PageContent:
    """The content of a page.

    Attributes:
        page: `schemas.settings.pages.AUTHORITY` or WALES.
        title: the authority's name in Welsh and English; empty for Wales.
        tables: rows that passed the disclosure gate (`tasks.runtime.visibility`), by table name.
        sentences: by section name (`core.page_sentences`).
    """

    page: str
    cycle: Cycle
    title: tuple[str, str]
    tables: Mapping[str, PageRows]
    sentences: Mapping[str, Any]

    def fingerprint(self, edition: str) -> str:
        """Return a hash of the page's content and of the edition that renders it."""
        content = [edition, self.page, self.title, {name: table.rows for name, table in self.tables.items()}]
        return hashlib.sha256(json.dumps(content, default=int, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class PageTexts:
    """The texts of the pages in one language.

    Attributes:
        missing: shown for a missing number. On the page of Wales, a missing number is a hidden one.
    """

    lang: Language
    missing: str

    def __call__(self, key: str, **places: Any) -> str:
        """Return a text with its placeholders filled (`of`)."""
        return text(f"pages.{key}", self.lang).format(**{name: self.of(value) for name, value in places.items()})

    def other(self, key: str) -> str:
        """Return the text in the other language."""
        return text(f"pages.{key}", OTHER[self.lang])

    def first(self, *keys: str) -> str:
        """Return the first text that exists, or an empty text."""
        return next((self(key) for key in keys if f"pages.{key}" in all_texts()), "")

    def sentence(self, sentence: Any) -> str:
        """Return a section's sentence (`core.page_sentences`)."""
        return self(f"says.{sentence.key}", **sentence.places)

    def of(self, value: Any) -> str:
        """Format a value for a placeholder: a number, day, share, pair (Welsh, English) or text."""
        if value is None:
            return self.missing
        if isinstance(value, int):
            return f"{value:,}"
        if isinstance(value, tuple):
            return str(value[0 if self.lang == "cy" else 1])
        if hasattr(value, "thousandths"):
            return self.missing if value.thousandths is None else percent(value.thousandths)
        words = str(value)
        with suppress(ValueError):  # a code of the LRS may look like a day
            if _ISO_DAY(words) and dt.date.fromisoformat(words):
                return self.day(words)
        return words

    def day(self, iso: str) -> str:
        """Return a day, e.g. `4 Chwefror 2012`."""
        months = text("pages.months", self.lang).split()
        year, month, day = iso[:10].split("-")
        return f"{int(day)} {months[int(month) - 1]} {year}"

    def moment(self, iso: str) -> str:
        """Return a day and, where known, the time."""
        return self.day(iso) + (f", {iso[11:16]}" if len(iso) > 10 else "")


def percent(thousandths: int) -> str:
    """Format a share, given in thousandths, as a percentage."""
    return f"{thousandths / 10:.1f}%"
