"""The exceptions workbook that goes to a school: a Welsh and an English sheet of equal content.

Row 1 is the heading row, so that the list filters, sorts and loads into other programs as it is; school, cycle and page
stand in the printed header and footer. Every cell is text: a name that begins with = is never a formula.
Does not belong here: who stands in the list, and the texts of rules and codes (both are handed in).
To add a column: a line in `_COLUMNS` and its heading in `schemas/texts.csv`.
"""

import datetime as dt
import io
import string
import textwrap
from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

import pandas as pd
import pyarrow as pa
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from schemas.texts import Language, text

_WIDEST = 48  # characters; wider, the printed page becomes too small to read
_FILTER_BUTTON = 4  # room for the heading's drop-down, in characters
_LINE = 15  # points
_LONGEST = 32767  # units of UTF-16 in a cell
_CELL = {"text_wrap": True, "valign": "top", "border": 1, "border_color": "#BFBFBF", "num_format": "@"}


@dataclass(frozen=True)
class _Column:
    heading: str
    source: str
    by_language: bool = False

    def in_language(self, lang: Language) -> str:
        """The rows' column that stands here on that language's sheet."""
        return f"{self.source}_{lang}" if self.by_language else self.source


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
_LANGUAGES: tuple[Language, ...] = get_args(Language)
_LETTERS = string.ascii_uppercase
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
    sources = dict.fromkeys(c.in_language(lang) for c in _COLUMNS for lang in _LANGUAGES)
    values = {s: pa.array(rows[s], pa.large_string(), from_pandas=True).fill_null("").to_pylist() for s in sources}
    widths = _widths(values)
    heights = _heights(values, widths)
    formats = {
        "heading": book.add_format({**_CELL, "bold": True, "bg_color": "#D9E2F3"}),
        "cell": book.add_format(_CELL),
    }
    for lang, (la, cycle_title) in languages.items():
        sheet = book.add_worksheet(text("workbook.sheet", lang), worksheet_class=_Sheet)
        sheet.fill(
            [[text(c.heading, lang), *values[c.in_language(lang)]] for c in _COLUMNS], widths, heights, **formats
        )
        _set_up_print(
            sheet,
            lang,
            left=f"{school_name} ({school_number})",
            right=f"{la}, {cycle_title}",
            made_on=made_at.strftime("%Y-%m-%d"),
        )
    book.close()
    return buffer.getvalue()


class _Sheet(Worksheet):  # type: ignore[misc]
    """A sheet of text whose rows are written whole: xlsxwriter's own bytes, without what it does cell by cell.

    Leans on four of its private names; `test_workbook` holds it to the bytes of its public way.
    """

    def fill(
        self, columns: list[list[str]], widths: list[int], heights: list[int], *, heading: Format, cell: Format
    ) -> None:
        """Set the sheet's cells and look.

        Args:
            columns: each its heading and its texts.
            widths: of the columns, in characters.
            heights: of the rows below the heading, in lines.
            heading: how the heading row looks.
            cell: how the others do.
        """
        last = len(columns) - 1
        for number, width in enumerate(widths):
            self.set_column(number, number, width)
        # The corners tell xlsxwriter how large the sheet is.
        self.write_blank(0, 0, None, heading)
        self.write_blank(len(heights), last, None, cell if heights else heading)
        index = self.str_table._get_shared_string_index
        self.texts = [[index(_plain(_cut(t))) if t else None for t in column] for column in columns]
        self.heights, self.looks = heights, (heading, cell)
        self.freeze_panes(1, _NAMED)
        self.autofilter(0, 0, max(len(heights), 1), last)
        # A year kept as text is meant, so no warning triangles.
        self.ignore_errors({"number_stored_as_text": f"A1:{_LETTERS[last]}{len(heights) + 1}"})

    def _write_rows(self) -> None:
        spans = f'spans="1:{len(self.texts)}"'
        rows = []
        for number, (texts, lines) in enumerate(zip(zip(*self.texts, strict=True), [1, *self.heights], strict=True), 1):
            look = self.looks[number > 1]._get_xf_index()
            height = "" if lines == 1 else f' ht="{lines * _LINE}" customHeight="1"'
            rows.append(f'<row r="{number}" {spans}{height}>')
            rows += [
                f'<c r="{letter}{number}" s="{look}"/>'
                if index is None
                else f'<c r="{letter}{number}" s="{look}" t="s"><v>{index}</v></c>'
                for letter, index in zip(_LETTERS, texts, strict=False)
            ]
            rows.append("</row>")
        self.fh.write("".join(rows))


def _plain(value: str) -> str:
    # xlsxwriter would take such a text for its own markup, and write it into the file as it stands.
    return f" {value}" if value.startswith("<r>") and value.endswith("</r>") else value


def _cut(value: str) -> str:
    # A longer cell would make a spreadsheet call the file damaged; counted in UTF-16, no character is cut in two.
    if len(value) <= _LONGEST // 2:
        return value
    return value.encode("utf-16-le", "surrogatepass")[: 2 * _LONGEST].decode("utf-16-le", "ignore")


def _widths(values: dict[str, list[str]]) -> list[int]:
    """Each column's width in characters, the same on both sheets."""
    widths = []
    for column in _COLUMNS:
        titles = [text(column.heading, lang) for lang in _LANGUAGES]
        texts = {t for lang in _LANGUAGES for t in values[column.in_language(lang)]}
        widths.append(min(_WIDEST, max(*(len(t) + _FILTER_BUTTON for t in titles), *map(_room, {*titles, *texts}))))
    return widths


def _room(value: str) -> int:
    # A width is counted in digits; capitals, in which many schools keep their names, are about a quarter wider.
    return len(value) + 1 + sum(map(str.isupper, value)) // 4


def _heights(values: dict[str, list[str]], widths: list[int]) -> list[int]:
    """Each row's height in lines, the same on both sheets; told, as not every program finds it when it opens a file."""
    # Running text is narrower than digits: a tenth more fits on a line.
    room = {
        c.in_language(lang): width + width // 10
        for c, width in zip(_COLUMNS, widths, strict=True)
        for lang in _LANGUAGES
    }
    by_column = [[_lines(value, width) for value in values[source]] for source, width in room.items()]
    return [max(row) for row in zip(*by_column, strict=True)]


def _lines(value: str, width: int) -> int:
    # Most fit on a line, unless a tab makes them longer; the others are texts of rules and codes, which repeat.
    return 1 if len(value) <= width and "\t" not in value else _wrapped(value, width)


@lru_cache(maxsize=4096)
def _wrapped(value: str, width: int) -> int:
    return max(1, len(textwrap.wrap(value, width)))


def _set_up_print(sheet: Worksheet, lang: Language, *, left: str, right: str, made_on: str) -> None:
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
