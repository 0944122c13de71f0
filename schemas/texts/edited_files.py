"""Reads the files that people edit, as text: what every loader of TOML and of tables here begins with.

An editor may put a byte-order mark before the text, or write it in another encoding: the one is taken, the other told in a
sentence. What a file must hold is each loader's own (`tables` for a CSV of codes, the modules beside it for TOML).
"""

import tomllib
from pathlib import Path
from typing import Any

from schemas.texts.faults import ConfigurationFault, told


def text_of(path: Path, source: str = "") -> str:
    """The text of a file in UTF-8, with or without a byte-order mark.

    Args:
        path: the file.
        source: how to name it in a fault; its name where empty.

    Raises:
        ConfigurationFault: it is in another encoding.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationFault(source or path.name, [told("fault.not_utf8")]) from None


def toml_of(content: str, source: str) -> dict[str, Any]:
    """What a TOML text says.

    Args:
        content: the text.
        source: how to name it in a fault.

    Raises:
        ConfigurationFault: it is no TOML; says where it stops being so.
    """
    try:
        return tomllib.loads(content)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationFault(source, [told("fault.not_toml", reason=error)]) from None
