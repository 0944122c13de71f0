"""XML that others sent: what is refused before it is parsed, and a parser that takes in nothing from elsewhere.

Everything that is parsed here takes bounded time and memory, whatever it is. Does not belong here: what the elements
mean (`plasc.reader`, `lrs.files`). Whoever reads another kind of XML file from outside begins with `parse`.
"""

import re

from lxml import etree

from schemas.texts.catalogue import bilingual
from schemas.texts.faults import Refused

#: "<" and "=" in a file: no element is without the one, no attribute without the other. Some ten times what the largest
#: return has; each may cost the parser a few hundred bytes.
MOST_MARKS = 1_000_000
#: Attributes of one element. What is done with elements later may take time and memory by the square of them.
MOST_ATTRIBUTES = 100
#: Encodings in which no other byte than that of ASCII can mean "<", so that it can be counted before parsing.
_ENCODING = re.compile(rb"utf-?8|utf-?16(le|be)?|(us-)?ascii|iso[-_]8859-[0-9]+|latin-?1|(windows-|cp)125[0-9]")
_DECLARED = re.compile(rb"encoding[ \t\r\n]*=[ \t\r\n]*[\"']([^\"']*)")
_BEFORE_MARKUP = b"\xef\xbb\xbf\xff\xfe \t\r\n"


def parse(content: bytes) -> etree._Element:
    """The root element of a file.

    Raises:
        Refused: not_xml, doctype or file_too_large; says where, and quotes nothing but an encoding's name.
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
    """Refuse before parsing what could make the parser read elsewhere, or take more memory than there is.

    Returns:
        Whether some element may have more attributes than it should.
    """
    # Without the empty halves of UTF-16 it reads as ASCII does; in text there are no others.
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
