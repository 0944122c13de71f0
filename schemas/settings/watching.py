"""How the service is watched (`watching.toml`): when a file is whole, how often a person is told, how little space is left.

To change a number: its block there, or in a data root's `reference/watching.toml`. To add one: a key there, a field here.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from schemas.texts.edited_files import Checked, Says, load

_FILE = Path(__file__).with_name("watching.toml")
_Number = Annotated[int, Says("fault.watching_number", lambda number: number >= 1)]


@dataclass(frozen=True)
class Arrivals(Checked):
    """When a file in an inbox is told of: seconds without a change, and rounds of that length at the most."""

    settled_seconds: _Number
    told_within_rounds: _Number


@dataclass(frozen=True)
class Starts(Checked):
    """How many seconds pass before arrivals start a run of the same deployment again: a census, an lrs-returns."""

    census_again_after_seconds: _Number
    lrs_returns_again_after_seconds: _Number


@dataclass(frozen=True)
class Notifications(Checked):
    """How many hours pass before the same is told again."""

    again_after_hours: _Number


@dataclass(frozen=True)
class FreeSpace(Checked):
    """Below how many GiB of free space the doctor warns, and below how many it tells a fault."""

    warn_below_gib: _Number
    fault_below_gib: _Number


@dataclass(frozen=True)
class Watching(Checked):
    """All of it."""

    arrivals: Arrivals
    starts: Starts
    notifications: Notifications
    free_space: FreeSpace


def how_watched(own: Path | None = None) -> Watching:
    """The numbers.

    Args:
        own: a data root's file, whose blocks take the place of the shipped ones; may be missing.

    Raises:
        ConfigurationFault: a file is wrong.
    """
    return load(Watching, _FILE, own)
