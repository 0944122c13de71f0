"""What people open in a spreadsheet holds no formula; what programs read holds the values as they are."""

import csv
import datetime as dt
import io
import zipfile

import openpyxl
import pandas as pd
import pytest
from openpyxl.utils.escape import unescape

from tasks.core.publication import EXCEPTION_COLUMNS, ULN_COLUMNS
from tasks.io.data_root.report_csv import write_report
from tasks.io.school.exam_entries import write_exam_entries
from tasks.io.school.workbook import About, Slip, write_authority_book, write_school_book

STARTS = ["=", "+", "-", "@", "\t", "\r", "\n=", "=cmd|' /C calc'!A0", "＝", "＋", "－", "＠"]
ELSEWHERE_IN_A_CELL = ["a;=1", "a,=1", "a\t=1", "a|=1", 'a"=1', "a\n=1", "a\r=1"]


def cells(content: bytes, delimiter: str = ",") -> list[str]:
    rows = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=delimiter)
    return [cell for row in rows for cell in row]


@pytest.mark.parametrize("value", [*(s + "1+1" for s in STARTS), *ELSEWHERE_IN_A_CELL], ids=ascii)
def test_no_cell_of_a_report_begins_a_formula_whatever_separates_them(value):
    content = write_report(pd.DataFrame({"a": [value, None], "n": [-1, 2], "b": ["x", value]}))
    for delimiter in ",;\t|":
        begun = [
            c
            for c in cells(content, delimiter)
            if c.startswith(("=", "+", "@", "\t", "\r", *"＝＋－＠")) or (c[:1] == "-" and c[1:2] != "1")
        ]
        assert begun == []


def test_other_values_of_a_report_stay_as_they_are():
    rows = pd.DataFrame({"Ffeil / File": ["LRB_10000001.CSV", "a-b=c", "ŵ"], "n": [-1, 2, 3], "b": [None, "x@y", ""]})
    content = write_report(rows)
    assert content.startswith(b"\xef\xbb\xbf") and b"\r\n" in content
    assert cells(content) == ["Ffeil / File", "n", "b", "LRB_10000001.CSV", "-1", "", "a-b=c", "2", "x@y", "ŵ", "3", ""]


@pytest.mark.parametrize("start", STARTS, ids=ascii)
def test_a_cell_of_the_workbook_is_text_whatever_it_begins_with(start):
    value = f"{start}1+1"
    lines = pd.DataFrame([dict.fromkeys(("school_number", "school_name", *EXCEPTION_COLUMNS), value)], dtype="str")
    ulns = pd.DataFrame([dict.fromkeys(ULN_COLUMNS, value)], dtype="str")
    slip = Slip([(value, 1)], [(value,) * 6], [(value,) * 4])
    words = {"cy": value, "en": value}
    about = About(words, words, words, 1, dt.datetime(2012, 2, 20))
    for content in (
        write_school_book(lines, ulns, slip, about),
        write_authority_book(lines, [("Ysgol", [value])], slip, about),
    ):
        *sheets, on_slip = openpyxl.load_workbook(io.BytesIO(content))
        for sheet in sheets:
            told = [(c.data_type, unescape(c.value)) for c in sheet[2] if c.data_type != "n"]
            assert set(told) == {("s", value)}
        assert {c.data_type for row in on_slip.iter_rows() for c in row} <= {"s", "n"}
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert not [n for n in archive.namelist() if b"<f>" in archive.read(n) or b"<f " in archive.read(n)]


@pytest.mark.parametrize("start", STARTS, ids=ascii)
def test_no_name_in_the_exams_list_begins_a_formula_and_others_stay_as_they_are(start):
    names = [f"{start}1+1", "Siôn-Prŷs", "O'Neill, Mair", None]
    rows = pd.DataFrame({"upn": ["M660402510001"] * 4, "uln": ["1000102504"] * 4, "surname": names, "forename": names})
    content = write_exam_entries(rows.astype("str"))
    assert not content.startswith(b"\xef\xbb\xbf") and b"\r\n" in content
    first, *others = [row[2:] for row in list(csv.reader(io.StringIO(content.decode(), newline="")))[1:]]
    assert all(not c.startswith(("=", "+", "-", "@", "\t", "\r", *"＝＋－＠")) for c in first)
    assert others == [["Siôn-Prŷs"] * 2, ["O'Neill, Mair"] * 2, ["", ""]]
