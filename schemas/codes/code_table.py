"""Reads CSV tables of codes strictly: a class describes a row, and all faults of a file are listed at once.

A field that ends in `_cy` takes its Welsh from the catalogue (`schemas.texts.csv_rows`).
To add a table: a `Checked` dataclass with a field for each column, and a call of `load_table`.
"""

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from schemas.texts.catalogue import sentence
from schemas.texts.csv_rows import Row, read_rows
from schemas.texts.edited_files import compared, sentences, text_of
from schemas.texts.faults import ConfigurationFault, Message
from schemas.texts.translations import Translation

R = TypeVar("R")


def load_table(row_type: type[R], path: Path, *, own: bool = False, needed: Iterable[str] = ()) -> dict[str, R]:
    """Return the rows of a table by code, in file order (`parse_table`)."""
    return parse_table(text_of(path), row_type, path.name, own=own, needed=needed)


def parse_table(
    content: str,
    row_type: type[R],
    source: str,
    may_be_empty: frozenset[str] = frozenset(),
    *,
    own: bool = False,
    needed: Iterable[str] = (),
    catalogue: dict[str, Translation] | None = None,
) -> dict[str, R]:
    """Read a table.

    Args:
        content: the CSV text; its columns are the fields of `row_type`, and the first is unique.
        row_type: a dataclass of texts; its annotations hold the other rules.
        source: the file's name in faults; without its ending, the table's name in the catalogue.
        may_be_empty: columns that need no value.
        own: whether the table is a data root's, used instead of the shipped one.
        needed: codes that must be in the table.
        catalogue: the Welsh; None for the shipped catalogue.

    Returns:
        The rows by code, in file order.

    Raises:
        ConfigurationFault: lists all missing and unknown columns; if there are none, all faults of the rows; if there are
            none, all faults of their Welsh.
    """
    names = [field.name for field in fields(row_type)]  # type: ignore[arg-type]
    codes: set[str] = set()

    def faults_of(row: Row) -> list[Any]:
        codes.add(row[names[0]])
        return list(sentences(compared(row_type, {name: row.get(name, "") for name in names})[1]))

    rows, messages = read_rows(content, source, names, may_be_empty, own=own, catalogue=catalogue, check=faults_of)
    if codes or not messages:  # if a column is wrong, no row was read
        messages += [Message("fault.code_missing", code=code) for code in needed if code not in codes]
    if messages:
        raise ConfigurationFault(source, [sentence(message) for message in messages])
    return {row[names[0]]: row_type(**{name: row[name] for name in names}) for row in rows}
