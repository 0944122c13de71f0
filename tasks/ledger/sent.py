"""What counts as sent, of the ledger's batch rows: of an abandoned batch those alone whom the LRS answered after all.

Whoever asks whom the service sent asks here, and never the rows of `batch_rows` alone. Reads only; what counts is decided
in `tasks.core.standing.latest_sent_rows`.
"""

import pandas as pd

from schemas.states import BatchState
from tasks.core.membership import is_in
from tasks.core.standing import latest_sent_rows
from tasks.io.lake.lake import Lake


def rows_sent(lake: Lake, columns: list[str], cycles: list[str], upns: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What was sent of some learners in some cycles.

    Args:
        lake: the lake.
        columns: of `batch_rows`; batch_ref and upn among them.
        cycles: whose batches and answers are seen.
        upns: the learners, canonical.

    Returns:
        `standing.latest_sent_rows`; and batch_ref, state, built_at of every batch.
    """
    batches = lake.read("batches", ["batch_ref", "state", "built_at"])
    rows = lake.read("batch_rows", columns, cycle=cycles, upn=upns)
    return those_sent(lake, rows, batches, cycles), batches


def those_sent(lake: Lake, rows: pd.DataFrame, batches: pd.DataFrame, cycles: list[str]) -> pd.DataFrame:
    """Those of some rows of `batch_rows` that count as sent.

    Args:
        lake: the lake.
        rows: batch_ref, upn and whatever else is wanted.
        batches: batch_ref, state; of every batch.
        cycles: whose answers are seen.
    """
    given_up = batches.loc[batches["state"] == BatchState.ABANDONED.value, "batch_ref"]
    asked = rows.loc[is_in(rows["batch_ref"], given_up), "upn"]
    # Whether there was an answer is asked of few learners, and mostly of none.
    answers = [lake.read(table, ["upn", "batch_ref"], cycle=cycles, upn=asked) for table in ("exceptions", "learners")]
    return latest_sent_rows(rows, batches, pd.concat(answers))
