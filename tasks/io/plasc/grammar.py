"""A layout as a RELAX NG grammar: whether a return holds nothing but what the layout knows, asked in the parser's own C.

Yes is certain; no only says that the elements have to be looked at one by one (one may be in another namespace).
"""

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, cast

from lxml import etree

from schemas.plasc.layouts import PlascLayout

_NG = "http://relaxng.org/ns/structure/1.0"
#: Names that a grammar may hold: other letters are names to an XML parser of today, and to RELAX NG not all of them.
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
#: Stands below a place where anything may be.
_ANY = "*"
#: element name -> what may stand in it.
_Places = dict[str, Any]


def all_known(root: etree._Element, layout: PlascLayout, longest: int) -> bool:
    """Whether every element stands at a place that the layout knows, all in the namespace of the root element.

    Args:
        root: the return.
        layout: the one layout that all its records are in.
        longest: a path longer than this is never known.
    """
    namespace = etree.QName(root).namespace or ""
    ways = (f"{layout.root}/{layout.on_roll}", f"{layout.root}/{layout.no_longer_on_roll}")
    if ways[0].count("/") != ways[1].count("/") or _ANY in "".join(ways) or len(namespace) > longest:
        return False
    fields = (path for paths in layout.paths.values() for path in paths)
    below = frozenset(path for path in (*fields, *layout.known) if len(path) <= longest)
    return bool(_grammar(*ways, below, namespace).validate(root))


def empty_ones(root: etree._Element, layout: PlascLayout, paths: Iterable[str]) -> Counter[str]:
    """How many elements without elements in them stand at each of some paths below the records on roll.

    Args:
        root: a return in which `all_known` found what it holds, and so all in one namespace.
        layout: where the records stand.
        paths: from the record.
    """
    namespace = etree.QName(root).namespace
    prefix, names = ("n:", {"n": namespace}) if namespace else ("", None)
    found: Counter[str] = Counter()
    for path in paths:
        steps = "/".join(prefix + name for name in f"{layout.on_roll}/{path}".split("/"))
        found[path] = int(cast("float", root.xpath(f"count({steps}[not(*)])", namespaces=names)))
    return +found


@lru_cache(maxsize=16)
def _grammar(on_roll: str, no_longer_on_roll: str, known: frozenset[str], namespace: str) -> etree.RelaxNG:
    places: _Places = {}
    _place(places, on_roll)
    _place(places, f"{no_longer_on_roll}/{_ANY}")
    root = on_roll.partition("/")[0]
    ways = [way.split("/") for way in (on_roll, no_longer_on_roll)]
    above_records = {"/".join(way[:n]) for way in ways for n in range(1, len(way))}
    for path in sorted(known):
        above, _, name = f"{root}{path}".rpartition("/")
        if not path.startswith(("/", _ANY)):
            _place(places, f"{on_roll}/{path}")
        elif above in above_records and name != _ANY and f"{root}{path}" not in {*above_records, *map("/".join, ways)}:
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
        if _NAME.fullmatch(name):  # one that is called otherwise is looked at
            _elements(_content(_sub(parent, "element", name=name)), below)


def _content(element: etree._Element) -> etree._Element:
    """What every element may hold: attributes, text, and what is put into the choice that is returned."""
    _sub(_sub(_sub(element, "zeroOrMore"), "attribute"), "anyName")
    choice = _sub(_sub(element, "zeroOrMore"), "choice")
    _sub(choice, "text")
    return choice


def _sub(parent: etree._Element, tag: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{_NG}}}{tag}", attributes)
