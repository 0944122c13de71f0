"""The exceptions workbook, read back by another library than the one that writes it, and its headings."""

import datetime as dt
import io
import textwrap
import zipfile

import openpyxl
import pandas as pd
import pytest
from xlsxwriter.worksheet import Worksheet

from schemas.texts.catalogue import all_texts, parse_texts, text
from schemas.texts.faults import ConfigurationFault
from tasks.core.publication import EXCEPTION_COLUMNS, ULN_COLUMNS
from tasks.io.school import sheets
from tasks.io.school.workbook import (
    About,
    Slip,
    authority_workbook_name,
    workbook_name,
    write_authority_book,
    write_school_book,
)
from tests.support.paths import GOLDEN

COLUMNS = list(EXCEPTION_COLUMNS)
LONG = (
    "The learner stands on the LRS portal more than once, and the LRS can't tell which of the records is the right one"
)
LONG_CY = "Mae'r dysgwr ar borth yr LRS fwy nag unwaith, ac ni all yr LRS ddweud pa un o'r cofnodion yw'r un cywir"
LINES = [
    # upn, surname, forename, year, step, wrong, why, check, action, sent, field, code, lrs_code; texts English, Welsh
    ("M660402510001", "Llŷr-Ŵan", "Siân", "10", "1/2", LONG, LONG_CY, "Moved", "Wedi symud", "Ask", "Holwch", "Look", "Edrychwch", "Llyr-Wan, Sian", "ULN", "ULN", "RC007", None),
    ("M660402510001", "Llŷr-Ŵan", "Siân", "10", "2/2", "Odd", "Od", None, None, None, None, "Mend", "Trwsiwch", None, "Name", "Enw", "GIV03", "RC011"),
    ("=1+1", "+44", "@SUM(A1)", "-3", None, "=A1", "=B1", "=C1", "=D1", "@w", "@v", "+A1", "+B1", "=1", "@f", "@m", "-C", "-L"),
    ("007", "{=1}", "http://example.invalid", "011", None, "a", "b", None, None, None, None, "c", "d", None, "e", "f", "12", "1"),
    (None, "O’Neill & Jones <x>", None, None, None, "No UPN", "Dim UPN", None, None, None, None, "Give one", "Rhowch un", None, "UPN", "UPN", "RC007", None),
]  # fmt: skip
ROWS = pd.DataFrame(LINES, columns=COLUMNS, dtype="str")
ULNS = pd.DataFrame(
    [
        ("M660402510001", "1000102504", "Llŷr-Ŵan", "Siân", "1996-11-05", "F", "Llyr-Wan, Sian"),
        ("=1+1", "1000102512", "+44", "-x", "1996-11-05", "M", None),
    ],
    columns=list(ULN_COLUMNS),
    dtype="str",
)
SLIP = Slip(
    counts=[("Cofnodion / Records", 120), ("Daliwyd / Held", 0)],
    returns=[("a.xml", "6604025", "2012-01-20 09:15", 120, "cyfredol / current", "ab" * 32)],
    batches=[("LRB_10000001_300120120230.CSV", "6604025", "2012-01-30 02:30", 98)],
)
ABOUT = About(
    holder={"cy": "Ysgol A & B (6604025)", "en": "Ysgol A & B (6604025)"},
    la={"cy": "Ynys Môn", "en": "Isle of Anglesey"},
    cycle_title={"cy": "Ionawr 2012", "en": "January 2012"},
    number=3,
    made_at=dt.datetime.fromisoformat("2012-02-20T09:15"),
)
#: Where a sheet's columns come from in the rows, written out a second time on purpose.
SOURCES = {
    sheet: ["upn", "surname", "forename", "nc_year", "step", *(f"{n}_{lang}" for n in ("wrong", "why", "check", "action")), "sent", f"field_{lang}", "code", "lrs_code"]
    for sheet, lang in (("Work list", "en"), ("Rhestr waith", "cy"))
}  # fmt: skip
SHEETS = ["Rhestr waith", "Work list", "Yn ôl cod", "By code", "ULNau - ULNs", "Slip cyflwyno - Submission slip"]


def school_book(lines=ROWS, ulns=ULNS, slip=SLIP):
    return write_school_book(lines, ulns, slip, ABOUT)


def authority_book(lines=ROWS):
    of_schools = lines.assign(
        school_number=["6604026", *["6604025"] * (len(lines) - 1)][: len(lines)], school_name="Ysgol <A>"
    )
    schools = [
        ("Rhif / Number", ["6604025", "6604026"]),
        ("Ysgol / School", ["A", "B"]),
        ("Cofnodion / Records", [120, 0]),
    ]
    return write_authority_book(of_schools, schools, SLIP, ABOUT)


def cells(sheet):
    return [[cell.value for cell in row] for row in sheet.iter_rows()]


@pytest.fixture(scope="module")
def content():
    return school_book()


@pytest.fixture(scope="module")
def book(content):
    return openpyxl.load_workbook(io.BytesIO(content))


def test_the_name_says_school_and_cycle():
    assert workbook_name("6604025", "2012-01") == "ULN_Exceptions_6604025_2012-01.xlsx"


def test_an_authority_s_name_says_authority_cycle_and_number():
    assert authority_workbook_name("660", "2012-01", 3) == "ULN_Exceptions_660_2012-01_003.xlsx"


def test_the_work_list_comes_first_and_welsh_before_english(book):
    assert book.sheetnames == SHEETS
    assert book.active.title == "Rhestr waith"


@pytest.mark.parametrize(
    ("sheet", "headings"),
    [
        (
            "Work list",
            [
                "UPN",
                "Surname",
                "Forename",
                "Year",
                "Step",
                "What is wrong",
                "Likely reason",
                "What to check",
                "What to do",
                "Sent to the LRS as",
                "Field",
                "Code",
                "LRS code if sent",
            ],
        ),
        (
            "Rhestr waith",
            [
                "UPN",
                "Cyfenw",
                "Enw cyntaf",
                "Blwyddyn",
                "Cam",
                "Beth sydd o'i le",
                "Rheswm tebygol",
                "Beth i'w wirio",
                "Beth i'w wneud",
                "Anfonwyd at yr LRS fel",
                "Maes",
                "Cod",
                "Cod LRS o'i anfon",
            ],
        ),
    ],
)
def test_each_sheet_is_complete_and_in_the_rows_order(book, sheet, headings):
    expected = ROWS[SOURCES[sheet]].astype(object).where(ROWS[SOURCES[sheet]].notna(), None)
    assert cells(book[sheet]) == [headings, *expected.to_numpy().tolist()]


def test_the_codes_are_counted_most_first_with_one_sentence_each(book):
    assert cells(book["By code"])[:3] == [
        ["Code", "What is wrong", "Learners", "LRS code if sent"],
        ["RC007", LONG, 2, None],
        ["-C", "=A1", 1, "-L"],
    ]
    assert [row[0] for row in cells(book["Yn ôl cod"])] == ["Cod", "RC007", "-C", "12", "GIV03"]


def test_who_has_a_uln_stands_there_with_what_was_sent_where_it_differs(book):
    assert cells(book["ULNau - ULNs"]) == [
        [
            "UPN",
            "Cyfenw / Surname",
            "Enw cyntaf / Forename",
            "ULN",
            "Anfonwyd at yr LRS fel / Sent to the LRS as",
        ],
        ["M660402510001", "Llŷr-Ŵan", "Siân", "1000102504", "Llyr-Wan, Sian"],
        ["=1+1", "+44", "-x", "1000102512", None],
    ]


def test_the_slip_names_files_with_hash_and_date_counts_and_batches_in_both_languages(book):
    slip = cells(book["Slip cyflwyno - Submission slip"])
    assert [row[:2] for row in slip[:6]] == [
        ["Slip cyflwyno / Submission slip", None],
        ["Ysgol neu awdurdod / School or authority", "Ysgol A & B (6604025)"],
        ["Awdurdod lleol / Local authority", "Ynys Môn / Isle of Anglesey"],
        ["Cylch / Cycle", "Ionawr 2012 / January 2012"],
        ["Crëwyd / Made at", "2012-02-20 09:15"],
        ["Rhif y ffeil / Number of the file", 3],
    ]
    assert ["Cofnodion / Records", 120] in [row[:2] for row in slip] and ["Daliwyd / Held", 0] in [
        row[:2] for row in slip
    ]
    assert ["a.xml", "6604025", "2012-01-20 09:15", 120, "cyfredol / current", "ab" * 32] in slip
    assert ["LRB_10000001_300120120230.CSV", "6604025", "2012-01-30 02:30", 98] in [row[:4] for row in slip]
    headings = [row[0].value for row in book["Slip cyflwyno - Submission slip"].iter_rows() if row[0].font.b]
    assert [heading.partition(" / ")[2] for heading in headings] == [
        "Submission slip",
        "Where the records stand",
        "Return received",
        "Batch",
    ]


def test_an_authority_s_workbook_has_all_its_schools_and_no_learner_who_needs_nothing():
    book = openpyxl.load_workbook(io.BytesIO(authority_book()))
    assert book.sheetnames == [*SHEETS[:4], "Ysgolion - Schools", SHEETS[5]]
    work = cells(book["Work list"])
    assert work[0][:3] == ["School number", "School", "UPN"]
    assert [row[0] for row in work[1:]] == ["6604026", *["6604025"] * 4]
    assert [row[2:] for row in work[1:]] == cells(openpyxl.load_workbook(io.BytesIO(school_book()))["Work list"])[1:]
    codes = cells(book["By code"])
    assert [(row[0], row[2], row[4]) for row in codes[1:]] == [
        *(("6604025", code, 1) for code in ("-C", "12", "GIV03", "RC007")),
        ("6604026", "RC007", 1),
    ]
    assert cells(book["Ysgolion - Schools"])[1:] == [["6604025", "A", 120], ["6604026", "B", 0]]
    assert "1000102504" not in {cell for sheet in book for row in cells(sheet) for cell in row}


@pytest.mark.parametrize("made", [school_book, authority_book])
def test_every_cell_but_a_count_is_text_and_none_a_formula(made):
    content = made()
    book = openpyxl.load_workbook(io.BytesIO(content))
    found = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in found} == {"s", "n"}
    assert {type(cell.value) for cell in found if cell.data_type == "n"} == {int}
    assert {cell.number_format for cell in found if cell.data_type == "s"} == {"@"}
    assert {cell.number_format for cell in found if cell.data_type == "n"} == {"General"}
    assert not any(cell.hyperlink for cell in found)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert not [name for name in archive.namelist() if b"<f>" in archive.read(name)]


def test_a_name_that_looks_like_the_writer_s_own_markup_is_text():
    rows = ROWS.head(1).assign(surname="<r><t>Prawf</t></r>", forename="<r></broken></r>")
    sheet = openpyxl.load_workbook(io.BytesIO(school_book(rows)), rich_text=True)["Work list"]
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

    assert look(book["Rhestr waith"]) == look(book["Work list"])
    assert look(book["Yn ôl cod"]) == look(book["By code"])


def test_the_heading_is_frozen_and_filterable(book):
    frozen = {sheet.title: (sheet.freeze_panes, sheet.auto_filter.ref) for sheet in book}
    assert frozen == dict(
        zip(SHEETS, [*[("D2", "A1:M6")] * 2, *[("B2", "A1:D5")] * 2, ("D2", "A1:E3"), ("A2", None)], strict=True)
    )


def test_columns_are_as_wide_as_their_content_up_to_a_limit_and_rows_as_high(book):
    for sheet in (book["Work list"], book["Rhestr waith"]):
        widths = [sheet.column_dimensions[name].width for name in "ABCDEFGHIJKLM"]
        assert len("M660402510001") <= widths[0] < 20
        assert len("http://example.invalid") <= widths[2] < 30
        assert 40 <= widths[5] <= 50
        # More than a hundred characters in a column of under fifty: two lines at least; a short row has the usual one.
        assert sheet.row_dimensions[2].height >= 30
        assert sheet.row_dimensions[5].height in (None, 15)


@pytest.mark.parametrize(
    ("sheet", "right", "page"),
    [
        ("Rhestr waith", "Ynys Môn, Ionawr 2012", "Tudalen"),
        ("Work list", "Isle of Anglesey, January 2012", "Page"),
        ("ULNau - ULNs", "Ynys Môn / Isle of Anglesey, Ionawr 2012 / January 2012", "Tudalen &P o &N / Page"),
    ],
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
    assert school_book(ROWS.copy()) == content


class Plain(Worksheet):
    """The sheet by xlsxwriter's public way alone."""

    def fill(self, plan, looks):
        """As `_Sheet.fill`."""
        heading, words, count = looks
        for number, (width, column) in enumerate(zip(plan.widths, plan.columns, strict=True)):
            self.set_column(number, number, width)
            for row, value in enumerate(column):
                look = heading if row in plan.headings else words
                if isinstance(value, int):
                    self.write_number(row, number, value, count)
                elif value:
                    self.write_string(row, number, value, look)
                else:
                    self.write_blank(row, number, None, look)
        for row, lines in enumerate(plan.heights):
            self.set_row(row, lines * 15)
        last, rows = len(plan.columns) - 1, len(plan.heights)
        self.freeze_panes(1, plan.frozen)
        if plan.filtered:
            self.autofilter(0, 0, max(rows - 1, 1), last)
        self.ignore_errors({"number_stored_as_text": f"A1:{chr(ord('A') + last)}{rows}"})


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


@pytest.mark.parametrize("made", [school_book, authority_book])
@pytest.mark.parametrize("count", [0, 1, 40])
def test_the_sheets_are_those_of_the_writer_s_public_way_to_the_byte(made, count, monkeypatch):
    odd = pd.DataFrame({c: ODD[n % 7 :] + ODD[: n % 7] for n, c in enumerate(COLUMNS)}, dtype="str")
    rows = pd.concat([ROWS, odd, ROWS, odd, ROWS, odd], ignore_index=True).head(count)
    content = made(rows)
    monkeypatch.setattr(sheets, "_Sheet", Plain)
    assert made(rows) == content


@pytest.mark.parametrize("value", [*ODD[:6], "x" * 20, "x" * 21, "a\tb\tc\td", "ab " * 40, "", "a-b" * 9, "é  " * 7])
@pytest.mark.parametrize("width", [1, 8, 20])
def test_a_text_has_as_many_lines_as_it_wraps_to(value, width):
    assert sheets._lines(value, width) == max(1, len(textwrap.wrap(value, width)))


def test_a_list_without_lines_is_still_a_workbook():
    empty = openpyxl.load_workbook(io.BytesIO(school_book(ROWS.head(0), ULNS.head(0), Slip([], [], []))))
    assert [sheet.max_row for sheet in empty][:5] == [1] * 5
    assert empty.sheetnames == SHEETS


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


@pytest.mark.parametrize(("made", "name"), [(school_book, "school"), (authority_book, "authority")])
def test_golden(made, name):
    """What an independent reader finds; a change of it is meant, and seen in the review. Bytes differ between zlibs."""
    book = openpyxl.load_workbook(io.BytesIO(made()))
    told = "".join(
        f"== {sheet.title}\n"
        + "".join("|".join("" if c is None else str(c) for c in row) + "\n" for row in cells(sheet))
        for sheet in book
    )
    assert told == (GOLDEN / f"workbook_{name}.txt").read_text(encoding="utf-8")
