"""A CSV for people, who open it in a spreadsheet: whatever stands in it, no cell becomes a formula.

Does not belong here: files for programs, in which a value must be what it is (`lrs.files`, `school.ctf_writer`).
"""

import re

import pandas as pd

#: Where a cell may begin, also in a spreadsheet that takes another separator, and what makes a formula of one.
_FORMULA = re.compile('(^|[,;|\t\r\n"])(?=[=+\\-@\t\r＝＋－＠])')


def write_report(rows: pd.DataFrame) -> bytes:
    """The rows as a CSV that Excel opens as it stands: UTF-8 with byte order mark, lines end in CR LF.

    Args:
        rows: its columns are the headings. A text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    safe = rows.copy()
    columns: list[str] = list(rows.select_dtypes("str").columns)
    for column in columns:
        safe[column] = rows[column].astype("str").map(as_text, na_action="ignore")
    return safe.to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig")


def as_text(value: str) -> str:
    """A cell's text, with an apostrophe where a spreadsheet would begin a formula."""
    return _FORMULA.sub(r"\1'", value)
