"""Reads one PLASC XML return: header, pupils as text, counts of leavers and of unknown elements.

Values stay as the school sent them; nothing is judged here. The walk over elements (`_walk`) defines the meaning of a return.
`grammar` and `arrow_reader` are faster and give the same results; where they cannot be sure, the walk decides.
To add a layout: `schemas/plasc`, which says which element holds which field.
"""

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pyarrow as pa
from lxml import etree

from schemas.plasc.layouts import PlascLayout
from schemas.tables import PUPIL_FIELDS
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import Refused
from tasks.io.plasc.arrow_reader import PUPILS_SCHEMA, pupil_columns
from tasks.io.plasc.grammar import all_known, empty_ones
from tasks.io.untrusted_xml import parse

#: Longer than any path that a layout knows. Deeper elements are not read, so that names cannot fill the memory.
_LONGEST_PATH = 300
_MOST_UNKNOWN = 1000
#: Number of records searched first for unknown paths; largest number of these paths to count with XPath, one by one.
_FIRST, _FEW = 20, 30

#: xs:date or xs:dateTime, with or without a zone. `fromisoformat` alone would accept week dates and missing hyphens.
_ISO_DATE = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(T(([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?|24:00:00(\.0+)?))?"
    r"(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))?"
)


@dataclass(frozen=True)
class ReturnHeader:
    """A return's header and counts; text as sent, trimmed.

    Attributes:
        layout: the layout of the file; some records may be in another.
        declared: number of records of pupils on roll.
        leavers: number of records of pupils no longer on roll; they are not read.
        unknown_elements: element path below the pupil record -> number of occurrences; a path with a leading / starts
            below the root element: it is outside the records that are read, so pupils may be missing.
        destination: number of the school that the file is addressed to, where the layout has one.
    """

    la_code: str
    estab: str
    collection: str
    census_date: str
    header_datetime: str
    serial_no: str
    layout: str
    declared: int
    leavers: int
    unknown_elements: dict[str, int]
    destination: str = ""

    @property
    def school_number(self) -> str:
        """Authority and establishment, seven digits."""
        return self.la_code + self.estab


@dataclass(frozen=True)
class PlascReturn:
    """A return as read; `pupils` as by `read_pupils`."""

    header: ReturnHeader
    pupils: pd.DataFrame


def inspect(content: bytes, layouts: dict[str, PlascLayout]) -> ReturnHeader:
    """Return a return's header and counts; the whole file is parsed, so a file that is cut off is refused here.

    Raises:
        Refused: the file cannot be used; the reason is one of `schemas/codes/quarantine_reasons.csv`.
    """
    root, layouts = _root(content, layouts)
    layout = _layout(root, layouts)
    facts = _header_facts(root, layout)
    records = _at(root, layout.on_roll)
    return ReturnHeader(
        **facts,
        layout=layout.name,
        declared=len(records),
        leavers=len(_at(root, layout.no_longer_on_roll)),
        unknown_elements=dict(sorted(_unknown(root, records, layout, layouts).items())),
        destination="".join((e.text or "").strip() for path in layout.destination for e in _at(root, path)[:1]),
    )


def read_pupils(
    content: bytes, layout: str, layouts: dict[str, PlascLayout], *, declared: int, unknown_elements: Mapping[str, int]
) -> pa.Table:
    """Return the pupils of a return that `inspect` has accepted.

    Layout, `declared` and `unknown_elements` are those of the header.

    Returns:
        A table of `arrow_reader.PUPILS_SCHEMA`: ordinal (from 1, in file order) and the pupil fields, text as sent,
        null where absent or empty.

    Raises:
        Refused: as `inspect`, where the content differs from what was inspected.
    """
    if layout in layouts:
        pupils = pupil_columns(content, layouts[layout], layouts.values(), declared, unknown_elements)
        if pupils is not None:
            return pupils
    return _walked_pupils(content, layouts)


def read_return(content: bytes, layouts: dict[str, PlascLayout]) -> PlascReturn:
    """Read a whole return.

    Raises:
        Refused: as `inspect`.
    """
    header = inspect(content, layouts)
    pupils = read_pupils(
        content, header.layout, layouts, declared=header.declared, unknown_elements=header.unknown_elements
    )
    return PlascReturn(header, pupils.to_pandas())


def _unknown(
    root: etree._Element, records: list[etree._Element], layout: PlascLayout, layouts: dict[str, PlascLayout]
) -> Counter[str]:
    """Count the unknown elements of a return; walk over all elements only where the grammar cannot decide."""
    if not _mixed(root, layouts):
        if all_known(root, layout, _LONGEST_PATH):
            return Counter()
        # A school's system adds the same elements to every record, so the first records show which paths to count.
        first = _Fields(layout)
        for record in records[:_FIRST]:
            first.read(record)
        new = first.unknown_paths()
        wider = layout.model_copy(update={"known": layout.known | new})
        if 0 < len(new) <= _FEW and all_known(root, wider, _LONGEST_PATH):
            return empty_ones(root, layout, new)
    return _walk(root, records, layout, layouts)[1]


def _walked_pupils(content: bytes, layouts: dict[str, PlascLayout]) -> pa.Table:
    root, layouts = _root(content, layouts)
    layout = _layout(root, layouts)
    rows, _ = _walk(root, _at(root, layout.on_roll), layout, layouts)
    columns = [pa.array([row.get(field) for row in rows], pa.string()) for field in PUPIL_FIELDS]
    ordinal = pa.array(range(1, len(rows) + 1), pa.int64())
    return pa.Table.from_arrays([ordinal, *columns], schema=PUPILS_SCHEMA)


def _walk(
    root: etree._Element, records: list[etree._Element], layout: PlascLayout, layouts: dict[str, PlascLayout]
) -> tuple[list[dict[str, str]], Counter[str]]:
    fields = {candidate.name: _Fields(candidate) for candidate in layouts.values()}
    if _mixed(root, layouts):
        rows = [fields[_layout_of(record, layout, layouts).name].read(record) for record in records]
    else:
        rows = list(map(fields[layout.name].read, records))
    return rows, sum((reader.unknown for reader in fields.values()), _outside(root, layout))


@dataclass(frozen=True)
class _Step:
    """The meaning of an element at its path: its field, whether it is known, and whether all below it is skipped."""

    path: str
    field: str
    rank: int
    known: bool
    closed: bool


class _Fields:
    """Reads the fields of records, and counts the elements that the layout does not know.

    A field with several paths takes the path of lowest rank whose text is not blank.

    Attributes:
        unknown: path -> number of occurrences.
    """

    def __init__(self, layout: PlascLayout) -> None:
        self._field_at = {p: (field, rank) for field, paths in layout.paths.items() for rank, p in enumerate(paths)}
        # The containers of known elements are known too, also where they are empty.
        self._with_fields = _containers(self._field_at)
        self._known = layout.known | self._with_fields | _containers(layout.known)
        self._passed_over = tuple(path.removesuffix("*") for path in self._known if path.endswith("/*"))
        #: (path above, tag) -> step: a few dozen, looked up for every element of a return.
        self._steps: dict[tuple[str, str], _Step] = {}
        self.unknown: Counter[str] = Counter()

    def read(self, record: etree._Element) -> dict[str, str]:
        values: dict[str, str] = {}
        self._below(record, "", values, {})
        return values

    def unknown_paths(self) -> frozenset[str]:
        """Paths of the unknown elements and of their containers."""
        return frozenset(step.path for step in self._steps.values() if not (step.known or step.field))

    def _below(self, element: etree._Element, above: str, values: dict[str, str], orders: dict[str, Any]) -> None:
        for child in element:
            tag = child.tag
            if not isinstance(tag, str):
                continue
            step = self._steps.get((above, tag)) or self._step(above, tag)
            if step.field:
                text = child.text
                if text:
                    order = (not text.strip(), step.rank)
                    if step.field not in values or order < orders[step.field]:
                        values[step.field], orders[step.field] = text, order
            elif not step.known and (step.closed or not len(child)):
                _count(self.unknown, step.path)
            if not step.closed and len(child):
                self._below(child, f"{step.path}/", values, orders)  # the parser bounds the depth

    def _step(self, above: str, tag: str) -> _Step:
        path = above + tag.rpartition("}")[2]
        field, rank = self._field_at.get(path, ("", 0))
        too_long = len(path) > _LONGEST_PATH
        passed_over = f"{path}/".startswith(self._passed_over)
        closed = too_long or (passed_over and path not in self._with_fields)
        known = not too_long and (path in self._known or passed_over)
        step = _Step(path, field, rank, known, closed)
        if len(self._steps) < _MOST_UNKNOWN:
            self._steps[above, tag] = step
        return step


def _containers(paths: Iterable[str]) -> set[str]:
    parts = [path.split("/") for path in paths]
    return {"/".join(names[:n]) for names in parts for n in range(1, len(names))}


def _count(unknown: Counter[str], path: str) -> None:
    """Count an element; only the first `_MOST_UNKNOWN` paths, which are enough for a person to notice something new."""
    path = path[:_LONGEST_PATH]
    if path in unknown or len(unknown) < _MOST_UNKNOWN:
        unknown[path] += 1


def _outside(root: etree._Element, layout: PlascLayout) -> Counter[str]:
    """Count unknown elements outside the records: pupils in a container of another name must not vanish unseen."""
    trails = [path.split("/") for path in (layout.on_roll, layout.no_longer_on_roll)]
    steps = {"/".join(["", *names[:n]]) for names in trails for n in range(1, len(names) + 1)}
    unknown: Counter[str] = Counter()
    level = [("", root)]
    while level:
        children = [(path, child) for path, element in level for child in element.iterchildren(etree.Element)]
        below = [(f"{path}/{etree.QName(child).localname}", child) for path, child in children]
        for path in (path for path, _ in below if path not in steps and path not in layout.known):
            _count(unknown, path)
        level = [(path, child) for path, child in below if path in steps and path.count("/") < max(map(len, trails))]
    return unknown


def _root(content: bytes, layouts: dict[str, PlascLayout]) -> tuple[etree._Element, dict[str, PlascLayout]]:
    """Return the root element and the layouts with that root; the other layouts' containers mean nothing in it."""
    root = parse(content)
    name = etree.QName(root).localname
    matching = {layout.name: layout for layout in layouts.values() if layout.root == name}
    if not matching:
        raise Refused("wrong_root", bilingual("detail.root", name=name[:40]))
    return root, matching


def _at(root: etree._Element, path: str) -> list[etree._Element]:
    """Return the elements at a path, in any namespace."""
    level = [root]
    for name in path.split("/"):
        level = [child for element in level for child in element.iterchildren(f"{{*}}{name}")]
    return level


def _layout(root: etree._Element, layouts: dict[str, PlascLayout]) -> PlascLayout:
    """Return the first layout that fits a record, layouts with a marker first; where none fits, the first of all."""
    return next((layout for layout in _by_marker(layouts) if _fits(root, layout)), next(iter(layouts.values())))


def _by_marker(layouts: dict[str, PlascLayout]) -> list[PlascLayout]:
    return sorted(layouts.values(), key=lambda layout: not layout.marker)


def _fits(root: etree._Element, layout: PlascLayout) -> bool:
    # This search runs within libxml2 and is fast; for most layouts that do not fit, it makes the one below unnecessary.
    if not all(_somewhere(root, name) for name in (layout.identifiers, layout.marker) if name):
        return False
    paths = (layout.on_roll, layout.no_longer_on_roll)
    return any(_holds(record, layout) for path in paths for record in _at(root, path))


def _somewhere(root: etree._Element, name: str) -> bool:
    return next(root.iter(f"{{*}}{name}"), None) is not None


def _mixed(root: etree._Element, layouts: dict[str, PlascLayout]) -> bool:
    """Whether records of a file may need different layouts."""
    containers = {layout.identifiers for layout in layouts.values()}
    return sum(_somewhere(root, name) for name in containers) > 1


def _holds(record: etree._Element, layout: PlascLayout) -> bool:
    boxes = record.iterchildren(f"{{*}}{layout.identifiers}")
    return any(not layout.marker or box.find(f"{{*}}{layout.marker}") is not None for box in boxes)


def _layout_of(record: etree._Element, usual: PlascLayout, layouts: dict[str, PlascLayout]) -> PlascLayout:
    """Return the file's layout, unless the record lacks its container and has that of another layout."""
    if record.find(f"{{*}}{usual.identifiers}") is not None:
        return usual
    return next((layout for layout in _by_marker(layouts) if _holds(record, layout)), usual)


def _header_facts(root: etree._Element, layout: PlascLayout) -> dict[str, str]:
    facts: dict[str, str] = {}
    for name, path in layout.header.model_dump().items():
        elements = _at(root, path)
        text = (elements[0].text or "").strip() if elements else ""
        if not text and name != "serial_no":
            raise Refused("header_incomplete", path)
        facts[name] = text
    if facts["collection"] not in layout.collections:
        raise Refused(
            "wrong_collection",
            bilingual("detail.collection", found=repr(facts["collection"][:40]), taken=", ".join(layout.collections)),
        )
    if not _is_date(facts["census_date"]):
        raise Refused("bad_census_date", repr(facts["census_date"][:40]))
    if not _is_date(facts["header_datetime"]):
        raise Refused("bad_header_datetime", repr(facts["header_datetime"][:40]))
    return facts


def _is_date(text: str) -> bool:
    matched = _ISO_DATE.fullmatch(text)
    try:
        return matched is not None and bool(dt.date.fromisoformat(matched[1]))
    except ValueError:
        return False
