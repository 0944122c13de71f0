"""PLASC layouts as data: which element holds which field, for each layout of the return.

To add a year's layout: a block in `plasc/layouts.toml`, a column in `plasc/paths.csv` (field x layout -> path, aliases
separated by |), and where needed lines in `plasc/known_elements.txt`.
"""

import csv
import io
import tomllib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path

from schemas.faults import ConfigurationFault
from schemas.tables import PUPIL_FIELDS

_FOLDER = Path(__file__).with_name("plasc")
#: Where the header's facts stand; the same in every layout known (public census code lists, Header).
HEADER_PATHS = {
    "la_code": "Header/Source/LEA",
    "estab": "Header/Source/Estab",
    "collection": "Header/CollectionDetails/Collection",
    "census_date": "Header/CollectionDetails/ReferenceDate",
    "header_datetime": "Header/Source/DateTime",
    "serial_no": "Header/Source/SerialNo",
}
ON_ROLL = ("Pupils", "PupilsOnRoll", "PupilOnRoll")
NO_LONGER_ON_ROLL = ("Pupils", "PupilsNoLongerOnRoll", "PupilNoLongerOnRoll")


@dataclass(frozen=True)
class PlascLayout:
    """One layout.

    Attributes:
        identifiers: the container that tells this layout from others.
        marker: an element that, besides, must occur in a pupil record, or empty.
        collections: accepted values of Header/CollectionDetails/Collection.
        paths: field -> element paths below the pupil record, the first that holds something is taken.
        known: element paths that are known and not used; an ending /* stands for everything below.
    """

    name: str
    title_en: str
    title_cy: str
    root: str
    identifiers: str
    marker: str
    collections: tuple[str, ...]
    paths: dict[str, tuple[str, ...]]
    known: tuple[str, ...]


def parse_layouts(layouts_toml: str, paths_csv: str, known_text: str) -> dict[str, PlascLayout]:
    """Read layouts.

    Raises:
        ConfigurationFault: with every unknown or missing key, column and field.
    """
    blocks = tomllib.loads(layouts_toml)
    rows = {row["field"]: row for row in csv.DictReader(io.StringIO(paths_csv))}
    keys = {f.name for f in fields(PlascLayout)} - {"name", "paths", "known"}
    faults = [f"[{n}] unknown key {k!r}" for n, b in blocks.items() for k in sorted(set(b) - keys)]
    faults += [f"[{n}] missing key {k!r}" for n, b in blocks.items() for k in sorted(keys - {"marker"} - set(b))]
    faults += [f"paths.csv: field {f!r} is missing or not known" for f in sorted(set(rows) ^ set(PUPIL_FIELDS))]
    faults += [f"paths.csv: no path for {f} in {n}" for n in blocks for f, row in rows.items() if not row.get(n)]
    columns = set(next(iter(rows.values()), {})) - {"field"}
    faults += [f"paths.csv: column {c!r} is no layout" for c in sorted(columns - set(blocks))]
    if faults:
        raise ConfigurationFault("schemas/plasc", faults)
    known = tuple(line for line in known_text.splitlines() if line and not line.startswith("#"))
    return {
        name: PlascLayout(
            name=name,
            **{**block, "marker": block.get("marker", ""), "collections": tuple(block["collections"])},
            paths={f: tuple(rows[f][name].split("|")) for f in PUPIL_FIELDS},
            known=known,
        )
        for name, block in blocks.items()
    }


@cache
def all_layouts() -> dict[str, PlascLayout]:
    """The shipped layouts, by name, in the order in which they are tried."""
    texts = [
        (_FOLDER / name).read_text(encoding="utf-8") for name in ("layouts.toml", "paths.csv", "known_elements.txt")
    ]
    return parse_layouts(*texts)
