"""A school's learners and their ULNs as a CSV for its examinations software: who is entered with which ULN.

It is for a program: UTF-8 without byte order mark, lines end in CR LF, no sign of a name is changed. Yet people open it in
a spreadsheet before they load it; a name that would begin a formula there gets an apostrophe before it, as in `report_csv`.
No name of a person begins so, and whoever sees the apostrophe sees that the name is wrong. What awarding bodies' programs
want of a file is not public; the headings are those of the census (CBDS) and, as in a CTF, not translated.

Does not belong here: who stands in it; that is who stands in the school's CTF.
"""

import csv
import io
import re

import pandas as pd
import pyarrow as pa

from tasks.io.data_root.report_csv import as_text

#: With nothing else in it and no dash at its beginning, a name begins no formula: most schools' names have nothing else.
_PLAIN = re.compile(r"[\w .'’-]*")
_COLUMNS = {"upn": "UPN", "uln": "UniqueLearnerNumber", "surname": "Surname", "forename": "Forename"}


def exam_entries_name(school_number: str, cycle_id: str) -> str:
    """The file's name, e.g. `ULN_Exams_6604025_2012-01.csv`."""
    return f"ULN_Exams_{school_number}_{cycle_id}.csv"


def write_exam_entries(ulns: pd.DataFrame) -> bytes:
    """Write the list; equal content gives equal bytes.

    Args:
        ulns: upn, uln, surname, forename of the learners in the school's CTF, in the order in which they are to stand.
    """
    cells = [pa.array(ulns[c], pa.large_string(), from_pandas=True).fill_null("").to_pylist() for c in _COLUMNS]
    rows = list(zip(*cells, strict=True))
    if any(not _PLAIN.fullmatch("".join(column)) for column in cells) or not all(map(_begins_plainly, cells)):
        rows = [tuple(map(as_text, row)) for row in rows]
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_COLUMNS.values())
    writer.writerows(rows)
    return out.getvalue().encode("utf-8")


def _begins_plainly(values: list[str]) -> bool:
    return all(value[:1] != "-" for value in values)
