"""The exceptions workbook, read back by another library than the one that writes it, and its headings."""

import datetime as dt
import io
import textwrap
import zipfile

import openpyxl
import pandas as pd
import pytest
from xlsxwriter.worksheet import Worksheet

from schemas.faults import ConfigurationFault
from schemas.texts import all_texts, parse_texts, text
from tasks.io import workbook
from tasks.io.workbook import workbook_name, write_exceptions

COLUMNS = ["upn", "surname", "forename", "nc_year", "wrong_en", "wrong_cy", "action_en", "action_cy"]
COLUMNS += ["code", "field_en", "field_cy"]
LONG = (
    "The learner stands on the LRS portal more than once, and the LRS can't tell which of the records is the right one"
)
LONG_CY = "Mae'r dysgwr ar borth yr LRS fwy nag unwaith, ac ni all yr LRS ddweud pa un o'r cofnodion yw'r un cywir"
ROWS = pd.DataFrame(
    [
        ("M660402510001", "Llŷr-Ŵan", "Siân", "10", LONG, LONG_CY, "Look", "Edrychwch", "RC007", "ULN", "ULN"),
        ("=1+1", "+44", "@SUM(A1)", "-3", "=A1", "=B1", "+A1", "+B1", "-C", "@f", "@m"),
        ("007", "{=1}", "http://example.invalid", "011", "a", "b", "c", "d", "12", "e", "f"),
        (None, "O’Neill & Jones <x>", None, None, "No UPN", "Dim UPN", "Give one", "Rhowch un", "UPN01", "UPN", "UPN"),
    ],
    columns=COLUMNS,
    dtype="str",
)
ABOUT = {
    "school_number": "6604025",
    "school_name": "Ysgol A & B",
    "la_cy": "Ynys Môn",
    "la_en": "Isle of Anglesey",
    "cycle_title_cy": "Ionawr 2012",
    "cycle_title_en": "January 2012",
    "made_at": dt.datetime.fromisoformat("2012-02-20T09:15"),
}
#: Where a sheet's columns come from in the rows, written out a second time on purpose.
SOURCES = {
    "English": ["upn", "surname", "forename", "nc_year", "wrong_en", "action_en", "code", "field_en"],
    "Cymraeg": ["upn", "surname", "forename", "nc_year", "wrong_cy", "action_cy", "code", "field_cy"],
}


@pytest.fixture(scope="module")
def content():
    return write_exceptions(ROWS, **ABOUT)


@pytest.fixture(scope="module")
def book(content):
    return openpyxl.load_workbook(io.BytesIO(content))


def test_the_name_says_school_and_cycle():
    assert workbook_name("6604025", "2012-01") == "ULN_Exceptions_6604025_2012-01.xlsx"


def test_welsh_comes_first_and_opens_first(book):
    assert book.sheetnames == ["Cymraeg", "English"]
    assert book.active.title == "Cymraeg"


@pytest.mark.parametrize(
    ("sheet", "headings"),
    [
        ("English", ["UPN", "Surname", "Forename", "Year", "What is wrong", "What to do", "Code", "Field"]),
        ("Cymraeg", ["UPN", "Cyfenw", "Enw cyntaf", "Blwyddyn", "Beth sydd o'i le", "Beth i'w wneud", "Cod", "Maes"]),
    ],
)
def test_each_sheet_is_complete_and_in_the_rows_order(book, sheet, headings):
    read = [[cell.value for cell in row] for row in book[sheet].iter_rows()]
    expected = ROWS[SOURCES[sheet]].astype(object).where(ROWS[SOURCES[sheet]].notna(), None)
    assert read == [headings, *expected.to_numpy().tolist()]


def test_every_cell_is_text_and_none_a_formula(content, book):
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s"}
    assert {cell.number_format for cell in cells} == {"@"}
    assert not any(cell.hyperlink for cell in cells)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert not [name for name in archive.namelist() if b"<f>" in archive.read(name)]


def test_a_name_that_looks_like_the_writer_s_own_markup_is_text():
    rows = ROWS.head(1).assign(surname="<r><t>Prawf</t></r>", forename="<r></broken></r>")
    sheet = openpyxl.load_workbook(io.BytesIO(write_exceptions(rows, **ABOUT)), rich_text=True)["English"]
    assert [str(cell.value).strip() for cell in sheet[2][1:3]] == ["<r><t>Prawf</t></r>", "<r></broken></r>"]
    assert {type(cell.value) for cell in sheet[2][1:3]} == {str}


def test_both_sheets_look_the_same(book):
    def look(sheet):
        cells = [
            (c.coordinate, c.font.b, c.fill.fgColor.rgb, c.alignment.wrap_text) for r in sheet.iter_rows() for c in r
        ]
        widths = {name: d.width for name, d in sheet.column_dimensions.items()}
        heights = {number: d.height for number, d in sheet.row_dimensions.items()}
        return cells, widths, heights, sheet.freeze_panes, sheet.auto_filter.ref, sheet.page_setup.orientation

    assert look(book["Cymraeg"]) == look(book["English"])


def test_the_heading_is_frozen_and_filterable(book):
    for sheet in book:
        assert sheet.freeze_panes == "D2"
        assert sheet.auto_filter.ref == "A1:H5"


def test_columns_are_as_wide_as_their_content_up_to_a_limit_and_rows_as_high(book):
    for sheet in book:
        widths = [sheet.column_dimensions[name].width for name in "ABCDEFGH"]
        assert len("M660402510001") <= widths[0] < 20
        assert len("http://example.invalid") <= widths[2] < 30
        assert 40 <= widths[4] <= 60
        # More than a hundred characters in a column of under sixty: two lines at least; a short row has the usual one.
        assert sheet.row_dimensions[2].height >= 30
        assert sheet.row_dimensions[4].height in (None, 15)


@pytest.mark.parametrize(
    ("sheet", "right", "page"),
    [("Cymraeg", "Ynys Môn, Ionawr 2012", "Tudalen"), ("English", "Isle of Anglesey, January 2012", "Page")],
)
def test_it_prints_on_pages_one_wide_with_school_and_cycle(book, sheet, right, page):
    read = book[sheet]
    assert read.page_setup.orientation == "landscape"
    assert (read.sheet_properties.pageSetUpPr.fitToPage, read.page_setup.fitToHeight) == (True, 0)
    assert read.print_title_rows == "$1:$1"
    assert read.oddHeader.left.text == "Ysgol A && B (6604025)"  # & begins a code in a header, && is the sign itself
    assert read.oddHeader.right.text == right
    assert page in read.oddFooter.right.text
    assert "2012-02-20" in read.oddFooter.left.text


def test_the_same_content_gives_the_same_bytes(content):
    assert write_exceptions(ROWS.copy(), **ABOUT) == content


class Plain(Worksheet):
    """The sheet by xlsxwriter's public way alone."""

    def fill(self, columns, widths, heights, *, heading, cell):
        """As `_Sheet.fill`."""
        for number, (width, (title, *values)) in enumerate(zip(widths, columns, strict=True)):
            self.set_column(number, number, width)
            self.write_string(0, number, title, heading)
            for row, value in enumerate(values, 1):
                if value:
                    self.write_string(row, number, value, cell)
                else:
                    self.write_blank(row, number, None, cell)
        for row, lines in enumerate(heights, 1):
            self.set_row(row, lines * 15)
        self.freeze_panes(1, 3)
        self.autofilter(0, 0, max(len(heights), 1), len(columns) - 1)
        self.ignore_errors({"number_stored_as_text": f"A1:H{len(heights) + 1}"})


ODD = [
    "&<\">'",
    "  ends ",
    "a\tb",
    "a\r\nb\n",
    "\x01_x0001_",
    "\uffff",
    "𝔖" * 20_000,
    "A" * 40_000,
    "-" * 60,
    "word " * 60,
]


@pytest.mark.parametrize("count", [0, 1, 40])
def test_the_sheets_are_those_of_the_writer_s_public_way_to_the_byte(count, monkeypatch):
    odd = pd.DataFrame({c: ODD[n % 7 :] + ODD[: n % 7] for n, c in enumerate(COLUMNS)}, dtype="str")
    rows = pd.concat([ROWS, odd, ROWS, odd, ROWS, odd], ignore_index=True).head(count)
    content = write_exceptions(rows, **ABOUT)
    monkeypatch.setattr(workbook, "_Sheet", Plain)
    assert write_exceptions(rows, **ABOUT) == content


@pytest.mark.parametrize("value", [*ODD[:6], "x" * 20, "x" * 21, "a\tb\tc\td", "ab " * 40, "", "a-b" * 9, "é  " * 7])
@pytest.mark.parametrize("width", [1, 8, 20])
def test_a_text_has_as_many_lines_as_it_wraps_to(value, width):
    assert workbook._lines(value, width) == max(1, len(textwrap.wrap(value, width)))


def test_a_list_without_lines_is_still_a_workbook():
    book = openpyxl.load_workbook(io.BytesIO(write_exceptions(ROWS.head(0), **ABOUT)))
    assert [sheet.max_row for sheet in book] == [1, 1]


def test_every_text_has_both_languages():
    assert all(t["en"].strip() and t["cy"].strip() for t in all_texts().values())
    assert text("workbook.surname", "cy") == "Cyfenw"
    with pytest.raises(ConfigurationFault, match="there is no text"):
        text("no.such", "en")


def test_the_texts_loader_lists_every_fault():
    with pytest.raises(ConfigurationFault) as caught:
        parse_texts("key,en\na,\nb,x\nb,x\n")
    assert {fault.partition(":")[0] for fault in caught.value.faults} == {"a", "b"}
    with pytest.raises(ConfigurationFault, match="not known"):
        parse_texts("key,en,fr\n")
