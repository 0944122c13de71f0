"""Reads the small CSV tables of codes and texts, strictly: every fault of a file is told at once.

A field of a row that ends in `_cy` (or is `cy`) is the Welsh of the one that ends in `_en`: it comes from the catalogue
(`schemas.texts.translations`), unless the file has that column itself, as a table that people keep themselves may.
To add a table: a dataclass with a field per column and a loader that names which may be empty.
"""

import csv
import io
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from schemas.texts.faults import ConfigurationFault, told
from schemas.texts.translations import Translation, welsh_of

Row = TypeVar("Row")

#: In a table of one's own it may stand, and says nothing to the service.
_FOR_ITS_KEEPER = frozenset({"cy_review"})


def parse_table(
    text: str,
    row_type: type[Row],
    source: str,
    may_be_empty: frozenset[str] = frozenset(),
    *,
    own: bool = False,
    catalogue: dict[str, Translation] | None = None,
) -> list[Row]:
    """Rows of a CSV whose columns are the fields of a dataclass, with their Welsh; its first column is unique.

    Args:
        text: the CSV text.
        row_type: a dataclass of text fields.
        source: how to name the text in a fault; without its ending it is the table's name in the catalogue.
        may_be_empty: columns that need no value.
        own: whether it is a table that people keep themselves, in place of a shipped one.
        catalogue: the Welsh; the shipped catalogue where None.

    Raises:
        ConfigurationFault: columns missing or not known, values missing, a code twice; Welsh missing, out of date, or of
            no text.
    """
    names = [f.name for f in fields(row_type)]  # type: ignore[arg-type]
    reader = csv.DictReader(io.StringIO(text))
    given = set(reader.fieldnames or []) - (_FOR_ITS_KEEPER - set(names) if own else set())
    welsh = {name: english for name, english in english_of(names).items() if name not in given}
    odd = sorted(given ^ (set(names) - set(welsh)))
    if odd:
        raise ConfigurationFault(source, [told("fault.table_column", column=name) for name in odd])
    rows: list[dict[str, Any]] = list(reader)
    codes = [row[names[0]] for row in rows]
    ragged = [row[names[0]] for row in rows if None in row or None in row.values()]
    if ragged:
        raise ConfigurationFault(source, [told("fault.table_cells", code=code) for code in ragged])
    faults = [
        told("fault.table_empty", code=row[names[0]], column=name)
        for row in rows
        for name in names
        if name not in welsh and not row[name] and name not in may_be_empty
    ]
    faults += [told("fault.twice", code=code) for code in sorted({c for c in codes if codes.count(c) > 1})]
    if faults:
        raise ConfigurationFault(source, faults)
    complete, faults = in_welsh(Path(source).stem, rows, names[0], welsh, catalogue, whole=not own)
    if faults:
        raise ConfigurationFault(source, faults)
    return [row_type(**{name: row[name] for name in names}) for row in complete]


def english_of(names: list[str]) -> dict[str, str]:
    """The Welsh ones of some columns, each with the English one that it goes with."""
    return {name: f"{name[:-2]}en" for name in names if name == "cy" or name.endswith("_cy")}


def in_welsh(
    table: str,
    rows: list[dict[str, Any]],
    key: str,
    welsh: dict[str, str],
    catalogue: dict[str, Translation] | None = None,
    *,
    whole: bool = True,
) -> tuple[list[dict[str, Any]], list[str]]:
    """Rows of a table with the Welsh of their texts, and what is wrong with it (`translations.welsh_of`).

    Args:
        table: its name.
        rows: its rows, English alone.
        key: the column that makes a row unique.
        welsh: the columns that are added, each with the English one (`english_of`).
        catalogue: the Welsh; the shipped catalogue where None.
        whole: whether these are all rows of the table.
    """
    english = {_at(row[key], name): row[name] for name in welsh.values() for row in rows if row[name]}
    found, faults = welsh_of(table, english, catalogue, whole=whole)
    complete = [{**row, **{name: found.get(_at(row[key], of), "") for name, of in welsh.items()}} for row in rows]
    return complete, faults


def _at(key: str, english: str) -> str:
    return f"{key}:{english.removesuffix('en').removesuffix('_') or 'text'}"
