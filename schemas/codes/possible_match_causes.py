"""Why the LRS may have answered that it knows a learner very like this one: causes, and what a school is told of each.

Belongs here: the causes in the order of their likelihood, and the loader of their texts, `possible_match_causes.csv`. Which
one is a learner's, `tasks.core.possible_match` says. No cause is the LRS's own word: it gives the code alone.
To add a cause: a word in `Cause` at its place, a row in the table, and what shows it in `possible_match`.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path

from schemas.texts.catalogue import both
from schemas.texts.edited_files import text_of
from schemas.texts.faults import ConfigurationFault
from schemas.texts.tables import parse_table
from schemas.texts.translations import Translation

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
class CauseTexts:
    """A cause's texts: the likely reason and what to check."""

    code: str
    why_en: str
    why_cy: str
    check_en: str
    check_cy: str


@cache
def possible_match_causes() -> tuple[CauseTexts, ...]:
    """The texts of every cause, in file order.

    Raises:
        ConfigurationFault: the table is wrong; with every fault.
    """
    return parse_causes(text_of(_FILE))


def parse_causes(
    content: str, source: str = _FILE.name, catalogue: dict[str, Translation] | None = None
) -> tuple[CauseTexts, ...]:
    """Read a table of causes.

    Args:
        content: CSV with the columns code, why_en and check_en.
        source: how to name it in a fault.
        catalogue: the Welsh; the shipped catalogue where None.

    Raises:
        ConfigurationFault: columns or cells are wrong, a cause is missing or not known; with every fault.
    """
    rows = parse_table(content, CauseTexts, source, catalogue=catalogue)
    codes = {row.code for row in rows}
    faults: list[str] = [
        both("fault.one_of", column="code", allowed=", ".join(Cause)).at(f"{row.code}:")
        for row in rows
        if row.code not in list(Cause)
    ]
    faults += [both("fault.code_missing", code=cause) for cause in Cause if cause not in codes]
    if faults:
        raise ConfigurationFault(source, faults)
    return tuple(rows)
