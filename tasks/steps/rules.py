"""The rules over chosen records, for the census and for `uln check` alike."""

import pandas as pd

from expectations.rule_catalogue import rules_for
from expectations.runner import RuleResult, run_rules
from schemas.cycles import Cycle
from schemas.lrs.profiles import Profile
from tasks.core.evidence import KnownUpns, evidence


def apply_rules(chosen: pd.DataFrame, cycle: Cycle, profile: Profile, known: KnownUpns) -> RuleResult:
    """Return the findings of a cycle's rules on chosen records; arguments as in `evidence`."""
    return run_rules(evidence(chosen, cycle, profile, known), rules_for(cycle))
