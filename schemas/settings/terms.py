"""Terms that a data root may change: retention, volume bounds, ages of exceptions, numbers for watching the service.

The shipped terms, in TOML files, are a proposal. A data root's `reference/` may have a file of the same name, which replaces
the blocks (`volume.toml`: keys) that it has. To change a term: in either. To add one: a key in the shipped one, a field here.
A kind that is kept for a period also needs a member of `Kind`, its words in `texts.csv` (`purge.<kind>`), and its files or
rows in `tasks.maintenance.purge`.
"""

import datetime as dt
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from schemas.texts.catalogue import bilingual
from schemas.texts.edited_files import Checked, Condition, load
from schemas.texts.faults import ConfigurationFault

_FOLDER = Path(__file__).parent


class Kind(StrEnum):
    """The kinds of files and rows with pupils' data that are kept for a period."""

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
    """A retention period in days, and whether the data controller has decided it."""

    days: int
    decided: bool

    def cut_off(self, before: dt.date, today: dt.date) -> dt.date:
        """Return the day before which data may be deleted: today less the period, or the requested `before` if earlier."""
        return min(before, today - dt.timedelta(days=self.days))


_Retention = Annotated[Retention, Condition("fault.retention", lambda retention: retention.days >= 0)]


def all_retention(replacement: Path | None = None) -> dict[Kind, Retention]:
    """Return the retention of every kind, from `retention.toml`; `replacement` is a data root's file, and may be missing.

    Raises:
        ConfigurationFault: a file is wrong, or a kind has no block.
    """
    kept = load(dict[Kind, _Retention], _FOLDER / "retention.toml", replacement)
    missing = [bilingual("fault.retention", kind=kind) for kind in Kind if kind not in kept]
    if missing:
        raise ConfigurationFault("retention.toml", missing)
    return kept


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


class _Volume(Checked):
    bounds: VolumeBounds


def volume_bounds(replacement: Path | None = None) -> VolumeBounds:
    """Return the bounds, from `volume.toml` (`all_retention`)."""
    return load(_Volume, _FOLDER / "volume.toml", replacement, by_key=True).bounds


class _Ageing(Checked):
    days: tuple[int, ...]


class _Export(Checked):
    named_like: tuple[str, ...]


def _rising(ageing: _Ageing) -> bool:
    return bool(ageing.days) and ageing.days[0] >= 0 and list(ageing.days) == sorted(set(ageing.days))


def _plain(export: _Export) -> bool:
    words = export.named_like
    return bool(words) and all(word and word == "".join(word.lower().split()) for word in words)


class ExceptionTerms(Checked):
    """The terms for exceptions."""

    ageing: Annotated[_Ageing, Condition("fault.exceptions_ageing", _rising)]
    export: Annotated[_Export, Condition("fault.exceptions_export", _plain)]

    @property
    def bounds(self) -> tuple[int, ...]:
        """Return the bounds of the ages in days, rising; the last age has no upper bound."""
        return self.ageing.days

    @property
    def export_words(self) -> tuple[str, ...]:
        """Return the words that mark an export: its file name, in lower case and without blanks, contains one of them."""
        return self.export.named_like

    @property
    def ages(self) -> tuple[str, ...]:
        """Return the names of the ages, rising, such as `0-7`, `8-28`, `29-90`, `91+`."""
        starts = [0, *(bound + 1 for bound in self.bounds)]
        return (*(f"{a}-{b}" for a, b in zip(starts, self.bounds, strict=False)), f"{starts[-1]}+")


def exception_terms(replacement: Path | None = None) -> ExceptionTerms:
    """Return the terms, from `exceptions.toml` (`all_retention`)."""
    return load(ExceptionTerms, _FOLDER / "exceptions.toml", replacement)


_Number = Annotated[int, Condition("fault.watching_number", lambda number: number >= 1)]


class Arrivals(Checked):
    """Arrivals are reported after `settled_seconds` without change, at the latest after `told_within_rounds` such periods."""

    settled_seconds: _Number
    told_within_rounds: _Number


class Starts(Checked):
    """Minimum seconds between two runs that arrivals start: of a census deployment, and of lrs-returns."""

    census_again_after_seconds: _Number
    lrs_returns_again_after_seconds: _Number


class Notifications(Checked):
    """Minimum hours before the same notification is sent again."""

    again_after_hours: _Number


class FreeSpace(Checked):
    """GiB of free space below which the doctor warns, and below which it reports a fault."""

    warn_below_gib: _Number
    fault_below_gib: _Number


class Watching(Checked):
    """Numbers for watching the service."""

    arrivals: Arrivals
    starts: Starts
    notifications: Notifications
    free_space: FreeSpace


def how_watched(replacement: Path | None = None) -> Watching:
    """Return the numbers, from `watching.toml` (`all_retention`)."""
    return load(Watching, _FOLDER / "watching.toml", replacement)
