"""A transfer file as another parser than the writer's finds it."""

import pytest

from tasks.io.school.ctf_reader import read_ctf

SOUND = """<?xml version="1.0" encoding="UTF-8"?>
<CTfile><Header><SourceSchool><LEA>660</LEA><Estab>LLLL</Estab></SourceSchool>
<DestSchool><LEA>660</LEA><Estab>4025</Estab></DestSchool></Header>
<CTFpupilData><Pupil><UPN> m1 </UPN><Surname>Ŵ &amp; &lt;x></Surname></Pupil>
<Pupil><UPN/><UPN>m2</UPN></Pupil></CTFpupilData></CTfile>"""


def test_it_finds_what_stands_there():
    found = read_ctf(SOUND.encode())
    assert (found.encoding, found.destination) == ("UTF-8", "6604025")
    assert found.texts("UPN") == [" m1 ", "m2"] and found.texts("Surname") == ["Ŵ & <x>", None]
    assert found.elements == {("UPN", "Surname"), ("UPN", "UPN")}


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"\xef\xbb\xbf" + SOUND.encode(), None),
        (SOUND.partition("\n")[2].encode(), None),
        (SOUND.replace("UTF-8", "ISO-8859-1").replace("Ŵ", "â").encode("iso-8859-1"), "ISO-8859-1"),
    ],
    ids=["mark", "undeclared", "latin"],
)
def test_it_tells_another_encoding(content, encoding):
    assert read_ctf(content).encoding == encoding


def test_what_is_no_xml_is_told_by_its_line_alone():
    with pytest.raises(ValueError, match="line 2") as caught:
        read_ctf(b"<a>\nMARKER</b>")
    assert "MARKER" not in str(caught.value)
