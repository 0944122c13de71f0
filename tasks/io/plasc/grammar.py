"""A layout as a RELAX NG grammar: libxml2 checks in C whether a return holds only elements that the layout knows.

A yes is certain. A no means only that the elements must be checked one by one: one may be in another namespace.
"""

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, cast

from lxml import etree

from schemas.plasc.layouts import PlascLayout

_NG = "http://relaxng.org/ns/structure/1.0"
#: Names that a grammar may hold. XML parsers accept other letters in names; RELAX NG does not accept all of them.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
#: Marks a place below which any element is allowed.
_ANY = "*"
#: element name -> the elements that it may contain.
_Places = dict[str, Any]


def all_known(root: etree._Element, layout: PlascLayout, longest: int) -> bool:
    """Whether `layout`, the only one in a return, knows every element's path, and all are in the root's namespace.

    A path of more than `longest` characters is never known.
    """
    namespace = etree.QName(root).namespace or ""
    ends = (f"{layout.root}/{layout.on_roll}", f"{layout.root}/{layout.no_longer_on_roll}")
    if ends[0].count("/") != ends[1].count("/") or _ANY in "".join(ends) or len(namespace) > longest:
        return False
    fields = (path for paths in layout.paths.values() for path in paths)
    below = frozenset(path for path in (*fields, *layout.known) if len(path) <= longest)
    return bool(_grammar(*ends, below, namespace).validate(root))


def empty_ones(root: etree._Element, layout: PlascLayout, paths: Iterable[str]) -> Counter[str]:
    """Count the elements without child elements at each path below the records on roll.

    `all_known` must be true with a layout that also knows these paths, so that all elements are in one namespace.
    """
    namespace = etree.QName(root).namespace
    prefix, names = ("n:", {"n": namespace}) if namespace else ("", None)
    counts: Counter[str] = Counter()
    for path in paths:
        steps = "/".join(prefix + name for name in f"{layout.on_roll}/{path}".split("/"))
        counts[path] = int(cast("float", root.xpath(f"count({steps}[not(*)])", namespaces=names)))
    return +counts


@lru_cache(maxsize=16)
def _grammar(on_roll: str, no_longer_on_roll: str, known: frozenset[str], namespace: str) -> etree.RelaxNG:
    places: _Places = {}
    _place(places, on_roll)
    _place(places, f"{no_longer_on_roll}/{_ANY}")
    root = on_roll.partition("/")[0]
    ends = [path.split("/") for path in (on_roll, no_longer_on_roll)]
    above_records = {"/".join(names[:n]) for names in ends for n in range(1, len(names))}
    for path in sorted(known):
        above, _, name = f"{root}{path}".rpartition("/")
        if not path.startswith(("/", _ANY)):
            _place(places, f"{on_roll}/{path}")
        elif above in above_records and name != _ANY and f"{root}{path}" not in {*above_records, *map("/".join, ends)}:
            _place(places, f"{root}{path}/{_ANY}")
    grammar = etree.Element(f"{{{_NG}}}grammar", ns=namespace)
    _elements(_sub(grammar, "start"), places)
    anything = _sub(_sub(grammar, "define", name="any"), "element")
    _sub(anything, "anyName")
    _sub(_content(anything), "ref", name="any")
    return etree.RelaxNG(grammar)


def _place(places: _Places, path: str) -> None:
    for name in path.split("/"):
        places = places.setdefault(name, {})


def _elements(parent: etree._Element, places: _Places) -> None:
    if _ANY in places:
        _sub(parent, "ref", name="any")
        return
    for name, below in places.items():
        if _NAME.fullmatch(name):  # with any other name the answer is "no", and the elements are checked one by one
            _elements(_content(_sub(parent, "element", name=name)), below)


def _content(element: etree._Element) -> etree._Element:
    """Allow attributes and text in an element; return the choice that takes its child elements."""
    _sub(_sub(_sub(element, "zeroOrMore"), "attribute"), "anyName")
    choice = _sub(_sub(element, "zeroOrMore"), "choice")
    _sub(choice, "text")
    return choice


def _sub(parent: etree._Element, tag: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{_NG}}}{tag}", attributes)
