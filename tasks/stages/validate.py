"""Validate: apply the rules to the chosen rows. Findings name a rule and a row, never values."""

from functools import partial
from typing import Any

import pandas as pd
import pyarrow as pa

from tasks.core.held import is_blocking
from tasks.ledger.code_texts import merge_codes
from tasks.runtime.chunks import Chunk, Counts, Progress, StageResult, chunks, counts_by_authority, run_chunks
from tasks.runtime.context import RunContext
from tasks.runtime.task import stage_task
from tasks.steps.validate import ValidatedChunk, validate_chunk


@stage_task("validate", "validate {cycle}", retried=True)
def validate(data: str, cycle: str, las: list[str], as_of: str, progress: Progress | None = None) -> StageResult:  # noqa: ARG001 - every stage takes the same references
    """Apply the rules to the chosen rows of some authorities.

    Returns:
        Counts by authority: rows, held, warnings; by rule: tried, failed.
    """
    ctx, tried = RunContext.of(data, cycle), list[pd.DataFrame]()
    write = partial(_write, ctx, tried)
    result = run_chunks("validate", ctx, chunks(ctx, las), write, compute=validate_chunk, progress=progress)
    if tried:
        by_rule = pd.concat(tried).groupby("rule", sort=False)[["tried", "failed"]].sum()
        of_rule = zip(by_rule.index, by_rule["tried"], by_rule["failed"], strict=True)
        result.rules = {str(rule): {"tried": int(n), "failed": int(failed)} for rule, n, failed in of_rule}
    return result


def _write(ctx: RunContext, tried: list[pd.DataFrame], chunk: Chunk, validated: ValidatedChunk) -> dict[str, Counts]:
    # Findings of merging stay: they do not come from the rules.
    where: dict[str, Any] = {"cycle": ctx.cycle.id, **chunk.where}
    kept = ctx.lake.read_arrow("findings", rule=sorted(merge_codes()), **where)
    ctx.lake.replace("findings", pa.concat_tables([kept, validated.findings]), **where)
    severities = validated.findings.select(["la_code", "severity"]).to_pandas()
    warned = severities.loc[~is_blocking(severities), "la_code"].value_counts()
    by_la = validated.chosen.groupby("la_code")["held"].agg(["size", "sum"])
    tried.append(validated.tried)
    return counts_by_authority(chunk.las, rows=by_la["size"], held=by_la["sum"], warnings=warned)
