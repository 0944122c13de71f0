"""When a school's learners are so few or many, against its last cycle's, that a person looks: `volume.toml`, checked.

Shipped as a proposal; a data root may have its own `reference/volume.toml`. To change a bound: there.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from schemas.texts.catalogue import both
from schemas.texts.edited_files import text_of, toml_of
from schemas.texts.faults import ConfigurationFault

_FILE = Path(__file__).with_name("volume.toml")


@dataclass(frozen=True)
class VolumeBounds:
    """The bounds of law 7 (docs/explanation/laws.md).

    Attributes:
        far_below: fewer than this share of the learners of a school's last cycle stop the school.
        far_above: more than this share is a warning.
        least: a school with fewer learners then has no bound.
    """

    far_below: float
    far_above: float
    least: int


def parse_volume(content: str, source: str = "volume.toml") -> dict[str, Any]:
    """Read the bounds that a file gives.

    Args:
        content: the TOML text.
        source: how to name it in a fault.

    Raises:
        ConfigurationFault: with every unknown block and key, and every wrong value.
    """
    blocks = toml_of(content, source)
    block = blocks.get("bounds", {})
    given = block if isinstance(block, dict) else {}
    odd = sorted({*blocks} - {"bounds"}) + sorted({*given} - {field.name for field in fields(VolumeBounds)})
    faults = [both("fault.unknown_key", key=key) for key in odd]
    wrong = [key for key, value in given.items() if key not in odd and not _sound(key, value)]
    if not isinstance(block, dict) or wrong:
        faults.append(both("fault.volume"))
    if faults:
        raise ConfigurationFault(source, faults)
    return given


def _sound(key: str, value: Any) -> bool:
    if key == "least":
        return type(value) is int and value >= 0
    number = type(value) in (int, float)
    return number and (0 <= value <= 1 if key == "far_below" else value >= 1)


def volume_bounds(own: Path | None = None) -> VolumeBounds:
    """The bounds.

    Args:
        own: a data root's file, whose keys take the place of the shipped ones; may be missing.

    Raises:
        ConfigurationFault: a file is wrong.
    """
    found = VolumeBounds(**parse_volume(text_of(_FILE)))
    if own is not None and own.exists():
        found = replace(found, **parse_volume(text_of(own, f"reference/{own.name}"), f"reference/{own.name}"))
    return found
