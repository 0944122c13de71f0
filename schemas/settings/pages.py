"""What the pages of a cycle show: sections, tables and columns, from `pages.toml`; and what a person has to do, from a table.

Belongs here: order and kinds. Who may see a column is said in `schemas.views`, how it looks in `tasks.io.pages.html`, and
what stands in it in `tasks.core.page_tables`. To add a column: a line in `pages.toml`, its tier in the view `page_<table>`,
its heading `pages.column.<column>` in `texts.csv`. To add a list of words: a line in `WORDS`.
"""

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from schemas.codes.code_table import load_table
from schemas.states import BatchShown, SchoolOutcome
from schemas.texts.catalogue import bilingual
from schemas.texts.edited_files import Checked, Says, Wrong, check, named, one_of, text_of, toml_of

_FILE = Path(__file__).with_name("pages.toml")
_NEEDS = Path(__file__).with_name("page_needs.csv")
#: The two kinds of pages.
AUTHORITY, WALES = "authority", "wales"
_KINDS = ("name", "text", "number", "share", "day", "sentence", "page", "file")
#: A list of words by name: its words in order, and where in `texts.csv` they stand.
WORDS: dict[str, tuple[tuple[str, ...], str]] = {
    "outcome": (tuple(o.value for o in SchoolOutcome), "pages.outcome."),
    "batch": (tuple(b.value for b in BatchShown), "batch."),
    "who": (("team", "authority", "school"), "pages.who."),
    "input": (("returns", "quarantined", "results"), "pages.input."),
}
_Kind = Annotated[str, one_of((*_KINDS, *(f"word:{words}" for words in WORDS)))]


@dataclass(frozen=True)
class PageTable(Checked):
    """A table of a page.

    Attributes:
        columns: kind by name, in order.
        search: whether it can be narrowed by what is typed.
        filter: the column by whose words it can be narrowed, or none.
    """

    name: str
    columns: dict[str, _Kind]
    search: bool = False
    filter: str | None = None

    def __post_init__(self) -> None:
        """Refuse a table without columns, and one that is narrowed by no column of words."""
        by_words = self.filter is None or self.columns.get(self.filter, "").startswith("word:")
        Wrong.unless(
            (self.columns, bilingual("fault.missing_key", key="columns")),
            (by_words, bilingual("fault.missing_key", key="filter")),
        )


@dataclass(frozen=True)
class _Named(Checked):
    authority: tuple[str, ...] = ()
    wales: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Layout(Checked):
    sections: dict[str, _Named] = field(default_factory=dict)
    tables: dict[str, PageTable] = field(default_factory=dict)


@dataclass(frozen=True)
class _Address(Checked):
    address: Annotated[str, Says("fault.address", re.compile(r"https?://[A-Za-z0-9.:/_-]+/").fullmatch)]


@dataclass(frozen=True)
class Section:
    """A section, and the tables that it has on each kind of page."""

    name: str
    tables: dict[str, tuple[PageTable, ...]]


@dataclass(frozen=True)
class Need(Checked):
    """Something that a person has to do: in order of urgency; who does it, and in which section more is said of it."""

    need: str
    who: str
    section: str
    text_en: str
    text_cy: str
    action_en: str
    action_cy: str


def parse_pages(content: str, source: str = "pages.toml") -> tuple[Section, ...]:
    """The sections of a TOML text, in its order; `source` names it in faults.

    Raises:
        ConfigurationFault: with every unknown key, table and kind, and every table that no section has.
    """
    given = toml_of(content, source)
    tables, faults = named(given.get("tables", {}), "name")
    lists = _lists(given.get("sections", {}))
    faults += [
        bilingual("fault.unknown_key", key=name).at(f"[{section}]")
        for section, names in lists.items()
        for name in sorted(names - tables.keys())
    ]
    faults += [
        bilingual("fault.unknown_key", key=name) for name in sorted(tables.keys() - set().union(*lists.values()))
    ]
    layout = check(_Layout, {**given, "tables": tables}, source, faults)
    return tuple(
        Section(
            name, {page: tuple(layout.tables[table] for table in getattr(section, page)) for page in (AUTHORITY, WALES)}
        )
        for name, section in layout.sections.items()
    )


def _lists(sections: dict[str, Any]) -> dict[str, set[str]]:
    """The tables that each section has, as far as the file says so in lists."""
    pages = {name: block.values() for name, block in sections.items() if isinstance(block, dict)}
    return {name: {table for one in some if isinstance(one, list) for table in one} for name, some in pages.items()}


def parse_address(content: str, source: str = "pages.toml") -> str:
    """Where a data root is served, from its own `reference/pages.toml`: `address = "https://../"`.

    Raises:
        ConfigurationFault: no TOML, another key, or no address that ends in a slash.
    """
    return check(_Address, toml_of(content, source), source).address


@cache
def all_sections() -> tuple[Section, ...]:
    """The sections, in order."""
    return parse_pages(text_of(_FILE))


@cache
def all_needs() -> tuple[Need, ...]:
    """What a person may have to do, the most urgent first.

    Raises:
        ConfigurationFault: the table is wrong; with every fault.
    """
    return tuple(load_table(Need, _NEEDS).values())
