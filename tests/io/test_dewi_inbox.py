"""The inbox: what is taken, what is refused, and that a zip is never trusted."""

import io
import json
import stat
import zipfile

import pytest

from schemas.faults import Refused
from schemas.quarantine_reasons import all_reasons
from tasks.io import dewi_inbox
from tasks.io.dewi_inbox import list_arrivals, open_arrival, quarantine


def zipped(*members, compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as bundle:
        for name, content in members:
            bundle.writestr(name, content)
    return buffer.getvalue()


def link(name):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def encrypted():
    content = bytearray(zipped(("a.xml", b"<a/>")))
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        place = content.index(mark) + (6 if mark == b"PK\x03\x04" else 8)
        content[place] |= 1
    return bytes(content)


def test_one_or_many_returns_and_what_stands_beside_them(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(zipped(("b.xml", b"<b/>"), ("a.XML", b"<a/>"), ("summary.txt", b"..."), ("__MACOSX/a.xml", b"")))
    assert [(d.member, d.data) for d in open_arrival(path)] == [("a.XML", b"<a/>"), ("b.xml", b"<b/>")]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.zip", zipped(("../a.xml", b"<a/>")), "zip_unsafe_name"),
        ("x.zip", zipped(("/a.xml", b"<a/>")), "zip_unsafe_name"),
        ("x.zip", zipped(("C:a.xml", b"<a/>")), "zip_unsafe_name"),
        ("x.zip", zipped((link("a.xml"), b"/etc/passwd")), "zip_unsafe_name"),
        ("x.zip", zipped(("a.xml", b"0" * (20 * 2**20))), "zip_too_large"),
        ("x.zip", zipped(("a.zip", zipped(("a.xml", b"<a/>")))), "zip_nested"),
        ("x.zip", zipped(("readme.txt", b"")), "zip_empty"),
        ("x.zip", zipped(("a.xml", b"<a/>"))[:-10], "bad_zip"),
        ("x.zip", b"not a zip", "bad_zip"),
        ("x.zip", encrypted(), "zip_encrypted"),
        ("x.pdf", b"%PDF", "not_a_return"),
    ],
    ids=[
        "up",
        "absolute",
        "drive",
        "link",
        "bomb",
        "nested",
        "nothing-in-it",
        "cut-off",
        "no-zip",
        "encrypted",
        "other-kind",
    ],
)
def test_refused(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refused) as caught:
        open_arrival(tmp_path / name)
    assert caught.value.reason == reason
    assert reason in all_reasons()


def test_a_file_beyond_any_return_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(dewi_inbox, "LARGEST_FILE", 10)
    (tmp_path / "x.xml").write_bytes(b"<a>" + b"0" * 20)
    with pytest.raises(Refused, match="file_too_large"):
        open_arrival(tmp_path / "x.xml")


def test_half_written_files_wait_and_content_makes_identity(tmp_path):
    folder = tmp_path / "660"
    folder.mkdir()
    for name in ("b.xml", "a.XML", "c.xml.part", ".d.xml", "e.tmp"):
        (folder / name).write_bytes(b"<same/>")
    arrivals = list_arrivals(tmp_path, "660")
    assert [a.path for a in arrivals] == ["660/a.XML", "660/b.xml"]
    assert len({a.sha256 for a in arrivals}) == 1
    assert list_arrivals(tmp_path, "661") == []


def test_quarantine_keeps_file_and_reason(tmp_path):
    folder = quarantine(tmp_path, "ab" * 32, b"<x", {"reason": "not_xml", "text_cy": "Ŵ"})
    assert (folder / "file.bin").read_bytes() == b"<x"
    assert json.loads((folder / "reason.json").read_text(encoding="utf-8"))["text_cy"] == "Ŵ"


def test_every_reason_speaks_both_languages():
    for reason in all_reasons().values():
        assert reason.text_cy and reason.text_en and reason.action_cy and reason.action_en
        assert reason.text_cy != reason.text_en
