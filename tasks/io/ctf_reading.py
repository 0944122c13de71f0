"""A finished transfer file, read back by another parser than the one that writes and checks it (expat, not libxml2).

Belongs here: what stands in the file, as an importing system finds it. Does not belong here: whether that is right
(`tasks.core.mis_rules`), and how a file is written (`ctf_xml`).
"""

import codecs
import re
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import pandas as pd

_DECLARED = re.compile(rb"""<\?xml version=["']1\.0["'] encoding=["']([A-Za-z0-9._-]+)["'] ?\?>""")


@dataclass(frozen=True)
class FoundCtf:
    """What stands in a CTF.

    Attributes:
        encoding: as declared, in capitals; None where none is, or where the bytes do not hold to it or begin with a mark.
        destination: DestSchool's LEA and Estab, together.
        elements: the names of the elements that pupils have, an entry for each choice and order that occurs.
        pupils: upn, uln, surname, forename as they stand there, null where an element is missing; in the file's order.
    """

    encoding: str | None
    destination: str
    elements: set[tuple[str, ...]]
    pupils: pd.DataFrame


def read_ctf(data: bytes) -> FoundCtf:
    """Read a transfer file that this service has written.

    Raises:
        ValueError: it is not XML.
    """
    try:
        root = ET.fromstring(data)  # noqa: S314 - our own file
    except ET.ParseError as error:
        raise ValueError(f"not XML, line {error.position[0]}") from None
    pupils = [list(pupil) for pupil in root.iterfind("CTFpupilData/Pupil")]
    names = {"upn": "UPN", "uln": "UniqueLearnerNumber", "surname": "Surname", "forename": "Forename"}
    found = [{child.tag: child.text or "" for child in pupil} for pupil in pupils]
    return FoundCtf(
        encoding=_encoding(data),
        destination="".join(root.findtext(f"Header/DestSchool/{part}", "") for part in ("LEA", "Estab")),
        elements={tuple(child.tag for child in pupil) for pupil in pupils},
        pupils=pd.DataFrame({c: [p.get(e) for p in found] for c, e in names.items()}, dtype="str"),
    )


def _encoding(data: bytes) -> str | None:
    declared = _DECLARED.match(data)
    if declared is None:
        return None
    try:
        name = declared[1].decode()
        data.decode(name)
        return name.upper() if codecs.lookup(name).name != "utf-8" else "UTF-8"
    except (LookupError, UnicodeDecodeError):
        return None
