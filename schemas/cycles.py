"""Census cycles: blocks of `cycles.toml`, read and checked here. No pupils here. To add a cycle: a block there."""

import datetime as dt
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from schemas.texts.catalogue import Bilingual, bilingual, text
from schemas.texts.edited_files import Checked, Condition, Whole, check_blocks, follows, one_of, text_of, toml_of
from schemas.texts.faults import ConfigurationFault

_FILE = Path(__file__).with_name("cycles.toml")
#: Kinds of cycles that come every year, each with its own deployment. The pilot came once.
SCHEDULED_KINDS = ("september", "january")
_KINDS = ("pilot", *SCHEDULED_KINDS)


class Cycle(Checked):
    """A census cycle.

    Attributes:
        id: the name that people use, e.g. `2012-01`.
        academic_year: the year in which the academic year starts.
        census_from, census_to: first and last day for a return's reference date (both included).
        closes_on: the last day on which a registration counts for the cycle.
        answer_within_days: a batch is shown as stuck if it waits longer for the LRS's answers.
        year_groups: the National Curriculum years that are chosen.
        minimum_age, minimum_age_on: age in whole years, and the day on which it is measured; None without an age rule.
    """

    id: str
    kind: Annotated[str, one_of(_KINDS)]
    academic_year: int
    census_from: dt.date
    census_to: Annotated[dt.date, follows("census_from", "census_to")]
    closes_on: Annotated[dt.date, follows("census_to", "closes_on")]
    answer_within_days: Whole
    year_groups: Annotated[
        tuple[int, ...], Condition("fault.year_groups", lambda years: years and all(1 <= year <= 14 for year in years))
    ]
    lrs_profile: str
    lrs_format: Literal["CSV", "XML"]
    ctf_version: str
    minimum_age: int | None = None
    minimum_age_on: dt.date | None = None

    def conditions(self) -> Iterable[tuple[object, Bilingual]]:
        """Refuse an age rule with only one of its two keys."""
        whole = (self.minimum_age is None) == (self.minimum_age_on is None)
        yield whole, bilingual("fault.together", one="minimum_age", other="minimum_age_on")

    @property
    def title_en(self) -> str:
        """Return the cycle's English title, from its kind and the year of its census."""
        return text(f"cycle.{self.kind}", "en").format(year=self.census_from.year)

    @property
    def title_cy(self) -> str:
        """Return the cycle's Welsh title."""
        return text(f"cycle.{self.kind}", "cy").format(year=self.census_from.year)

    @property
    def born_on_or_before(self) -> dt.date | None:
        """Return the latest date of birth that reaches the minimum age (docs/reference/sources.md#the-14-rule)."""
        if self.minimum_age is None or self.minimum_age_on is None:
            return None
        return self.minimum_age_on.replace(year=self.minimum_age_on.year - self.minimum_age)

    def covers(self, census_date: dt.date) -> bool:
        """Whether a return with that reference date belongs to this cycle."""
        return self.census_from <= census_date <= self.census_to

    def is_open(self, day: dt.date) -> bool:
        """Whether the cycle is open on the day: from its first census day to its closing day."""
        return self.census_from <= day <= self.closes_on


def parse_cycles(content: str, source: str = "cycles.toml") -> dict[str, Cycle]:
    """Return the cycles of a TOML text, by id; `source` is its name in faults.

    Raises:
        ConfigurationFault: lists every unknown, missing or wrong key of every block.
    """
    return check_blocks(Cycle, toml_of(content, source), source, _overlaps)


def _overlaps(cycles: dict[str, Cycle]) -> list[Bilingual]:
    """Return a fault for each two successive cycles of a kind that overlap: a scheduled run could not choose."""
    order = sorted(cycles.values(), key=lambda c: (c.kind, c.census_from, c.id))
    return [
        bilingual("fault.windows_overlap", one=earlier.id, other=later.id, kind=earlier.kind)
        for earlier, later in pairwise(order)
        if earlier.kind == later.kind and later.census_from <= earlier.closes_on
    ]


@cache
def all_cycles() -> dict[str, Cycle]:
    """Return the shipped cycles, by id, in file order."""
    return parse_cycles(text_of(_FILE))


def open_cycle(kind: str, day: dt.date) -> Cycle | None:
    """Return the cycle of a kind that is open on a day; None if there is none."""
    return next((c for c in all_cycles().values() if c.kind == kind and c.is_open(day)), None)


def _in_order() -> list[Cycle]:
    return sorted(all_cycles().values(), key=lambda c: (c.census_from, c.id))


def up_to(cycle: Cycle) -> list[str]:
    """Return the ids of the cycles up to this one, in the order of their censuses.

    A cycle sees nothing of later ones (law 5, docs/explanation/laws.md: a January run repeated in March is still January's).
    """
    earlier = [c.id for c in _in_order() if (c.census_from, c.id) < (cycle.census_from, cycle.id)]
    return [*earlier, cycle.id]


def earlier_alike(cycle: Cycle) -> list[str]:
    """Return the ids of earlier cycles with the same year groups and minimum age, in order."""
    alike = [c.id for c in _in_order() if (c.year_groups, c.minimum_age) == (cycle.year_groups, cycle.minimum_age)]
    return [cycle_id for cycle_id in up_to(cycle)[:-1] if cycle_id in alike]


def cycles_in_order() -> list[str]:
    """Return the ids of all cycles, in the order of their censuses."""
    return [c.id for c in _in_order()]


def last_of(ids: list[str]) -> Cycle | None:
    """Return the cycle with the latest census; None if there are no ids."""
    return next((c for c in reversed(_in_order()) if c.id in ids), None)


def cycle_by_id(cycle_id: str) -> Cycle:
    """Return the cycle with that id.

    Raises:
        ConfigurationFault: there is none; lists the existing ids.
    """
    cycles = all_cycles()
    if cycle_id not in cycles:
        raise ConfigurationFault("cycle", [bilingual("fault.no_cycle", cycle=cycle_id, cycles=", ".join(cycles))])
    return cycles[cycle_id]
