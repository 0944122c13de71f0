"""The inbox: what is taken, what is refused, and that a zip is never trusted."""

import io
import json
import random
import re
import stat
import struct
import zipfile
from pathlib import Path

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


def twice_the_same_name():
    return zipped(("a.xml", b"<a/>"), ("b.xml", b"<b/>")).replace(b"b.xml", b"a.xml")


def members_on_one_body(count):
    """A zip whose directory entries share the bytes of one member: each looks harmless, all together are not."""
    content = zipped(("m0.xml", random.Random(1).randbytes(20_000) + b"0" * (2 * 2**20)))
    start, end = content.index(b"PK\x01\x02"), content.rindex(b"PK\x05\x06")
    entries = b"".join(content[start:end].replace(b"m0.xml", b"m%d.xml" % n) for n in range(count))
    return (
        content[:start] + entries + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, len(entries), start, 0)
    )


def test_one_or_many_returns_and_what_stands_beside_them(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(
        zipped(
            ("b.xml", b"<b/>"), ("a.XML", b"<a/>"), ("summary.txt", b"..."), ("__MACOSX/a.xml", b""), ("._a.xml", b"")
        )
    )
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
        ("x.zip", zipped(("..\\a.xml", b"<a/>")), "zip_unsafe_name"),
        ("x.zip", zipped(("a.xml_/x", b"<a/>")).replace(b"a.xml_", b"a.xml\0"), "zip_unsafe_name"),
        ("x.zip", twice_the_same_name(), "zip_duplicate_name"),
        ("x.zip", members_on_one_body(9), "zip_too_large"),
        ("x.xml", zipped(("../a.xml", b"<a/>")), "zip_unsafe_name"),
        ("x.csv", b"PKW,1", "not_a_return"),
        ("x.pdf", b"%PDF", "not_a_return"),
    ],
    ids=[
        *("up", "absolute", "drive", "link", "bomb", "nested", "nothing-in-it", "cut-off", "no-zip", "encrypted"),
        *("backslash", "nul", "twice-a-name", "shared-bytes", "zip-called-xml", "text-that-starts-like-a-zip"),
        "other-kind",
    ],
)
def test_refused(tmp_path, name, content, reason):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Refused) as caught:
        open_arrival(tmp_path / name)
    assert caught.value.reason == reason
    assert reason in all_reasons()


def test_no_damage_to_a_zip_stops_us(tmp_path):
    """Every byte in turn, and many bytes of the packed text: refused or opened, never another fault."""
    sound, path = zipped(("a.xml", b"<a>" + bytes(range(32, 127)) * 4 + b"</a>"), ("b.txt", b"b")), tmp_path / "x.zip"
    refused = 0
    for place in range(len(sound)):
        for value in (0x00, 0x7F, 0xFF):
            path.write_bytes(sound[:place] + bytes([value]) + sound[place + 1 :])
            try:
                open_arrival(path)
            except Refused:
                refused += 1
    assert refused > len(sound)


def test_the_limits_of_a_zip_hold(tmp_path, monkeypatch):
    path = tmp_path / "x.zip"
    path.write_bytes(zipped(("a.xml", b"<a/>"), ("b.xml", b"<b/>")))
    for limit, value in (("MOST_MEMBERS", 1), ("LARGEST_ZIP", 7)):
        with monkeypatch.context() as patch:
            patch.setattr(dewi_inbox, limit, value)
            with pytest.raises(Refused, match="zip_too_large"):
                open_arrival(path)
    assert len(open_arrival(path)) == 2


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


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"\xef\xbb\xbf<x", "file.xml"), (zipped(("../a.xml", b"")), "file.zip"), (b"PKW", "file.bin"), (b"", "file.bin")],
    ids=["xml", "zip", "other", "empty"],
)
def test_quarantine_keeps_file_and_reason(tmp_path, content, name):
    folder = quarantine(tmp_path, "ab" * 32, content, {"reason": "not_xml", "text_cy": "Ŵ"})
    assert folder == tmp_path / "quarantine" / ("ab" * 32)
    assert (folder / name).read_bytes() == content
    assert sorted(p.name for p in folder.iterdir()) == [name, "reason.json"]
    assert json.loads((folder / "reason.json").read_text(encoding="utf-8"))["text_cy"] == "Ŵ"


def test_every_reason_speaks_both_languages():
    for reason in all_reasons().values():
        assert reason.text_cy and reason.text_en and reason.action_cy and reason.action_en
        assert reason.text_cy != reason.text_en


def test_every_refusal_has_its_texts():
    tasks = Path(dewi_inbox.__file__).parents[1]
    code = "\n".join(p.read_text(encoding="utf-8") for p in sorted(tasks.rglob("*.py")))
    raised = set(re.findall(r'Refused\(\s*"(\w+)"', code)) | set(re.findall(r'"(zip_\w+)":', code))
    assert len(raised) > 10
    assert raised <= set(all_reasons())
