"""Dates as the census writes them, and the age and year group that follow from a date of birth.

Does not belong here: what an age or a year group means for a record (`selection`, the rules).
"""

import pandas as pd

from schemas.cycles import Cycle
from tasks.core.text_columns import map_unique


def iso_dates(text: pd.Series) -> pd.Series:
    """Parse dates as sent into datetime64; NaT unless it is a real date written YYYY-MM-DD, in the years 1000 to 2999."""
    return map_unique(_iso_dates, text)


def _iso_dates(text: pd.Series) -> pd.Series:
    stripped = text.str.strip()
    shaped = stripped.where(stripped.str.fullmatch(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}").eq(True))
    return pd.to_datetime(shaped, format="%Y-%m-%d", errors="coerce")


def expected_year(dob: pd.Series, cycle: Cycle) -> pd.Series:
    """Return the year group for a date of birth as sent: the age on 31 August before the school year, less four (13: Y9).

    Int64, null where the date cannot be read.
    """
    return age_on(dob, pd.Timestamp(cycle.academic_year, 8, 31)) - 4


def age_on(dob: pd.Series, on: pd.Timestamp) -> pd.Series:
    """Return the age in whole years on a day, Int64; null where the date of birth cannot be read."""

    def age(spellings: pd.Series) -> pd.Series:
        born = _iso_dates(spellings)
        not_yet = (born.dt.month * 100 + born.dt.day) > on.month * 100 + on.day
        years: pd.Series = (on.year - born.dt.year - not_yet.astype("int64")).astype("Int64")
        return years

    return map_unique(age, dob)
