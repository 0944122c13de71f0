"""The Common Transfer File and the schemas that it is held to."""

import datetime as dt
import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from schemas.ctf.versions import all_versions, parse_versions
from schemas.cycles import cycle_by_id
from schemas.texts.faults import ConfigurationFault, ServiceFault
from tasks.io.school.ctf_writer import check_ctf, ctf_file_name, write_ctf
from tasks.steps.school_files import SchoolPack, Submission, school_files
from tests.support.paths import GOLDEN

VERSIONS = all_versions()
COLUMNS = ["upn", "uln", "surname", "forename", "dob", "gender"]
#: Made-up learners. The UPNs are the worked examples of docs/reference/sources.md#upn, the last a temporary one. ULN 1000102504 is
#: the published example; the next two by its rule: 41 mod 11 = 8, 10 - 8 = 2; 43 mod 11 = 10, 10 - 10 = 0.
PUPILS = pd.DataFrame(
    [
        ("R681404209123", "1000102512", "O’Neill & Ŵan", "Siân  Mair", "1996-11-30", "F"),
        ("M660402510001", "1000102504", "ap Llŷr-Môn", "Huw", "1997-03-05", "M"),
        ("L67441030807A", "1000102520", "D'Arcy", "Ïo Ẁil", "1996-02-29", "F"),
    ],
    columns=COLUMNS,
    dtype="str",
)


def written(version="11.0", pupils=PUPILS, year=2011):
    return write_ctf(
        pupils,
        version=VERSIONS[version],
        school_number="6604025",
        academic_year=year,
        made_at=dt.datetime.fromisoformat("2012-02-20T09:15"),
    )


def with_value(column, value):
    pupils = PUPILS.copy()
    pupils.loc[0, column] = value
    return pupils


def test_the_name_has_the_authority_as_sender_and_the_school_as_receiver():
    # After the published example 820LLLL_CTF_8201234_001.xml.
    assert ctf_file_name("8201234", 1) == "820LLLL_CTF_8201234_001.xml"
    assert ctf_file_name("6604025", 12) == "660LLLL_CTF_6604025_012.xml"


@pytest.mark.parametrize(("version", "year"), [("11.0", 2011), ("25.0", 2026)])
def test_golden(version, year):
    assert written(version, year=year).decode() == (GOLDEN / f"6604025_ctf_{version}.xml").read_text(encoding="utf-8")


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_fits_its_schema(version):
    assert check_ctf(written(version), VERSIONS[version]) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_learners_come_back_as_the_school_sent_them_in_upn_order(version):
    root = etree.fromstring(written(version))
    read = [[child.text for child in pupil] for pupil in root.find("CTFpupilData")]
    assert read == PUPILS.sort_values("upn").to_numpy().tolist()
    sex = "Sex" if version == "25.0" else "Gender"
    order = ["UPN", "UniqueLearnerNumber", "Surname", "Forename", "DOB", sex]
    assert all([child.tag for child in pupil] == order for pupil in root.find("CTFpupilData"))


def test_the_file_is_utf_8_with_declaration_without_mark_and_with_lf():
    data = written()
    assert data.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<CTfile>\n')
    assert b"\r" not in data
    assert data.endswith(b"</CTfile>\n")
    assert "ap Llŷr-Môn".encode() in data


def test_the_same_content_gives_the_same_bytes_in_any_order():
    assert written(pupils=PUPILS.iloc[::-1]) == written()


def as_tree(data, pupils):
    """The same file by way of a tree of all its elements."""
    root = etree.fromstring(data, etree.XMLParser(remove_blank_text=True))
    place = root.find("CTFpupilData")
    place.clear()
    for row in pupils.sort_values(["upn", "uln"], kind="stable").itertuples(index=False):
        pupil = etree.SubElement(place, "Pupil")
        for name, value in zip(
            ("UPN", "UniqueLearnerNumber", "Surname", "Forename", "DOB", "Gender"), row, strict=True
        ):
            if not pd.isna(value):
                etree.SubElement(pupil, name).text = value
    return b'<?xml version="1.0" encoding="UTF-8"?>\n' + etree.tostring(root, encoding="UTF-8", pretty_print=True)


CELLS = st.none() | st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), max_size=8).filter(
    lambda s: not {"\ufffe", "\uffff"} & set(s)
)
CELLS |= st.text("&<>\"' \t\r\n%s{}]é", max_size=8)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(st.tuples(*[CELLS] * 6), max_size=5))
def test_the_learners_stand_there_as_a_tree_of_them_would_be_written(people):
    pupils = pd.DataFrame(people, columns=COLUMNS, dtype="str")
    data = written(pupils=pupils)
    assert data == as_tree(data, pupils) == written(pupils=pupils.astype(object).where(pupils.notna(), None))


@pytest.mark.parametrize("sign", ["\0", "\x01", "\x0b", "\x1f", "\ufffe", "\uffff"])
def test_a_character_that_xml_cannot_hold_stops_the_file_and_shows_no_value(sign):
    with pytest.raises(ValueError, match="XML") as caught:
        written(pupils=with_value("surname", f"Enwog{sign}"))
    assert "Enwog" not in str(caught.value)


def test_a_data_qualifier_is_written_where_the_version_has_one():
    text = VERSIONS["12.0"].schema_file.with_name("versions.toml").read_text(encoding="utf-8")
    known = parse_versions(text.replace("data_descriptor = ", 'data_qualifier = "ULN"\ndata_descriptor = '))["12.0"]
    data = write_ctf(
        PUPILS,
        version=known,
        school_number="6604025",
        academic_year=2012,
        made_at=dt.datetime.fromisoformat("2013-02-01"),
    )
    header = [child.tag for child in etree.fromstring(data).find("Header")]
    assert header[3:6] == ["DocumentQualifier", "DataQualifier", "DataDescriptor"]
    assert check_ctf(data, VERSIONS["12.0"]) == []
    assert b"DataQualifier" not in written("12.0")


@pytest.mark.parametrize(
    ("column", "value", "element"),
    [
        ("uln", "0000102504", "UniqueLearnerNumber"),
        ("uln", "100010250", "UniqueLearnerNumber"),
        ("uln", "", "UniqueLearnerNumber"),
        ("upn", "I681404209123", "UPN"),
        ("upn", "R68140420912", "UPN"),
        ("surname", " ", "Surname"),
        ("surname", "Zzyzx" * 8, "Surname"),
        ("forename", "", "Forename"),
        ("dob", "1996-02-30", "DOB"),
        ("dob", "30/11/1996", "DOB"),
        ("gender", "Female", "Gender"),
    ],
)
def test_a_bad_value_is_told_by_element_and_line_only(column, value, element):
    data = written(pupils=with_value(column, value))
    line = next(
        n
        for n, text in enumerate(data.decode().splitlines(), 1)
        if f">{value}<" in text or text.strip() == f"<{element}></{element}>" or text.strip() == f"<{element}/>"
    )
    (fault,) = check_ctf(data, VERSIONS["11.0"])
    assert fault.en == f"{element}, line {line}: the value does not have the required form"
    assert fault.cy == f"{element}, llinell {line}: nid yw'r gwerth ar y ffurf ofynnol"


@pytest.mark.parametrize(
    ("column", "expected"), [("uln", "UniqueLearnerNumber"), ("forename", "Forename"), ("dob", "DOB")]
)
def test_a_missing_item_is_named(column, expected):
    (fault,) = check_ctf(written(pupils=with_value(column, None)), VERSIONS["11.0"])
    assert fault.en.endswith(f": {expected} expected") and fault.cy.endswith(f": disgwylir {expected}")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("upn", " r681404209123"),
        ("upn", "l67441030807b"),
        ("gender", "f"),
        ("gender", "9"),
        ("gender", None),
        ("surname", "  " + "Ŵ" * 35 + " "),
        ("dob", "1996-11-30 "),
    ],
)
def test_what_a_school_may_send_and_have_a_uln_for_goes_back_unchanged(column, value):
    data = written(pupils=with_value(column, value))
    assert check_ctf(data, VERSIONS["11.0"]) == []
    if value is not None:
        assert f">{value}<".encode() in data


def test_another_order_is_refused():
    swapped = re.sub(rb"( *<UniqueLearnerNumber>.*\n)( *<Surname>.*\n)", rb"\2\1", written())
    assert len(check_ctf(swapped, VERSIONS["11.0"])) == len(PUPILS)
    swapped = re.sub(rb"( *<DataDescriptor>.*\n)( *<SupplierID>.*\n)", rb"\2\1", written())
    assert len(check_ctf(swapped, VERSIONS["11.0"])) == 1


@pytest.mark.parametrize("other", ["12.0", "25.0"])
def test_another_versions_file_is_refused(other):
    assert check_ctf(written("11.0"), VERSIONS[other])


@pytest.mark.parametrize("column", ["upn", "uln"])
def test_no_upn_and_no_uln_stands_twice(column):
    faults = check_ctf(written(pupils=with_value(column, PUPILS[column][1])), VERSIONS["11.0"])
    assert len(faults) == 1
    assert "the same UPN or ULN" in faults[0].en and "yr un UPN neu ULN" in faults[0].cy
    assert PUPILS[column][1] not in faults[0]


def test_a_file_without_pupils_or_broken_off_is_refused():
    assert check_ctf(written(pupils=PUPILS.head(0)), VERSIONS["11.0"])
    (fault,) = check_ctf(written()[:-20], VERSIONS["11.0"])
    assert fault.en.endswith("not well-formed XML") and fault.cy.endswith("nid yw'r ffeil yn XML dilys")


def test_an_element_that_is_not_expected_is_reported_in_both_languages():
    extra = written().replace(b"</CTfile>", b"<Other/></CTfile>")
    (fault,) = check_ctf(extra, VERSIONS["11.0"])
    assert (fault.cy[:6], fault.en[:6]) == ("Other,", "Other,")
    assert fault.en.endswith("not expected here") and fault.cy.endswith("ni ddisgwylir yr elfen hon yma")


def test_a_school_whose_file_does_not_fit_its_schema_is_reported_in_both_languages():
    odd = with_value("uln", "x").head(1)
    due = SchoolPack("6604025", {}, odd, odd, number=1, submission=Submission({}, [], []))
    with pytest.raises(ServiceFault) as caught:
        school_files(due, cycle_by_id("2012-01"), dt.datetime.fromisoformat("2012-02-01"))
    message = caught.value.args[0]
    assert "does not have the required form" in message.en and "ffurf ofynnol" not in message.en
    assert "nid yw'r gwerth ar y ffurf ofynnol" in message.cy and "required form" not in message.cy


def test_faults_show_no_value():
    pupils = PUPILS.assign(uln="MARKER1", upn="MARKER2", surname="MARKER3" * 9, dob="MARKER4", gender="MARKER5")
    faults = check_ctf(written(pupils=pupils), VERSIONS["11.0"])
    assert len(faults) >= 5 * len(pupils)
    assert "MARKER" not in " ".join(faults)


def test_the_schemas_differ_in_version_and_gender_element_alone():
    def structure(version):
        schema = etree.parse(str(VERSIONS[version].schema_file), etree.XMLParser(remove_comments=True))
        for note in schema.findall(".//{*}annotation"):
            note.getparent().remove(note)
        text = " ".join(etree.tostring(schema).decode().split())
        return text.replace(f'fixed="{version}"', 'fixed=""').replace('name="Sex"', 'name="Gender"', 1)

    assert structure("11.0") == structure("12.0") == structure("25.0")


def test_the_schemas_say_that_they_are_derived():
    assert all("DERIVED, NOT OFFICIAL" in v.schema_file.read_text(encoding="utf-8") for v in VERSIONS.values())


def test_the_versions_loader_lists_every_fault():
    block = """["{}"]
gender_element = "{}"
document_qualifier = "partial"
data_descriptor = "x"
supplier_id = "x"
source_estab = "{}"
source_school_name = "x"
"""
    text = block.format("9.0", "Rhyw", "LLL") + 'colour = "red"\n["8.0"]\n' + block.format("x", "Rhyw", "LLL")
    with pytest.raises(ConfigurationFault) as caught:
        parse_versions(text)
    faults = " | ".join(caught.value.faults)
    assert "[9.0] colour is not a key" in faults
    assert faults.count("[8.0] missing key") == 6
    assert "[x] a version is called like 12.0" in faults
    assert "[x] gender_element is one of" in faults
    assert "[x] source_estab must be" in faults
