"""Validate: apply the rules to a chunk's chosen records. The rules are in `expectations`, their facts in `core.evidence`."""

from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from expectations.rule_catalogue import rules_for
from expectations.runner import RuleResult, run_rules
from schemas.cycles import Cycle, up_to
from schemas.lrs.profiles import Profile, all_profiles
from schemas.tables import FINDINGS, PUPIL_FIELDS, SENT_FIELDS
from tasks.core.evidence import KnownUpns, evidence, repeated_upns
from tasks.core.held import held_rows
from tasks.core.identifiers import canonical_upn
from tasks.core.membership import is_in
from tasks.core.one_learner import known_as, second_upns
from tasks.io.lake.lake import arrow_of
from tasks.ledger.standing import rows_sent, those_sent
from tasks.runtime.chunks import Chunk
from tasks.runtime.context import RunContext
from tasks.steps.records import chosen_rows, current_rows, plain_forms


@dataclass(frozen=True)
class ValidatedChunk:
    """The rules' result for a chunk: rows of `findings`; la_code and held of every chosen record; rule, tried, failed."""

    findings: pa.Table
    chosen: pd.DataFrame
    tried: pd.DataFrame


def apply_rules(chosen: pd.DataFrame, cycle: Cycle, profile: Profile, known: KnownUpns) -> RuleResult:
    """Return the findings of a cycle's rules on chosen records, for `uln check` too; arguments as in `evidence`."""
    return run_rules(evidence(chosen, cycle, profile, known), rules_for(cycle))


def validate_chunk(ctx: RunContext, chunk: Chunk) -> ValidatedChunk:
    """Apply the rules to the chunk's chosen records."""
    chosen = chosen_rows(ctx, ["la_code", "school_number", *PUPIL_FIELDS], **chunk.where)
    shared = ctx.lake.read("shared_upns", ["upn"], cycle=ctx.cycle.id)["upn"]
    profile = all_profiles(ctx.root.reference / "lrs")[ctx.cycle.lrs_profile]
    current = current_rows(ctx, chunk)
    known = KnownUpns(shared, repeated_upns(current), _second_upns(ctx, chunk, chosen, current))
    result = apply_rules(chosen, ctx.cycle, profile, known)
    findings = result.findings.merge(chosen[["row_ref", "la_code", "school_number"]], on="row_ref")
    findings = findings.assign(cycle=ctx.cycle.id)
    held = chosen[["la_code"]].assign(held=is_in(chosen["row_ref"], held_rows(findings)))
    return ValidatedChunk(arrow_of(FINDINGS, findings.astype("str")), held, result.tried)


def _second_upns(ctx: RunContext, chunk: Chunk, chosen: pd.DataFrame, current: pd.DataFrame) -> pd.Series:
    """Return the row_refs of chosen records that look like a second UPN of a learner sent before (`one_learner.second_upns`).

    Only UPNs that schools of the same authority allotted are compared. To compare each chunk with the whole country would
    grow with the square of the country's size. A school of another authority gets LRS03 when the LRS has answered.
    """
    lake, cycles, none = ctx.lake, up_to(ctx.cycle), pd.Series(dtype="str")
    if chosen.empty or lake.version("batch_rows") < 0:
        return none
    upn, former = canonical_upn(chosen["upn"]), canonical_upn(chosen["former_upn"])
    names = pd.concat([upn, former])
    ledger, batches = rows_sent(lake, ["batch_ref", "upn", "given_name", "dob", "gender"], cycles, names)
    records = chosen[["forename", "dob", "gender"]].assign(upn=upn, former_upn=former)
    new = chosen[~is_in(known_as(records, ledger), ledger["upn"])].reset_index(drop=True)
    forms = plain_forms(ctx, new).assign(row_ref=new["row_ref"], school_number=new["school_number"])
    columns = ["batch_ref", "upn", "school_number", *SENT_FIELDS]
    alike = lake.read("batch_rows", columns, cycle=cycles, area=list(chunk.las), dob=forms["dob"])
    alike = those_sent(lake, alike, batches, cycles)
    if alike.empty:
        return none
    la_codes = forms["school_number"].str[:3]
    parts = [
        second_upns(forms[la_codes == la], alike[alike["upn"].str[1:4] == la], canonical_upn(current["upn"]))
        for la in chunk.las
    ]
    second: pd.Series = pd.concat([none, *parts])
    return second
