"""Numbers for watching the service (`watching.toml`): when a file is whole, how often people are notified, free space.

To change a number: its block there, or in a data root's `reference/watching.toml`. To add one: a key there, a field here.
"""

from pathlib import Path
from typing import Annotated

from schemas.texts.edited_files import Checked, Condition, load

_FILE = Path(__file__).with_name("watching.toml")
_Number = Annotated[int, Condition("fault.watching_number", lambda number: number >= 1)]


class Arrivals(Checked):
    """When an arrival is reported: after seconds without a change, and at the latest after rounds of that length."""

    settled_seconds: _Number
    told_within_rounds: _Number


class Starts(Checked):
    """Seconds before arrivals may start another run of the same deployment: a census, an lrs-returns."""

    census_again_after_seconds: _Number
    lrs_returns_again_after_seconds: _Number


class Notifications(Checked):
    """Hours before the same notification is sent again."""

    again_after_hours: _Number


class FreeSpace(Checked):
    """GiB of free space below which the doctor warns, and below which it reports a fault."""

    warn_below_gib: _Number
    fault_below_gib: _Number


class Watching(Checked):
    """All numbers."""

    arrivals: Arrivals
    starts: Starts
    notifications: Notifications
    free_space: FreeSpace


def how_watched(own: Path | None = None) -> Watching:
    """Return the numbers; blocks of a data root's file (`own`, may be missing) replace the shipped ones.

    Raises:
        ConfigurationFault: a file is wrong.
    """
    return load(Watching, _FILE, own)
