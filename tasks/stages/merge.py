"""Merge: the tied answers become the learner register and the exceptions.

Both are computed again for the learners concerned, from every answer ever tied to them; exceptions first. The last commit to
`learners` carries a transaction id for each result file: with it the file is merged. After a run that died before that
commit, the next run does the same again.
"""

import hashlib
from pathlib import Path

import pandas as pd

from schemas.tables import AREA, SENT_FIELDS
from tasks.core.membership import is_in
from tasks.core.merging import with_conflicts
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tasks.runtime.chunks import Counts, in_groups
from tasks.runtime.memory import release_memory
from tasks.runtime.task import stage_task
from tasks.steps.merge import merged_answers

#: Maximum number of answers, or learners, merged together. All of Wales fits; a larger country or authority is cut.
_ANSWERS_TOGETHER = 125_000
_COUNTS = ("files", "learners", "ulns", "exceptions", "conflicts")


@stage_task("merge", "merge", retried=True)
def merge(data: str) -> Counts:
    """Merge the result files that are collected and not merged.

    Returns:
        Counts: files, learners, ulns, exceptions, conflicts.
    """
    root = DataRoot(Path(data))
    lake = Lake.of(root)
    # The id includes the file's number of tied answers, so an answer that is tied later is still merged.
    sizes = lake.sizes("lrs_returns", "sha256", tied="Y")
    ids = {sha256: f"merge/{sha256}/{n}" for sha256, n in sizes.items()}
    # One id for all files: if nothing is new, the log is asked once, however many files there are.
    everything = f"merge/{hashlib.sha256(' '.join(ids.values()).encode()).hexdigest()}"
    if lake.committed("learners", [everything]):
        return dict.fromkeys(_COUNTS, 0)
    done = lake.committed("learners", ids.values())
    new = [sha256 for sha256, file_id in ids.items() if file_id not in done]
    counts = dict.fromkeys(_COUNTS, 0) | {"files": len(new)}
    # The lake finds learners by their area, so it need not scan the whole country for each part.
    answers = lake.sizes("lrs_returns", AREA, sha256=new, tied="Y")
    cut = list(in_groups(answers, answers.__getitem__, _ANSWERS_TOGETHER))
    for place, areas in enumerate(cut, 1):
        upns = lake.distinct("lrs_returns", "upn", area=areas, sha256=new, tied="Y")
        for first in range(0, max(1, len(upns)), _ANSWERS_TOGETHER):
            share = upns.iloc[first : first + _ANSWERS_TOGETHER]
            last = place == len(cut) and first + _ANSWERS_TOGETHER >= len(upns)
            carried = [*(ids[sha256] for sha256 in new), everything] if last else []
            for name, n in _merge(root, lake, share, carried).items():
                counts[name] += n
            release_memory()
    return counts


def _merge(root: DataRoot, lake: Lake, upns: pd.Series, ids: list[str]) -> Counts:
    learners, exceptions, known = merged_answers(root, upns)
    # Conflicts are looked for among learners who share a ULN.
    others = lake.read("learners", uln=learners["uln"])
    others = others[~is_in(others["upn"], learners["upn"])]
    entries = pd.concat([learners, others], ignore_index=True)
    shared = entries.loc[entries["uln"].notna() & entries["uln"].duplicated(keep=False), "upn"]
    entries = with_conflicts(entries, lake.read("batch_rows", ["batch_ref", "upn", *SENT_FIELDS], upn=shared))
    if not exceptions.empty:
        lake.upsert("exceptions", exceptions)
    lake.upsert("learners", entries, ids, known=pd.concat([known, others["upn"]]))
    return {
        "learners": len(learners),
        "ulns": int(learners["uln"].notna().sum()),
        "exceptions": int((exceptions["state"] == "open").sum()),
        "conflicts": int(entries["conflict"].notna().sum()),
    }
