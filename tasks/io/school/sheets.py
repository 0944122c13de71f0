"""Sheets of text as an .xlsx file: widths and heights, the look, and the bytes.

A sheet's rows and the workbook's texts are written whole, by private names of xlsxwriter and to the bytes of its public
way (`test_workbook`): a school's workbook with 120 lines takes 17 ms of CPU instead of 37, and publishing for all Wales
writes about 240 workbooks. Does not belong here: which sheets there are, and their texts (`workbook`).
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

_WIDEST = 40  # characters; wider, the printed page becomes too small to read
_FILTER_BUTTON = 4  # room for the heading's drop-down, in characters
_LINE = 15  # points
_LONGEST = 32767  # units of UTF-16 in a cell
_LOOK = {"valign": "top", "border": 1, "border_color": "#BFBFBF"}
_TEXT = {**_LOOK, "text_wrap": True, "num_format": "@"}
_LETTERS = string.ascii_uppercase

#: A cell: a count where it is a number.
Cell = str | int


@dataclass(frozen=True)
class SheetPlan:
    """One sheet.

    Attributes:
        name: on its tab.
        columns: of each its heading and its cells.
        widths: of the columns, in characters.
        heights: of the rows, in lines.
        frozen: how many columns stay in sight.
        header: of the printed page, in xlsxwriter's codes.
        footer: likewise.
        headings: the rows that look like headings.
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
    """A workbook of these sheets, on A4 in landscape; equal content gives equal bytes.

    Args:
        plans: the sheets.
        title: a property of the file.
        subject: likewise.
        created: local time at which the file counts as made.
    """
    buffer = io.BytesIO()
    plain = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = _Book(buffer, plain)
    book.set_properties({"title": title, "subject": subject, "created": created.replace(tzinfo=None)})
    looks = (
        book.add_format({**_TEXT, "bold": True, "bg_color": "#D9E2F3"}),
        book.add_format(_TEXT),
        book.add_format(_LOOK),
    )
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
    """Each column's width in characters and each row's height in lines, heading first; told, as not every program finds them.

    Args:
        columns: of each column its variants, heading and cells; they get one width.
        button: room that a heading needs besides its own, in characters.
    """
    widths, by_column = [], []
    for variants in columns:
        texts = [list(map(str, variant)) for variant in variants]
        longest = _longest(value for variant in texts for value in variant)
        width = min(_WIDEST, max(longest, *(_room(variant[0]) + button for variant in texts)))
        widths.append(width)
        # Running text is narrower than digits: a tenth more fits on a line.
        room = width + width // 10
        for first, *rest in texts:
            by_column.append([_lines(first, max(1, room - button)), *(_lines(value, room) for value in rest)])
    return widths, [max(row) for row in zip(*by_column, strict=True)]


def _longest(values: Iterable[str]) -> int:
    """The most room that one of them needs; those are not looked at closer that cannot need more than another."""
    most = 0
    for value in values:
        if len(value) * 5 // 4 + 1 > most:
            most = max(most, _room(value))
    return most


def _room(value: str) -> int:
    # A width is counted in digits; capitals, in which many schools keep their names, are about a quarter wider.
    return len(value) + 1 + sum(map(str.isupper, value)) // 4


def _lines(value: str, width: int) -> int:
    # Most fit on a line, unless a tab makes them longer; the others are texts of rules and codes, which repeat.
    return 1 if len(value) <= width and "\t" not in value else _wrapped(value, width)


@lru_cache(maxsize=4096)
def _wrapped(value: str, width: int) -> int:
    return max(1, len(textwrap.wrap(value, width)))


#: What has to be written in another way in a file of XML: xlsxwriter's own knows how.
_ODD = re.compile(r"[&<>\x00-\x1f\ufffe\uffff]|_x[0-9A-Fa-f]{4}_|^\s|\s$").search


class _Book(xlsxwriter.Workbook):  # type: ignore[misc]
    """A workbook whose texts are written together."""

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
        for one in self.string_table.string_array:
            if _ODD(one):
                self.fh.write("".join(plain))
                plain = []
                self._write_si(one)
            else:
                plain.append(f"<si><t>{one}</t></si>")
        self.fh.write("".join(plain))


class _Sheet(Worksheet):  # type: ignore[misc]
    """A sheet of text whose rows are written whole."""

    def fill(self, plan: SheetPlan, looks: tuple[Format, Format, Format]) -> None:
        """Set the sheet's cells and look.

        Args:
            plan: its columns, sizes and headings.
            looks: how headings, texts and counts look.
        """
        last, count = len(plan.columns) - 1, len(plan.heights)
        for number, width in enumerate(plan.widths):
            self.set_column(number, number, width)
        # The corners tell xlsxwriter how large the sheet is.
        self.write_blank(0, 0, None, looks[0])
        self.write_blank(count - 1, last, None, looks[0])
        index = self.str_table._get_shared_string_index
        # Text is known by its place among the workbook's; a count is below nought, that it may stand in one list with it.
        self.cells = [
            [None if t == "" else ~t if t.__class__ is int else index(_fit(str(t))) for t in column]
            for column in plan.columns
        ]
        self.plan, self.looks = plan, looks
        self.freeze_panes(1, plan.frozen)
        if plan.filtered:
            self.autofilter(0, 0, max(count - 1, 1), last)
        # A year kept as text is meant, so no warning triangles.
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
        # A longer cell would make a spreadsheet call the file damaged; counted in UTF-16, no character is cut in two.
        value = value.encode("utf-16-le", "surrogatepass")[: 2 * _LONGEST].decode("utf-16-le", "ignore")
    # xlsxwriter would take such a text for its own markup, and write it into the file as it stands.
    return f" {value}" if value[:1] == "<" and value.startswith("<r>") and value.endswith("</r>") else value
