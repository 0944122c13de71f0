"""A synthetic Wales of three cycles, day by day, without the engine: what the pages are looked at with.

September 2011 and January 2012 are played to their end. January 2013 is looked at while it is on: its returns came in three
parts, the last part has no answer yet and has waited too long, and a school has sent nothing. From cycle to cycle learners
grow older, leave, join, move, and some of their schools sent nothing the year before; who they are is
`tasks.rehearsal.synthetic_people`.

The stages are called as the flows call them (`tests.bench.stages`).
"""

import datetime as dt
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from schemas.cycles import cycle_by_id
from schemas.lrs.profiles import all_profiles
from tasks.io.data_root.data_root import DataRoot, write_whole
from tasks.rehearsal.lrs_stand_in import answer_outbox, processed_exceptions
from tasks.rehearsal.synthetic_returns import write_wales
from tasks.rehearsal.synthetic_wales import plan_wales
from tasks.reports.overview import overview_of
from tasks.reports.pages import make_pages
from tests.bench import stages

CYCLES = ("2011-09", "2012-01", "2013-01")
LAST = CYCLES[-1]
SEED = 3
#: Days after the opening of a cycle's window on which a part of the returns is taken in; then those of answers.
_RETURNS_ON, _ANSWERS_ON, _PORTAL_ON = (9, 16, 23), 20, 30
#: The day on which the last cycle is looked at.
_LOOKED_AT = 51
#: Of the exceptions that can be settled at the portal, so many are, each time.
_SETTLED = 0.5


@dataclass(frozen=True)
class ThreeCycles:
    """What was played.

    Attributes:
        root: the data root.
        schools: the rows of the register that took part.
        sent_nothing: the school that sends nothing in the last cycle.
        looked_at: the time as of which the last cycle is looked at.
    """

    root: Path
    schools: pd.DataFrame
    sent_nothing: str
    looked_at: str


def three_cycles(
    root: Path,
    schools: pd.DataFrame,
    pupils_per_school: int = 60,
    answered: Callable[[str], None] = lambda _cycle: None,
    published: Callable[[str, str], None] = lambda _cycle, _as_of: None,
) -> ThreeCycles:
    """Play the three cycles.

    Args:
        root: an empty folder.
        schools: rows of the schools register, more than three.
        pupils_per_school: the mean.
        answered: called with the cycle each time that the LRS has answered, before that is merged.
        published: called with the cycle and the time each time that the schools' files were published.
    """
    DataRoot(root).create()
    write_whole(DataRoot(root).rehearsal_mark, b'{"synthetic": true}\n')
    silent = str(schools["school_number"].max())
    for cycle in CYCLES:
        _plan(root, cycle, schools, pupils_per_school)
        parts = _parts(root, cycle, silent if cycle == LAST else None)
        for part, day in zip(parts, _RETURNS_ON, strict=True):
            for path in part:
                path.aside.replace(path.path)
            if day == _RETURNS_ON[-1]:
                # The first two parts' answers are there before the last part goes out.
                answer_outbox(root, profiles=all_profiles(), seed=SEED)
                answered(cycle)
                _returns(root, cycle, _ANSWERS_ON)
                published(cycle, _on(cycle, _ANSWERS_ON))
            for stage in stages.census_stages(root, cycle, _on(cycle, day)).values():
                stage()
        processed_exceptions(root, _SETTLED, SEED)
        if cycle != LAST:
            answer_outbox(root, profiles=all_profiles(), seed=SEED)
            answered(cycle)
        _returns(root, cycle, _PORTAL_ON)
        published(cycle, _on(cycle, _PORTAL_ON))
    return ThreeCycles(root, schools, silent, _on(LAST, _LOOKED_AT))


def pages_of(played: ThreeCycles) -> Path:
    """Make the pages of the last cycle; the folder in which they lie."""
    data = str(played.root)
    seen = overview_of(data, LAST, played.looked_at, conserved=False)
    return make_pages(data, LAST, played.looked_at, seen, conserved=False, run="uln report").folder


def _on(cycle: str, day: int) -> str:
    opened = dt.datetime.combine(cycle_by_id(cycle).census_from, dt.time(9, 15))
    return (opened + dt.timedelta(days=day)).isoformat()


def _plan(root: Path, cycle: str, schools: pd.DataFrame, pupils_per_school: int) -> None:
    row = cycle_by_id(cycle)
    write_wales(plan_wales(schools, row, SEED, pupils_per_school), root, row)


@dataclass(frozen=True)
class _Kept:
    """A file of the inbox, and where it waits until it arrives."""

    path: Path
    aside: Path


def _parts(root: Path, cycle: str, silent: str | None) -> list[list[_Kept]]:
    """The cycle's returns, moved aside, in the parts in which they arrive; those of a school that sends nothing in none."""
    made = pd.read_parquet(root / "rehearsal" / "truth" / cycle / "files.parquet")
    aside = root / "rehearsal" / "aside" / cycle
    parts: list[list[_Kept]] = [[] for _ in _RETURNS_ON]
    silents = set(made.loc[made["school_number"] == silent, "path"])
    others = made[~made["path"].isin(silents)]
    place = {school: n for n, school in enumerate(sorted(others["school_number"].unique()))}
    for path, rows in made.groupby("path", sort=True):
        kept = _Kept(root / "dewi" / "inbox" / str(path), aside / str(path))
        kept.aside.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(kept.path, kept.aside)
        if path not in silents:
            # Schools next to each other arrive on different days, so that no authority is there all at once.
            parts[place[rows["school_number"].min()] % len(parts)].append(kept)
    return parts


def _returns(root: Path, cycle: str, day: int) -> None:
    for stage in stages.returns_stages(root, cycle, _on(cycle, day)).values():
        stage()
