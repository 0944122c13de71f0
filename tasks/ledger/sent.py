"""The batch rows that count as sent; of an abandoned batch, only those that the LRS answered after all.

Code that asks who was sent uses this module, never the rows of `batch_rows` alone. Reads only; the rule is in
`tasks.core.standing.latest_sent_rows`.
"""

import pandas as pd

from schemas.states import BatchState
from tasks.core.membership import is_in
from tasks.core.standing import latest_sent_rows
from tasks.io.lake.lake import Lake


def rows_sent(lake: Lake, columns: list[str], cycles: list[str], upns: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the rows that were sent for some learners in some cycles.

    Args:
        lake: the lake.
        columns: columns of `batch_rows`, with batch_ref and upn.
        cycles: cycles whose batches and answers count.
        upns: UPNs of the learners, canonical.

    Returns:
        `standing.latest_sent_rows`; and batch_ref, state, built_at of every batch.
    """
    batches = lake.read("batches", ["batch_ref", "state", "built_at"])
    rows = lake.read("batch_rows", columns, cycle=cycles, upn=upns)
    return those_sent(lake, rows, batches, cycles), batches


def those_sent(lake: Lake, rows: pd.DataFrame, batches: pd.DataFrame, cycles: list[str]) -> pd.DataFrame:
    """Return the rows of `batch_rows` that count as sent.

    Args:
        lake: the lake.
        rows: batch_ref, upn and any other columns.
        batches: batch_ref, state; every batch.
        cycles: cycles whose answers count.
    """
    given_up = batches.loc[batches["state"] == BatchState.ABANDONED.value, "batch_ref"]
    upns = rows.loc[is_in(rows["batch_ref"], given_up), "upn"]
    # Answers are read for the learners of abandoned batches only: few, and mostly none.
    answers = [lake.read(table, ["upn", "batch_ref"], cycle=cycles, upn=upns) for table in ("exceptions", "learners")]
    return latest_sent_rows(rows, batches, pd.concat(answers))
