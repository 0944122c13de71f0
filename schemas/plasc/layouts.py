"""PLASC layouts: the element of each field, in each layout of a return or of a file that replaces a return.

To add a layout or a field: `schemas.plasc`. A cell of `paths.csv` has the element's aliases separated by |, or - if the
layout has no such element.
"""

import csv
import io
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from schemas.tables import PUPIL_FIELDS
from schemas.texts.catalogue import Bilingual, bilingual
from schemas.texts.edited_files import Checked, Condition, Text, Texts, check, named, text_of, toml_of

_FOLDER = Path(__file__).parent
_NO_ELEMENT = "-"


class HeaderPaths(Checked):
    """Paths of a return's header items, from the root element."""

    la_code: Text
    estab: Text
    collection: Text
    census_date: Text
    header_datetime: Text
    serial_no: Text


class PlascLayout(Checked):
    """A layout.

    Attributes:
        on_roll, no_longer_on_roll: paths from the root element to the records of pupils, and of pupils who left.
        identifiers: the container in a record that identifies this layout.
        collections: accepted values of the header's collection.
        known: element paths that are known but not used; a leading / counts from the root element, a final /* covers
            everything below.
        marker: an element that must also occur in the container `identifiers`; empty for none.
        request: whether the file replaces a return: it counts if the school has sent no return, and its census date is the
            day on which it was made.
        destination: paths from the root element whose values, joined, are the number of the school that the file is for.
        paths: element paths below the pupil record, by field; the first with a value is used; none if the layout has no
            such element. From `paths.csv`.
    """

    name: str
    root: Text
    on_roll: Text
    no_longer_on_roll: Text
    identifiers: Text
    header: HeaderPaths
    collections: Texts
    known: Annotated[frozenset[Text], Condition("fault.a_list", bool)]
    marker: Text = ""
    request: bool = False
    destination: Texts = ()
    paths: Annotated[dict[str, tuple[str, ...]], Condition("fault.unknown_key", lambda paths: not paths)] = Field({})


def parse_layouts(layouts_toml: str, paths_csv: str) -> dict[str, PlascLayout]:
    """Read layouts.

    Args:
        layouts_toml: a block for each layout, and the block `shared` with their defaults.
        paths_csv: a row for each of `tables.PUPIL_FIELDS`; a column for each layout, and those of `parse_pupil_columns`.

    Raises:
        ConfigurationFault: lists every unknown, missing or ill-typed key, and every faulty column, field and path.
    """
    blocks = toml_of(layouts_toml, "layouts.toml")
    shared = blocks.pop("shared", {})
    merged = {name: {**shared, **block} if isinstance(block, dict) else block for name, block in blocks.items()}
    named_blocks, faults = named(merged, "name")
    faults += [] if merged else [bilingual("fault.no_layout")]
    reader = csv.DictReader(io.StringIO(paths_csv))
    columns, rows = list(reader.fieldnames or []), list(reader)
    faults += _path_faults(columns, rows, list(merged))
    layouts = check(dict[str, PlascLayout], named_blocks, "schemas/plasc", faults)
    path_of = {row["field"]: row for row in rows}
    return {
        name: layout.model_copy(update={"paths": {key: _paths(path_of[key][name]) for key in PUPIL_FIELDS}})
        for name, layout in layouts.items()
    }


def _paths(cell: str) -> tuple[str, ...]:
    """Return the paths in a cell of `paths.csv`; none if the layout has no such element."""
    return () if cell == _NO_ELEMENT else tuple(cell.split("|"))


def _path_faults(columns: list[str], rows: list[dict[str, str]], layouts: list[str]) -> list[Bilingual]:
    odd = sorted(set(columns) ^ {"field", "tier", "since", *layouts})
    faults = [bilingual("fault.path_column", column=column) for column in odd]
    fields = [row.get("field") or "" for row in rows]
    faults += [bilingual("fault.path_field", field=f) for f in sorted(set(fields) ^ set(PUPIL_FIELDS))]
    faults += [
        bilingual("fault.twice", code=f).at("paths.csv:") for f in sorted({f for f in fields if fields.count(f) > 1})
    ]
    for layout in layouts:
        if layout not in columns:
            continue
        taken: dict[str, str] = {}
        for row, name in zip(rows, fields, strict=True):
            for path in _paths(row[layout] or ""):
                if not path.strip("/") or path != path.strip():
                    faults.append(bilingual("fault.path_blank", field=name, layout=layout))
                elif path in taken:
                    faults.append(bilingual("fault.path_twice", path=path, layout=layout, one=taken[path], other=name))
                taken[path] = name
    return faults


@cache
def all_layouts() -> dict[str, PlascLayout]:
    """Return the shipped layouts, by name, in file order; a reader tries those with a marker first."""
    layouts, paths = (text_of(_FOLDER / name) for name in ("layouts.toml", "paths.csv"))
    return parse_layouts(layouts, paths)


def request_layouts() -> list[str]:
    """Return the names of the layouts that replace a return."""
    return [layout.name for layout in all_layouts().values() if layout.request]
