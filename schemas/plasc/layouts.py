"""PLASC layouts as data: which element holds which field, for each layout of the return, and of what may stand in for one.

To add a year's layout: a block in `plasc/layouts.toml` and a column in `plasc/paths.csv` (field x layout -> path,
aliases separated by |, - where the layout has no such element). To add a pupil field: a row in `plasc/paths.csv`
(`docs/how-to/add-a-pupil-field.md`). Nothing here opens a return.
"""

import csv
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from schemas.tables import PUPIL_FIELDS
from schemas.texts.catalogue import Both, both
from schemas.texts.edited_files import text_of, toml_of
from schemas.texts.faults import ConfigurationFault

_FOLDER = Path(__file__).parent
_TEXTS = ("root", "on_roll", "no_longer_on_roll", "identifiers")
_LISTS = ("collections", "known")
_NO_ELEMENT = "-"
HEADER_FIELDS = ("la_code", "estab", "collection", "census_date", "header_datetime", "serial_no")


@dataclass(frozen=True)
class PlascLayout:
    """One layout.

    Attributes:
        on_roll, no_longer_on_roll: paths from the root element to the records of pupils, and of those who left.
        identifiers: the container in a record that tells this layout from others.
        marker: an element that, besides, must occur in that container, or empty.
        header: fact of the header -> path from the root element.
        collections: accepted values of the header's collection.
        paths: field -> element paths below the pupil record, the first that holds something is taken; none where the layout
            has no such element.
        known: element paths that are known and not used; a leading / counts from the root element, an ending /* stands
            for everything below.
        request: whether it stands in for a return: it counts where its school has sent none, and has the day on which it
            was made for a census date.
        destination: paths from the root element to what, put together, is the number of the school that it is for.
    """

    name: str
    root: str
    on_roll: str
    no_longer_on_roll: str
    identifiers: str
    header: dict[str, str]
    collections: tuple[str, ...]
    paths: dict[str, tuple[str, ...]]
    known: frozenset[str]
    marker: str = ""
    request: bool = False
    destination: tuple[str, ...] = ()


def parse_layouts(layouts_toml: str, paths_csv: str) -> dict[str, PlascLayout]:
    """Read layouts.

    Args:
        layouts_toml: a block per layout, and the block `shared` for what all have unless they say otherwise.
        paths_csv: a row per field of `tables.PUPIL_FIELDS`; a column per layout, and those of `tables.parse_pupil_columns`.

    Raises:
        ConfigurationFault: with every unknown, missing or ill-typed key, and every faulty column, field and path.
    """
    blocks = toml_of(layouts_toml, "layouts.toml")
    shared = blocks.pop("shared", {})
    merged = {name: {**shared, **block} for name, block in blocks.items()}
    reader = csv.DictReader(io.StringIO(paths_csv))
    columns, rows = list(reader.fieldnames or []), list(reader)
    faults: list[str] = [] if merged else [both("fault.no_layout")]
    faults += [fault.at(f"[{name}]") for name, block in merged.items() for fault in _block_faults(block)]
    faults += _path_faults(columns, rows, list(merged))
    if faults:
        raise ConfigurationFault("schemas/plasc", faults)
    path_of = {row["field"]: row for row in rows}
    return {
        name: PlascLayout(
            name=name,
            **{key: block[key] for key in _TEXTS},
            header=block["header"],
            collections=tuple(block["collections"]),
            paths={field: _paths(path_of[field][name]) for field in PUPIL_FIELDS},
            known=frozenset(block["known"]),
            marker=block.get("marker", ""),
            request=block.get("request", False),
            destination=tuple(block.get("destination", ())),
        )
        for name, block in merged.items()
    }


def _block_faults(block: dict[str, Any]) -> list[Both]:
    needed = (*_TEXTS, *_LISTS, "header")
    faults = [
        both("fault.unknown_key", key=key) for key in sorted(set(block) - {*needed, "marker", "request", "destination"})
    ]
    faults += [both("fault.missing_key", key=key) for key in needed if key not in block]
    texts = [key for key in (*_TEXTS, "marker") if key in block]
    faults += [both("fault.a_text", key=key) for key in texts if not (isinstance(block[key], str) and block[key])]
    faults += [both("fault.wrong_kind", key="request")] if type(block.get("request", False)) is not bool else []
    lists = [key for key in (*_LISTS, "destination") if key in block]
    faults += [both("fault.a_list", key=key) for key in lists if not _is_list_of_texts(block[key])]
    header = block.get("header", {})
    if not isinstance(header, dict) or not all(isinstance(path, str) and path for path in header.values()):
        return [*faults, both("fault.header_paths")]
    odd = sorted(set(header) ^ set(HEADER_FIELDS)) if "header" in block else []
    return faults + [both("fault.table_column", column=field).at("header:") for field in odd]


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, str) and item for item in value)


def _paths(cell: str) -> tuple[str, ...]:
    """The paths in a cell of `paths.csv`; none where it says that the layout has no such element."""
    return () if cell == _NO_ELEMENT else tuple(cell.split("|"))


def _path_faults(columns: list[str], rows: list[dict[str, str]], layouts: list[str]) -> list[Both]:
    odd = sorted(set(columns) ^ {"field", "tier", "since", *layouts})
    faults = [both("fault.path_column", column=column) for column in odd]
    fields = [row.get("field") or "" for row in rows]
    faults += [both("fault.path_field", field=f) for f in sorted(set(fields) ^ set(PUPIL_FIELDS))]
    faults += [both("fault.twice", code=f).at("paths.csv:") for f in sorted({f for f in fields if fields.count(f) > 1})]
    for layout in layouts:
        if layout not in columns:
            continue
        taken: dict[str, str] = {}
        for row, field in zip(rows, fields, strict=True):
            for path in _paths(row[layout] or ""):
                if not path.strip("/") or path != path.strip():
                    faults.append(both("fault.path_blank", field=field, layout=layout))
                elif path in taken:
                    faults.append(both("fault.path_twice", path=path, layout=layout, one=taken[path], other=field))
                taken[path] = field
    return faults


@cache
def all_layouts() -> dict[str, PlascLayout]:
    """The shipped layouts, by name, in the order in which they are tried."""
    layouts, paths = (text_of(_FOLDER / name) for name in ("layouts.toml", "paths.csv"))
    return parse_layouts(layouts, paths)


def request_layouts() -> list[str]:
    """The names of the layouts that stand in for a return."""
    return [layout.name for layout in all_layouts().values() if layout.request]
