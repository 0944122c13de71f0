"""How the service is watched (`watching.toml`): when a file is whole, how often a person is told, how little space is left.

To change a number: its block there, or in a data root's `reference/watching.toml`. To add one: a key there, a field here.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from schemas.texts.catalogue import both
from schemas.texts.edited_files import text_of, toml_of
from schemas.texts.faults import ConfigurationFault

_FILE = Path(__file__).with_name("watching.toml")


@dataclass(frozen=True)
class Arrivals:
    """When a file in an inbox is told of: seconds without a change, and rounds of that length at the most."""

    settled_seconds: int
    told_within_rounds: int


@dataclass(frozen=True)
class Starts:
    """How many seconds pass before arrivals start a run of the same deployment again: a census, an lrs-returns."""

    census_again_after_seconds: int
    lrs_returns_again_after_seconds: int


@dataclass(frozen=True)
class Notifications:
    """How many hours pass before the same is told again."""

    again_after_hours: int


@dataclass(frozen=True)
class FreeSpace:
    """Below how many GiB of free space the doctor warns, and below how many it tells a fault."""

    warn_below_gib: int
    fault_below_gib: int


@dataclass(frozen=True)
class Watching:
    """All of it."""

    arrivals: Arrivals
    starts: Starts
    notifications: Notifications
    free_space: FreeSpace


_BLOCKS: dict[str, type[Any]] = {
    "arrivals": Arrivals,
    "starts": Starts,
    "notifications": Notifications,
    "free_space": FreeSpace,
}


def parse_watching(content: str, source: str = "watching.toml") -> dict[str, Any]:
    """Read blocks.

    Args:
        content: the TOML text.
        source: how to name it in a fault.

    Raises:
        ConfigurationFault: with every unknown block and key, and every number that is missing or below 1.
    """
    blocks = toml_of(content, source)
    faults = [both("fault.unknown_key", key=name) for name in sorted(set(blocks) - set(_BLOCKS))]
    for name, block in blocks.items():
        if name in _BLOCKS:
            faults += [fault.at(f"[{name}]") for fault in _faults_of(_BLOCKS[name], block)]
    if faults:
        raise ConfigurationFault(source, faults)
    return {name: _BLOCKS[name](**block) for name, block in blocks.items()}


def _faults_of(kind: type[Any], block: Any) -> list[Any]:
    given = block if isinstance(block, dict) else {}
    known = [field.name for field in fields(kind)]
    faults = [both("fault.unknown_key", key=key) for key in sorted(set(given) - set(known))]
    return faults + [
        both("fault.watching_number", key=key) for key in known if type(given.get(key)) is not int or given[key] < 1
    ]


def how_watched(own: Path | None = None) -> Watching:
    """The numbers.

    Args:
        own: a data root's file, whose blocks take the place of the shipped ones; may be missing.

    Raises:
        ConfigurationFault: a file is wrong.
    """
    found = parse_watching(text_of(_FILE))
    if own is not None and own.exists():
        found |= parse_watching(text_of(own, f"reference/{own.name}"), f"reference/{own.name}")
    return Watching(**found)
