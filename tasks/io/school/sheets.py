"""Sheets of text as an .xlsx file: widths, heights, formats and bytes.

Rows and shared texts are written in bulk, through private names of xlsxwriter, with the same bytes as through its public
methods (`test_workbook`): a school's workbook with 120 lines takes 17 ms of CPU instead of 37, and publishing for all
Wales writes about 240 workbooks. Does not belong here: which sheets exist, and their texts (`workbook`).
"""

import datetime as dt
import io
import re
import string
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.packager import Packager
from xlsxwriter.sharedstrings import SharedStrings
from xlsxwriter.worksheet import Worksheet

_WIDEST = 40  # characters; a wider column makes the printed page too small to read
_FILTER_BUTTON = 4  # width of the heading's drop-down, in characters
_LINE = 15  # points
_LONGEST = 32767  # UTF-16 units in a cell
_LOOK = {"valign": "top", "border": 1, "border_color": "#BFBFBF"}
_TEXT = {**_LOOK, "text_wrap": True, "num_format": "@"}
_HEADING = {**_TEXT, "bold": True, "bg_color": "#D9E2F3"}
_LETTERS = string.ascii_uppercase

#: A text, or a count.
Cell = str | int


@dataclass(frozen=True)
class SheetPlan:
    """One sheet.

    Attributes:
        name: the tab's name.
        columns: heading and cells of each column.
        widths: column widths in characters.
        heights: row heights in lines.
        frozen: number of columns that stay in view.
        header, footer: of the printed page, in xlsxwriter's codes.
        headings: rows with the format of headings.
        filtered: whether the headings have filter buttons.
    """

    name: str
    columns: list[list[Cell]]
    widths: list[int]
    heights: list[int]
    frozen: int
    header: str
    footer: str
    headings: frozenset[int] = frozenset({0})
    filtered: bool = True


def write_sheets(plans: list[SheetPlan], *, title: str, subject: str, created: dt.datetime) -> bytes:
    """Write a workbook of these sheets, on A4 in landscape; equal content gives equal bytes.

    Title, subject and time of creation (local) become properties of the file.
    """
    buffer = io.BytesIO()
    plain = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = _Book(buffer, plain)
    book.set_properties({"title": title, "subject": subject, "created": created.replace(tzinfo=None)})
    looks = (book.add_format(_HEADING), book.add_format(_TEXT), book.add_format(_LOOK))
    for plan in plans:
        sheet = book.add_worksheet(plan.name, worksheet_class=_Sheet)
        sheet.fill(plan, looks)
        sheet.set_landscape()
        sheet.set_paper(9)  # A4
        sheet.set_margins(left=0.4, right=0.4)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        sheet.set_header(plan.header)
        sheet.set_footer(plan.footer)
    book.close()
    return buffer.getvalue()


def measured(columns: list[tuple[list[Cell], ...]], button: int = _FILTER_BUTTON) -> tuple[list[int], list[int]]:
    """Return each column's width in characters and each row's height in lines, the heading row first.

    They are written into the file because some programs do not calculate them.

    Args:
        columns: for each column its variants (heading and cells), which get the same width.
        button: extra width that a heading needs, in characters.
    """
    widths, by_column = [], []
    for variants in columns:
        texts = [list(map(str, variant)) for variant in variants]
        longest = _longest(value for variant in texts for value in variant)
        width = min(_WIDEST, max(longest, *(_room(variant[0]) + button for variant in texts)))
        widths.append(width)
        # Prose is narrower than digits: a tenth more fits on a line.
        room = width + width // 10
        for first, *rest in texts:
            by_column.append([_lines(first, max(1, room - button)), *(_lines(value, room) for value in rest)])
    return widths, [max(row) for row in zip(*by_column, strict=True)]


def _longest(values: Iterable[str]) -> int:
    """Return the largest `_room`; values too short to need more than the largest so far are skipped."""
    most = 0
    for value in values:
        if len(value) * 5 // 4 + 1 > most:
            most = max(most, _room(value))
    return most


def _room(value: str) -> int:
    # A width is measured in digits. Capitals, in which many schools write names, are about a quarter wider.
    return len(value) + 1 + sum(map(str.isupper, value)) // 4


def _lines(value: str, width: int) -> int:
    # Most values fit on one line, unless a tab makes them longer. The others are texts of rules and codes, which repeat.
    return 1 if len(value) <= width and "\t" not in value else _wrapped(value, width)


@lru_cache(maxsize=4096)
def _wrapped(value: str, width: int) -> int:
    return max(1, len(textwrap.wrap(value, width)))


#: Finds texts that must be escaped or marked in XML; xlsxwriter's own method writes these.
_ODD = re.compile(r"[&<>\x00-\x1f\ufffe\uffff]|_x[0-9A-Fa-f]{4}_|^\s|\s$").search


class _Book(xlsxwriter.Workbook):  # type: ignore[misc]
    """A workbook whose shared texts are written in bulk."""

    def _get_packager(self) -> Packager:
        return _Packager()


class _Packager(Packager):  # type: ignore[misc]
    def _write_shared_strings_file(self) -> None:
        strings = _Strings()
        strings.string_table = self.workbook.str_table
        if strings.string_table.count:
            strings._set_xml_writer(self._filename("xl/sharedStrings.xml"))
            strings._assemble_xml_file()


class _Strings(SharedStrings):  # type: ignore[misc]
    def _write_sst_strings(self) -> None:
        plain: list[str] = []
        for value in self.string_table.string_array:
            if _ODD(value):
                self.fh.write("".join(plain))
                plain = []
                self._write_si(value)
            else:
                plain.append(f"<si><t>{value}</t></si>")
        self.fh.write("".join(plain))


class _Sheet(Worksheet):  # type: ignore[misc]
    """A sheet of text whose rows are written in bulk."""

    def fill(self, plan: SheetPlan, looks: tuple[Format, Format, Format]) -> None:
        """Set the sheet's cells and formats; `looks` are the formats of headings, texts and counts."""
        last, count = len(plan.columns) - 1, len(plan.heights)
        for number, width in enumerate(plan.widths):
            self.set_column(number, number, width)
        # xlsxwriter learns the sheet's size from the two corner cells.
        self.write_blank(0, 0, None, looks[0])
        self.write_blank(count - 1, last, None, looks[0])
        index = self.str_table._get_shared_string_index
        # A text is stored as its index among the workbook's texts, a count as a negative number: both fit in one list.
        self.cells = [
            [None if t == "" else ~t if t.__class__ is int else index(_fit(str(t))) for t in column]
            for column in plan.columns
        ]
        self.plan, self.looks = plan, looks
        self.freeze_panes(1, plan.frozen)
        if plan.filtered:
            self.autofilter(0, 0, max(count - 1, 1), last)
        # Numbers stored as text, such as a year, are intended: no warning triangles.
        self.ignore_errors({"number_stored_as_text": f"A1:{_LETTERS[last]}{count}"})

    def _write_rows(self) -> None:
        spans = f'spans="1:{len(self.cells)}"'
        headings, heading = self.plan.headings, self.looks[0]._get_xf_index()
        rows = []
        for number, (cells, lines) in enumerate(zip(zip(*self.cells, strict=True), self.plan.heights, strict=True), 1):
            look = heading if number - 1 in headings else self.looks[1]._get_xf_index()
            height = "" if lines == 1 else f' ht="{lines * _LINE}" customHeight="1"'
            rows.append(f'<row r="{number}" {spans}{height}>')
            rows += [
                f'<c r="{letter}{number}" s="{look}"/>'
                if place is None
                else f'<c r="{letter}{number}" s="{look}" t="s"><v>{place}</v></c>'
                if place >= 0
                else f'<c r="{letter}{number}" s="{self.looks[2]._get_xf_index()}"><v>{~place}</v></c>'
                for letter, place in zip(_LETTERS, cells, strict=False)
            ]
            rows.append("</row>")
        self.fh.write("".join(rows))


def _fit(value: str) -> str:
    if len(value) > _LONGEST // 2:
        # A spreadsheet calls a file with a longer cell damaged. Cutting in UTF-16 splits no character.
        value = value.encode("utf-16-le", "surrogatepass")[: 2 * _LONGEST].decode("utf-16-le", "ignore")
    # xlsxwriter would take such a text for its own markup, and write it unescaped.
    return f" {value}" if value[:1] == "<" and value.startswith("<r>") and value.endswith("</r>") else value
