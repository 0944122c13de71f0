"""Runs the rules over the evidence with Great Expectations: each question once, and once of each distinct value.

A rule judges one column, and its verdict on a value is the value's alone (`catalogue.row_wise`). Rules of the same
expectation with the same arguments ask one question, and a country's rows hold few distinct values. So the library gets,
question by question, the distinct values of all columns of which it is asked, and its verdicts are brought back to the rows.

Findings name rule and row, never values: results leave the unexpected values out. A rule that crashes is our fault and
stops the stage; it is never counted as a school's.
"""

import logging
import threading
import warnings
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from expectations.rule_catalogue import PRESENCE, Rule, row_wise
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault

_RESULT_FORMAT = {
    "result_format": "COMPLETE",
    "exclude_unexpected_values": True,
    "return_unexpected_index_query": False,
}
#: The library's context is one per process, and so is its data source here.
_ONE_AT_A_TIME = threading.Lock()


@dataclass(frozen=True)
class RuleResult:
    """What the rules found.

    Attributes:
        findings: row_ref, rule, severity, field; sorted by row_ref and rule.
        tried: rule, tried (rows in which the question arises), failed; in the order of the rules.
    """

    findings: pd.DataFrame
    tried: pd.DataFrame


@dataclass(frozen=True)
class _Seen:
    """A column as its rule sees it: one row for each distinct value, and which of them each row of the evidence has."""

    values: pd.Series
    at: np.ndarray


def run_rules(evidence: pd.DataFrame, rules: tuple[Rule, ...]) -> RuleResult:
    """Judge the evidence.

    Args:
        evidence: `tasks.core.evidence.evidence`; row_ref must be unique.
        rules: `catalogue.rules_for`.

    Returns:
        The findings, and how many rows each rule tried and failed.

    Raises:
        ServiceFault: a rule could not be run, or one that asks the same could not; names the rules only.
    """
    if evidence.empty or not rules:
        return _result([], [(r.code, 0, 0) for r in rules], rules)
    wrong = [r.code for r in rules if r.column not in evidence or not row_wise(r.expectation, r.arguments)]
    if wrong:
        raise ServiceFault(_could_not_run(wrong))
    seen = {r.code: _seen(evidence[r.column], presence_only=r.expectation in PRESENCE) for r in rules}
    questions: dict[tuple[str, str, str], list[Rule]] = {}
    for rule in rules:
        # Numbers and text are never put into one column: there they would no longer be what they are.
        questions.setdefault((rule.expectation, rule.kwargs, str(evidence[rule.column].dtype)), []).append(rule)
    asked = list(questions.values())
    tables = [pd.concat([seen[r.code].values for r in of], ignore_index=True) for of in asked]
    results = _validate([(_expectation(of[0]), table) for of, table in zip(asked, tables, strict=True)])
    crashed = [r.code for of, result in zip(asked, results, strict=True) if _crashed(result) for r in of]
    if crashed:
        raise ServiceFault(_could_not_run(crashed))
    verdicts: dict[str, tuple[np.ndarray, int]] = {}
    for of, table, result in zip(asked, tables, results, strict=True):
        fails = np.zeros(len(table), dtype=bool)
        fails[result.result["unexpected_index_list"] or []] = True
        # A null is no case of the rule, unless nulls are what it asks for: that result counts no missing values.
        is_case = table.notna().to_numpy(dtype=bool) | ("missing_count" not in result.result)
        ends = np.cumsum([0, *(len(seen[r.code].values) for r in of)])
        for rule, (start, end) in zip(of, pairwise(ends), strict=True):
            at = seen[rule.code].at
            verdicts[rule.code] = fails[start:end][at], int(is_case[start:end][at].sum())
    refs = evidence["row_ref"].astype("str")
    found = [pd.DataFrame({"row_ref": refs[verdicts[r.code][0]]}).assign(rule=r.code) for r in rules]
    return _result(found, [(r.code, verdicts[r.code][1], len(f)) for r, f in zip(rules, found, strict=True)], rules)


def _seen(column: pd.Series, *, presence_only: bool) -> _Seen:
    """A column's distinct values, the null among them.

    Args:
        column: of the evidence.
        presence_only: whether the question is only if a value is there; then one value stands for all.
    """
    if column.dtype == object and not presence_only:
        # Objects may be equal and yet not the same (1, 1.0 and True): each stands for itself.
        return _Seen(column, np.arange(len(column)))
    at, values = pd.factorize(column.isna() if presence_only else column, use_na_sentinel=False)
    first = np.empty(len(values), dtype=np.intp)
    first[at[::-1]] = np.arange(len(column))[::-1]
    return _Seen(column.iloc[first], at)


def _result(found: list[pd.DataFrame], tried: list[tuple[str, int, int]], rules: tuple[Rule, ...]) -> RuleResult:
    empty = pd.DataFrame({"row_ref": [], "rule": []}, dtype="str")
    findings = pd.concat([empty, *found], ignore_index=True)
    findings["severity"] = findings["rule"].map({r.code: r.severity for r in rules}).astype("str")
    findings["field"] = findings["rule"].map({r.code: r.field for r in rules}).astype("str")
    findings = findings.sort_values(["row_ref", "rule"], ignore_index=True)
    return RuleResult(findings, pd.DataFrame(tried, columns=["rule", "tried", "failed"]))


def _crashed(result: Any) -> bool:
    """Whether a result tells of an exception; it stands in the info itself, or in one entry for each metric."""
    info = result.exception_info or {}
    return any(entry.get("raised_exception") for entry in (info, *info.values()) if isinstance(entry, dict))


@cache
def _gx() -> Any:
    """Great Expectations, imported when the first rule runs: it takes seconds, and warns of its own libraries."""
    logging.getLogger("great_expectations").setLevel(logging.ERROR)  # it talks while it is imported, too
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations  # noqa: PLC0415
    # Each of its loggers by itself: the engine's logging set-up gives some of them a level of their own.
    for name in [n for n in logging.root.manager.loggerDict if n.startswith("great_expectations")]:
        logging.getLogger(name).setLevel(logging.ERROR)
    return great_expectations


def ready() -> None:
    """Load the library now, for a process that will run rules soon."""
    _context()


@cache
def _context() -> Any:
    context = _gx().get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    return context


def _expectation(rule: Rule) -> Any:
    """What the rule asks, of a column `value`.

    Raises:
        ServiceFault: the library knows no such expectation, or not these arguments.
    """
    name = "".join(word.capitalize() for word in rule.expectation.split("_"))
    try:
        return getattr(_gx().expectations, name)(column="value", **rule.arguments)
    except (AttributeError, TypeError, ValueError) as error:
        raise ServiceFault(_could_not_run([rule.code])) from error


def _could_not_run(codes: list[str]) -> str:
    return bilingual("fault.rules", rules=", ".join(codes))


def _validate(questions: list[tuple[Any, pd.Series]]) -> list[Any]:
    """The library's results, an expectation over a column each.

    Each has a batch of its own: one batch for all would have as many rows as the longest column for every question.
    The data source is taken away again, so that calls leave nothing behind.
    """
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sources = _context().data_sources
        source = sources.add_or_update_pandas(name="evidence")
        try:
            whole = source.add_dataframe_asset(name="distinct").add_batch_definition_whole_dataframe("all")
            return [
                whole.get_batch({"dataframe": _plain(values)}).validate(asked, result_format=_RESULT_FORMAT)
                for asked, values in questions
            ]
        finally:
            sources.delete("evidence")


def _plain(values: pd.Series) -> pd.DataFrame:
    """Text as the library reads it, objects with None: the pandas text type is newer than its pandas engine."""
    table = values.to_frame("value")
    if values.dtype.kind not in "fib":
        table = table.astype(object)
    return table.where(table.notna(), None)
