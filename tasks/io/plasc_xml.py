"""Reads one PLASC XML return: its header, its pupils as text, its leavers counted, its unknown elements counted.

Which element holds which field is data (`schemas/plasc`), so a new layout is added there. Values stay as the school
sent them; nothing is judged here.
"""

import datetime as dt
import re
from collections import Counter
from dataclasses import dataclass

import pandas as pd
from lxml import etree

from schemas.faults import Refused
from schemas.plasc_layouts import PlascLayout
from schemas.tables import PUPIL_FIELDS

#: xs:date or xs:dateTime, with or without a zone. Python's own reader takes week dates and dates without hyphens too.
_ISO_DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(T[0-9:.]+)?(Z|[+-][0-9]{2}:[0-9]{2})?")


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
        unknown_elements: element path below the pupil record -> how often it occurs; a path with a leading / starts at
            the root element: it lies outside the records that were read, so pupils may be missing.
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
    fields = _Fields.of(layout)
    values: dict[str, list[str | None]] = {field: [] for field in PUPIL_FIELDS}
    records = _at(root, layout.on_roll)
    for record in records:
        found = fields.of_record(record)
        for field, column in values.items():
            column.append(found.get(field))
    pupils = pd.DataFrame({field: pd.Series(column, dtype="str") for field, column in values.items()})
    pupils.insert(0, "ordinal", pd.Series(range(1, len(records) + 1), dtype="int64"))
    leavers = len(_at(root, layout.no_longer_on_roll))
    unknown = fields.unknown + _outside(root, layout)
    return PlascReturn(_header(root, layout), pupils, leavers, dict(sorted(unknown.items())))


@dataclass(frozen=True)
class _Fields:
    """Takes the fields out of records, and counts the elements that no layout knows.

    Attributes:
        field_at: path below the record -> field and rank; of a field's paths the one of lowest rank is taken.
        known: paths that are no field and not unknown either.
        unknown: path -> how often it was met.
    """

    field_at: dict[str, tuple[str, int]]
    known: frozenset[str]
    unknown: Counter[str]

    @classmethod
    def of(cls, layout: PlascLayout) -> "_Fields":
        field_at = {path: (field, rank) for field, paths in layout.paths.items() for rank, path in enumerate(paths)}
        parts = [path.split("/") for path in (*field_at, *layout.known)]
        # The containers on the way to what is known are known too, also where one stands there empty.
        containers = {"/".join(names[:n]) for names in parts for n in range(1, len(names))}
        return cls(field_at, layout.known | containers, Counter())

    def of_record(self, record: etree._Element) -> dict[str, str]:
        found: dict[str, tuple[int, str]] = {}
        self._below(record, "", found)
        return {field: text for field, (_, text) in found.items()}

    def _below(self, element: etree._Element, above: str, found: dict[str, tuple[int, str]]) -> None:
        for child in element.iterchildren(etree.Element):
            path = above + _local(child)
            target = self.field_at.get(path)
            if target is not None:
                field, rank = target
                if child.text and (field not in found or rank < found[field][0]):
                    found[field] = (rank, child.text)
            elif not len(child) and path not in self.known:
                self.unknown[path] += 1
            if len(child) and f"{path}/*" not in self.known:
                self._below(child, f"{path}/", found)  # the parser bounds the depth


def _outside(root: etree._Element, layout: PlascLayout) -> Counter[str]:
    """Unknown elements beside the way to the records: pupils in a container of another name must not vanish unseen."""
    ways = [path.split("/") for path in (layout.on_roll, layout.no_longer_on_roll)]
    steps = {"/".join(["", *way[:n]]) for way in ways for n in range(1, len(way) + 1)}
    unknown: Counter[str] = Counter()
    level = [("", root)]
    while level:
        below = [(f"{path}/{_local(child)}", child) for path, e in level for child in e.iterchildren(etree.Element)]
        unknown.update(path for path, _ in below if path not in steps and path not in layout.known)
        level = [(path, child) for path, child in below if path in steps and path.count("/") < max(map(len, ways))]
    return unknown


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
    if root.getroottree().docinfo.internalDTD is not None:
        raise Refused("doctype")
    if _local(root) not in {layout.root for layout in layouts.values()}:
        raise Refused("wrong_root", f"the root element is {_local(root)[:40]}")
    return root


def _at(root: etree._Element, path: str) -> list[etree._Element]:
    """The elements at a path, whatever namespace they are in."""
    level = [root]
    for name in path.split("/"):
        level = [child for element in level for child in element.iterchildren(f"{{*}}{name}")]
    return level


def _layout(root: etree._Element, layouts: dict[str, PlascLayout]) -> PlascLayout:
    """The layout that fits some record, one with a marker before one without; where none fits, the first."""
    by_marker = sorted(layouts.values(), key=lambda layout: not layout.marker)
    return next((layout for layout in by_marker if _fits(root, layout)), next(iter(layouts.values())))


def _fits(root: etree._Element, layout: PlascLayout) -> bool:
    boxes = (
        box
        for path in (layout.on_roll, layout.no_longer_on_roll)
        for record in _at(root, path)
        for box in record.iterchildren(f"{{*}}{layout.identifiers}")
    )
    return any(not layout.marker or box.find(f"{{*}}{layout.marker}") is not None for box in boxes)


def _header(root: etree._Element, layout: PlascLayout) -> ReturnHeader:
    found: dict[str, str] = {}
    for name, path in layout.header.items():
        elements = _at(root, path)
        text = (elements[0].text or "").strip() if elements else ""
        if not text and name != "serial_no":
            raise Refused("header_incomplete", path)
        found[name] = text
    if found["collection"] not in layout.collections:
        raise Refused("wrong_collection", f"{found['collection'][:40]!r}; taken are {', '.join(layout.collections)}")
    if not _is_date(found["census_date"]):
        raise Refused("bad_census_date", f"{found['census_date'][:20]!r}")
    return ReturnHeader(**found, layout=layout.name)


def _is_date(text: str) -> bool:
    matched = _ISO_DATE.fullmatch(text)
    try:
        return matched is not None and bool(dt.date.fromisoformat(matched[1]))
    except ValueError:
        return False
