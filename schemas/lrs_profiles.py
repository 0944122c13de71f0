"""LRS batch layouts ("profiles") as data: headings in order, what fills them, limits. `lrs/*.toml`.

A file of the same name in the data root's `reference/lrs/` overrides the shipped one: the official order of 3A and the XML
root are not public. To add a layout: a file there or here.
"""

import tomllib
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from schemas.faults import ConfigurationFault

_FOLDER = Path(__file__).with_name("lrs")
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
_FIRST_ROW_ONLY = frozenset(("file_version", "file_name", "ukprn", "record_count"))


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
    """The element names of the XML form."""

    root: str
    record: str
    header: dict[str, str]


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


def parse_profile(text: str, source: str) -> Profile:
    """Read a layout.

    Raises:
        ConfigurationFault: with every fault of the file.
    """
    block = tomllib.loads(text)
    faults = _key_faults(block, Profile, "")
    if not faults:
        faults += _key_faults(block["xml"], BatchXml, "xml: ")
        for n, column in enumerate(block["columns"], 1):
            faults += _key_faults(column, BatchColumn, f"column {n}: ", optional=True)
            filled = column.get("source", "")
            if filled and not filled.startswith("=") and filled not in SOURCES:
                faults.append(f"column {n}: source {filled!r} is not known")
        if block["sharing"] not in ("ability_to_share", "privacy_notice_seen"):
            faults.append("sharing is ability_to_share or privacy_notice_seen")
        if block["limit"] < 1:
            faults.append("limit is at least 1")
    if faults:
        raise ConfigurationFault(source, faults)
    columns = tuple(BatchColumn(**{**c, "aliases": tuple(c.get("aliases", ()))}) for c in block["columns"])
    headings = tuple(block["return_code_headings"])
    return Profile(**{**block, "xml": BatchXml(**block["xml"]), "columns": columns, "return_code_headings": headings})


def _key_faults(block: dict[str, Any], of: type[Any], where: str, *, optional: bool = False) -> list[str]:
    known = {f.name for f in fields(of)}
    faults = [f"{where}unknown key {k!r}" for k in sorted(set(block) - known)]
    needed = {"heading"} if optional else known
    return faults + [f"{where}missing key {k!r}" for k in sorted(needed - set(block))]


def all_profiles(own: Path | None = None) -> dict[str, Profile]:
    """The layouts, by version.

    Args:
        own: a folder whose files take the place of the shipped ones of the same name.
    """
    paths = {p.stem: p for p in sorted(_FOLDER.glob("*.toml"))}
    if own is not None and own.is_dir():
        paths |= {p.stem: p for p in sorted(own.glob("*.toml"))}
    profiles = [_load(path, path.stat().st_mtime_ns) for path in paths.values()]
    return {p.version: p for p in profiles}


@cache
def _load(path: Path, _changed: int) -> Profile:
    return parse_profile(path.read_text(encoding="utf-8"), path.name)
