"""Runs the rules over the evidence with Great Expectations: one validation for the whole table.

Findings name rule and row, never values: results are asked for by row_ref with the unexpected values left out. A rule
that crashes is our fault and stops the stage; it is never counted as a school's.
"""

import logging
import uuid
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from expectations.catalogue import Rule
from schemas.faults import ServiceFault

_RESULT_FORMAT = {
    "result_format": "COMPLETE",
    "unexpected_index_column_names": ["row_ref"],
    "exclude_unexpected_values": True,
}


@dataclass(frozen=True)
class RuleResult:
    """What the rules found.

    Attributes:
        findings: row_ref, rule, severity, field; sorted by row_ref and rule.
        tried: rule, tried, failed; in the order of the rules.
    """

    findings: pd.DataFrame
    tried: pd.DataFrame


def run_rules(evidence: pd.DataFrame, rules: tuple[Rule, ...]) -> RuleResult:
    """Judge the evidence.

    Args:
        evidence: `tasks.core.evidence.evidence`; row_ref must be unique.
        rules: `catalogue.rules_for`.

    Raises:
        ServiceFault: a rule could not be run; names the rules only.
    """
    if evidence.empty:
        return _result([], [(r.code, 0, 0) for r in rules], rules)
    # Great Expectations reads object columns with None; the pandas text type is newer than its pandas engine.
    table = evidence.astype({c: object for c in evidence.columns if evidence[c].dtype.kind not in "fib"})
    table = table.where(table.notna(), None) if len(table.columns) else table
    results = _validate(table, rules)
    found: list[pd.DataFrame] = []
    tried: list[tuple[str, int, int]] = []
    crashed: list[str] = []
    for rule, result in zip(rules, results, strict=True):
        info = result.exception_info or {}
        if info.get("raised_exception") or any(
            isinstance(v, dict) and v.get("raised_exception") for v in info.values()
        ):
            crashed.append(rule.code)
            continue
        refs = _row_refs(result.result.get("unexpected_index_list"))
        found.append(pd.DataFrame({"row_ref": pd.Series(refs, dtype="str")}).assign(rule=rule.code))
        tried.append((rule.code, int(result.result.get("element_count", 0)), len(refs)))
    if crashed:
        raise ServiceFault(f"these rules could not be run: {', '.join(crashed)}; see expectations/catalogue.csv")
    return _result(found, tried, rules)


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


@cache
def _context() -> Any:
    import great_expectations as gx

    # Each of its loggers by itself: the engine's logging set-up gives some of them a level of their own.
    for name in [n for n in logging.root.manager.loggerDict if n.startswith("great_expectations")]:
        logging.getLogger(name).setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    return context


def _validate(table: pd.DataFrame, rules: tuple[Rule, ...]) -> list[Any]:
    import great_expectations as gx

    context = _context()
    name = f"evidence-{uuid.uuid4().hex}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        source = context.data_sources.add_pandas(name=name)
        try:
            batch = source.add_dataframe_asset(name="chosen").add_batch_definition_whole_dataframe("all")
            suite = gx.ExpectationSuite(name=name)
            for rule in rules:
                kind = getattr(gx.expectations, "".join(w.capitalize() for w in rule.expectation.split("_")))
                suite.add_expectation(kind(column=rule.column, meta={"rule": rule.code}, **rule.arguments))
            done = batch.get_batch({"dataframe": table}).validate(suite, result_format=_RESULT_FORMAT)
        finally:
            context.data_sources.delete(name)
    by_rule = {result.expectation_config.meta["rule"]: result for result in done.results}
    return [by_rule[rule.code] for rule in rules]
