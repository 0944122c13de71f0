"""LRS batch layouts ("profiles") as data: headings in order, what fills them, limits. `lrs/*.toml`.

A file of the same name in the data root's `reference/lrs/` overrides the shipped one: the official order of 3A and the
XML root are not public. To add a layout: a file there or here.
"""

import re
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from schemas.texts.catalogue import Both, both
from schemas.texts.edited_files import text_of, toml_of
from schemas.texts.faults import ConfigurationFault

_FOLDER = Path(__file__).parent
#: What a column may be filled with, besides a constant written `=value`.
SOURCES = frozenset(
    [
        "file_version",
        "file_name",
        "ukprn",
        "record_count",
        "upn",
        "given_name",
        "middle_name",
        "family_name",
        "dob",
        "gender",
        "postcode",
        "ability_to_share",
    ]
)
#: The layout of what a call of the LRS web service hands over, and the ledger's word for that form.
BY_SERVICE, SOAP = "WS", "SOAP"
_LRS_NAME_LENGTH = 35
_FIRST_ROW_ONLY = frozenset(("file_version", "file_name", "ukprn", "record_count"))
_XML_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class BatchColumn:
    """One column of a batch file."""

    heading: str
    source: str = ""
    max_length: int = 0
    aliases: tuple[str, ...] = ()
    xml_name: str = ""

    @property
    def first_row_only(self) -> bool:
        """Whether it belongs to the file rather than to a learner."""
        return self.source in _FIRST_ROW_ONLY


@dataclass(frozen=True)
class BatchXml:
    """The element names of the XML form.

    Attributes:
        header: element name -> what fills it.
        namespace: of the root and all below it, or of the root alone where `root_only`; empty for none.
    """

    root: str
    record: str
    header: dict[str, str]
    namespace: str = ""
    root_only: bool = False


@dataclass(frozen=True)
class Profile:
    """One layout.

    Attributes:
        sharing: `ability_to_share` (2A: 0, 1, 2) or `privacy_notice_seen` (3A: 0, 1).
        limit: learners in one batch.
        name_characters: what a name may hold, as the inside of a regular expression's brackets.
    """

    version: str
    sharing: str
    note_en: str
    note_cy: str
    limit: int
    name_characters: str
    return_code_headings: tuple[str, ...]
    xml: BatchXml
    columns: tuple[BatchColumn, ...]

    def max_length(self, source: str) -> int:
        """The longest value of the column that a source fills; 0 where there is no limit."""
        return next((c.max_length for c in self.columns if c.source == source), 0)

    def name_length(self, source: str) -> int:
        """The longest name of that source; by default the LRS schema's (docs/reference/sources.md#lrs-batch-layout)."""
        return self.max_length(source) or _LRS_NAME_LENGTH


def parse_profile(text: str, source: str) -> Profile:
    """Read a layout.

    Args:
        text: the TOML text.
        source: how to name the text in a fault.

    Raises:
        ConfigurationFault: with every fault of the file.
    """
    block = toml_of(text, source)
    faults = _key_faults(block, Profile, "")
    if not faults:
        faults = _key_faults(block["xml"], BatchXml, "xml:")
        for n, column in enumerate(block["columns"], 1):
            faults += _key_faults(column, BatchColumn, f"columns[{n}]:")
    if not faults:
        faults = [*_profile_faults(block), *_column_faults(block["columns"]), *_xml_faults(block)]
    if faults:
        raise ConfigurationFault(source, faults)
    columns = tuple(BatchColumn(**{**c, "aliases": tuple(c.get("aliases", ()))}) for c in block["columns"])
    headings = tuple(block["return_code_headings"])
    return Profile(**{**block, "xml": BatchXml(**block["xml"]), "columns": columns, "return_code_headings": headings})


def _key_faults(block: dict[str, Any], of: type[Any], where: str) -> list[Both]:
    known = {f.name: f for f in fields(of)}
    needed = {name for name, f in known.items() if f.default is MISSING}
    faults = [both("fault.unknown_key", key=k).at(where) for k in sorted(set(block) - set(known))]
    faults += [both("fault.missing_key", key=k).at(where) for k in sorted(needed - set(block))]
    wrong = (k for k in sorted(set(block) & set(known)) if not _fits(block[k], known[k].type))
    return faults + [both("fault.wrong_kind", key=k).at(where) for k in wrong]


def _fits(value: Any, kind: Any) -> bool:
    if kind in (str, int, bool):
        return type(value) is kind
    if kind is BatchXml:
        return isinstance(value, dict)
    if kind == dict[str, str]:
        return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
    of = dict if kind == tuple[BatchColumn, ...] else str
    return isinstance(value, list) and all(isinstance(v, of) for v in value)


def _profile_faults(block: dict[str, Any]) -> list[Both]:
    sharings = ("ability_to_share", "privacy_notice_seen")
    checks = [
        (block["sharing"] in sharings, both("fault.one_of", column="sharing", allowed=", ".join(sharings))),
        (block["limit"] >= 1, both("fault.whole_number", key="limit")),
        (_is_class(block["name_characters"]), both("fault.name_characters")),
        (bool(block["return_code_headings"]), both("fault.a_list", key="return_code_headings")),
    ]
    return [text for holds, text in checks if not holds]


def _is_class(characters: str) -> bool:
    try:
        return bool(characters) and re.compile(f"[^{characters}]") is not None
    except re.error:
        return False


def _column_faults(columns: list[dict[str, Any]]) -> list[Both]:
    headings = [c["heading"] for c in columns]
    filled = [c.get("source", "") for c in columns]
    faults = [
        both("fault.a_text", key="heading").at(f"columns[{n}]:") for n, h in enumerate(headings, 1) if not h.strip()
    ]
    faults += [both("fault.twice", code=h) for h in sorted({h for h in headings if headings.count(h) > 1})]
    faults += [
        both("fault.source_unknown", source=s).at(f"columns[{n}]:")
        for n, s in enumerate(filled, 1)
        if s and not s.startswith("=") and s not in SOURCES
    ]
    # All of these are mandatory to the LRS; a middle name is not.
    return faults + [both("fault.source_missing", source=s) for s in sorted(SOURCES - {"middle_name"} - set(filled))]


def _xml_faults(block: dict[str, Any]) -> list[Both]:
    xml = block["xml"]
    names = [xml["root"], xml["record"], *xml["header"]]
    names += [c.get("xml_name") or c["heading"] for c in block["columns"]]
    faults = [both("fault.element_name", name=name).at("xml:") for name in names if not _XML_NAME.fullmatch(name)]
    odd = sorted(set(xml["header"].values()) - _FIRST_ROW_ONLY)
    faults += [both("fault.source_unknown", source=s).at("xml: header:") for s in odd]
    return faults + (
        [] if "ukprn" in xml["header"].values() else [both("fault.source_missing", source="ukprn").at("xml: header:")]
    )


def all_profiles(own: Path | None = None) -> dict[str, Profile]:
    """The layouts, by version.

    Args:
        own: a folder whose files take the place of the shipped ones of the same name.

    Raises:
        ConfigurationFault: a file is wrong, or its version is not the name of the file, by which a cycle asks for it.
    """
    paths = {p.stem: p for p in sorted(_FOLDER.glob("*.toml"))}
    if own is not None and own.is_dir():
        paths |= {p.stem: p for p in sorted(own.glob("*.toml"))}
    profiles = {stem: _load(path, path.stat().st_mtime_ns) for stem, path in paths.items()}
    for stem, profile in profiles.items():
        if profile.version != stem:
            raise ConfigurationFault(paths[stem].name, [both("fault.profile_version", version=profile.version)])
    return profiles


@cache
def _load(path: Path, _changed: int) -> Profile:
    return parse_profile(text_of(path), path.name)
