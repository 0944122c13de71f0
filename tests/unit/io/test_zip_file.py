"""The school's zip."""

import datetime as dt
import io
import stat
import zipfile

from tasks.io.school.zip_file import members_naming, write_zip, zip_name

AT = dt.datetime.fromisoformat("2012-02-20T09:15:30")
FILES = {"b.xml": "ŵ".encode() * 500, "a.xlsx": b"\x00\x01"}


def test_the_name_says_school_cycle_and_number():
    assert zip_name("6604025", "2012-01", 1) == "ULN_6604025_2012-01_001.zip"


def test_members_come_back_as_they_went_in():
    with zipfile.ZipFile(io.BytesIO(write_zip(FILES, AT))) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == FILES


def test_members_are_sorted_dated_compressed_and_private():
    with zipfile.ZipFile(io.BytesIO(write_zip(FILES, AT))) as archive:
        members = archive.infolist()
    assert [m.filename for m in members] == ["a.xlsx", "b.xml"]
    for member in members:
        assert member.date_time == (2012, 2, 20, 9, 15, 30)
        assert member.compress_type == zipfile.ZIP_DEFLATED
        assert stat.S_IMODE(member.external_attr >> 16) == 0o600


def test_the_same_content_gives_the_same_bytes_in_any_order():
    assert write_zip(FILES, AT) == write_zip(dict(reversed(FILES.items())), AT)
    assert write_zip(FILES, AT) != write_zip(FILES | {"a.xlsx": b"\x00\x02"}, AT)


def test_who_is_named_is_found_in_a_zip_and_in_a_workbook_that_lies_alone():
    book = write_zip({"xl/sharedStrings.xml": b"<t>a123b</t>"}, AT)
    bundle = write_zip({"list.xlsx": book, "file.xml": b"A123B", "other.xml": b"A124B"}, AT)
    assert members_naming("ULN.zip", bundle, ["A123B"]) == ["file.xml", "list.xlsx"]
    assert members_naming("ULN_660.xlsx", book, ["A123B"]) == ["ULN_660.xlsx"]
    assert members_naming("ULN.zip", bundle, ["A125B"]) == members_naming("ULN_660.xlsx", book, ["A124B"]) == []
