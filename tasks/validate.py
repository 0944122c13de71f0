"""Validate: the rules over an authority's chosen rows at once; findings name rule and row, never values."""

import pandas as pd

from schemas.lrs_profiles import all_profiles
from schemas.merge_findings import merge_findings
from schemas.states import NotChosen, Severity
from tasks.check import apply_rules
from tasks.core.evidence import repeated_upns
from tasks.core.membership import among
from tasks.select import chosen_rows
from tasks.stage import Counts, Ground, stage_task


@stage_task("validate", "validate {la}")
def validate(data: str, cycle: str, la: str, as_of: str) -> Counts:  # noqa: ARG001 - every stage takes the same references
    """Run the rules over an authority's chosen rows.

    Returns:
        Counts: rows, held, warnings.
    """
    ground = Ground.of(data, cycle)
    chosen = chosen_rows(ground, la_code=la)
    shared = ground.lake.read("shared_upns", ["upn"], cycle=cycle)["upn"]
    profile = all_profiles(ground.root.reference / "lrs")[ground.cycle.lrs_profile]
    result = apply_rules(chosen, ground.cycle, profile, shared, repeated_upns(_current_rows(ground, la)))
    findings = result.findings.merge(chosen[["row_ref", "cycle", "la_code", "school_number"]], on="row_ref")
    before = ground.lake.read("findings", cycle=cycle, la_code=la)
    # What merging found stays: it is not the rules' to take back.
    findings = pd.concat([findings, before[before["rule"].isin({f.code for f in merge_findings()})]], ignore_index=True)
    ground.lake.replace("findings", findings.astype("str"), cycle=cycle, la_code=la)
    blocking = result.findings["severity"] == Severity.BLOCKING.value
    held = result.findings.loc[blocking, "row_ref"].nunique()
    return {"rows": len(chosen), "held": int(held), "warnings": int((~blocking).sum())}


def _current_rows(ground: Ground, la: str) -> pd.DataFrame:
    """The rows of an authority's current returns, chosen or not: school_number, upn, enrol_status."""
    decided = ground.lake.read("dispositions", ["row_ref", "reason"], cycle=ground.cycle.id, la_code=la)
    pupils = ground.lake.read(
        "pupils", ["row_ref", "school_number", "upn", "enrol_status"], cycle=ground.cycle.id, la_code=la
    )
    older = decided.loc[decided["reason"] == NotChosen.SUPERSEDED_RETURN.value, "row_ref"]
    return pupils[~among(pupils["row_ref"], older)]
