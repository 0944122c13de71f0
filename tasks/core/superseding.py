"""What becomes of a learner whose record has changed since a batch took it to the LRS.

| the learner, in this cycle | what is done | the school reads |
|---|---|---|
| waits, in no batch | goes with what the newest return says | |
| is sent, the LRS has not answered | not sent again | CHG02: changed while waiting |
| has a ULN | not sent again | CHG01: correct it on the LRS portal |
| ended in an exception | sent again, if something that is sent differs from all that was sent | the exception, until then |
| was in a batch that was abandoned and not answered | goes with what the newest return says | |

Changed means: one of the fields that are sent differs, in the LRS's form, from what the last batch took. What the LRS does
not see (another accent, a year group) is no change; a record that a rule holds is told by the rule instead.
Who is sent again is decided in `batching.to_send`; here is who must be told. `docs/hand-over.md` has the same table.
"""

import pandas as pd

from schemas.states import RowState
from schemas.tables import SENT_FIELDS
from tasks.core.membership import among

CORRECT_ON_PORTAL = "CHG01"
CHANGED_WHILE_WAITING = "CHG02"
#: Where a changed record stands -> what the school is told. Their texts stand in `schemas/merge_findings.csv`.
TOLD = {RowState.ULN.value: CORRECT_ON_PORTAL, RowState.SENT.value: CHANGED_WHILE_WAITING}


def changed(standing: pd.DataFrame, forms: pd.DataFrame, sent: pd.DataFrame, blocked: pd.Series) -> pd.DataFrame:
    """The records that say something else than what their own school's last batch took to the LRS.

    Args:
        standing: `standing.stand`.
        forms: row_ref and the sent fields; the LRS form of every chosen row.
        sent: batch_ref, upn, school_number and the sent fields of the cycle's batches.
        blocked: row_refs with a blocking finding.

    Returns:
        row_ref, school_number, rule (one of TOLD), field (the names of those that differ, with ; between them).
    """
    asked = standing[standing["state"].isin(list(TOLD)) & ~among(standing["row_ref"], blocked)]
    fields = list(SENT_FIELDS)
    rows = asked.merge(forms[["row_ref", *fields]], on="row_ref")
    key = ["batch_ref", "upn", "school_number"]
    rows = rows.merge(sent[[*key, *fields]], on=key, suffixes=("", "_then"))
    field = pd.Series("", index=rows.index, dtype="str")
    for name in fields:
        differs = rows[name].fillna("") != rows[f"{name}_then"].fillna("")
        field = field.mask(differs, field + (";" + name))
    rows = rows.assign(rule=rows["state"].map(TOLD).astype("str"), field=field.str.removeprefix(";"))
    found: pd.DataFrame = rows.loc[field != "", ["row_ref", "school_number", "rule", "field"]]
    return found.reset_index(drop=True)
