"""Reads a finished transfer file back, by another parser (expat) than the one that writes and checks it (libxml2).

Belongs here: the file's content as an importing system reads it. Does not belong here: whether that is right
(`tasks.core.mis_rules`), and how a file is written (`ctf_writer`).
"""

import codecs
import re
from dataclasses import dataclass
from xml.etree import ElementTree

_DECLARED = re.compile(rb"""<\?xml version=["']1\.0["'] encoding=["']([A-Za-z0-9._-]+)["'] ?\?>""")


@dataclass(frozen=True)
class CtfContent:
    """The content of a CTF.

    Attributes:
        encoding: as declared, in capitals; None where it is missing or wrong for the bytes, or a byte order mark comes first.
        destination: DestSchool's LEA and Estab, joined.
        elements: tuples of a pupil's element names, in order; one for each combination that occurs.
        pupils: element name -> text for each pupil, in the file's order.
    """

    encoding: str | None
    destination: str
    elements: set[tuple[str, ...]]
    pupils: list[dict[str, str]]

    def texts(self, element: str) -> list[str | None]:
        """Return each pupil's text in an element; None where the element is missing."""
        return [pupil.get(element) for pupil in self.pupils]


def read_ctf(data: bytes) -> CtfContent:
    """Read a transfer file that this service has written.

    Raises:
        ValueError: it is not XML.
    """
    try:
        root = ElementTree.fromstring(data)  # noqa: S314 - this service wrote the file
    except ElementTree.ParseError as error:
        raise ValueError(f"not XML, line {error.position[0]}") from None
    pupils = [[(child.tag, child.text or "") for child in pupil] for pupil in root.iter("Pupil")]
    return CtfContent(
        encoding=_encoding(data),
        destination="".join(child.text or "" for school in root.iter("DestSchool") for child in school),
        elements={tuple(name for name, _ in pupil) for pupil in pupils},
        pupils=[dict(pupil) for pupil in pupils],
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
