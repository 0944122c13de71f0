"""A school's learners and their ULNs as a CSV for its examinations software.

Programs read it: UTF-8 without byte order mark, lines end in CR LF, names unchanged. But people open it in a spreadsheet
first, so a name that a spreadsheet would read as a formula gets an apostrophe, as in `report_csv`. No real name begins like
a formula; the apostrophe shows that the name is wrong. Awarding bodies do not publish what their programs need; the headings
are those of the census (CBDS) and, as in a CTF, not translated.

Does not belong here: which learners are in it (those in the school's CTF).
"""

import csv
import io

import pandas as pd
import pyarrow as pa

from tasks.io.data_root.report_csv import as_text

_COLUMNS = {"upn": "UPN", "uln": "UniqueLearnerNumber", "surname": "Surname", "forename": "Forename"}


def exam_entries_name(school_number: str, cycle_id: str) -> str:
    """Return the file's name, e.g. `ULN_Exams_6604025_2012-01.csv`."""
    return f"ULN_Exams_{school_number}_{cycle_id}.csv"


def write_exam_entries(ulns: pd.DataFrame) -> bytes:
    """Write the list; equal content gives equal bytes.

    Args:
        ulns: upn, uln, surname, forename of the learners in the school's CTF, in the order of the file.
    """
    cells = [pa.array(ulns[c], pa.large_string(), from_pandas=True).fill_null("").to_pylist() for c in _COLUMNS]
    rows = list(zip(*cells, strict=True))
    # Check whole columns first: in most schools no cell needs an apostrophe.
    if any(as_text(column) != column for column in map(",".join, cells)):
        rows = [tuple(map(as_text, row)) for row in rows]
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_COLUMNS.values())
    writer.writerows(rows)
    return out.getvalue().encode("utf-8")
