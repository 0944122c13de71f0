"""The rule catalogue: `catalogue.csv`, a row per rule, read and checked here. Does not import Great Expectations.

To add a rule: a row in the CSV (code, severity, the evidence column and the expectation over it, since/until as census
dates, texts in both languages), its cases in `tests/unit/expectations`.
"""

import csv
import datetime as dt
import io
import json
import re
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from schemas.cycles import Cycle
from schemas.states import Severity
from schemas.tables import PUPIL_FIELDS
from schemas.texts.catalogue import Both, both
from schemas.texts.edited_files import text_of
from schemas.texts.faults import ConfigurationFault
from schemas.texts.tables import english_of, in_welsh
from schemas.texts.translations import Translation

_FILE = Path(__file__).with_name("catalogue.csv")
_MAY_BE_EMPTY = {"since", "until", "lrs_code"}
#: Expectations that ask only whether a value is there.
PRESENCE = frozenset(("expect_column_values_to_be_null", "expect_column_values_to_not_be_null"))
#: Those whose verdict on a value is the value's alone, whatever stands in the other rows (not so: unique, increasing).
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
#: Arguments that make it depend on other rows or columns.
_OF_MANY_ROWS = frozenset(("mostly", "row_condition", "condition_parser"))
_TOO_MANY = "more cells than the heading"


@dataclass(frozen=True)
class Rule:
    """One rule: what it judges (field, column, expectation), when it holds, and what it says to people.

    Attributes:
        code: the name of the rule in findings, texts and tests.
        severity: `schemas.states.Severity`.
        field: the pupil field a person would correct.
        column: the evidence column that is judged.
        expectation: its class in Great Expectations, in snake case, one of the row-wise; it passes over nulls unless it
            asks for them.
        kwargs: its further arguments, a JSON object.
        since, until: the census dates between which the rule holds (ISO, both included), or empty.
        lrs_code: the LRS return code that the fault would have earned, or empty.
        wrong_en, wrong_cy: what is wrong, as it stands in a school's list of exceptions.
        message_en, message_cy: what good looks like, as `uln check` says it.
        action_en, action_cy: what to do.
    """

    code: str
    severity: str
    field: str
    column: str
    expectation: str
    kwargs: str
    since: str
    until: str
    lrs_code: str
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
        """The expectation's arguments besides its column."""
        found: dict[str, Any] = json.loads(self.kwargs)
        return found


def row_wise(expectation: str, arguments: dict[str, Any]) -> bool:
    """Whether a verdict on a value is the value's alone: only such rules are run, once for each distinct value."""
    return expectation in _ROW_WISE and not _OF_MANY_ROWS & set(arguments)


def parse_rules(
    text: str, source: str = "catalogue.csv", translations: dict[str, Translation] | None = None
) -> tuple[Rule, ...]:
    """Read a catalogue.

    Args:
        text: CSV with exactly the columns of `Rule`, but for the Welsh ones.
        source: how to name the text in a fault.
        translations: the Welsh; the shipped catalogue of it where None.

    Returns:
        The rules, in file order.

    Raises:
        ConfigurationFault: with every fault of every row, or every fault of the Welsh.
    """
    names = [f.name for f in fields(Rule)]
    reader = csv.DictReader(io.StringIO(text), restkey=_TOO_MANY, restval="")
    welsh = english_of(names)
    odd = sorted(set(reader.fieldnames or []) ^ (set(names) - set(welsh)))
    if odd:
        raise ConfigurationFault(source, [both("fault.table_column", column=name) for name in odd])
    rows = list(reader)
    faults: list[str] = [
        both("fault.in_line", line=n, code=row["code"], fault=fault)
        for n, row in enumerate(rows, 2)
        for fault in _row_faults(row)
    ]
    codes = [row["code"] for row in rows]
    faults += [both("fault.twice", code=code) for code in sorted({c for c in codes if codes.count(c) > 1})]
    if faults:
        raise ConfigurationFault(source, faults)
    complete, faults = in_welsh(Path(source).stem, rows, "code", welsh, translations)
    if faults:
        raise ConfigurationFault(source, faults)
    return tuple(Rule(**row) for row in complete)


def _row_faults(row: dict[str, str]) -> list[Both]:
    if _TOO_MANY in row:
        return [both("fault.too_many_cells")]
    faults = [
        both("fault.empty", column=name)
        for name, value in row.items()
        if not value.strip() and name not in _MAY_BE_EMPTY
    ]
    checks = [
        (row["severity"] in list(Severity), both("fault.one_of", column="severity", allowed=", ".join(Severity))),
        (row["field"] in PUPIL_FIELDS, both("fault.one_of", column="field", allowed=", ".join(PUPIL_FIELDS))),
        (
            row["expectation"] in _ROW_WISE,
            both("fault.one_of", column="expectation", allowed=", ".join(sorted(_ROW_WISE))),
        ),
        (_object(row["kwargs"]) is not None, both("fault.kwargs")),
        (
            not _OF_MANY_ROWS & set(_object(row["kwargs"]) or ()),
            both("fault.kwargs_without", names=", ".join(sorted(_OF_MANY_ROWS))),
        ),
        (re.fullmatch(r"(RC[0-9]{3})?", row["lrs_code"]) is not None, both("fault.lrs_code")),
    ]
    dates = {name: _date(row[name]) for name in ("since", "until") if row[name]}
    checks += [(day is not None, both("fault.a_date", key=name)) for name, day in dates.items()]
    since, until = dates.get("since"), dates.get("until")
    checks.append((since is None or until is None or since <= until, both("fault.order", first="since", then="until")))
    return faults + [fault for holds, fault in checks if not holds]


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _date(text: str) -> dt.date | None:
    try:
        return dt.datetime.strptime(text, "%Y-%m-%d").date()  # noqa: DTZ007 - a day, not a moment
    except ValueError:
        return None


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule of the shipped catalogue, in file order."""
    return parse_rules(text_of(_FILE))


def rules_for(cycle: Cycle, rules: tuple[Rule, ...] | None = None) -> tuple[Rule, ...]:
    """The rules that hold for a cycle, by the first day that its census may fall on.

    Args:
        cycle: its census_from; since and until are both included.
        rules: the catalogue to choose from; the shipped one where None.

    Returns:
        Those rules, in file order.
    """
    day = cycle.census_from.isoformat()
    every = all_rules() if rules is None else rules
    return tuple(r for r in every if (r.since or day) <= day <= (r.until or day))
