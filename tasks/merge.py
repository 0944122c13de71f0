"""Merge: the tied answers become the learner register and the exceptions.

Both are recomputed for the learners concerned from every answer ever tied to them, exceptions first; the commit to
`learners` carries one transaction id per result file and thereby says that the file is merged. A run that dies between
the two finds the file unmerged and does the same again.
"""

from pathlib import Path

import pandas as pd

from schemas.cycles import in_order
from schemas.return_codes import all_return_codes, code_table
from tasks.core.identifiers import canonical_upn
from tasks.core.membership import among
from tasks.core.merging import merge_answers, with_conflicts
from tasks.io.data_root import DataRoot
from tasks.io.lake import Lake
from tasks.stage import Counts, stage_task


@stage_task("merge", "merge")
def merge(data: str) -> Counts:
    """Merge the result files that were collected and not merged yet.

    Returns:
        Counts: files, learners, ulns, exceptions, conflicts.
    """
    root = DataRoot(Path(data))
    lake = Lake(root.lake)
    answers = lake.read("lrs_returns", tied="Y")
    # How many of its answers are tied belongs to the id: one that ties later is merged then.
    tied = answers.groupby("sha256").size()
    ids = {str(sha256): f"merge/{sha256}/{n}" for sha256, n in tied.items()}
    done = lake.committed("learners", ids.values())
    new = sorted(sha256 for sha256, one in ids.items() if one not in done)
    counts = {"files": len(new), "learners": 0, "ulns": 0, "exceptions": 0, "conflicts": 0}
    if not new:
        return counts
    upns = canonical_upn(answers["mis_identifier"])
    concerned = answers[among(upns, upns[answers["sha256"].isin(new)])]
    batch_rows = lake.read("batch_rows")
    register = lake.read("learners")
    codes = code_table(all_return_codes(_own_codes(root)))
    learners, exceptions = merge_answers(concerned, batch_rows, codes, register[["upn", "uln"]], in_order())
    others = register[among(register["uln"], learners["uln"]) & ~among(register["upn"], learners["upn"])]
    entries = with_conflicts(pd.concat([learners, others], ignore_index=True), batch_rows)
    if not exceptions.empty:
        lake.upsert("exceptions", exceptions)
    lake.upsert("learners", entries, [ids[s] for s in new])
    return counts | {
        "learners": len(learners),
        "ulns": int(learners["uln"].notna().sum()),
        "exceptions": int((exceptions["state"] == "open").sum()),
        "conflicts": int(entries["conflict"].notna().sum()),
    }


def _own_codes(root: DataRoot) -> Path | None:
    path = root.reference / "return_codes.csv"
    return path if path.exists() else None


def code_texts(root: DataRoot) -> pd.DataFrame:
    """The texts of the LRS's codes: code, wrong_en, wrong_cy, action_en, action_cy, field_en, field_cy."""
    table = code_table(all_return_codes(_own_codes(root)))
    return table.rename(columns={"label_en": "wrong_en", "label_cy": "wrong_cy"})
