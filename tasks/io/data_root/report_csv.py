"""A CSV for people who open it in a spreadsheet: no cell becomes a formula.

Files for programs keep every value as it is; they are in `lrs.files` and `school.ctf_writer`.
"""

import re

import pandas as pd

#: Each place where a cell may start, whatever separator the spreadsheet uses, if a sign that begins a formula follows.
_FORMULA = re.compile('(^|[,;|\t\r\n"])(?=[=+\\-@\t\r＝＋－＠])')


def write_report(rows: pd.DataFrame) -> bytes:
    """Return the rows as a CSV that Excel opens directly: UTF-8 with byte order mark, lines end in CR LF.

    The columns are the headings. A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    safe = rows.copy()
    columns: list[str] = list(rows.select_dtypes("str").columns)
    for column in columns:
        safe[column] = rows[column].astype("str").map(as_text, na_action="ignore")
    return safe.to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig")


def as_text(value: str) -> str:
    """Return a cell's text, with an apostrophe wherever a spreadsheet would begin a formula."""
    return _FORMULA.sub(r"\1'", value)
