"""The rule catalogue: `catalogue.csv`, a row per rule, read and checked here. Does not import Great Expectations.

To add a rule: a row in the CSV (code, severity, the evidence column and the expectation over it, since/until as census
dates, texts in both languages), its cases in `tests/expectations`.
"""

import csv
import datetime as dt
import io
import json
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from schemas.cycles import Cycle
from schemas.faults import ConfigurationFault
from schemas.states import Severity

_FILE = Path(__file__).with_name("catalogue.csv")
_MAY_BE_EMPTY = {"since", "until", "lrs_code"}


@dataclass(frozen=True)
class Rule:
    """One rule: what it judges (field, column, expectation), when it holds, and what it says to people.

    Attributes:
        field: the pupil field a person would correct.
        column: the evidence column that is judged.
        lrs_code: the LRS return code that the fault would have earned, or empty.
        cy_review: Y where the Welsh waits for the translator.
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
    message_en: str
    message_cy: str
    action_en: str
    action_cy: str
    field_en: str
    field_cy: str
    cy_review: str

    @property
    def arguments(self) -> dict[str, Any]:
        """The expectation's arguments besides its column."""
        found: dict[str, Any] = json.loads(self.kwargs)
        return found


def parse_rules(text: str, source: str = "catalogue.csv") -> tuple[Rule, ...]:
    """Read a catalogue.

    Raises:
        ConfigurationFault: with every fault of every row.
    """
    names = [f.name for f in fields(Rule)]
    reader = csv.DictReader(io.StringIO(text))
    odd = sorted(set(reader.fieldnames or []) ^ set(names))
    if odd:
        raise ConfigurationFault(source, [f"column {name!r} is missing or not known" for name in odd])
    rows = list(reader)
    faults = [f"{row['code']}: {fault}" for row in rows for fault in _row_faults(row)]
    codes = [row["code"] for row in rows]
    faults += [f"{code}: stands twice" for code in sorted({c for c in codes if codes.count(c) > 1})]
    if faults:
        raise ConfigurationFault(source, faults)
    return tuple(Rule(**row) for row in rows)


def _row_faults(row: dict[str, str]) -> list[str]:
    faults = [f"{name} is empty" for name, value in row.items() if not value and name not in _MAY_BE_EMPTY]
    if row["severity"] not in list(Severity):
        faults.append("severity is blocking or warning")
    try:
        if not isinstance(json.loads(row["kwargs"] or "{}"), dict):
            faults.append("kwargs is not a JSON object")
    except ValueError:
        faults.append("kwargs is not JSON")
    for name in ("since", "until"):
        try:
            dt.date.fromisoformat(row[name] or "2000-01-01")
        except ValueError:
            faults.append(f"{name} is not a date like 2024-01-16")
    return faults


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule of the shipped catalogue, in file order."""
    return parse_rules(_FILE.read_text(encoding="utf-8"))


def rules_for(cycle: Cycle) -> tuple[Rule, ...]:
    """The rules that hold for a cycle, by the first day its census may fall on."""
    day = cycle.census_from.isoformat()
    return tuple(r for r in all_rules() if (r.since or day) <= day <= (r.until or day))
