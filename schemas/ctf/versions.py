"""Common Transfer File versions: rows of data in `ctf/versions.toml`, each with a schema of our own beside it.

Does not belong here: writing a file (`tasks/io/school/ctf_writer.py`), or which cycle uses which version (`cycles.toml`).
To add a version: a block in `ctf/versions.toml` and its `ctf/ctf_<version>.xsd`.
"""

import re
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from schemas.texts.catalogue import Both, both
from schemas.texts.edited_files import text_of, toml_of
from schemas.texts.faults import ConfigurationFault

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class CtfVersion:
    """What one CTF version is called and says of itself; the meaning and source of each item stand in `versions.toml`.

    Attributes:
        id: the version as it stands in the file, e.g. `12.0`.
        gender_element: `Gender`, or `Sex` in later versions.
        source_estab: the establishment code of a sender that is not a school.
        data_qualifier: left out of the file where None.
    """

    id: str
    gender_element: str
    document_qualifier: str
    data_descriptor: str
    supplier_id: str
    source_estab: str
    source_school_name: str
    data_qualifier: str | None = None

    @property
    def schema_file(self) -> Path:
        """The XSD that a file of this version must fit."""
        return _FOLDER / f"ctf_{self.id}.xsd"


def parse_versions(text: str, source: str = "versions.toml") -> dict[str, CtfVersion]:
    """Read version blocks.

    Args:
        text: the TOML text, one block per version.
        source: how to name the text in a fault.

    Returns:
        The versions by id, in the text's order.

    Raises:
        ConfigurationFault: with every unknown, missing or wrong key of every block.
    """
    faults: list[Both] = []
    versions: dict[str, CtfVersion] = {}
    known = {f.name for f in fields(CtfVersion)} - {"id"}
    for version_id, block in toml_of(text, source).items():
        if not isinstance(block, dict):
            faults.append(both("fault.outside_block", key=version_id))
            continue
        block_faults = [both("fault.unknown_key", key=k).at(f"[{version_id}]") for k in sorted(set(block) - known)]
        block_faults += [
            both("fault.missing_key", key=k).at(f"[{version_id}]")
            for k in sorted(known - {"data_qualifier"} - set(block))
        ]
        if not block_faults:
            block_faults = [fault.at(f"[{version_id}]") for fault in _block_faults(version_id, block)]
        if not block_faults:
            versions[version_id] = CtfVersion(id=version_id, **block)
        faults += block_faults
    if faults:
        raise ConfigurationFault(source, faults)
    return versions


def _block_faults(version_id: str, block: dict[str, Any]) -> list[Both]:
    blank = [both("fault.a_text", key=k) for k, v in block.items() if not isinstance(v, str) or not v.strip()]
    if blank:
        return blank
    checks = [
        (re.fullmatch(r"[0-9]+\.[0-9]+", version_id), both("fault.version_name")),
        (
            block["gender_element"] in ("Gender", "Sex"),
            both("fault.one_of", column="gender_element", allowed="Gender, Sex"),
        ),
        (
            block["document_qualifier"] in ("full", "partial"),
            both("fault.one_of", column="document_qualifier", allowed="full, partial"),
        ),
        (re.fullmatch(r"[0-9A-Z]{4}", block["source_estab"]), both("fault.source_estab")),
    ]
    return [text for holds, text in checks if not holds]


@cache
def all_versions() -> dict[str, CtfVersion]:
    """The versions shipped with the project, by id.

    Raises:
        ConfigurationFault: a block is wrong, or a version has no schema.
    """
    versions = parse_versions(text_of(_FOLDER / "versions.toml"))
    without = [
        both("fault.no_xsd", file=v.schema_file.name).at(f"[{v.id}]")
        for v in versions.values()
        if not v.schema_file.is_file()
    ]
    if without:
        raise ConfigurationFault("versions.toml", without)
    return versions
