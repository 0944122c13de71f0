"""Untied answers: answers of the LRS that tie to no learner sent, and the learners that they nearly match. For people.

`reports/untied.csv` names files and rows, but no learner. `reports/untied_near_misses.csv` shows learners, only to people
who work in the data root (file 0600, folder 0700); it is written only if there are near misses, or to replace an older
one. No engine.
"""

import pandas as pd

from schemas.cycles import cycles_in_order
from schemas.tables import DEMOGRAPHICS
from schemas.texts.catalogue import bilingual
from tasks.core.demographics import near_misses
from tasks.core.membership import lookup
from tasks.io.data_root.data_root import DataRoot, write_whole
from tasks.io.data_root.report_csv import write_report
from tasks.io.lake.lake import Lake
from tasks.ledger.code_texts import lrs_codes
from tasks.ledger.standing import those_sent

_OF_ANSWER = ("file", "ordinal", "ukprn", "mis_identifier", "uln", *DEMOGRAPHICS)
_OF_LEARNER = ("upn", "differs", "answered", "sent")


def report_untied(root: DataRoot, lake: Lake) -> None:
    """Write both reports from the lake; the near misses only if there are any, or were any before."""
    rows = _untied(lake)
    near = _near(lake, rows)
    places = rows[["file", "ordinal", "ukprn", "return_code", "received_at"]].copy()
    # A row that ties to nobody may hold anything: repeat only codes that are known and UKPRNs of the right form.
    known = set(lrs_codes(root)["code"])
    places["return_code"] = places["return_code"].where(
        places["return_code"].isna() | places["return_code"].isin(known), "UNKNOWN"
    )
    places["ukprn"] = places["ukprn"].where(places["ukprn"].str.fullmatch("[0-9]{8}").eq(True))
    write_whole(root.untied_report, _as_report(places))
    if len(near) or root.near_misses_report.exists():
        write_whole(root.near_misses_report, _as_report(_with_learners(rows, near)))


def untied_and_near(lake: Lake) -> tuple[int, int]:
    """Return the numbers of answers that tie to nobody, and of those that nearly match a learner who was sent."""
    rows = _untied(lake)
    return len(rows), int(_near(lake, rows)["at"].nunique())


def _untied(lake: Lake) -> pd.DataFrame:
    columns = ["sha256", "ordinal", "ukprn", "mis_identifier", "uln", "return_code", "received_at", *DEMOGRAPHICS]
    rows = lake.read("lrs_returns", columns, tied="N")
    files = lake.read("received", ["sha256", "file_name"], sha256=rows["sha256"])
    return rows.assign(file=lookup(rows["sha256"], files["sha256"], files["file_name"]))


def _near(lake: Lake, rows: pd.DataFrame) -> pd.DataFrame:
    columns = ["batch_ref", "upn", "ukprn", *DEMOGRAPHICS]
    of_school = lake.read("batch_rows", columns, ukprn=rows["ukprn"].str.strip())
    batches = lake.read("batches", ["batch_ref", "state"])
    return near_misses(rows, those_sent(lake, of_school, batches, cycles_in_order()))


def _with_learners(rows: pd.DataFrame, near: pd.DataFrame) -> pd.DataFrame:
    matches = near.merge(rows, left_on="at", right_index=True)
    fields = {name: bilingual(f"field.{name}") for name in DEMOGRAPHICS}
    differs = matches["differs"].map(fields).astype("str").fillna(bilingual("untied.all_agree"))
    ordered = matches.assign(differs=differs).sort_values(["file", "ordinal", "upn", "differs"])
    return ordered[[*_OF_ANSWER, *_OF_LEARNER]]


def _as_report(rows: pd.DataFrame) -> bytes:
    heads = {name: bilingual(f"field.{name}" if name in DEMOGRAPHICS else f"untied.{name}") for name in rows.columns}
    return write_report(rows.rename(columns=heads))
