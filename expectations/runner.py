"""Run the rules over the evidence with Great Expectations, once per question and distinct value.

A rule judges one column, and its verdict depends on the value alone (`rule_catalogue.row_wise`). Rules with the same
expectation and arguments are one question, and a country's rows hold few distinct values. So for each question the library
gets the distinct values of all its columns, and its verdicts are mapped back to the rows.

Findings name rule and row, never values: the results leave out the unexpected values. A rule that crashes is our fault and
stops the stage; it is never counted against a school.
"""

import logging
import threading
import warnings
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

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
#: The library has one context per process, and this module one data source in it: calls take turns.
_LIBRARY_LOCK = threading.Lock()


@dataclass(frozen=True)
class RuleResult:
    """The findings of the rules.

    Attributes:
        findings: row_ref, rule, severity, field; sorted by row_ref and rule.
        tried: rule, tried (rows to which the rule applies), failed; in the order of the rules.
    """

    findings: pd.DataFrame
    tried: pd.DataFrame


class _DistinctValues(NamedTuple):
    """A column's distinct values for a rule; `at` is, for each row of the evidence, the position of its value."""

    values: pd.Series
    at: np.ndarray


def run_rules(evidence: pd.DataFrame, rules: tuple[Rule, ...]) -> RuleResult:
    """Judge the evidence.

    Args:
        evidence: `tasks.core.evidence.evidence`; row_ref must be unique.
        rules: `rule_catalogue.rules_for`.

    Returns:
        The findings, and how many rows each rule tried and failed.

    Raises:
        ServiceFault: a rule could not be run; names rules only, and after a crash all rules of the same question.
    """
    if evidence.empty or not rules:
        return _result([], [(r.code, 0, 0) for r in rules], rules)
    wrong = [r.code for r in rules if r.column not in evidence or not row_wise(r.expectation, r.arguments)]
    if wrong:
        raise ServiceFault(_could_not_run(wrong))
    distinct = {r.code: _distinct(evidence[r.column], presence_only=r.expectation in PRESENCE) for r in rules}
    questions: dict[tuple[str, str, str], list[Rule]] = {}
    for rule in rules:
        # Numbers and text never share a column, because it would change their type.
        questions.setdefault((rule.expectation, rule.kwargs, str(evidence[rule.column].dtype)), []).append(rule)
    groups = list(questions.values())
    tables = [pd.concat([distinct[r.code].values for r in group], ignore_index=True) for group in groups]
    results = _validate([(_expectation(group[0]), table) for group, table in zip(groups, tables, strict=True)])
    crashed = [r.code for group, result in zip(groups, results, strict=True) if _crashed(result) for r in group]
    if crashed:
        raise ServiceFault(_could_not_run(crashed))
    verdicts: dict[str, tuple[np.ndarray, int]] = {}
    for group, table, result in zip(groups, tables, results, strict=True):
        fails = np.zeros(len(table), dtype=bool)
        fails[result.result["unexpected_index_list"] or []] = True
        # A null is no case for a rule, unless the rule checks for nulls: then the result has no count of missing values.
        is_case = table.notna().to_numpy(dtype=bool) | ("missing_count" not in result.result)
        ends = np.cumsum([0, *(len(distinct[r.code].values) for r in group)])
        for rule, (start, end) in zip(group, pairwise(ends), strict=True):
            at = distinct[rule.code].at
            verdicts[rule.code] = fails[start:end][at], int(is_case[start:end][at].sum())
    refs = evidence["row_ref"].astype("str")
    failed = [pd.DataFrame({"row_ref": refs[verdicts[r.code][0]]}).assign(rule=r.code) for r in rules]
    return _result(failed, [(r.code, verdicts[r.code][1], len(f)) for r, f in zip(rules, failed, strict=True)], rules)


def _distinct(column: pd.Series, *, presence_only: bool) -> _DistinctValues:
    """Return a column's distinct values, null among them; with `presence_only`, one value for all that are present."""
    if column.dtype == object and not presence_only:
        # Equal objects may differ (1, 1.0 and True), so each counts as distinct.
        return _DistinctValues(column, np.arange(len(column)))
    at, values = pd.factorize(column.isna() if presence_only else column, use_na_sentinel=False)
    first = np.empty(len(values), dtype=np.intp)
    first[at[::-1]] = np.arange(len(column))[::-1]
    return _DistinctValues(column.iloc[first], at)


def _result(failed: list[pd.DataFrame], tried: list[tuple[str, int, int]], rules: tuple[Rule, ...]) -> RuleResult:
    empty = pd.DataFrame({"row_ref": [], "rule": []}, dtype="str")
    findings = pd.concat([empty, *failed], ignore_index=True)
    findings["severity"] = findings["rule"].map({r.code: r.severity for r in rules}).astype("str")
    findings["field"] = findings["rule"].map({r.code: r.field for r in rules}).astype("str")
    findings = findings.sort_values(["row_ref", "rule"], ignore_index=True)
    return RuleResult(findings, pd.DataFrame(tried, columns=["rule", "tried", "failed"]))


def _crashed(result: Any) -> bool:
    """Whether a result reports an exception: in `exception_info` itself, or in one of its entries, one per metric."""
    info = result.exception_info or {}
    return any(entry.get("raised_exception") for entry in (info, *info.values()) if isinstance(entry, dict))


@cache
def _gx() -> Any:
    """Import Great Expectations when the first rule runs: it takes seconds, and warns about its own libraries."""
    logging.getLogger("great_expectations").setLevel(logging.ERROR)  # it also logs during the import
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations  # noqa: PLC0415
    # Each logger separately, because the engine's logging set-up gives some of them their own level.
    for name in [n for n in logging.root.manager.loggerDict if n.startswith("great_expectations")]:
        logging.getLogger(name).setLevel(logging.ERROR)
    return great_expectations


@cache
def _context() -> Any:
    context = _gx().get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    return context


def _expectation(rule: Rule) -> Any:
    name = "".join(word.capitalize() for word in rule.expectation.split("_"))
    try:
        return getattr(_gx().expectations, name)(column="value", **rule.arguments)
    except (AttributeError, TypeError, ValueError) as error:
        raise ServiceFault(_could_not_run([rule.code])) from error


def _could_not_run(codes: list[str]) -> str:
    return bilingual("fault.rules", rules=", ".join(codes))


def _validate(questions: list[tuple[Any, pd.Series]]) -> list[Any]:
    """Return the library's result for each pair of an expectation and a column.

    Each question has its own batch: a shared one would make every question's column as long as the longest.
    The data source is removed again, so calls leave nothing behind.
    """
    with _LIBRARY_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sources = _context().data_sources
        source = sources.add_or_update_pandas(name="evidence")
        try:
            whole = source.add_dataframe_asset(name="distinct").add_batch_definition_whole_dataframe("all")
            return [
                whole.get_batch({"dataframe": _plain(values)}).validate(expectation, result_format=_RESULT_FORMAT)
                for expectation, values in questions
            ]
        finally:
            sources.delete("evidence")


def _plain(values: pd.Series) -> pd.DataFrame:
    """Return text as objects, with None for null: the library's pandas engine does not know the newer pandas text type."""
    table = values.to_frame("value")
    if values.dtype.kind not in "fib":
        table = table.astype(object)
    return table.where(table.notna(), None)
