"""Reads one PLASC XML return: its header, its pupils as text, its leavers counted, its unknown elements counted.

Which element holds which field is data (`schemas/plasc`). Values stay as the school sent them; nothing is judged here.
"""

import datetime as dt
from collections import Counter
from dataclasses import dataclass

import pandas as pd
from lxml import etree

from schemas.faults import Refused
from schemas.plasc_layouts import HEADER_PATHS, NO_LONGER_ON_ROLL, ON_ROLL, PlascLayout
from schemas.tables import PUPIL_FIELDS


@dataclass(frozen=True)
class ReturnHeader:
    """What a return says of itself; text as sent, trimmed."""

    la_code: str
    estab: str
    collection: str
    census_date: str
    header_datetime: str
    serial_no: str
    layout: str

    @property
    def school_number(self) -> str:
        """Authority and establishment, seven digits."""
        return self.la_code + self.estab


@dataclass(frozen=True)
class PlascReturn:
    """A return, read.

    Attributes:
        pupils: ordinal (from 1, in file order) and the pupil fields, text as sent, null where absent or empty.
        leavers: records of pupils no longer on roll; they are not read.
        unknown_elements: element path below the pupil record -> how often it occurs.
    """

    header: ReturnHeader
    pupils: pd.DataFrame
    leavers: int
    unknown_elements: dict[str, int]


def read_header(content: bytes, layouts: dict[str, PlascLayout]) -> ReturnHeader:
    """The header of a return; the whole file is parsed, so that one that is cut off is found here.

    Raises:
        Refused: the file cannot be used; the reason is one of `schemas/quarantine_reasons.csv`.
    """
    root = _root(content, layouts)
    return _header(root, _layout(root, layouts))


def read_return(content: bytes, layouts: dict[str, PlascLayout]) -> PlascReturn:
    """A whole return.

    Raises:
        Refused: as `read_header`.
    """
    root = _root(content, layouts)
    layout = _layout(root, layouts)
    column_of = {path: (field, rank) for field, paths in layout.paths.items() for rank, path in enumerate(paths)}
    unknown: Counter[str] = Counter()
    values: dict[str, list[str | None]] = {field: [] for field in PUPIL_FIELDS}
    records = _records(root, ON_ROLL)
    for record in records:
        found: dict[str, tuple[int, str | None]] = {}
        _gather(record, "", column_of, layout.known, found, unknown)
        for field, column in values.items():
            column.append(found[field][1] if field in found else None)
    pupils = pd.DataFrame({field: pd.Series(column, dtype="str") for field, column in values.items()})
    pupils.insert(0, "ordinal", pd.Series(range(1, len(records) + 1), dtype="int64"))
    leavers = len(_records(root, NO_LONGER_ON_ROLL))
    return PlascReturn(_header(root, layout), pupils, leavers, dict(sorted(unknown.items())))


def _gather(
    element: etree._Element,
    above: str,
    column_of: dict[str, tuple[str, int]],
    known: tuple[str, ...],
    found: dict[str, tuple[int, str | None]],
    unknown: "Counter[str]",
) -> None:
    for child in element.iterchildren(etree.Element):
        path = above + _local(child)
        target = column_of.get(path)
        if target is not None:
            field, rank = target
            if child.text and (field not in found or rank < found[field][0]):
                found[field] = (rank, child.text)
        elif len(child):
            if f"{path}/*" not in known:
                _gather(child, f"{path}/", column_of, known, found, unknown)
        elif path not in known and f"{path}/*" not in known:
            unknown[path] += 1


def _local(element: etree._Element) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _root(content: bytes, layouts: dict[str, PlascLayout]) -> etree._Element:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    # Refused before parsing, so that no entity is ever looked at; a declaration must stand before the root element.
    if b"<!DOCTYPE" in content[:65536].upper():
        raise Refused("doctype")
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise Refused("not_xml", f"line {line}, column {column}") from None
    except ValueError:
        raise Refused("not_xml") from None
    if root.getroottree().docinfo.doctype:  # type: ignore[union-attr]  # older stubs do not know it
        raise Refused("doctype")
    if _local(root) not in {layout.root for layout in layouts.values()}:
        raise Refused("wrong_root", f"the root element is {_local(root)[:40]}")
    return root


def _records(root: etree._Element, path: tuple[str, ...]) -> list[etree._Element]:
    level = [root]
    for name in path:
        level = [c for e in level for c in e.iterchildren(f"{{*}}{name}")]
    return level


def _layout(root: etree._Element, layouts: dict[str, PlascLayout]) -> PlascLayout:
    """The layout whose identifier container, and marker if it has one, occur in the first record; else the first."""
    record = next(iter(_records(root, ON_ROLL) or _records(root, NO_LONGER_ON_ROLL)), None)
    best = next(iter(layouts.values()))
    if record is None:
        return best
    names = {_local(e) for e in record.iter(etree.Element)}
    fitting = [x for x in layouts.values() if x.identifiers in names and (not x.marker or x.marker in names)]
    return max(fitting, key=lambda x: bool(x.marker)) if fitting else best


def _header(root: etree._Element, layout: PlascLayout) -> ReturnHeader:
    found: dict[str, str] = {}
    for name, path in HEADER_PATHS.items():
        elements = _records(root, tuple(path.split("/")))
        text = (elements[0].text or "").strip() if elements else ""
        if not text and name != "serial_no":
            raise Refused("header_incomplete", path)
        found[name] = text
    if found["collection"] not in layout.collections:
        raise Refused("wrong_collection", f"{found['collection'][:40]!r}; taken are {', '.join(layout.collections)}")
    try:
        dt.date.fromisoformat(found["census_date"][:10])
    except ValueError:
        raise Refused("bad_census_date", f"{found['census_date'][:20]!r}") from None
    return ReturnHeader(**found, layout=layout.name)
