"""The fast half of `reader`: reads a return's pupils straight from XML into Arrow columns.

It gives the same table as the element walk of `reader`, or None wherever it cannot be sure. It checks nothing: pass it
only content that `reader.inspect` has accepted.
"""

import json
import re
import tempfile
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from xml2arrow import XmlToArrowParser

from schemas.plasc.layouts import PlascLayout
from schemas.tables import PUPIL_FIELDS

#: Ordinal and the pupil fields, text as sent.
PUPILS_SCHEMA = pa.schema([("ordinal", pa.int64()), *((field, pa.string()) for field in PUPIL_FIELDS)])

#: xml2arrow reads UTF-8 only. These find UTF-16 (its mark or null bytes) and a declaration of another encoding.
_TWO_BYTES = re.compile(rb"\xff\xfe|\xfe\xff|.{0,3}\0", re.DOTALL)
_OTHER_ENCODING = re.compile(rb"encoding\s*=\s*[\"'](?!utf-?8[\"']|(?:us-)?ascii[\"'])", re.IGNORECASE)
#: Paths that mean the same to xml2arrow as to the element walk.
_PLAIN_PATH = re.compile(r"[^\W\d][\w.-]*(/[^\W\d][\w.-]*)*")
_ENOUGH = 1000


def pupil_columns(
    content: bytes, layout: PlascLayout, others: Collection[PlascLayout], declared: int, unknown: Collection[str]
) -> pa.Table | None:
    """Return the pupils of a return that `inspect` has accepted, or None where only the element walk is certain.

    `layout`, `declared` (number of records) and `unknown` (paths of elements) are as `inspect` has reported them; `others`
    are the layouts that single records may be in.

    Returns:
        A table of `PUPILS_SCHEMA`, in file order.
    """
    paths = tuple(path for alternatives in layout.paths.values() for path in alternatives)
    if not (_in_utf8(content) and _disjoint(paths, layout.known) and _only_in(content, layout, others)):
        return None
    # An element inside a field: the element walk takes the text before it, xml2arrow all the text. A full list of unknown
    # paths may lack such an element.
    if len(unknown) >= _ENOUGH or any(f"{new}/".startswith(f"{path}/") for new in unknown for path in paths):
        return None
    if b"\r" in content:  # XML requires this of a parser; xml2arrow does not do it
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        rows = _reader(f"/{layout.root}/{layout.on_roll}", paths).parse(content)["pupils"]
    except Exception:  # noqa: BLE001 - e.g. a field that occurs twice; the message quotes the return, so it is dropped
        return None
    if rows.num_rows != declared:
        return None
    absent = [pa.nulls(declared, pa.string())]
    columns = [
        _first_filled([_without_empty(rows[path]) for path in layout.paths[field]] or absent) for field in PUPIL_FIELDS
    ]
    ordinal = pa.array(range(1, declared + 1), pa.int64())
    return pa.Table.from_arrays([ordinal, *columns], schema=PUPILS_SCHEMA)


def _in_utf8(content: bytes) -> bool:
    if _TWO_BYTES.match(content):
        return False
    declaration = content[: content.find(b"?>")] if b"<?xml" in content[:8] else b""
    return _OTHER_ENCODING.search(declaration) is None


def _disjoint(paths: tuple[str, ...], known: Collection[str]) -> bool:
    """Whether no field is inside another field, or inside or above a part of the record that is skipped."""
    if not all(_PLAIN_PATH.fullmatch(path) for path in paths):
        return False
    closed = [path.partition("*")[0] for path in known if "*" in path]
    within_field = any(path.startswith(f"{field}/") for path in (*paths, *known) for field in paths)
    return not within_field and not any(path.startswith(prefix) for path in paths for prefix in closed)


def _only_in(content: bytes, layout: PlascLayout, others: Collection[PlascLayout]) -> bool:
    names = {item.identifiers.encode() for item in others if item.root == layout.root} - {layout.identifiers.encode()}
    return not any(mark + name in content for name in names for mark in (b"<", b":"))


def _without_empty(column: pa.Array) -> pa.Array:
    """Return the column with null for an empty text (an empty CDATA section), as in the element walk."""
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def _first_filled(columns: list[pa.Array]) -> pa.Array:
    """Return for each row the first text that is not blank, otherwise the first text."""
    present = [column for column in columns if column.null_count < len(column)]
    if len(present) < 2:
        return present[0] if present else columns[0]
    filled = [pc.if_else(pc.utf8_is_space(column), pa.scalar(None, pa.string()), column) for column in present]
    return pc.coalesce(*filled, *present)


@lru_cache(maxsize=16)
def _reader(record: str, paths: tuple[str, ...]) -> XmlToArrowParser:
    fields: list[dict[str, Any]] = [
        {"name": path, "xml_path": f"{record}/{path}", "data_type": "Utf8", "nullable": True} for path in paths
    ]
    table = {"name": "pupils", "xml_path": record.rpartition("/")[0], "levels": [], "fields": fields}
    with tempfile.TemporaryDirectory() as folder:  # it takes settings only from a file
        settings = Path(folder) / "reader.yaml"
        settings.write_text(json.dumps({"tables": [table]}), encoding="utf-8")
        return XmlToArrowParser(settings)
