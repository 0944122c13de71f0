"""The pupils of a return as columns, by a reader that goes straight from XML to Arrow; the fast half of `reader`.

It gives what the walk over elements gives, or nothing: wherever it cannot be sure, the caller walks. It is no gate:
only content that `reader.inspect` has taken may come here.
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

#: The reader knows UTF-8 alone: no halves or mark of UTF-16, no declaration of anything else.
_TWO_BYTES = re.compile(rb"\xff\xfe|\xfe\xff|.{0,3}\0", re.DOTALL)
_OTHER_ENCODING = re.compile(rb"encoding\s*=\s*[\"'](?!utf-?8[\"']|(?:us-)?ascii[\"'])", re.IGNORECASE)
#: Paths that mean the same to the reader as to the walk.
_PLAIN_PATH = re.compile(r"[^\W\d][\w.-]*(/[^\W\d][\w.-]*)*")
_ENOUGH = 1000


def pupil_columns(
    content: bytes, layout: PlascLayout, others: Collection[PlascLayout], declared: int, unknown: Collection[str]
) -> pa.Table | None:
    """The pupils, or None where only the walk is sure to read them rightly.

    Args:
        content: a return that `inspect` has taken.
        layout: the layout that it found.
        others: layouts that single records may be in.
        declared: how many records it counted.
        unknown: paths of the unknown elements that it found.

    Returns:
        A table of `PUPILS_SCHEMA`, in file order.
    """
    paths = tuple(path for alternatives in layout.paths.values() for path in alternatives)
    if not (_in_utf8(content) and _apart(paths, layout.known) and _by_one_layout(content, layout, others)):
        return None
    # The walk takes a field's text up to the first element within it, the reader all of it.
    if len(unknown) >= _ENOUGH or any(f"{met}/".startswith(f"{path}/") for met in unknown for path in paths):
        return None
    if b"\r" in content:  # as any XML parser must, and this one does not
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    try:
        rows = _reader(f"/{layout.root}/{layout.on_roll}", paths).parse(content)["pupils"]
    except Exception:  # noqa: BLE001 - a field that stands twice, for one; its message quotes the return and goes nowhere
        return None
    if rows.num_rows != declared:
        return None
    columns = [_first_filled([_without_empty(rows[path]) for path in layout.paths[field]]) for field in PUPIL_FIELDS]
    ordinal = pa.array(range(1, declared + 1), pa.int64())
    return pa.Table.from_arrays([ordinal, *columns], schema=PUPILS_SCHEMA)


def _in_utf8(content: bytes) -> bool:
    if _TWO_BYTES.match(content):
        return False
    declaration = content[: content.find(b"?>")] if b"<?xml" in content[:8] else b""
    return _OTHER_ENCODING.search(declaration) is None


def _apart(paths: tuple[str, ...], known: Collection[str]) -> bool:
    """Whether no field stands within another, nor within or above what is passed over."""
    if not all(_PLAIN_PATH.fullmatch(path) for path in paths):
        return False
    closed = [path.partition("*")[0] for path in known if "*" in path]
    within_field = any(path.startswith(f"{one}/") for path in (*paths, *known) for one in paths)
    return not within_field and not any(path.startswith(one) for path in paths for one in closed)


def _by_one_layout(content: bytes, layout: PlascLayout, others: Collection[PlascLayout]) -> bool:
    """Whether no other layout's container is named in the file."""
    names = {one.identifiers.encode() for one in others if one.root == layout.root} - {layout.identifiers.encode()}
    return not any(mark + name in content for name in names for mark in (b"<", b":"))


def _without_empty(column: pa.Array) -> pa.Array:
    """A marked section in which nothing stands is no text either."""
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def _first_filled(columns: list[pa.Array]) -> pa.Array:
    """Of each row the first text that is more than blanks, otherwise the first that is there."""
    there = [column for column in columns if column.null_count < len(column)]
    if len(there) < 2:
        return there[0] if there else columns[0]
    filled = [pc.if_else(pc.utf8_is_space(column), pa.scalar(None, pa.string()), column) for column in there]
    return pc.coalesce(*filled, *there)


@lru_cache(maxsize=16)
def _reader(record: str, paths: tuple[str, ...]) -> XmlToArrowParser:
    """A reader with a column for each path below the record."""
    fields: list[dict[str, Any]] = [
        {"name": path, "xml_path": f"{record}/{path}", "data_type": "Utf8", "nullable": True} for path in paths
    ]
    table = {"name": "pupils", "xml_path": record.rpartition("/")[0], "levels": [], "fields": fields}
    with tempfile.TemporaryDirectory() as folder:  # it takes its settings from a file alone
        settings = Path(folder) / "reader.yaml"
        settings.write_text(json.dumps({"tables": [table]}), encoding="utf-8")
        return XmlToArrowParser(settings)
