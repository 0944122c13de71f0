"""A finished transfer file, read back by another parser than the one that writes and checks it (expat, not libxml2).

Belongs here: what stands in the file, as an importing system finds it. Does not belong here: whether that is right
(`tasks.core.mis_rules`), and how a file is written (`ctf_xml`).
"""

import codecs
import re
from dataclasses import dataclass
from xml.parsers import expat

_DECLARED = re.compile(rb"""<\?xml version=["']1\.0["'] encoding=["']([A-Za-z0-9._-]+)["'] ?\?>""")


@dataclass(frozen=True)
class FoundCtf:
    """What stands in a CTF.

    Attributes:
        encoding: as declared, in capitals; None where none is, or where the bytes do not hold to it or begin with a mark.
        destination: DestSchool's LEA and Estab, together.
        elements: the names of the elements that pupils have, an entry for each choice and order that occurs.
        pupils: of each pupil, in the file's order, what stands in each element.
    """

    encoding: str | None
    destination: str
    elements: set[tuple[str, ...]]
    pupils: list[dict[str, str]]

    def texts(self, element: str) -> list[str | None]:
        """What stands in that element of each pupil; None where it is missing."""
        return [pupil.get(element) for pupil in self.pupils]


def read_ctf(data: bytes) -> FoundCtf:
    """Read a transfer file that this service has written.

    Raises:
        ValueError: it is not XML.
    """
    parser = expat.ParserCreate()
    parser.buffer_text = True
    words: list[str] = []
    within: list[tuple[str, str]] = []
    destination: list[tuple[str, str]] = []
    pupils: list[dict[str, str]] = []
    elements: set[tuple[str, ...]] = set()

    def start(name: str, _: dict[str, str]) -> None:
        words.clear()
        if name in ("Pupil", "DestSchool"):
            within.clear()

    def end(name: str) -> None:
        if name == "Pupil":
            pupils.append(dict(within))
            elements.add(tuple([child for child, _ in within]))
        elif name == "DestSchool":
            destination.extend(within)
        else:
            within.append((name, "".join(words)))

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, words.append
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise ValueError(f"not XML, line {error.lineno}") from None
    return FoundCtf(
        encoding=_encoding(data),
        destination="".join(value for _, value in destination),
        elements=elements,
        pupils=pupils,
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
