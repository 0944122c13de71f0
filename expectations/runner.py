"""Runs the rules over the evidence with Great Expectations: one validation for the whole table.

Findings name rule and row, never values: the table's index is row_ref, and results leave the unexpected values out. A rule
that crashes is our fault and stops the stage; it is never counted as a school's.
"""

import logging
import threading
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from expectations.catalogue import Rule
from schemas.faults import ServiceFault
from schemas.texts import both

_RESULT_FORMAT = {
    "result_format": "COMPLETE",
    "exclude_unexpected_values": True,
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


def run_rules(evidence: pd.DataFrame, rules: tuple[Rule, ...]) -> RuleResult:
    """Judge the evidence.

    Args:
        evidence: `tasks.core.evidence.evidence`; row_ref must be unique.
        rules: `catalogue.rules_for`.

    Returns:
        The findings, and how many rows each rule tried and failed.

    Raises:
        ServiceFault: a rule could not be run; names the rules only.
    """
    if evidence.empty or not rules:
        return _result([], [(r.code, 0, 0) for r in rules], rules)
    # Great Expectations reads object columns with None; the pandas text type is newer than its pandas engine.
    table = evidence.set_index("row_ref")
    table = table.astype({c: object for c in table.columns if table[c].dtype.kind not in "fib"})
    table = table.where(table.notna(), None)
    results = _validate(table, _suite(rules))
    found: list[pd.DataFrame] = []
    tried: list[tuple[str, int, int]] = []
    crashed: list[str] = []
    for rule in rules:
        result = results.get(rule.code)
        if result is None or _crashed(result.exception_info or {}):
            crashed.append(rule.code)
            continue
        refs = _row_refs(result.result.get("unexpected_index_list"))
        # A null is no case of the rule, unless nulls are what it asks for: that result counts no missing values.
        cases = int(result.result["element_count"]) - int(result.result.get("missing_count") or 0)
        found.append(pd.DataFrame({"row_ref": pd.Series(refs, dtype="str")}).assign(rule=rule.code))
        tried.append((rule.code, cases, len(refs)))
    if crashed:
        raise ServiceFault(_could_not_run(crashed))
    return _result(found, tried, rules)


def joined(results: list[RuleResult], rules: tuple[Rule, ...]) -> RuleResult:
    """The results of several runs over the same evidence, each with some of the rules, as one run gives them."""
    if len(results) == 1:
        return results[0]
    findings = pd.concat([r.findings for r in results]).sort_values(["row_ref", "rule"], ignore_index=True)
    tried = pd.concat([r.tried for r in results]).set_index("rule")
    return RuleResult(findings, tried.loc[[r.code for r in rules]].reset_index())


def _result(found: list[pd.DataFrame], tried: list[tuple[str, int, int]], rules: tuple[Rule, ...]) -> RuleResult:
    empty = pd.DataFrame({"row_ref": [], "rule": []}, dtype="str")
    findings = pd.concat([empty, *found], ignore_index=True)
    findings["severity"] = findings["rule"].map({r.code: r.severity for r in rules}).astype("str")
    findings["field"] = findings["rule"].map({r.code: r.field for r in rules}).astype("str")
    findings = findings.sort_values(["row_ref", "rule"], ignore_index=True)
    return RuleResult(findings, pd.DataFrame(tried, columns=["rule", "tried", "failed"]))


def _row_refs(index: Any) -> list[str]:
    """The rows of a result; the library gives one dict of lists or a list of dicts, by its own lights."""
    entries = [index] if isinstance(index, dict) else index or []
    refs: list[str] = []
    for entry in entries:
        value = entry["row_ref"]
        refs += [str(ref) for ref in value] if isinstance(value, list | tuple) else [str(value)]
    return refs


def _crashed(info: dict[str, Any]) -> bool:
    """Whether a result tells of an exception; it stands in the info itself, or in one entry for each metric."""
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


def _suite(rules: tuple[Rule, ...]) -> Any:
    """The rules as one suite.

    Raises:
        ServiceFault: the library knows no such expectation, or not these arguments.
    """
    _context()  # a suite looks for it
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        suite = _gx().ExpectationSuite(name="rules")
        for rule in rules:
            try:
                kind = getattr(_gx().expectations, "".join(w.capitalize() for w in rule.expectation.split("_")))
                suite.add_expectation(kind(column=rule.column, meta={"rule": rule.code}, **rule.arguments))
            except (AttributeError, TypeError, ValueError) as error:
                raise ServiceFault(_could_not_run([rule.code])) from error
    return suite


def _could_not_run(codes: list[str]) -> str:
    return both("fault.rules", rules=", ".join(codes))


def _validate(table: pd.DataFrame, suite: Any) -> dict[str, Any]:
    """The library's results by rule; its data source is taken away again, so that calls leave nothing behind."""
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sources = _context().data_sources
        source = sources.add_or_update_pandas(name="evidence")
        try:
            batch = source.add_dataframe_asset(name="chosen").add_batch_definition_whole_dataframe("all")
            done = batch.get_batch({"dataframe": table}).validate(suite, result_format=_RESULT_FORMAT)
        finally:
            sources.delete("evidence")
    return {result.expectation_config.meta["rule"]: result for result in done.results}
