"""Retention: how long each kind of file or row with pupils' data is kept, from `retention.toml`.

To change a period: its block there, or in a data root's `reference/retention.toml`. To add a kind: a block, a member of
`Kind`, its words in `texts.csv` (`purge.<kind>`), and its files or rows in `tasks.maintenance.purge`.
"""

import datetime as dt
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from schemas.texts.catalogue import bilingual
from schemas.texts.edited_files import Checked, Condition, load
from schemas.texts.faults import ConfigurationFault

_FILE = Path(__file__).with_name("retention.toml")


class Kind(StrEnum):
    """The kinds that are kept for a period."""

    RETURNS = "returns"
    RESULTS = "results"
    REFUSED = "refused"
    BATCH_FILES = "batch_files"
    SCHOOL_FILES = "school_files"
    EVIDENCE = "evidence"
    LOGS = "logs"
    LAKE_VERSIONS = "lake_versions"
    PUPILS = "pupils"
    VERIFICATIONS = "verifications"


class Retention(Checked):
    """A retention period in days, and whether the data's controller has decided it."""

    days: int
    decided: bool

    def cut_off(self, before: dt.date, today: dt.date) -> dt.date:
        """Return the day before which things may go: past their period, and before the day that was asked for."""
        return min(before, today - dt.timedelta(days=self.days))


_Block = Annotated[Retention, Condition("fault.retention", lambda retention: retention.days >= 0)]


def all_retention(own: Path | None = None) -> dict[Kind, Retention]:
    """Return the retention of every kind; blocks of a data root's file (`own`, may be missing) replace the shipped ones.

    Raises:
        ConfigurationFault: a file is wrong, or a kind has no block.
    """
    kept = load(dict[Kind, _Block], _FILE, own)
    missing = [bilingual("fault.retention", kind=kind) for kind in Kind if kind not in kept]
    if missing:
        raise ConfigurationFault(_FILE.name, missing)
    return kept
