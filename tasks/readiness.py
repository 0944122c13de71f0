"""Readiness: a list for each authority of what its schools still need: `reports/<cycle>/readiness/<LA>.csv`, bilingual.

Every census run writes it anew where it has changed; an authority whose schools lack nothing has a list with headings only.
What a school lacks is decided in `tasks.core.readiness`, and told in `schemas/readiness.csv`.
"""

import pandas as pd

from schemas.texts import both, text
from tasks.ground import Ground, Lot
from tasks.io.data_root import write_whole
from tasks.io.report_csv import write_report
from tasks.stage import Steps, Walked, stage_task, walk
from tasks.status import readiness_of

#: Columns that are the same in both languages, and those that stand once in each, Welsh first.
_ONCE = ("school_number", "school_name")
_COMPARED = ("ukrlp", "edubase", "found")
_IN_BOTH = ("text", "action", "where")


@stage_task("readiness", "readiness {cycle}", retried=True)
def readiness(data: str, cycle: str, las: list[str], as_of: str) -> Walked:  # noqa: ARG001 - every stage takes the same references
    """Write what the schools of some authorities still need.

    Returns:
        Counts by authority: schools (that are not ready), written.
    """
    return walk("readiness", _readiness, Ground.of(data, cycle), las)


def _readiness(ground: Ground, lot: Lot) -> Steps:
    yield
    folder = ground.root.reports(ground.cycle.id) / "readiness"
    rows = readiness_of(str(ground.root.path), ground.cycle)
    own = {la: rows[rows["la_code"] == la] for la in lot.las}
    return {
        la: {
            "schools": int(own[la]["school_number"].nunique()),
            "written": int(write_whole(folder / f"{la}.csv", write_report(as_list(own[la])))),
        }
        for la in lot.las
    }


def as_list(rows: pd.DataFrame) -> pd.DataFrame:
    """What schools still need, as an authority reads it.

    Args:
        rows: `status.readiness_of`.

    Returns:
        The school, what is missing, the two registers side by side, what was found, what to do and where; headings in both
        languages, or in the language of their column.
    """
    shown: dict[str, pd.Series] = {both(f"readiness.{name}"): rows[name] for name in _ONCE}
    shown |= {text("readiness.text", lang): rows[f"text_{lang}"] for lang in ("cy", "en")}
    shown |= {both(f"readiness.{name}"): rows[name] for name in _COMPARED}
    shown |= {text(f"readiness.{name}", lang): rows[f"{name}_{lang}"] for name in _IN_BOTH[1:] for lang in ("cy", "en")}
    return pd.DataFrame({str(heading): cells for heading, cells in shown.items()})
