"""What the pages of a cycle show: sections, tables and columns, from `pages.toml`; and what a person has to do, from a table.

Belongs here: order and kinds. Who may see a column is said in `schemas.views`, how it looks in `tasks.io.pages.html`, and
what stands in it in `tasks.core.page_tables`. To add a column: a line in `pages.toml`, its tier in the view `page_<table>`,
its heading `pages.column.<column>` in `texts.csv`. To add a list of words: a line in `WORDS`.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from schemas.states import BatchShown, SchoolOutcome
from schemas.texts.catalogue import both
from schemas.texts.edited_files import text_of, toml_of
from schemas.texts.faults import ConfigurationFault
from schemas.texts.tables import parse_table

_FILE = Path(__file__).with_name("pages.toml")
_NEEDS = Path(__file__).with_name("page_needs.csv")
#: The two kinds of pages.
AUTHORITY, WALES = "authority", "wales"
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.:/_-]+/")
_KINDS = ("name", "text", "number", "share", "day", "sentence", "page", "file")
#: A list of words by name: its words in order, and where in `texts.csv` they stand.
WORDS: dict[str, tuple[tuple[str, ...], str]] = {
    "outcome": (tuple(o.value for o in SchoolOutcome), "pages.outcome."),
    "batch": (tuple(b.value for b in BatchShown), "batch."),
    "who": (("team", "authority", "school"), "pages.who."),
    "input": (("returns", "quarantined", "results"), "pages.input."),
}


@dataclass(frozen=True)
class PageTable:
    """A table of a page.

    Attributes:
        columns: kind by name, in order.
        search: whether it can be narrowed by what is typed.
        filter: the column by whose words it can be narrowed, or none.
    """

    name: str
    columns: dict[str, str]
    search: bool = False
    filter: str | None = None


@dataclass(frozen=True)
class Section:
    """A section, and the tables that it has on each kind of page."""

    name: str
    tables: dict[str, tuple[PageTable, ...]]


@dataclass(frozen=True)
class Need:
    """Something that a person has to do: in order of urgency; who does it, and in which section more is said of it."""

    need: str
    who: str
    section: str
    text_en: str
    text_cy: str
    action_en: str
    action_cy: str


def parse_pages(content: str, source: str = "pages.toml") -> tuple[Section, ...]:
    """Read the layout.

    Args:
        content: the TOML text.
        source: how to name it in a fault.

    Raises:
        ConfigurationFault: with every unknown key, table and kind, and every table that no section has.
    """
    given = toml_of(content, source)
    faults = [both("fault.unknown_key", key=key) for key in sorted(set(given) - {"sections", "tables"})]
    tables: dict[str, Any] = given.get("tables", {})
    sections: dict[str, Any] = given.get("sections", {})
    for name, block in tables.items():
        columns = block.get("columns", {})
        allowed = {"columns", "search", "filter"}
        faults += [both("fault.unknown_key", key=key).at(f"[{name}]") for key in sorted(set(block) - allowed)]
        faults += [
            both("fault.one_of", column=column, allowed=", ".join(_KINDS)).at(f"[{name}]")
            for column, kind in columns.items()
            if kind not in _KINDS and kind.removeprefix("word:") not in WORDS
        ]
        if not columns or ("filter" in block and not str(columns.get(block["filter"])).startswith("word:")):
            faults.append(both("fault.missing_key", key="columns" if not columns else "filter").at(f"[{name}]"))
    for name, block in sections.items():
        faults += [
            both("fault.unknown_key", key=key).at(f"[{name}]")
            for key in (*sorted(set(block) - {AUTHORITY, WALES}), *sorted(_named(block) - set(tables)))
        ]
    unused = sorted(set(tables) - {one for block in sections.values() for one in _named(block)})
    faults += [both("fault.unknown_key", key=name) for name in unused]
    if faults:
        raise ConfigurationFault(source, faults)
    known = {name: PageTable(name, **block) for name, block in tables.items()}
    return tuple(
        Section(name, {page: tuple(known[one] for one in block.get(page, ())) for page in (AUTHORITY, WALES)})
        for name, block in sections.items()
    )


def parse_address(content: str, source: str = "pages.toml") -> str:
    """Where a data root is served, from its own `reference/pages.toml`: `address = "https://../"`.

    Raises:
        ConfigurationFault: no TOML, another key, or no address that ends in a slash.
    """
    given = toml_of(content, source)
    faults = [both("fault.unknown_key", key=key) for key in sorted(set(given) - {"address"})]
    address = given.get("address")
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
        faults.append(both("fault.address"))
    if faults:
        raise ConfigurationFault(source, faults)
    return str(address)


def _named(block: dict[str, list[str]]) -> set[str]:
    return {one for named in block.values() for one in named}


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
    return tuple(parse_table(text_of(_NEEDS), Need, _NEEDS.name))
