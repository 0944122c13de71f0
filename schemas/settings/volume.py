"""Volume bounds: when a school's number of learners, compared with its last cycle's, needs a person; `volume.toml`.

Shipped as a proposal; a data root may have its own `reference/volume.toml`. To change a bound: there.
"""

from pathlib import Path
from typing import Annotated

from schemas.texts.edited_files import Checked, Condition, load

_FILE = Path(__file__).with_name("volume.toml")


class VolumeBounds(Checked):
    """The bounds of law 7 (docs/explanation/laws.md).

    Attributes:
        far_below: share of the last cycle's learners below which the school is stopped.
        far_above: share above which there is a warning.
        least: a school with fewer learners in its last cycle has no bound.
    """

    far_below: Annotated[float, Condition("fault.volume", lambda share: 0 <= share <= 1)]
    far_above: Annotated[float, Condition("fault.volume", lambda share: share >= 1)]
    least: Annotated[int, Condition("fault.volume", lambda number: number >= 0)]


class _Blocks(Checked):
    bounds: VolumeBounds


def volume_bounds(own: Path | None = None) -> VolumeBounds:
    """Return the bounds; keys of a data root's file (`own`, may be missing) replace the shipped ones.

    Raises:
        ConfigurationFault: a file is wrong.
    """
    return load(_Blocks, _FILE, own, by_key=True).bounds
