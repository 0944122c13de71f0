"""Validate: the rules over the chosen rows; findings name rule and row, never values."""

from itertools import repeat
from typing import Any

import pandas as pd
import pyarrow as pa

from schemas.tables import FINDINGS
from tasks.core.held import is_blocking
from tasks.ledger.code_texts import merge_codes
from tasks.runtime.chunks import Steps, Walked, walk
from tasks.runtime.context import Ground
from tasks.runtime.executor import begin, parts
from tasks.runtime.partition import Lot
from tasks.runtime.task import stage_task
from tasks.steps.validate import judged


@stage_task("validate", "validate {cycle}", retried=True)
def validate(data: str, cycle: str, las: list[str], as_of: str) -> Walked:  # noqa: ARG001 - every stage takes the same references
    """Run the rules over the chosen rows of some authorities.

    Returns:
        Counts by authority: rows, held, warnings; and what each rule tried.
    """
    tried: list[pd.DataFrame] = []
    walked = walk("validate", _validate, Ground.of(data, cycle), las, tried=tried)
    if tried:
        by_rule = pd.concat(tried).groupby("rule", sort=False)[["tried", "failed"]].sum()
        of_rule = zip(by_rule.index, by_rule["tried"], by_rule["failed"], strict=True)
        walked.rules = {str(rule): {"tried": int(n), "failed": int(failed)} for rule, n, failed in of_rule}
    return walked


def _validate(ground: Ground, lot: Lot, tried: list[pd.DataFrame]) -> Steps:
    portions = lot.portions(parts())
    begun = begin(judged, repeat(ground), portions)
    yield
    results = begun()
    # What merging found stays: it is not the rules' to take back.
    where: dict[str, Any] = {"cycle": ground.cycle.id, **lot.where}
    kept = ground.lake.read_arrow("findings", rule=sorted(merge_codes()), **where)
    ground.lake.replace("findings", pa.concat_tables([kept, *(r.findings for r in results)]), **where)
    empty = pd.DataFrame({"la_code": pd.Series(dtype="str"), "held": pd.Series(dtype=bool)})
    chosen = pd.concat([empty, *(r.chosen for r in results)])
    findings = pa.concat_tables([FINDINGS.schema.empty_table(), *(r.findings for r in results)])
    told = findings.select(["la_code", "severity"]).to_pandas()
    warned = told.loc[~is_blocking(told), "la_code"].value_counts()
    by_la = chosen.groupby("la_code")["held"].agg(["size", "sum"])
    tried += [r.tried for r in results]
    return {
        la: {
            "rows": int(by_la["size"].get(la, 0)),
            "held": int(by_la["sum"].get(la, 0)),
            "warnings": int(warned.get(la, 0)),
        }
        for la in lot.las
    }
