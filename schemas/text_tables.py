"""Reads the small CSV tables of codes and texts, strictly: every fault of a file is told at once.

To add a table: a dataclass with a field per column and a loader that names which may be empty.
"""

import csv
import io
from dataclasses import fields
from typing import Any, TypeVar

from schemas.faults import ConfigurationFault

Row = TypeVar("Row")


def parse_table(text: str, row_type: type[Row], source: str, may_be_empty: frozenset[str] = frozenset()) -> list[Row]:
    """Rows of a CSV whose columns are exactly the fields of a dataclass; its first column is unique.

    Args:
        text: the CSV text.
        row_type: a dataclass of text fields.
        source: how to name the text in a fault.
        may_be_empty: columns that need no value.

    Raises:
        ConfigurationFault: columns missing or not known, values missing, a code twice.
    """
    names = [f.name for f in fields(row_type)]  # type: ignore[arg-type]
    reader = csv.DictReader(io.StringIO(text))
    odd = sorted(set(reader.fieldnames or []) ^ set(names))
    if odd:
        raise ConfigurationFault(source, [f"column {name!r} is missing or not known" for name in odd])
    rows: list[dict[str, Any]] = list(reader)
    codes = [row[names[0]] for row in rows]
    ragged = [row[names[0]] for row in rows if None in row or None in row.values()]
    if ragged:
        raise ConfigurationFault(source, [f"{code}: the row has more or fewer cells than columns" for code in ragged])
    faults = [
        f"{row[names[0]]}: {name} is empty"
        for row in rows
        for name in names
        if not row[name] and name not in may_be_empty
    ]
    faults += [f"{code}: stands twice" for code in sorted({c for c in codes if codes.count(c) > 1})]
    if faults:
        raise ConfigurationFault(source, faults)
    return [row_type(**row) for row in rows]
