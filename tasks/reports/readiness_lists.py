"""Readiness: what each school still needs before it can take part, as lists."""

from pathlib import Path

import pandas as pd

from schemas.codes.readiness import lacks
from schemas.cycles import Cycle
from schemas.texts.catalogue import bilingual, text
from tasks.core.readiness import side_by_side, unmet_requirements
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.reference import registration, schools

#: Columns of the list; a column that `readiness_of` has in both languages becomes two, Welsh first.
_COLUMNS = ("school_number", "school_name", "text", "ukrlp", "edubase", "found", "action", "where")


def as_list(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the list of what schools still need (`readiness_of`), as an authority reads it.

    Columns: the school, what is missing, the two registers side by side, the difference, the action and where to take it.
    A heading is in the language of its column; that of a column without a language is in both.
    """
    shown = {}
    for name in _COLUMNS:
        if name in rows:
            shown[str(bilingual(f"readiness.{name}"))] = rows[name]
        else:
            shown |= {text(f"readiness.{name}", lang): rows[f"{name}_{lang}"] for lang in ("cy", "en")}
    return pd.DataFrame(shown)


def readiness_of(data: str, cycle: Cycle, la: list[str] | None = None) -> pd.DataFrame:
    """Return what each school still needs, in the order of school numbers.

    Returns:
        la_code, school_number, school_name, code; ukrlp, edubase, found (`readiness.side_by_side`); text, action, where,
        each with _en and _cy.
    """
    reference = DataRoot(Path(data)).reference
    register = schools(reference)
    registered = registration(reference)
    missing = side_by_side(unmet_requirements(register, registered, cycle), registered)
    texts = pd.DataFrame([lack.model_dump() for lack in lacks()])
    rows = missing.merge(register[["school_number", "school_name", "la_code"]], on="school_number")
    rows = rows.merge(texts, on="code").sort_values(["la_code", "school_number", "code"], ignore_index=True)
    return rows[rows["la_code"].isin(la)].reset_index(drop=True) if la else rows
