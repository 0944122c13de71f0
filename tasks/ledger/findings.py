"""Findings that no rule makes: those of merging, publishing, verifying, and comparing with what was sent.

In the table `findings` they are only on the records that they concern now. Their codes and texts are in
`schemas/codes/merge_findings.csv`. To add one: a row there, and its code beside the function that finds it.
"""

from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from schemas.states import Severity
from schemas.tables import FINDINGS
from tasks.io.lake.lake import arrow_of
from tasks.runtime.chunks import Chunk
from tasks.runtime.context import RunContext


def save(ctx: RunContext, chunk: Chunk, codes: list[str], findings: list[pd.DataFrame]) -> None:
    """Replace the chunk's findings that have one of these codes; the others stay.

    `codes` are all codes that the caller looks for; the findings have row_ref, school_number, rule, field.
    """
    empty = pd.DataFrame(columns=["row_ref", "school_number", "rule", "field"], dtype="str")
    rows = pd.concat([empty, *findings]).assign(
        cycle=ctx.cycle.id, la_code=lambda r: r["school_number"].str[:3], severity=Severity.WARNING.value
    )
    new = arrow_of(FINDINGS, rows.astype("str"))
    where: dict[str, Any] = {"cycle": ctx.cycle.id, **chunk.where}
    if ctx.lake.read_arrow("findings", rule=codes, **where).equals(new):
        return
    before = ctx.lake.read_arrow("findings", **where)
    others = before.filter(pc.invert(pc.is_in(before["rule"], value_set=pa.array(codes))))
    ctx.lake.replace("findings", pa.concat_tables([others, new]), **where)
