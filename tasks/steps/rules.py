"""The rules over chosen records, for the census and for `uln check` alike."""

import pandas as pd

from expectations.catalogue import rules_for
from expectations.runner import RuleResult, run_rules
from schemas.cycles import Cycle
from schemas.lrs.profiles import Profile
from tasks.core.evidence import evidence
from tasks.core.lrs_form import lrs_names


def apply_rules(
    chosen: pd.DataFrame,
    cycle: Cycle,
    profile: Profile,
    shared: pd.Series,
    repeated: pd.DataFrame | None = None,
    second: pd.Series | None = None,
) -> RuleResult:
    """The rules over chosen rows, for the census and for `uln check` alike.

    Args:
        chosen: row_ref, school_number and the pupil fields.
        cycle: which rules hold, and the dates they go by.
        profile: gives the form in which names would be sent.
        shared: UPNs that stand in two schools.
        repeated: UPNs that stand twice in a school's current return (`repeated_upns`).
        second: row_refs of records that look like a second UPN of a known learner (`one_learner.second_upns`).
    """
    rows = evidence(
        chosen,
        cycle=cycle,
        profile=profile,
        shared_upns=shared,
        given_form=lrs_names(chosen["forename"], profile),
        family_form=lrs_names(chosen["surname"], profile),
        middle_form=lrs_names(chosen["middle_names"], profile),
        register_upns=repeated,
        second_upns=second,
    )
    return run_rules(rows, rules_for(cycle))
