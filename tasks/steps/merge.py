"""Merge: the register entries and exceptions of some learners, from all their answers. The rules are in `core.merging`."""

import pandas as pd

from schemas.cycles import cycles_in_order
from tasks.core.merging import merge_answers
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tasks.ledger.code_texts import lrs_codes


def merged_answers(root: DataRoot, upns: pd.Series) -> tuple[pd.DataFrame, pd.DataFrame, pd.Series]:
    """Merge every answer ever tied to some learners (`merging.merge_answers`); their UPNs are canonical.

    Return the register entries and exceptions, and the UPNs that the register has already.
    """
    lake = Lake.of(root)
    columns = ["sha256", "ordinal", "received_at", "batch_ref", "upn", "uln", "return_code"]
    answers = lake.read("lrs_returns", columns, upn=upns, tied="Y")
    known = lake.read("learners", ["upn", "uln"], upn=upns)
    sent = ["batch_ref", "upn", "row_ref", "cycle", "la_code", "school_number", "dob"]
    batch_rows = lake.read("batch_rows", sent, upn=upns)
    return *merge_answers(answers, batch_rows, lrs_codes(root), known, cycles_in_order()), known["upn"]
