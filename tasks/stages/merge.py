"""Merge: the tied answers become the learner register and the exceptions.

Both are recomputed for the learners concerned from every answer ever tied to them, exceptions first; the last commit to
`learners` carries one transaction id per result file and thereby says that the file is merged. A run that dies before it
finds the file unmerged and does the same again.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from schemas.tables import SENT_FIELDS
from tasks.core.membership import is_in
from tasks.core.merging import with_conflicts
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tasks.runtime.chunks import Counts
from tasks.runtime.memory import release_memory
from tasks.runtime.task import stage_task
from tasks.steps.merge import merged_answers

#: Answers, or learners, that are merged together: all Wales, and of a larger country or authority as many.
_ANSWERS_TOGETHER = 125_000
_COUNTS = ("files", "learners", "ulns", "exceptions", "conflicts")


@stage_task("merge", "merge", retried=True)
def merge(data: str) -> Counts:
    """Merge the result files that were collected and not merged yet.

    Returns:
        Counts: files, learners, ulns, exceptions, conflicts.
    """
    root = DataRoot(Path(data))
    lake = Lake.of(root)
    # How many of its answers are tied belongs to the id: one that ties later is merged then.
    sizes = lake.sizes("lrs_returns", "sha256", tied="Y")
    ids = {sha256: f"merge/{sha256}/{n}" for sha256, n in sizes.items()}
    # All of them as one id: a poll with nothing new asks the log one question, however many files there ever were.
    everything = f"merge/{hashlib.sha256(' '.join(ids.values()).encode()).hexdigest()}"
    if lake.committed("learners", [everything]):
        return dict.fromkeys(_COUNTS, 0)
    done = lake.committed("learners", ids.values())
    new = [sha256 for sha256, one in ids.items() if one not in done]
    counts = dict.fromkeys(_COUNTS, 0) | {"files": len(new)}
    cut = list(_areas(lake.areas("lrs_returns", sha256=new, tied="Y")))
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


def _areas(answers: dict[str, int]) -> Iterator[list[str]]:
    """Areas that are merged together: those of all Wales, of a larger country as many as have so many answers.

    The lake finds learners by their area, and need not look through the whole country for each of these.
    """
    areas: list[str] = []
    rows = 0
    for area, n in answers.items():
        if areas and rows + n > _ANSWERS_TOGETHER:
            yield areas
            areas, rows = [], 0
        areas.append(area)
        rows += n
    if areas:
        yield areas


def _merge(root: DataRoot, lake: Lake, upns: pd.Series, ids: list[str]) -> Counts:
    learners, exceptions, held = merged_answers(root, upns)
    # Only what is sent of learners who share a ULN is looked at again.
    others = lake.read("learners", uln=learners["uln"])
    others = others[~is_in(others["upn"], learners["upn"])]
    entries = pd.concat([learners, others], ignore_index=True)
    shared = entries.loc[entries["uln"].notna() & entries["uln"].duplicated(keep=False), "upn"]
    entries = with_conflicts(entries, lake.read("batch_rows", ["batch_ref", "upn", *SENT_FIELDS], upn=shared))
    if not exceptions.empty:
        lake.upsert("exceptions", exceptions)
    lake.upsert("learners", entries, ids, known=pd.concat([held, others["upn"]]))
    return {
        "learners": len(learners),
        "ulns": int(learners["uln"].notna().sum()),
        "exceptions": int((exceptions["state"] == "open").sum()),
        "conflicts": int(entries["conflict"].notna().sum()),
    }
