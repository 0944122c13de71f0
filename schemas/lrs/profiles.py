"""LRS batch layouts ("profiles"): headings in order, what fills them, and limits, from `lrs/*.toml`.

A file of the same name in the data root's `reference/lrs/` replaces the shipped one, because the official order of 3A and
the XML root are not public.
"""

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from schemas.tables import SENT_FIELDS
from schemas.texts.catalogue import Bilingual, bilingual
from schemas.texts.edited_files import Checked, Condition, Text, Texts, Whole, check, text_of, toml_of
from schemas.texts.faults import ConfigurationFault

_FOLDER = Path(__file__).parent
#: Sources of columns that only the first row fills; then all sources. A column may also have none, or a constant: `=value`.
_FIRST_ROW_ONLY = frozenset(("file_version", "file_name", "ukprn", "record_count"))
SOURCES = _FIRST_ROW_ONLY | {"upn", *SENT_FIELDS, "ability_to_share"}
#: The layout of a call of the LRS web service, and the ledger's word for that format.
BY_SERVICE, SOAP = "WS", "SOAP"
#: The LRS requires all sources except the middle name.
_MANDATORY = sorted(SOURCES - {"middle_name"})
_LRS_NAME_LENGTH = 35
_ELEMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_ElementName = Annotated[str, Condition("fault.element_name", _ELEMENT.fullmatch, name=str)]


def _known(source: str) -> bool:
    return not source or source.startswith("=") or source in SOURCES


def _is_class(characters: str) -> bool:
    try:
        return bool(characters) and re.compile(f"[^{characters}]") is not None
    except re.error:
        return False


class BatchColumn(Checked):
    """A column of a batch file."""

    heading: Text
    source: Annotated[str, Condition("fault.source_unknown", _known, source=str)] = ""
    max_length: int = 0
    aliases: tuple[str, ...] = ()
    xml_name: str = ""

    @property
    def first_row_only(self) -> bool:
        """Whether the column describes the file rather than a learner."""
        return self.source in _FIRST_ROW_ONLY


class BatchXml(Checked):
    """The element names of the XML form.

    Attributes:
        header: source by element name.
        namespace: of the root and all elements below it, or of the root alone if `root_only`; empty for none.
    """

    root: _ElementName
    record: _ElementName
    header: dict[
        _ElementName, Annotated[str, Condition("fault.source_unknown", _FIRST_ROW_ONLY.__contains__, source=str)]
    ]
    namespace: str = ""
    root_only: bool = False


class Profile(Checked):
    """A layout.

    Attributes:
        sharing: `ability_to_share` (2A: 0, 1, 2) or `privacy_notice_seen` (3A: 0, 1).
        limit: maximum number of learners in a batch.
        name_characters: characters allowed in a name, as the inside of a regular expression's brackets.
    """

    version: str
    sharing: Literal["ability_to_share", "privacy_notice_seen"]
    note_en: str
    note_cy: str
    limit: Whole
    name_characters: Annotated[str, Condition("fault.name_characters", _is_class)]
    return_code_headings: Texts
    xml: BatchXml
    columns: tuple[BatchColumn, ...]

    def conditions(self) -> Iterable[tuple[object, Bilingual]]:
        """Refuse a repeated heading, a required item that is missing, and a column whose name XML does not allow."""
        headings = Counter(column.heading for column in self.columns)
        for heading, number in sorted(headings.items()):
            yield number == 1, bilingual("fault.twice", code=heading)
        sources = {column.source for column in self.columns}
        for source in _MANDATORY:
            yield source in sources, bilingual("fault.source_missing", source=source)
        yield "ukprn" in self.xml.header.values(), bilingual("fault.source_missing", source="ukprn").at("[xml.header]")
        for name in (column.xml_name or column.heading for column in self.columns):
            yield _ELEMENT.fullmatch(name), bilingual("fault.element_name", name=name).at("[xml]")

    def name_length(self, source: str) -> int:
        """Return the maximum length of a name; by default the LRS schema's (docs/reference/sources.md#lrs-batch-layout)."""
        return next((c.max_length for c in self.columns if c.source == source), 0) or _LRS_NAME_LENGTH


def parse_profile(text: str, source: str) -> Profile:
    """Return the layout in a TOML text; `source` is its name in faults.

    Raises:
        ConfigurationFault: lists every fault of the file.
    """
    return check(Profile, toml_of(text, source), source)


def all_profiles(replacements: Path | None = None) -> dict[str, Profile]:
    """Return the layouts, by version; files in the folder `replacements` replace shipped ones of the same name.

    Raises:
        ConfigurationFault: a file is wrong, or its version differs from its name, by which cycles refer to it.
    """
    folders = [_FOLDER] if replacements is None else [_FOLDER, replacements]
    paths = {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"))}
    profiles = {stem: _load(path, path.stat().st_mtime_ns) for stem, path in paths.items()}
    for stem, profile in profiles.items():
        if profile.version != stem:
            raise ConfigurationFault(paths[stem].name, [bilingual("fault.profile_version", version=profile.version)])
    return profiles


@cache
def _load(path: Path, _changed: int) -> Profile:
    return parse_profile(text_of(path), path.name)
