"""Why the LRS may have answered that it knows a learner very like this one: causes, and what a school is told of each.

Belongs here: the causes in the order of their likelihood, and the loader of their texts, `possible_match_causes.csv`. Which
one is a learner's, `tasks.core.possible_match` says. No cause is the LRS's own word: it gives the code alone.
To add a cause: a word in `Cause` at its place, a row in the table, and what shows it in `possible_match`.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated

from schemas.codes.code_table import load_table
from schemas.texts.edited_files import Checked, one_of

_FILE = Path(__file__).with_name("possible_match_causes.csv")


class Cause(StrEnum):
    """The causes, the likeliest first; of several that hold the first is told."""

    FORMER_UPN = "former_upn"
    NAMES_SWAPPED = "names_swapped"
    NAMESAKE = "namesake"
    TWIN = "twin"
    NEW_FAMILY_NAME = "new_family_name"
    NEW_GIVEN_NAME = "new_given_name"
    NEW_POSTCODE = "new_postcode"
    NEW_BIRTH_OR_GENDER = "new_birth_or_gender"
    MOVED_SCHOOL = "moved_school"
    ARRIVED = "arrived"
    OLDER_FAMILY_NAME = "older_family_name"
    TWIN_OF_OTHER_GENDER = "twin_of_other_gender"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class CauseTexts(Checked):
    """A cause's texts: the likely reason and what to check."""

    code: Annotated[str, one_of(Cause)]
    why_en: str
    why_cy: str
    check_en: str
    check_cy: str


@cache
def possible_match_causes() -> tuple[CauseTexts, ...]:
    """The texts of every cause, in file order.

    Raises:
        ConfigurationFault: the table is wrong, a cause is missing or not known; with every fault.
    """
    return tuple(load_table(CauseTexts, _FILE, needed=Cause).values())
