"""What people open in a spreadsheet holds no formula; what programs read holds the values as they are."""

import csv
import datetime as dt
import io
import zipfile

import openpyxl
import pandas as pd
import pytest
from openpyxl.utils.escape import unescape

from tasks.io.report_csv import write_report
from tasks.io.workbook import write_exceptions

STARTS = ["=", "+", "-", "@", "\t", "\r", "\n=", "=cmd|' /C calc'!A0", "＝", "＋", "－", "＠"]
ELSEWHERE_IN_A_CELL = ["a;=1", "a,=1", "a\t=1", "a|=1", 'a"=1', "a\n=1", "a\r=1"]
COLUMNS = ["upn", "surname", "forename", "nc_year", "wrong_en", "wrong_cy", "action_en", "action_cy", "code", "field_en", "field_cy"]  # fmt: skip


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
    rows = pd.DataFrame([dict.fromkeys(COLUMNS, value)], dtype="str")
    names = dict.fromkeys(("school_number", "school_name", "la_cy", "la_en", "cycle_title_cy", "cycle_title_en"), value)
    content = write_exceptions(rows, **names, made_at=dt.datetime(2012, 2, 20))
    for sheet in openpyxl.load_workbook(io.BytesIO(content)):
        assert {(c.data_type, unescape(c.value)) for c in sheet[2]} == {("s", value)}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert not [name for name in archive.namelist() if b"<f>" in archive.read(name) or b"<f " in archive.read(name)]
