"""Likely causes of a possible match: why the LRS may have answered that it knows a very similar learner.

Belongs here: the causes by likelihood, and the loader of their texts for schools, `possible_match_causes.csv`. Does not
belong here: the cause for a learner (`tasks.core.possible_match`). The causes are ours: the LRS gives only the code.
To add a cause: a word in `Cause` at its place, a row in the table, and the evidence for it in `possible_match`.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

from schemas.codes.code_table import load_table
from schemas.texts.edited_files import Checked, one_of

_FILE = Path(__file__).with_name("possible_match_causes.csv")


class Cause(StrEnum):
    """The causes, the likeliest first. If several apply, the school is shown the first."""

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


class CauseTexts(Checked):
    """A cause's texts: the likely reason and what to check."""

    code: Annotated[str, one_of(Cause)]
    why_en: str
    why_cy: str
    check_en: str
    check_cy: str


def possible_match_causes() -> tuple[CauseTexts, ...]:
    """Return the texts of all causes, in file order (`load_table`); none may be missing or unknown."""
    return tuple(load_table(CauseTexts, _FILE, needed=Cause).values())
