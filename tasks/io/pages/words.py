"""What a page shows, and how a number, a day, a share and a text look in one language.

Belongs here: what tables and charts share. Does not belong here: how a table looks (`tasks.io.pages.html`), what a chart
draws (`tasks.io.pages.page_charts`), the texts themselves (`schemas.texts.catalogue`).
"""

import datetime as dt
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schemas.cycles import Cycle
from schemas.texts.catalogue import Language, all_texts, text

#: What stands for a number that is not told, in official statistics too: confidential, cyfrinachol.
NOT_TOLD = "[c]"
#: What stands where there is nothing.
NONE = "–"
#: The states that a chart has a bar for.
BARS = ("uln", "sent", "waiting", "held", "exception")
OTHER: dict[Language, Language] = {"cy": "en", "en": "cy"}
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII).fullmatch


@dataclass(frozen=True)
class PageRows:
    """Rows of a table, as they may be seen; the names of their columns, also where there is no row."""

    columns: tuple[str, ...]
    rows: list[dict[str, Any]]


@dataclass(frozen=True)
class PageContent:
    """What a page shows.

    Attributes:
        page: `schemas.settings.pages.AUTHORITY` or WALES.
        cycle: the cycle.
        title: of the authority in Welsh and English; empty for Wales.
        tables: rows that were let through (`tasks.runtime.visibility`), by the table's name.
        said: the sentence of a section, by the section's name (`page_sentences.Said`).
    """

    page: str
    cycle: Cycle
    title: tuple[str, str]
    tables: Mapping[str, PageRows]
    said: Mapping[str, Any]

    def fingerprint(self, edition: str) -> str:
        """A hash over all that the page shows, and over what shows it."""
        told = [edition, self.page, self.title, {name: table.rows for name, table in self.tables.items()}]
        return hashlib.sha256(json.dumps(told, default=int, sort_keys=True).encode()).hexdigest()


class Sayer:
    """The texts of the pages in one language."""

    def __init__(self, lang: Language, missing: str) -> None:
        """With what stands where there is no number: on the page of Wales it is hidden, elsewhere there is none."""
        self.lang, self.missing = lang, missing

    def __call__(self, key: str, **places: Any) -> str:
        """A text, its places filled (`of`)."""
        return text(f"pages.{key}", self.lang).format(**{name: self.of(value) for name, value in places.items()})

    def other(self, key: str) -> str:
        """The text in the other language."""
        return text(f"pages.{key}", OTHER[self.lang])

    def either(self, *keys: str) -> str:
        """The first of some texts that there is; nothing where there is none."""
        return next((self(key) for key in keys if f"pages.{key}" in all_texts()), "")

    def sentence(self, said: Any) -> str:
        """A sentence of a section (`page_sentences.Said`)."""
        return self(f"says.{said.key}", **said.places)

    def of(self, value: Any) -> str:
        """What fills a place: a number, a day, a share, a pair in both languages, or text."""
        if value is None:
            return self.missing
        if isinstance(value, int):
            return f"{value:,}"
        if isinstance(value, tuple):
            return str(value[0 if self.lang == "cy" else 1])
        if hasattr(value, "thousandths"):
            return self.missing if value.thousandths is None else percent(value.thousandths)
        return self.day(str(value)) if _is_day(str(value)) else str(value)

    def day(self, iso: str) -> str:
        """`4 Chwefror 2012`."""
        months = text("pages.months", self.lang).split()
        year, month, day = iso[:10].split("-")
        return f"{int(day)} {months[int(month) - 1]} {year}"

    def moment(self, iso: str) -> str:
        """A day and, where it is known, a time."""
        return self.day(iso) + (f", {iso[11:16]}" if len(iso) > 10 else "")


def _is_day(value: str) -> bool:
    if not _ISO_DAY(value):
        return False
    try:
        dt.date.fromisoformat(value)
    except ValueError:  # a code of the LRS may look like anything
        return False
    return True


def percent(thousandths: int) -> str:
    """A share in thousandths, as people read it."""
    return f"{thousandths / 10:.1f}%"
