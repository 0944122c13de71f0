"""Reads CSV tables of codes strictly: a class describes a row, and all faults of a file are listed at once.

A field that ends in `_cy` takes its Welsh from the catalogue (`schemas.texts.csv_rows`).
To add a table: a `Checked` class with a field for each column, and a call of `load_table`.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from schemas.texts.catalogue import sentence
from schemas.texts.csv_rows import read_rows
from schemas.texts.edited_files import Checked, compared, text_of
from schemas.texts.faults import ConfigurationFault, Message
from schemas.texts.translations import Translation

R = TypeVar("R", bound=Checked)


def load_table(
    row_type: type[R], shipped: Path, reference: Path | None = None, needed: Iterable[str] = ()
) -> dict[str, R]:
    """Return the rows of a table by code, in file order; a file of its name in the folder `reference` replaces it.

    Raises:
        ConfigurationFault: the table is wrong; lists every fault (`parse_table`).
    """
    path = shipped if reference is None or not (reference / shipped.name).exists() else reference / shipped.name
    rows: dict[str, R] = _load(row_type, path, path.stat().st_mtime_ns, path != shipped, tuple(needed))
    return rows


@cache
def _load(row_type: Any, path: Path, _changed: int, replaces_shipped: bool, needed: tuple[str, ...]) -> Any:
    return parse_table(text_of(path), row_type, path.name, replaces_shipped=replaces_shipped, needed=needed)


def parse_table(
    content: str,
    row_type: type[R],
    source: str,
    may_be_empty: frozenset[str] = frozenset(),
    *,
    replaces_shipped: bool = False,
    needed: Iterable[str] = (),
    catalogue: dict[str, Translation] | None = None,
) -> dict[str, R]:
    """Read a table.

    Args:
        content: the CSV text; its columns are the fields of `row_type`, and the first is unique.
        row_type: a class of texts; its annotations hold the other rules.
        source: the file's name in faults; without its ending, the table's name in the catalogue.
        may_be_empty: columns that need no value.
        replaces_shipped: whether the table is a data root's, used instead of the shipped one.
        needed: codes that must be in the table.
        catalogue: the Welsh; None for the shipped catalogue.

    Returns:
        The rows by code, in file order.

    Raises:
        ConfigurationFault: lists all missing and unknown columns; if there are none, all faults of the rows; if there are
            none, all faults of their Welsh.
    """
    names = list(row_type.model_fields)
    rows, messages = read_rows(
        content,
        source,
        names,
        may_be_empty,
        replaces_shipped=replaces_shipped,
        catalogue=catalogue,
        check=lambda row: compared(row_type, {name: row.get(name, "") for name in names})[1],
    )
    codes = {row[names[0]] for row in rows}
    if codes or not messages:  # if a column is wrong, no row was read
        messages += [Message("fault.code_missing", code=code) for code in needed if code not in codes]
    if messages:
        raise ConfigurationFault(source, [sentence(message) for message in messages])
    return {row[names[0]]: row_type(**{name: row[name] for name in names}) for row in rows}
