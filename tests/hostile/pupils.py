"""Pupils with any values in their fields, and the returns that they stand in."""

import pandas as pd
from lxml import etree

from schemas.plasc.layouts import all_layouts
from schemas.tables import PUPIL_FIELDS
from tasks.core.identifiers import uln_check_digit, upn_check_letter
from tests.support.learners import sound_learners


def numbered(count: int) -> tuple[list[str], list[str]]:
    """That many UPNs and ULNs with right check characters."""
    twelve = pd.Series([f"66040251{n:04}" for n in range(count)], dtype="str")
    nine = pd.Series([f"1000{n:05}" for n in range(2 * count + 2)], dtype="str")
    ulns = (nine + uln_check_digit(nine)).dropna()
    return list(upn_check_letter(twelve) + twelve), list(ulns)[:count]


UPNS, ULNS = numbered(60)
SOUND = {f: v for f, v in sound_learners({}).iloc[0].items() if f in PUPIL_FIELDS and isinstance(v, str)}


def a_return(pupils: list[dict[str, str]], school: str = "6604025", at: str = "2012-01-20T10:00:00") -> bytes:
    """A return of pupils with any values: field -> value."""
    root = etree.Element("Message")

    def put(path: str, text: str, below: etree._Element = root) -> None:
        for name in path.split("/"):
            found = below.find(name)
            below = etree.SubElement(below, name) if found is None else found
        below.text = text

    put("Header/CollectionDetails/Collection", "PLASC")
    put("Header/CollectionDetails/ReferenceDate", "2012-01-17")
    put("Header/Source/LEA", school[:3])
    put("Header/Source/Estab", school[3:])
    put("Header/Source/SerialNo", "1")
    put("Header/Source/DateTime", at)
    records = etree.SubElement(etree.SubElement(root, "Pupils"), "PupilsOnRoll")
    paths = {field: paths[0] for field, paths in all_layouts()["english-like"].paths.items()}
    for pupil in pupils:
        record = etree.SubElement(records, "PupilOnRoll")
        for field, value in pupil.items():
            put(paths[field], value, record)
    return etree.tostring(root, encoding="utf-8")
