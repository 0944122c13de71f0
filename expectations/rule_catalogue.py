"""Read and check the rule catalogue: `catalogue.csv`, a row per rule. Does not import Great Expectations.

To add a rule: a row in the CSV (code, severity, an evidence column and its expectation, first and last census date, English
texts), its Welsh in `schemas/texts/locale/cy.po`, its cases in `tests/unit/expectations`.
"""

import datetime as dt
import json
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from schemas.codes.code_table import parse_table
from schemas.cycles import Cycle
from schemas.states import Severity
from schemas.tables import PUPIL_FIELDS
from schemas.texts.edited_files import Checked, Condition, follows, one_of, text_of
from schemas.texts.translations import Translation

_FILE = Path(__file__).with_name("catalogue.csv")
_MAY_BE_EMPTY = frozenset({"since", "until", "lrs_code"})
#: Expectations that only check whether there is a value.
PRESENCE = frozenset(("expect_column_values_to_be_null", "expect_column_values_to_not_be_null"))
#: Expectations whose verdict on a value does not depend on other rows (unlike unique, increasing).
_ROW_WISE = PRESENCE | {
    "expect_column_value_lengths_to_be_between",
    "expect_column_value_lengths_to_equal",
    "expect_column_values_to_be_between",
    "expect_column_values_to_be_in_set",
    "expect_column_values_to_match_regex",
    "expect_column_values_to_match_regex_list",
    "expect_column_values_to_match_strftime_format",
    "expect_column_values_to_not_be_in_set",
    "expect_column_values_to_not_match_regex",
    "expect_column_values_to_not_match_regex_list",
}
#: Arguments that make the verdict depend on other rows or columns.
_OF_MANY_ROWS = frozenset(("mostly", "row_condition", "condition_parser"))


def _object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _day(text: str) -> bool:
    try:
        return not text or bool(dt.datetime.strptime(text, "%Y-%m-%d"))  # noqa: DTZ007 - a day, not a moment
    except ValueError:
        return False


def _row_wise_arguments(text: str) -> str:
    if _OF_MANY_ROWS & set(json.loads(text)):
        names = ", ".join(sorted(_OF_MANY_ROWS))
        raise PydanticCustomError("fault.kwargs_without", "fault.kwargs_without", {"names": names})
    return text


_Day = Annotated[str, Condition("fault.a_date", _day)]


class Rule(Checked):
    """One rule: what it judges (field, column, expectation), when it holds, and its texts for people.

    Attributes:
        field: the pupil field that a person would correct.
        column: the evidence column that is judged.
        expectation: the name of a row-wise expectation of Great Expectations. Nulls pass, unless it is one of PRESENCE.
        kwargs: further arguments of the expectation, a JSON object.
        since, until: first and last census date for which the rule holds (ISO), or empty.
        lrs_code: the return code that the LRS would give for this fault, or empty.
        wrong_en, wrong_cy: what is wrong, as in a school's list of exceptions.
        message_en, message_cy: what good looks like, as in `uln check`.
        action_en, action_cy: what to do.
    """

    code: str
    severity: Annotated[str, one_of(Severity)]
    field: Annotated[str, one_of(PUPIL_FIELDS)]
    column: str
    expectation: Annotated[str, one_of(sorted(_ROW_WISE))]
    kwargs: Annotated[str, Condition("fault.kwargs", _object), AfterValidator(_row_wise_arguments)]
    since: _Day
    until: Annotated[_Day, follows("since", "until")]
    lrs_code: Annotated[str, Condition("fault.lrs_code", re.compile(r"(RC[0-9]{3})?").fullmatch)]
    wrong_en: str
    wrong_cy: str
    message_en: str
    message_cy: str
    action_en: str
    action_cy: str
    field_en: str
    field_cy: str

    @property
    def arguments(self) -> dict[str, Any]:
        """The expectation's arguments except its column."""
        arguments: dict[str, Any] = json.loads(self.kwargs)
        return arguments


def row_wise(expectation: str, arguments: dict[str, Any]) -> bool:
    """Whether a verdict depends on the value alone. Only such rules are run, once per distinct value."""
    return expectation in _ROW_WISE and not _OF_MANY_ROWS & set(arguments)


def parse_rules(
    text: str, source: str = "catalogue.csv", translations: dict[str, Translation] | None = None
) -> tuple[Rule, ...]:
    """Return the rules of a CSV text that has the columns of `Rule` except the Welsh ones, in file order.

    `source` is its name in faults; the Welsh comes from the shipped catalogue if `translations` is None.

    Raises:
        ConfigurationFault: with every fault of every row, or every fault of the Welsh.
    """
    return tuple(parse_table(text, Rule, source, _MAY_BE_EMPTY, catalogue=translations).values())


@cache
def all_rules() -> tuple[Rule, ...]:
    """Return every rule of the shipped catalogue, in file order."""
    return parse_rules(text_of(_FILE))


def rules_for(cycle: Cycle, rules: tuple[Rule, ...] | None = None) -> tuple[Rule, ...]:
    """Return the rules that hold on the first possible census day of a cycle (census_from), in file order.

    `rules` are the rules to choose from; None means all shipped rules.
    """
    day = cycle.census_from.isoformat()
    every = all_rules() if rules is None else rules
    return tuple(r for r in every if (r.since or day) <= day <= (r.until or day))
