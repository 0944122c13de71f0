"""Common Transfer Files: the learners of one school who have a ULN, as XML that the school's system imports.

Belongs here: file name, element order, and the check against the version's schema.
Does not belong here: which learners are in the file (`tasks/core/publication.py`); a version's header values and element
names (`schemas/ctf/`). To add a version: `schemas/ctf/`.
"""

import datetime as dt
import re
from functools import cache
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from lxml import etree

from schemas.ctf.versions import CtfVersion
from schemas.texts.catalogue import Bilingual, bilingual

# As in schools' own exports; lxml's declaration has single quotes, which some importing programs may not expect.
_DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
_REPEATED = "SCHEMAV_CVC_IDC"
_EXPECTED = re.compile(r"Expected is (?:one of )?\( ([\w, ]+) \)")
#: Characters that no XML 1.0 document can hold. NUL is another: it separates the values while they are escaped.
_NO_XML = re.compile("[\x01-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_NO_PUPILS = b"<CTFpupilData/>"


def ctf_file_name(school_number: str, number: int) -> str:
    """Return the file's name, e.g. `660LLLL_CTF_6604025_001.xml`.

    Schools' systems refuse a file whose second number is not their own. LLLL marks a sender that is not a school
    (docs/reference/sources.md#ctf-file-names). The school's files are numbered from 1.
    """
    return f"{school_number[:3]}LLLL_CTF_{school_number}_{number:03d}.xml"


def write_ctf(
    pupils: pd.DataFrame, *, version: CtfVersion, school_number: str, academic_year: int, made_at: dt.datetime
) -> bytes:
    """Write a school's CTF; equal content gives equal bytes.

    Header and pupil order: docs/reference/sources.md#ctf-header. The destination has no school name. A null gives no
    element; the schema check then names the missing element.

    Args:
        pupils: text columns upn, uln, surname, forename, dob, gender, as the school sent them; in any order.
        version: values of the header, and the names of elements.
        school_number: the school that gets the file, seven digits.
        academic_year: the year in which the academic year starts.
        made_at: local time that the file states as its creation time.

    Returns:
        UTF-8 with declaration, without byte order mark; indented by two spaces per level; lines end in LF.
    """
    la, estab = school_number[:3], school_number[3:]
    root = etree.Element("CTfile")
    header = etree.SubElement(root, "Header")
    _add(header, "DocumentName", "Common Transfer File")
    _add(header, "CTFversion", version.id)
    _add(header, "DateTime", made_at.strftime("%Y-%m-%dT%H:%M:%S"))
    _add(header, "DocumentQualifier", version.document_qualifier)
    if version.data_qualifier is not None:
        _add(header, "DataQualifier", version.data_qualifier)
    _add(header, "DataDescriptor", version.data_descriptor)
    _add(header, "SupplierID", version.supplier_id)
    source = etree.SubElement(header, "SourceSchool")
    _add(source, "LEA", la)
    _add(source, "Estab", version.source_estab)
    _add(source, "SchoolName", version.source_school_name)
    _add(source, "AcademicYear", str(academic_year))
    destination = etree.SubElement(header, "DestSchool")
    _add(destination, "LEA", la)
    _add(destination, "Estab", estab)
    etree.SubElement(root, "CTFpupilData")
    around = etree.tostring(root, encoding="UTF-8", pretty_print=True)
    blocks = _pupils(pupils, version)
    if blocks:
        # Split at the last match; the header cannot hold another, because its text is escaped.
        before, after = around.rsplit(_NO_PUPILS, 1)
        around = b"".join([before, b"<CTFpupilData>\n", blocks, b"  </CTFpupilData>", after])
    return _DECLARATION + around


def _add(parent: etree._Element, name: str, value: str) -> None:
    etree.SubElement(parent, name).text = value


def _pupils(pupils: pd.DataFrame, version: CtfVersion) -> bytes:
    """Return the pupils' elements as bytes; building an element tree gives the same bytes at several times the cost."""
    elements = {"upn": "UPN", "uln": "UniqueLearnerNumber", "surname": "Surname", "forename": "Forename"}
    elements |= {"dob": "DOB", "gender": version.gender_element}
    rows = pa.table({name: pa.array(pupils[name], pa.large_string(), from_pandas=True) for name in elements})
    rows = rows.take(pc.sort_indices(rows, sort_keys=[("upn", "ascending"), ("uln", "ascending")]))
    lines = [f"      <{element}>%s</{element}>\n" for element in elements.values()]
    pupil = "".join(("    <Pupil>\n", *lines, "    </Pupil>\n"))
    values = [_escaped(column.fill_null("").to_pylist()) for column in rows.columns]
    blocks = [pupil % row for row in zip(*values, strict=True)]
    present = [column.is_valid().to_pylist() if column.null_count else None for column in rows.columns]
    for n in {n for column in present if column for n, is_present in enumerate(column) if not is_present}:
        filled = [line % v[n] for line, v, t in zip(lines, values, present, strict=True) if t is None or t[n]]
        blocks[n] = "".join(("    <Pupil>\n", *filled, "    </Pupil>\n")) if filled else "    <Pupil/>\n"
    return "".join(blocks).encode("utf-8")


def _escaped(values: list[str]) -> list[str]:
    """Escape text as libxml2 does, in one pass over the whole column, because few values need escaping."""
    text = "\0".join(values)
    if _NO_XML.search(text) or text.count("\0") >= max(1, len(values)):
        raise ValueError("a character that XML cannot hold")
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    return values if escaped == text else escaped.split("\0")


def check_ctf(data: bytes, version: CtfVersion) -> list[Bilingual]:
    """Check a file against its version's schema.

    Returns:
        One sentence per fault with element and line, never a value; empty if the file is valid.
    """
    try:
        document = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))
    except etree.XMLSyntaxError as error:
        return [bilingual("fault.ctf_not_xml", line=error.lineno)]
    schema = _schema(version)
    if schema.validate(document):
        return []
    log: Any = schema.error_log
    # libxml2 also reports a badly formed value as repeated, so repeats are real only where they are the only faults.
    repeats = all(entry.type_name == _REPEATED for entry in log)
    return list(dict.fromkeys(_fault(entry) for entry in log if repeats or entry.type_name != _REPEATED))


@cache
def _schema(version: CtfVersion) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(version.schema_file)))


def _fault(entry: Any) -> Bilingual:
    # libxml2's messages quote the value, so only the kind of fault and the element names are taken from them.
    element = re.sub(r"\[\d+\]", "", (entry.path or "").rpartition("/")[2])
    places = {"element": element, "line": entry.line}
    if entry.type_name == "SCHEMAV_ELEMENT_CONTENT":
        if expected := _EXPECTED.search(entry.message):
            return bilingual("fault.ctf_expected", expected=expected[1], **places)
        return bilingual("fault.ctf_not_expected", **places)
    return bilingual("fault.ctf_repeated" if entry.type_name == _REPEATED else "fault.ctf_value", **places)
