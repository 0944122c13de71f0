"""Census cycles: rows of data in `cycles.toml`, read and checked here. Knows nothing of pupils."""

import datetime as dt
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

from schemas.texts.catalogue import Bilingual, bilingual, text
from schemas.texts.edited_files import Checked, Follows, Says, Whole, Wrong, check_blocks, one_of, text_of, toml_of
from schemas.texts.faults import ConfigurationFault

_FILE = Path(__file__).with_name("cycles.toml")
#: The kinds of cycles that come every year, each with a deployment of its own; the pilot came once.
SCHEDULED_KINDS = ("september", "january")
_KINDS = ("pilot", *SCHEDULED_KINDS)


@dataclass(frozen=True)
class Cycle(Checked):
    """One census cycle.

    Attributes:
        id: the name that people use, e.g. `2012-01`.
        academic_year: the year in which the academic year starts.
        census_from, census_to: the days on which a return's reference date may fall (both included).
        closes_on: the last day on which a registration counts for the cycle.
        answer_within_days: a batch that has waited longer for the LRS's answers shows as stuck.
        year_groups: the National Curriculum years that are chosen.
        minimum_age, minimum_age_on: where a rule of age applies, the age in whole years and the day it is measured on.
    """

    id: str
    kind: Annotated[str, one_of(_KINDS)]
    academic_year: int
    census_from: dt.date
    census_to: Annotated[dt.date, Follows("census_from", "census_to")]
    closes_on: Annotated[dt.date, Follows("census_to", "closes_on")]
    answer_within_days: Whole
    year_groups: Annotated[
        tuple[int, ...], Says("fault.year_groups", lambda years: years and all(1 <= year <= 14 for year in years))
    ]
    lrs_profile: str
    lrs_format: Literal["CSV", "XML"]
    ctf_version: str
    minimum_age: int | None = None
    minimum_age_on: dt.date | None = None

    def __post_init__(self) -> None:
        """Refuse half a rule of age."""
        if (self.minimum_age is None) != (self.minimum_age_on is None):
            raise Wrong([bilingual("fault.together", one="minimum_age", other="minimum_age_on")])

    @property
    def title_en(self) -> str:
        """What people call the cycle in English, by its kind and the year of its census."""
        return text(f"cycle.{self.kind}", "en").format(year=self.census_from.year)

    @property
    def title_cy(self) -> str:
        """What people call it in Welsh."""
        return text(f"cycle.{self.kind}", "cy").format(year=self.census_from.year)

    @property
    def born_on_or_before(self) -> dt.date | None:
        """The latest date of birth that reaches the minimum age on its day (docs/reference/sources.md#the-14-rule)."""
        if self.minimum_age is None or self.minimum_age_on is None:
            return None
        return self.minimum_age_on.replace(year=self.minimum_age_on.year - self.minimum_age)

    def covers(self, census_date: dt.date) -> bool:
        """Whether a return of that reference date belongs to this cycle."""
        return self.census_from <= census_date <= self.census_to

    def is_open(self, day: dt.date) -> bool:
        """Whether the day is in the window in which the cycle's census runs: from its first census day to its closing day."""
        return self.census_from <= day <= self.closes_on


def parse_cycles(content: str, source: str = "cycles.toml") -> dict[str, Cycle]:
    """The cycles of a TOML text, a block each, by id; `source` names it in faults.

    Raises:
        ConfigurationFault: with every unknown, missing or wrong key of every block.
    """
    return check_blocks(Cycle, toml_of(content, source), source, _overlaps)


def _overlaps(cycles: dict[str, Cycle]) -> list[Bilingual]:
    """A fault for each two cycles of one kind whose windows share a day: which of them a scheduled run is for."""
    order = sorted(cycles.values(), key=lambda c: (c.kind, c.census_from, c.id))
    return [
        bilingual("fault.windows_overlap", one=one.id, other=other.id, kind=one.kind)
        for one, other in pairwise(order)
        if one.kind == other.kind and other.census_from <= one.closes_on
    ]


@cache
def all_cycles() -> dict[str, Cycle]:
    """The cycles shipped with the project, by id, in file order."""
    return parse_cycles(text_of(_FILE))


def open_cycle(kind: str, day: dt.date, cycles: dict[str, Cycle] | None = None) -> Cycle | None:
    """The cycle of a kind in whose window a day falls; None where there is none."""
    known = (all_cycles() if cycles is None else cycles).values()
    return next((c for c in known if c.kind == kind and c.is_open(day)), None)


def up_to(cycle: Cycle, cycles: dict[str, Cycle] | None = None) -> list[str]:
    """The ids of the cycles whose census is not later than this one's, itself last, in the order of their censuses.

    A cycle sees nothing of later ones (law 5, docs/explanation/laws.md: a January run repeated in March is still January's).
    """
    order = sorted((all_cycles() if cycles is None else cycles).values(), key=lambda c: (c.census_from, c.id))
    earlier = [c.id for c in order if (c.census_from, c.id) < (cycle.census_from, cycle.id)]
    return [*earlier, cycle.id]


def earlier_alike(cycle: Cycle) -> list[str]:
    """The ids of the earlier cycles that are for the same learners, in order: of the same year groups and rule of age."""
    own = (cycle.year_groups, cycle.minimum_age)
    before = (all_cycles()[one] for one in up_to(cycle)[:-1])
    return [c.id for c in before if (c.year_groups, c.minimum_age) == own]


def cycles_in_order() -> list[str]:
    """The ids of all cycles in the order of their censuses."""
    return [c.id for c in sorted(all_cycles().values(), key=lambda c: (c.census_from, c.id))]


def last_of(ids: list[str]) -> Cycle | None:
    """Of some cycles the one whose census is the last; None where there are none."""
    return next((all_cycles()[one] for one in reversed(cycles_in_order()) if one in ids), None)


def cycle_by_id(cycle_id: str) -> Cycle:
    """The cycle of that id.

    Raises:
        ConfigurationFault: when there is none; names those that exist.
    """
    cycles = all_cycles()
    if cycle_id not in cycles:
        raise ConfigurationFault("cycle", [bilingual("fault.no_cycle", cycle=cycle_id, cycles=", ".join(cycles))])
    return cycles[cycle_id]
