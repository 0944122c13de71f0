"""When a school's learners are so few or many, against its last cycle's, that a person looks: `volume.toml`, checked.

Shipped as a proposal; a data root may have its own `reference/volume.toml`. To change a bound: there.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from schemas.texts.edited_files import Checked, Says, load

_FILE = Path(__file__).with_name("volume.toml")


@dataclass(frozen=True)
class VolumeBounds(Checked):
    """The bounds of law 7 (docs/explanation/laws.md).

    Attributes:
        far_below: fewer than this share of the learners of a school's last cycle stop the school.
        far_above: more than this share is a warning.
        least: a school with fewer learners then has no bound.
    """

    far_below: Annotated[float, Says("fault.volume", lambda share: 0 <= share <= 1)]
    far_above: Annotated[float, Says("fault.volume", lambda share: share >= 1)]
    least: Annotated[int, Says("fault.volume", lambda number: number >= 0)]


@dataclass(frozen=True)
class _Blocks(Checked):
    bounds: VolumeBounds


def volume_bounds(own: Path | None = None) -> VolumeBounds:
    """The bounds.

    Args:
        own: a data root's file, whose keys take the place of the shipped ones; may be missing.

    Raises:
        ConfigurationFault: a file is wrong.
    """
    return load(_Blocks, _FILE, own, by_key=True).bounds
