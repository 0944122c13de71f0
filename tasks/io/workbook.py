"""The exceptions workbook that goes to a school: a Welsh and an English sheet of equal content.

Row 1 is the heading row, so that the list filters, sorts and loads into other programs as it is; school, cycle and page
stand in the printed header and footer. Every cell is text: a name that begins with = is never a formula.
Does not belong here: who stands in the list, and the texts of rules and codes (both are handed in).
To add a column: a line in `_COLUMNS` and its heading in `schemas/texts.csv`.
"""

import datetime as dt
import io
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd
import xlsxwriter

from schemas.texts import Language, text

_WIDEST = 48  # characters; wider, the printed page becomes too small to read
_FILTER_BUTTON = 4  # room for the heading's drop-down, in characters
_LINE = 15  # points
_CELL = {"text_wrap": True, "valign": "top", "border": 1, "border_color": "#BFBFBF", "num_format": "@"}


@dataclass(frozen=True)
class _Column:
    heading: str
    source: str
    by_language: bool = False


_COLUMNS = (
    _Column("workbook.upn", "upn"),
    _Column("workbook.surname", "surname"),
    _Column("workbook.forename", "forename"),
    _Column("workbook.nc_year", "nc_year"),
    _Column("workbook.wrong", "wrong", by_language=True),
    _Column("workbook.action", "action", by_language=True),
    _Column("workbook.code", "code"),
    _Column("workbook.field", "field", by_language=True),
)
_NAMED = 3  # UPN and names stay in view when one scrolls sideways


def workbook_name(school_number: str, cycle_id: str) -> str:
    """The workbook's name, e.g. `ULN_Exceptions_6604025_2012-01.xlsx`."""
    return f"ULN_Exceptions_{school_number}_{cycle_id}.xlsx"


def write_exceptions(
    rows: pd.DataFrame,
    *,
    school_number: str,
    school_name: str,
    la_cy: str,
    la_en: str,
    cycle_title_cy: str,
    cycle_title_en: str,
    made_at: dt.datetime,
) -> bytes:
    """Write a school's list of exceptions; equal content gives equal bytes.

    Args:
        rows: text columns upn, surname, forename, nc_year, wrong_en, wrong_cy, action_en, action_cy, code, field_en,
            field_cy, in the order in which they are to stand; a null is an empty cell.
        school_number: seven digits.
        school_name: as in the register.
        la_cy: the authority's Welsh name.
        la_en: its English name.
        cycle_title_cy: the cycle's Welsh title.
        cycle_title_en: its English title.
        made_at: local time at which the workbook counts as made.

    Returns:
        The xlsx file: sheets `Cymraeg` and `English`.
    """
    buffer = io.BytesIO()
    plain = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(buffer, plain)
    book.set_properties(
        {
            "title": f"{text('workbook.title', 'cy')} / {text('workbook.title', 'en')}",
            "subject": f"{school_number} {school_name}",
            "created": made_at.replace(tzinfo=None),
        }
    )
    languages: dict[Language, tuple[str, str]] = {"cy": (la_cy, cycle_title_cy), "en": (la_en, cycle_title_en)}
    columns = {lang: _columns_of(rows, lang) for lang in languages}
    widths = _widths(columns.values())
    heights = _heights(columns.values(), widths)
    for lang, (la, cycle_title) in languages.items():
        sheet = book.add_worksheet(text("workbook.sheet", lang))
        _fill(book, sheet, columns[lang], widths, heights)
        _set_up_print(
            sheet,
            lang,
            left=f"{school_name} ({school_number})",
            right=f"{la}, {cycle_title}",
            made_on=made_at.strftime("%Y-%m-%d"),
        )
    book.close()
    return buffer.getvalue()


def _fill(
    book: xlsxwriter.Workbook,
    sheet: "xlsxwriter.worksheet.Worksheet",
    columns: list[list[str]],
    widths: list[int],
    heights: list[int],
) -> None:
    heading = book.add_format({**_CELL, "bold": True, "bg_color": "#D9E2F3"})
    cell = book.add_format(_CELL)
    for number, (width, (title, *values)) in enumerate(zip(widths, columns, strict=True)):
        sheet.set_column(number, number, width)
        sheet.write_string(0, number, title, heading)
        for row, value in enumerate(values, 1):
            if value:
                sheet.write_string(row, number, value, cell)
            else:
                sheet.write_blank(row, number, None, cell)
    for row, lines in enumerate(heights, 1):
        sheet.set_row(row, lines * _LINE)
    sheet.freeze_panes(1, _NAMED)
    sheet.autofilter(0, 0, max(len(heights), 1), len(columns) - 1)
    # A year kept as text is meant, so no warning triangles.
    sheet.ignore_errors({"number_stored_as_text": f"A1:{chr(ord('A') + len(columns) - 1)}{len(heights) + 1}"})


def _columns_of(rows: pd.DataFrame, lang: Language) -> list[list[str]]:
    return [
        [text(c.heading, lang), *rows[f"{c.source}_{lang}" if c.by_language else c.source].fillna("").tolist()]
        for c in _COLUMNS
    ]


def _widths(sheets: Iterable[list[list[str]]]) -> list[int]:
    """Each column's width in characters, the same on both sheets."""
    longest = [
        max(len(title) + _FILTER_BUTTON, *(_room(value) for value in (title, *values)))
        for sheet in sheets
        for title, *values in sheet
    ]
    return [min(_WIDEST, max(longest[number :: len(_COLUMNS)])) for number in range(len(_COLUMNS))]


def _room(value: str) -> int:
    # A width is counted in digits; capitals, in which many schools keep their names, are about a quarter wider.
    return len(value) + 1 + sum(map(str.isupper, value)) // 4


def _heights(sheets: Iterable[list[list[str]]], widths: list[int]) -> list[int]:
    """Each row's height in lines, the same on both sheets; told, as not every program finds it when it opens a file."""
    by_column = []
    for sheet in sheets:
        for width, (_, *values) in zip(widths, sheet, strict=True):
            # Running text is narrower than digits: a tenth more fits on a line.
            lines = {value: max(1, len(textwrap.wrap(value, width + width // 10))) for value in set(values)}
            by_column.append([lines[value] for value in values])
    return [max(row) for row in zip(*by_column, strict=True)]


def _set_up_print(
    sheet: "xlsxwriter.worksheet.Worksheet", lang: Language, *, left: str, right: str, made_on: str
) -> None:
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.set_margins(left=0.4, right=0.4)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    sheet.set_header(f"&L{_literal(left)}&C&B{text('workbook.title', lang)}&B&R{_literal(right)}")
    made = text("workbook.made", lang).format(date=made_on)
    page = text("workbook.page", lang).format(page="&P", pages="&N")
    sheet.set_footer(f"&L{made}&C{text('workbook.personal', lang)}&R{page}")


def _literal(words: str) -> str:
    # In printed headers & begins a code.
    return words.replace("&", "&&")
