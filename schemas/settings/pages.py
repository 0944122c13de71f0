"""Layout of a cycle's pages: sections, tables and columns, from `pages.toml`; and the actions needed, from `page_needs.csv`.

Belongs here: the order and the kind of each column. Does not belong here: who may see a column (`schemas.views`), how it
looks (`tasks.io.pages.html`), its rows (`tasks.core.page_tables`). To add a column: a line in `pages.toml`, its tier in the
view `page_<table>`, its heading `pages.column.<column>` in `texts.csv`. To add a list of words: a line in `WORDS`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from schemas.codes.code_table import load_table
from schemas.states import BatchShown, SchoolOutcome
from schemas.texts.catalogue import Bilingual, bilingual
from schemas.texts.edited_files import Checked, Condition, check, named, one_of, text_of, toml_of

_FILE = Path(__file__).with_name("pages.toml")
_NEEDS = Path(__file__).with_name("page_needs.csv")
AUTHORITY, WALES = "authority", "wales"  # the kinds of pages
_KINDS = ("name", "text", "number", "share", "day", "sentence", "page", "file")
#: Lists of words by name: the words in order, and the prefix of their texts in `texts.csv`.
WORDS: dict[str, tuple[tuple[str, ...], str]] = {
    "outcome": (tuple(o.value for o in SchoolOutcome), "pages.outcome."),
    "batch": (tuple(b.value for b in BatchShown), "batch."),
    "who": (("team", "authority", "school"), "pages.who."),
    "input": (("returns", "quarantined", "results"), "pages.input."),
}
_Kind = Annotated[str, one_of((*_KINDS, *(f"word:{words}" for words in WORDS)))]


class PageTable(Checked):
    """A table of a page.

    Attributes:
        columns: kind by name, in order.
        search: whether people can narrow it by typing.
        filter: the column of words by which people can narrow it, or None.
    """

    name: str
    columns: dict[str, _Kind]
    search: bool = False
    filter: str | None = None

    def conditions(self) -> Iterable[tuple[object, Bilingual]]:
        """Refuse a table without columns, and a filter that is not a column of words."""
        yield self.columns, bilingual("fault.missing_key", key="columns")
        by_words = self.filter is None or self.columns.get(self.filter, "").startswith("word:")
        yield by_words, bilingual("fault.missing_key", key="filter")


class _Named(Checked):
    authority: tuple[str, ...] = ()
    wales: tuple[str, ...] = ()


class _Layout(Checked):
    sections: dict[str, _Named] = Field({})
    tables: dict[str, PageTable] = Field({})


class _Address(Checked):
    address: Annotated[str, Condition("fault.address", re.compile(r"https?://[A-Za-z0-9.:/_-]+/").fullmatch)]


@dataclass(frozen=True)
class Section:
    """A section, and its tables on each kind of page."""

    name: str
    tables: dict[str, tuple[PageTable, ...]]


class Need(Checked):
    """An action needed: who takes it, and the section with the details. `page_needs.csv` is in order of urgency."""

    need: str
    who: str
    section: str
    text_en: str
    text_cy: str
    action_en: str
    action_cy: str


def parse_pages(content: str, source: str = "pages.toml") -> tuple[Section, ...]:
    """Return the sections of a TOML text, in its order; `source` is its name in faults.

    Raises:
        ConfigurationFault: lists every unknown key, table and kind, and every table without a section.
    """
    blocks = toml_of(content, source)
    tables, faults = named(blocks.get("tables", {}), "name")
    lists = _lists(blocks.get("sections", {}))
    faults += [
        bilingual("fault.unknown_key", key=name).at(f"[{section}]")
        for section, names in lists.items()
        for name in sorted(names - tables.keys())
    ]
    faults += [
        bilingual("fault.unknown_key", key=name) for name in sorted(tables.keys() - set().union(*lists.values()))
    ]
    layout = check(_Layout, {**blocks, "tables": tables}, source, faults)
    return tuple(
        Section(
            name, {page: tuple(layout.tables[table] for table in getattr(section, page)) for page in (AUTHORITY, WALES)}
        )
        for name, section in layout.sections.items()
    )


def _lists(sections: dict[str, Any]) -> dict[str, set[str]]:
    """Return the table names of each section; entries that are not lists are left out, and `check` reports them."""
    pages = {name: block.values() for name, block in sections.items() if isinstance(block, dict)}
    return {
        name: {table for part in parts if isinstance(part, list) for table in part} for name, parts in pages.items()
    }


def parse_address(content: str, source: str = "pages.toml") -> str:
    """Return the web address of a data root's pages, from the text of its `reference/pages.toml`: `address = "https://../"`.

    Raises:
        ConfigurationFault: it is not TOML, has another key, or the address is missing or not http(s) with a slash at the end.
    """
    return check(_Address, toml_of(content, source), source).address


@cache
def all_sections() -> tuple[Section, ...]:
    """Return the sections, in order."""
    return parse_pages(text_of(_FILE))


def all_needs() -> tuple[Need, ...]:
    """Return all possible actions, the most urgent first (`load_table`)."""
    return tuple(load_table(Need, _NEEDS).values())
