"""The inbox: what is taken, what is refused, and that a zip is never trusted."""

import io
import json
import os
import random
import re
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from schemas.codes.quarantine_reasons import all_reasons
from schemas.texts.faults import Refused
from tasks.io.data_root import dewi_inbox
from tasks.io.data_root.dewi_inbox import (
    files_at,
    let_go,
    list_arrivals,
    misplaced,
    open_arrival,
    quarantine,
    sha256_of,
)


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
            *(
                ("b.xml", b"<b/>"),
                ("a.XML", b"<a/>"),
                ("c.dat", b"\xef\xbb\xbf \n<c/>"),
                ("d", "<d/>".encode("utf-16")),
            ),
            *(("summary.txt", b"..."), ("report.html", b"<html/>"), ("folder/", b"")),
            *(("__MACOSX/a.xml", b""), ("._a.xml", b"")),
        )
    )
    opened = open_arrival(path)
    assert [d.member for d in opened.documents] == ["a.XML", "b.xml", "c.dat", "d"]
    assert [d.data[-4:] for d in opened.documents[:2]] == [b"<a/>", b"<b/>"]
    assert opened.left_out == 2


def test_a_zip_of_windows_and_a_colon_in_a_name_are_harmless(tmp_path):
    path = tmp_path / "x.zip"
    path.write_bytes(zipped(("PLASC\\Môn\\a.xml", b"<a/>"), ("PLASC\\", b""), ("at 16:30.xml", b"<b/>")))
    assert [d.member for d in open_arrival(path).documents] == ["PLASC/Môn/a.xml", "at 16:30.xml"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.zip", zipped(("../a.xml", b"<a/>")), "zip_unsafe_name"),
        ("x.zip", zipped(("/a.xml", b"<a/>")), "zip_unsafe_name"),
        ("x.zip", zipped(("C:a.xml", b"<a/>")), "zip_unsafe_name"),
        ("x.zip", zipped(("C:\\a.xml", b"<a/>")), "zip_unsafe_name"),
        ("x.zip", zipped(("\\\\server\\a.xml", b"<a/>")), "zip_unsafe_name"),
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
        ("x.zip", zipped(("f/a.xml", b"<a/>"), ("f\\a.xml", b"<b/>")), "zip_duplicate_name"),
        ("x.zip", members_on_one_body(9), "zip_too_large"),
        ("x.zip", zipped(("a.xml", b"<a/>"), compression=zipfile.ZIP_LZMA), "zip_other_method"),
        ("x.zip", zipped(("a.xml", b"<a/>"), compression=zipfile.ZIP_BZIP2), "zip_other_method"),
        ("x.xml", zipped(("../a.xml", b"<a/>")), "zip_unsafe_name"),
        ("x.csv", b"PKW,1", "not_a_return"),
        ("x.pdf", b"%PDF", "not_a_return"),
    ],
    ids=[
        *(
            "up",
            "absolute",
            "drive",
            "drive-and-folder",
            "server",
            "link",
            "bomb",
            "nested",
            "nothing-in-it",
            "cut-off",
            "no-zip",
            "encrypted",
        ),
        *("backslash", "nul", "twice-a-name", "twice-a-name-otherwise", "shared-bytes"),
        *("lzma", "bzip2", "zip-called-xml"),
        *("text-that-starts-like-a-zip", "other-kind"),
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
    assert len(open_arrival(path).documents) == 2


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
    assert len({sha256_of(a.file) for a in arrivals}) == 1
    assert list_arrivals(tmp_path, "661") == []


def test_a_name_that_is_no_utf8_can_be_stored_and_leads_back_to_its_file(tmp_path):
    folder = tmp_path / "660"
    folder.mkdir()
    for name, content in (
        (b"ysgol-\xf4.xml", b"<bytes/>"),
        (b"ysgol-\\xf4.xml", b"<text/>"),
        ("ŵ.xml".encode(), b"<w/>"),
    ):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(content)
    arrivals = list_arrivals(tmp_path, "660")
    assert {a.path.encode() for a in arrivals} == {b"660/ysgol-\\xf4.xml", "660/ŵ.xml".encode()}
    assert all(a.file in files_at(tmp_path, a.path) for a in arrivals)
    assert len(files_at(tmp_path, r"660/ysgol-\xf4.xml")) == 2
    assert files_at(tmp_path, "660/ŵ.xml") == [folder / "ŵ.xml"]
    assert files_at(tmp_path, r"661/gone-\xf4.xml") == []


def test_files_in_the_wrong_place_are_told(tmp_path):
    for name in ("660/x.xml", "660/sub/x.xml", "Môn/x.xml", "999/deep/x.zip", "y.xml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"<a/>")
    for name in (".hidden.xml", "half.xml.part", "660/sub/.x.xml", ".snapshots/x.xml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"<a/>")
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/z\xf4.xml")).write_bytes(b"")
    found = misplaced(tmp_path, ["660", "661"])
    assert found == ["660/sub/x.xml", "999/deep/x.zip", "Môn/x.xml", "y.xml", r"z\xf4.xml"]
    assert misplaced(tmp_path / "none", ["660"]) == []


@pytest.mark.parametrize(
    ("content", "name"),
    [(b"\xef\xbb\xbf<x", "file.xml"), (zipped(("../a.xml", b"")), "file.zip"), (b"PKW", "file.bin"), (b"", "file.bin")],
    ids=["xml", "zip", "other", "empty"],
)
def test_quarantine_keeps_file_and_reason(tmp_path, content, name):
    folder = quarantine(tmp_path, "ab" * 32, content, "660/x.xml", Refused("not_xml", "place"))
    assert folder == tmp_path / "quarantine" / ("ab" * 32)
    assert (folder / name).read_bytes() == content
    assert sorted(p.name for p in folder.iterdir()) == [name, "reason.json"]
    texts = all_reasons()["not_xml"]
    assert json.loads((folder / "reason.json").read_text(encoding="utf-8")) == {
        **{"file": "660/x.xml", "reason": "not_xml", "detail": "place"},
        **{name: getattr(texts, name) for name in ("text_cy", "text_en", "action_cy", "action_en")},
    }


def test_quarantine_lets_go_of_what_was_accepted_and_of_nothing_else(tmp_path):
    let_go(tmp_path, ["aa"])
    for sha256 in ("aa", "bb"):
        quarantine(tmp_path, sha256, None, "x.xml", Refused("outside_cycle"))
    let_go(tmp_path, ["aa", "cc", "", ".."])
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()] == [
        "quarantine/bb/reason.json"
    ]


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
