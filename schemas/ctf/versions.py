"""Common Transfer File versions: blocks of `versions.toml`, each with a schema beside it; `cycles.toml` chooses one."""

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from schemas.texts.catalogue import bilingual
from schemas.texts.edited_files import Checked, Condition, Text, check_blocks, text_of, toml_of
from schemas.texts.faults import ConfigurationFault

_FOLDER = Path(__file__).parent


class CtfVersion(Checked):
    """A CTF version: its name and its header. `versions.toml` has the meaning and source of each item.

    Attributes:
        id: the version as in the file, e.g. `12.0`.
        gender_element: `Gender`, or `Sex` in later versions.
        source_estab: the establishment code of a sender that is not a school.
        data_qualifier: None if the file has no such item.
    """

    id: Annotated[str, Condition("fault.version_name", re.compile(r"[0-9]+\.[0-9]+").fullmatch)]
    gender_element: Literal["Gender", "Sex"]
    document_qualifier: Literal["full", "partial"]
    data_descriptor: Text
    supplier_id: Text
    source_estab: Annotated[str, Condition("fault.source_estab", re.compile(r"[0-9A-Z]{4}").fullmatch)]
    source_school_name: Text
    data_qualifier: Text | None = None

    @property
    def schema_file(self) -> Path:
        """Return the path of the XSD that a file of this version must fit."""
        return _FOLDER / f"ctf_{self.id}.xsd"


def parse_versions(text: str, source: str = "versions.toml") -> dict[str, CtfVersion]:
    """Return the versions of a TOML text, by id, in file order; `source` is its name in faults.

    Raises:
        ConfigurationFault: lists every unknown, missing or wrong key of every block.
    """
    return check_blocks(CtfVersion, toml_of(text, source), source)


@cache
def all_versions() -> dict[str, CtfVersion]:
    """Return the shipped versions, by id.

    Raises:
        ConfigurationFault: a block is wrong, or a version has no schema.
    """
    versions = parse_versions(text_of(_FOLDER / "versions.toml"))
    without = [
        bilingual("fault.no_xsd", file=v.schema_file.name).at(f"[{v.id}]")
        for v in versions.values()
        if not v.schema_file.is_file()
    ]
    if without:
        raise ConfigurationFault("versions.toml", without)
    return versions
