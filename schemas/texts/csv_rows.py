"""Reads the rows of a CSV of codes or texts, adds the Welsh to their English, and returns faults as messages.

A field that ends in `_cy` (or is `cy`) is the Welsh of the field that ends in `_en`. It comes from the catalogue
(`schemas.texts.translations`), unless the file has that column itself, as a person's own table may.
Does not belong here: sentences, which come from such a file themselves (`schemas.texts.catalogue`), and the contents of a
code table (`schemas.codes.code_table`).
"""

import csv
import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from schemas.texts.faults import Message
from schemas.texts.translations import Translation, welsh_of

Row = dict[str, str]

#: Columns of a person's own table that the service ignores.
_FOR_ITS_KEEPER = frozenset({"cy_review"})
_TOO_MANY = "more cells than the heading"


def read_rows(
    content: str,
    source: str,
    names: Sequence[str],
    may_be_empty: frozenset[str] = frozenset(),
    *,
    replaces_shipped: bool = False,
    catalogue: dict[str, Translation] | None = None,
    check: Callable[[Row], Sequence[object]] = lambda _: (),
) -> tuple[list[Row], list[Message]]:
    """Return the rows of a table with their Welsh, and their faults.

    Args:
        content: CSV with the columns `names`; the first is unique.
        source: the file's name; without its ending, the table's name in the catalogue.
        names: the columns, including Welsh ones.
        may_be_empty: columns that need no value.
        replaces_shipped: whether the table is a person's own, used instead of the shipped one.
        catalogue: the Welsh; None for the shipped catalogue.
        check: returns further faults of a row.

    Returns:
        The rows by column, in file order; none if a column is wrong. A cell of only blanks counts as empty. And messages:
        missing or unknown columns; otherwise rows with too few or too many cells or an empty value, repeated codes, and the
        faults of `check`; otherwise faults of the Welsh.
    """
    reader = csv.DictReader(io.StringIO(content), restkey=_TOO_MANY)
    columns = set(reader.fieldnames or []) - (_FOR_ITS_KEEPER - set(names) if replaces_shipped else set())
    welsh = {name: f"{name[:-2]}en" for name in names if (name == "cy" or name.endswith("_cy")) and name not in columns}
    needed = [name for name in names if name not in welsh]
    odd = sorted(columns ^ set(needed))
    if odd:
        return [], [Message("fault.table_column", column=name) for name in odd]
    rows: list[Row] = [{name: "" if str(cell).isspace() else cell for name, cell in row.items()} for row in reader]
    key = names[0]
    faults = [
        Message("fault.in_line", line=line, code=row[key], fault=fault)
        for line, row in enumerate(rows, 2)
        for fault in _row_faults(row, [name for name in needed if name not in may_be_empty], check)
    ]
    times = Counter(row[key] for row in rows)
    faults += [Message("fault.twice", code=code) for code in sorted(times) if times[code] > 1]
    if faults:
        return rows, faults
    english = {_at(row[key], name): row[name] for name in welsh.values() for row in rows if row[name]}
    texts, faults = welsh_of(Path(source).stem, english, catalogue, whole=not replaces_shipped)
    return [{**row, **{name: texts.get(_at(row[key], en), "") for name, en in welsh.items()}} for row in rows], faults


def _row_faults(row: Row, filled: list[str], check: Callable[[Row], Sequence[object]]) -> list[object]:
    if _TOO_MANY in row:
        return [Message("fault.too_many_cells")]
    if None in row.values():
        return [Message("fault.too_few_cells")]
    return [*(Message("fault.empty", column=name) for name in filled if not row[name]), *check(row)]


def _at(key: str, english: str) -> str:
    return f"{key}:{english.removesuffix('en').removesuffix('_') or 'text'}"
