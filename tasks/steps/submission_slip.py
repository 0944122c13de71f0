"""Submission slips: the files received from a school in a cycle, its batches, and the states of its records.

Belongs here: which files, batches and counts a slip names, in both languages. Does not belong here: the state of a record
(`tasks.core.standing`), and the look of a slip (`tasks.io.school.workbook`). A slip shows the states when its workbook was
made. A later change alone makes no new workbook, because it asks nothing of the school.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from schemas.codes.quarantine_reasons import all_reasons
from schemas.states import NotChosen, RowState
from schemas.texts.catalogue import bilingual, text
from tasks.core.selection import current_returns
from tasks.io.school.sheets import Cell
from tasks.io.school.workbook import Slip


@dataclass(frozen=True)
class Submission:
    """The content of a school's slip.

    Attributes:
        standing: its row of `standing.count_by_school`, by name; missing counts are 0.
        returns: as `Slip.returns`.
        batches: as `Slip.batches`.
    """

    standing: dict[str, int]
    returns: list[tuple[Cell, ...]]
    batches: list[tuple[Cell, ...]]


RECEIVED_COLUMNS = (
    *("sha256", "kind", "status", "reason", "file_name", "member", "school_number", "declared", "received_at"),
    *("header_datetime", "serial_no", "layout"),
)
BATCH_COLUMNS = ("school_number", "file_name", "rows", "sent_at", "state", "batch_ref")


def submissions(counts: pd.DataFrame, received: pd.DataFrame, batches: pd.DataFrame) -> dict[str, Submission]:
    """Return the content of each school's slip.

    Args:
        counts: `standing.count_by_school`.
        received: RECEIVED_COLUMNS of the cycle; at least for these schools.
        batches: BATCH_COLUMNS, likewise.
    """
    returns = received[(received["kind"] == "return") & received["school_number"].isin(counts.index)]
    accepted = returns["status"] == "accepted"
    current = set(current_returns(returns[accepted]))
    told = [_status(*row, current) for row in zip(returns["sha256"], accepted, returns["reason"], strict=True)]
    names = returns["file_name"].fillna("") + (" > " + returns["member"]).fillna("")
    rows = returns.assign(name=names, told=told, declared=returns["declared"].fillna(0).astype("int64"))
    rows = rows.assign(received_at=_minute(rows["received_at"])).sort_values(["received_at", "name", "sha256"])
    files = _by_school(rows, ["name", "school_number", "received_at", "declared", "told", "sha256"])
    sent = batches.assign(sent_at=_minute(batches["sent_at"])).sort_values(["sent_at", "file_name", "batch_ref"])
    handed = _by_school(sent, ["file_name", "school_number", "sent_at", "rows"])
    standing = counts.drop(columns="balanced").to_dict("index")
    return {
        str(school): Submission(
            {str(k): int(n) for k, n in states.items()}, files.get(school, []), handed.get(school, [])
        )
        for school, states in standing.items()
    }


def _status(sha256: str, accepted: bool, reason: object, current: set[str]) -> str:
    if accepted:
        return bilingual("slip.current" if sha256 in current else "slip.superseded")
    why = all_reasons().get(str(reason))
    head = {lang: text("slip.refused", lang) for lang in ("cy", "en")}
    return " / ".join((f"{head['cy']}: {why.text_cy}", f"{head['en']}: {why.text_en}") if why else head.values())


def _minute(moments: pd.Series) -> pd.Series:
    return moments.fillna("").str.replace("T", " ").str[:16]


def _by_school(rows: pd.DataFrame, columns: list[str]) -> dict[object, list[tuple[Cell, ...]]]:
    cells_of: dict[object, list[tuple[Cell, ...]]] = {}
    for school, *cells in zip(rows["school_number"], *(rows[c].to_list() for c in columns), strict=True):
        cells_of.setdefault(school, []).append(tuple(cells))
    return cells_of


def slip_of(schools: Iterable[Submission], *, ulns: int, lines: int) -> Slip:
    """Return the slip of one school, or of several, with the numbers of ULNs in their files and lines in their lists."""
    contents = list(schools)
    counts: list[tuple[str, int]] = [
        (label, sum(school.standing.get(name, 0) for school in contents)) for name, label in _labels().items()
    ]
    # Leave out reasons that apply to nobody.
    shown = [(label, n) for (label, n), name in zip(counts, _labels(), strict=True) if n or ":" not in name]
    return Slip(
        counts=[*shown, (bilingual("slip.in_file"), ulns), (bilingual("slip.lines"), lines)],
        returns=[row for school in contents for row in school.returns],
        batches=[row for school in contents for row in school.batches],
    )


def _labels() -> dict[str, str]:
    """Return the labels of the counts of `standing.count_by_school`, by name."""
    reasons = {
        f"not_chosen:{reason.value}": " / ".join(
            text("slip.not_chosen", lang).format(reason=text(f"reason.{reason.value}", lang)) for lang in ("cy", "en")
        )
        for reason in NotChosen
    }
    return {
        "records": bilingual("slip.records"),
        **reasons,
        **{s.value: bilingual(f"slip.{s.value}") for s in RowState},
    }


def schools_sheet(
    names: dict[str, str], of: dict[str, Submission], ulns: dict[str, int]
) -> list[tuple[str, list[Cell]]]:
    """Return an authority's list of its schools: columns, each with its heading and cells.

    Args:
        names: names of the schools by number, in the order of the list.
        of: content of their slips; a school without content gets zeros.
        ulns: number of learners in each school's transfer file.
    """
    numbers = list(names)
    rows = [of[school].standing if school in of else {} for school in numbers]
    columns: list[tuple[str, list[Cell]]] = [
        (bilingual("workbook.school_number"), [*numbers]),
        (bilingual("workbook.school_name"), [*names.values()]),
        (bilingual("slip.records"), [row.get("records", 0) for row in rows]),
        (bilingual("terminal.not_chosen"), [sum(n for k, n in row.items() if ":" in k) for row in rows]),
    ]
    columns += [(bilingual(f"slip.{state.value}"), [row.get(state.value, 0) for row in rows]) for state in RowState]
    return [*columns, (bilingual("slip.in_file"), [ulns.get(school, 0) for school in numbers])]
