"""A safe parser for XML from outside: harmful files are refused before parsing, and nothing external is loaded.

Parsing takes bounded time and memory for any input. The meaning of the elements is in `plasc.reader` and `lrs.files`.
To read another kind of XML file from outside, begin with `parse`.
"""

import re

from lxml import etree

from schemas.texts.catalogue import bilingual
from schemas.texts.faults import Refused

#: Limit on "<" and "=" in a file: every element has a "<", every attribute a "=". About ten times the largest return;
#: each may cost the parser a few hundred bytes.
MOST_MARKS = 1_000_000
#: Limit on the attributes of an element. The time and memory of later work may grow with the square of their number.
MOST_ATTRIBUTES = 100
#: Encodings in which only the ASCII byte can mean "<", so that it can be counted before parsing.
_ENCODING = re.compile(rb"utf-?8|utf-?16(le|be)?|(us-)?ascii|iso[-_]8859-[0-9]+|latin-?1|(windows-|cp)125[0-9]")
_DECLARED = re.compile(rb"encoding[ \t\r\n]*=[ \t\r\n]*[\"']([^\"']*)")
_BEFORE_MARKUP = b"\xef\xbb\xbf\xff\xfe \t\r\n"


def parse(content: bytes) -> etree._Element:
    """Return the root element of a file.

    Raises:
        Refused: not_xml, doctype or file_too_large; gives the place and quotes only an encoding's name.
    """
    many_equals = _guard(content)
    try:
        root = etree.fromstring(content, _parser())
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise Refused("not_xml", bilingual("detail.place", line=line, column=column)) from None
    except ValueError:
        raise Refused("not_xml") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise Refused("doctype")
    if many_equals and root.xpath(f"boolean(descendant-or-self::*[@*[{MOST_ATTRIBUTES + 1}]])"):
        raise Refused("file_too_large", bilingual("detail.attributes", most=MOST_ATTRIBUTES))
    return root


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )


def _guard(content: bytes) -> bool:
    """Refuse a file that could harm the parser; return whether an element may have more than `MOST_ATTRIBUTES`."""
    # Without its zero bytes UTF-16 reads like ASCII; other text has no zero bytes.
    plain = content.replace(b"\0", b"").lstrip(_BEFORE_MARKUP)
    if not plain.startswith(b"<"):
        raise Refused("not_xml", bilingual("detail.place", line=1, column=1))
    if plain.startswith(b"<?xml"):
        for name in _DECLARED.findall(plain[: plain.find(b"?>")].lower()):
            if not _ENCODING.fullmatch(name):
                raise Refused("not_xml", bilingual("detail.encoding", name=name[:40].decode("ascii", "replace")))
    if b"<!DOCTYPE" in plain:
        raise Refused("doctype")
    equals = plain.count(b"=")
    if plain.count(b"<") + equals > MOST_MARKS:
        raise Refused("file_too_large", bilingual("detail.marks", most=f"{MOST_MARKS:,}"))
    return equals > MOST_ATTRIBUTES
