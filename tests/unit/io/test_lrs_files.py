"""Batch files to the letter, result files whatever their order, and the round trip."""

import csv
import datetime as dt
import io

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from schemas.lrs.profiles import all_profiles, parse_profile
from schemas.texts.faults import Refused
from tasks.io.lrs.files import batch_file_name, read_result, read_results, write_batch
from tests.support.paths import GOLDEN, PROJECT

SHIPPED = PROJECT / "schemas" / "lrs"
ROWS = pd.DataFrame(
    {
        "upn": ["M660402510001", "R681404209123"],
        "given_name": ["Sian", "Llyr"],
        "family_name": ["ap Prwf", "O'Brien"],
        "middle_name": [None, "Haf"],
        "dob": ["1996-11-05", "1995-01-31"],
        "gender": ["2", "1"],
        "postcode": ["LL77 7NG", "CF10 1EP"],
        "ability_to_share": ["1", "2"],
    }
).astype("str")
#: PrivacyNoticeSeen knows no 2 (LRS release 1902.01).
ROWS_3A = ROWS.assign(ability_to_share=["1", "0"]).astype("str")
PROFILES = all_profiles()


def written(profile, fmt, rows=ROWS, profiles=PROFILES):
    name = batch_file_name("10000001", dt.datetime(2012, 1, 31, 9, 5), fmt)
    return write_batch(rows, profile=profiles[profile], fmt=fmt, ukprn="10000001", file_name=name)


def answered(text, encoding="utf-8"):
    return read_result(text.encode(encoding), PROFILES)


def refused(content):
    with pytest.raises(Refused) as caught:
        read_result(content, PROFILES)
    return caught.value


def test_file_name_has_a_24_hour_clock_and_capitals():
    assert batch_file_name("10000001", dt.datetime(2012, 1, 31, 21, 5), "CSV") == "LRB_10000001_310120122105.CSV"
    assert batch_file_name("10000001", dt.datetime(2012, 2, 1, 0, 0), "XML") == "LRB_10000001_010220120000.XML"


@pytest.mark.parametrize(("profile", "fmt"), [("2A", "CSV"), ("2A", "XML"), ("3A", "CSV"), ("3A", "XML")])
def test_golden(profile, fmt):
    rows = ROWS if profile == "2A" else ROWS_3A
    assert written(profile, fmt, rows) == (GOLDEN / f"LRB_{profile}.{fmt}").read_bytes()


def test_csv_rules():
    lines = written("2A", "CSV").decode("utf-8").split("\r\n")
    assert lines[-1] == "" and len(lines) == 4
    assert all(cell.startswith('"') and cell.endswith('"') for line in lines[:3] for cell in line.split(","))
    first, second = (line.split(",") for line in lines[1:3])
    assert first[:4] == ['"2A"', '"LRB_10000001_310120120905"', '"10000001"', '"2"']
    assert second[:4] == ['""'] * 4
    assert len(lines[0].split(",")) == 30


@pytest.mark.parametrize("root_only", [False, True], ids=["all-below", "root-alone"])
def test_a_profile_can_give_the_xml_a_namespace_and_its_answer_is_read(root_only):
    text = (SHIPPED / "2A.toml").read_text(encoding="utf-8")
    spaced = text.replace("[xml]", f'[xml]\nnamespace = "urn:x"\nroot_only = {str(root_only).lower()}')
    content = written("2A", "XML", profiles={"2A": parse_profile(spaced, "2A.toml")})
    root = etree.fromstring(content)
    below = "" if root_only else "{urn:x}"
    assert root.tag == "{urn:x}SubmitBatch"
    assert all(e.tag.startswith("{urn:x}") != root_only for e in root.iter() if e is not root)
    assert root.findtext(f"{below}Learner/{below}MISIdentifier") == "M660402510001"
    answer = content.replace(b"</MISIdentifier>", b"</MISIdentifier><ReturnCode>RC007</ReturnCode>")
    assert list(read_result(answer, PROFILES)["return_code"]) == ["RC007", "RC007"]


def test_headings_by_name_in_any_order_and_case():
    found = answered(
        "RETURN CODE,uln,misidentifier,FamilyName,ukprn,Surprise\n"
        'RC007,,U1,"Jones, ""Jac""\n-Owen",10000001,x\n,1000102504,U2,b,,y\n'
    )
    assert list(found["ordinal"]) == [1, 2] and found["ordinal"].dtype == "int64"
    assert list(found["mis_identifier"]) == ["U1", "U2"]
    assert list(found["ukprn"]) == ["10000001", "10000001"]
    assert found["family_name"].iloc[0] == 'Jones, "Jac"\n-Owen'
    assert found["return_code"].iloc[0] == "RC007" and found["uln"].iloc[1] == "1000102504"
    assert pd.isna(found["uln"].iloc[0]) and pd.isna(found["return_code"].iloc[1])


def test_both_versions_headings_are_known_in_one_reader():
    head = "UKPRN,MISIdentifier,UPN,ULN,{},RC\n10000001,U1,other,,Haf,RC10\n"
    for heading in ("MiddleOtherName", "MiddleNames", "middle other names"):
        found = answered(head.format(heading))
        assert found["middle_name"].iloc[0] == "Haf"
        assert found["mis_identifier"].iloc[0] == "U1"
        assert found["return_code"].iloc[0] == "RC10"


def test_of_two_headings_that_mean_the_same_the_first_that_holds_something_counts():
    found = answered("UKPRN,MISIdentifier,ReturnCode,Code\n1,U1,RC007,\n,U2,,RC010\n,U3,RC011,x\n")
    assert list(found["return_code"]) == ["RC007", "RC010", "RC011"]


def test_cells_stay_as_they_stand():
    found = answered("UKPRN,MISIdentifier,ULN,DateOfBirth\n10000001, U1 ,1000102505 ,05/11/1996\n")
    assert found["uln"].iloc[0] == "1000102505 "
    assert found["dob"].iloc[0] == "05/11/1996"
    assert found["mis_identifier"].iloc[0] == " U1 "


@pytest.mark.parametrize("value", ["1.000102504E+09", "1,00E+09", "1E9", "1e+09", " 1.000102504E+09", "1000102504.0"])
@pytest.mark.parametrize("heading", ["ULN", "UKPRN", "MISIdentifier"])
def test_a_file_in_which_a_spreadsheet_cut_numbers_short_is_refused(heading, value):
    """Its ULNs are none any more, so each would have opened an exception; the dates alone tell no harm."""
    sound = {"UKPRN": "10000001", "MISIdentifier": "M660402510001", "ULN": "1000102504"}
    spoiled = sound | {heading: f'"{value}"'}
    lines = [",".join(row) for row in (sound, sound.values(), spoiled.values())]
    fault = refused("\n".join(lines).encode())
    assert (fault.reason, fault.detail.endswith("row 2 has a number that a spreadsheet has rewritten")) == (
        "result_by_spreadsheet",
        True,
    )
    assert value.strip() not in fault.detail


def test_a_row_without_an_identifier_is_kept():
    csv_rows = answered("UKPRN,MISIdentifier,ULN\n10000001,U1,1000102504\n,,1026893096\n")
    xml_rows = answered(
        "<r><UKPRN>10000001</UKPRN><Learner><MISIdentifier>U1</MISIdentifier><ULN>1000102504</ULN></Learner>"
        "<Learner><FamilyName>Prawf</FamilyName><ULN>1026893096</ULN></Learner></r>"
    )
    for found in (csv_rows, xml_rows):
        assert list(found["uln"]) == ["1000102504", "1026893096"]
        assert list(found["mis_identifier"].isna()) == [False, True]


def test_each_batch_of_a_file_speaks_for_its_own_rows():
    one = (
        "<b><UKPRN>{0}</UKPRN>{1}<Learner><MISIdentifier>U{0}</MISIdentifier><ULN/><ReturnCode>RC007</ReturnCode>"
        "</Learner></b>"
    )
    xml = answered("<r>" + one.format(1, "<FileName>first</FileName>") + one.format(2, "") + "</r>")
    table = answered("UKPRN,FileName,MISIdentifier,RC\n1,first,U1,RC007\n,,U1b,RC007\n2,,U2,RC007\n")
    assert list(xml["ukprn"]) == ["1", "2"]
    assert list(table["ukprn"]) == ["1", "1", "2"]
    for found in (xml, table):
        assert found["file_name_cell"].iloc[0] == "first"
        assert pd.isna(found["file_name_cell"].iloc[-1])


def test_a_ukprn_that_stands_late_speaks_for_all():
    learner = "<Learner><MISIdentifier>U1</MISIdentifier><UKPRN/><ReturnCode>RC007</ReturnCode></Learner>"
    assert answered(f"<r>{learner}<Foot><UKPRN>10000001</UKPRN></Foot></r>")["ukprn"].iloc[0] == "10000001"
    assert answered("UKPRN,MISIdentifier,RC\n,U1,RC007\n10000001,U2,RC007\n")["ukprn"].iloc[0] == "10000001"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_delimiters_encodings_and_line_ends(delimiter, encoding, newline):
    lines = ["", "UKPRN MISIdentifier ULN GivenName", "1 U1 1000102504 Siôn"]
    text = newline.join(lines).replace(" ", delimiter)
    assert answered(text, encoding)["given_name"].iloc[0] == "Siôn"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_xml_in_any_encoding_it_declares(encoding):
    declared = "windows-1252" if encoding == "cp1252" else encoding.removesuffix("-sig")
    text = (
        f'<?xml version="1.0" encoding="{declared}"?>\n<Out xmlns="urn:x"><UKPRN>1</UKPRN><OutputBatchLearner><ULN/>'
        "<MISIdentifier>U1</MISIdentifier><GivenName>Siôn</GivenName><ReturnCode>RC007</ReturnCode>"
        "</OutputBatchLearner></Out>"
    )
    assert answered(text, encoding)["given_name"].iloc[0] == "Siôn"


DOCTYPE = (
    '<!DOCTYPE a [<!ENTITY e "U1">]><a><b><MISIdentifier>&e;</MISIdentifier><ReturnCode>RC007</ReturnCode></b></a>'
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not_a_result"),
        (b"Name,Date\na,b\n", "not_a_result"),
        (b"UKPRN,MISIdentifier,GivenName\n1,U1,a\n", "not_a_result"),
        (b"UKPRN,ULN,ReturnCode\n1,,RC007\n", "not_a_result"),
        (b"MISIdentifier,ULN\nU1,\n", "not_a_result"),
        (b"UKPRN,MISIdentifier,ULN\n1,U1, \n", "not_a_result"),
        (b"MISIdentifier,ULN\nU1,1000102504\n", "no_ukprn"),
        (b"<a><b></a>", "result_not_xml"),
        (b"<a/>", "not_a_result"),
        (DOCTYPE.encode(), "result_not_xml"),
        (DOCTYPE.encode("utf-16"), "result_not_xml"),
        (b"a\x00b\x81", "undecodable"),
        (b"\xff\xfea", "undecodable"),
    ],
    ids=[
        *("empty", "other-table", "no-answer-heading", "no-identifier-heading", "a-batch-that-was-not-answered"),
        *(
            "blank-answers",
            "no-ukprn",
            "broken-xml",
            "other-xml",
            "doctype",
            "doctype-in-utf-16",
            "not-text",
            "cut-off",
        ),
    ],
)
def test_refused(content, reason):
    assert refused(content).reason == reason


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ('1,"Enwog,1000102504\n1,Enwog,1000102504\n', "line 3"),
        ('1,"En"wog,1000102504\n', "line 2"),
        ("1,Enwog,1000102504\n1,Enwog, Jac,1000102504\n", "row 2"),
        ('1,"Enwog' + "g" * 200_000 + '",1000102504\n', "line 2"),
    ],
    ids=["quote-not-closed", "quote-not-doubled", "comma-not-quoted", "cell-without-end"],
)
def test_cells_that_cannot_be_told_apart_are_refused_by_place_and_never_by_value(rows, told):
    fault = refused(("UKPRN,MISIdentifier,ULN\n" + rows).encode())
    assert fault.reason == "not_a_result" and told in fault.detail
    assert "Enwog" not in str(fault) and fault.__cause__ is None


def test_our_own_unanswered_batch_is_never_taken_for_answers():
    for profile in PROFILES:
        for fmt in ("CSV", "XML"):
            assert refused(written(profile, fmt)).reason == "not_a_result"


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=("Cc",)), min_size=1, max_size=20)
NAMES = (NAMES | st.text("ab,\"'; \t\n<&>", min_size=1, max_size=12)).filter(lambda s: s.strip())


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(NAMES, min_size=1, max_size=5))
def test_names_come_back_from_a_csv_as_they_went(names):
    rows = pd.concat([ROWS.iloc[:1]] * len(names), ignore_index=True).assign(family_name=pd.Series(names, dtype="str"))
    sent = csv.reader(io.StringIO(written("2A", "CSV", rows).decode("utf-8"), newline=""))
    answer = io.StringIO()
    csv.writer(answer).writerows([*line, "RC007" if n else "ReturnCode"] for n, line in enumerate(sent))
    found = read_result(answer.getvalue().encode("utf-8"), PROFILES)
    assert list(found["family_name"]) == names
    assert set(found["ukprn"]) == {"10000001"} and set(found["file_name_cell"]) == {"LRB_10000001_310120120905"}


def test_names_come_back_from_an_xml_as_they_went():
    names = ["O'Brien & <Prawf>", 'ap "Jac", Llŷr']
    content = written("3A", "XML", ROWS_3A.assign(family_name=names))
    answer = content.replace(b"</VerificationType>", b"</VerificationType><ReturnCode>RC007</ReturnCode>")
    found = read_result(answer, PROFILES)
    assert list(found["family_name"]) == names
    assert set(found["ukprn"]) == {"10000001"} and set(found["file_name_cell"]) == {"LRB_10000001_310120120905"}


@pytest.mark.parametrize("version", ["2A", "3A"])
def test_headings_of_school_systems_are_known_for_the_uln_and_the_identifier(version):
    of_one = {version: PROFILES[version]}
    found = read_result(b"UKPRN,MISID,Unique Learner Number\n10000001,M660402510001,1000102504\n", of_one)
    assert found.loc[0, ["mis_identifier", "uln"]].to_list() == ["M660402510001", "1000102504"]
    xml = "<R><L><MISID>M660402510001</MISID><UniqueLearnerNumber>1000102504</UniqueLearnerNumber></L></R>"
    found = read_result(xml.replace("<L>", "<UKPRN>10000001</UKPRN><L>").encode(), of_one)
    assert found.loc[0, ["mis_identifier", "uln"]].to_list() == ["M660402510001", "1000102504"]


def test_a_comment_inside_an_element_does_not_cut_its_text():
    content = b"<R><UKPRN>1000<!-- x -->0001</UKPRN><L><MISIdentifier>M6604<!-- y -->02510001</MISIdentifier><ULN>1</ULN></L></R>"
    found = read_result(content, PROFILES)
    assert found.loc[0, ["ukprn", "mis_identifier"]].to_list() == ["10000001", "M660402510001"]


MANY = [
    b"UKPRN,FileName,MISIdentifier,RC\n1,first,U1,RC007\n,,U1b,RC007\n2,,U2,RC007\n1,,U3, \n",
    b"UKPRN,MISIdentifier,ULN\n,U1,1000102504\n",
    b"",
    b"FileName,MISIdentifier,UKPRN,ULN\n,U1,,\nlate,U2,9,1000102504\n,U3,\n",
    b"UKPRN,MISIdentifier,ULN\n,U1,\n,,\n",
    b"MISIdentifier,RC\n",
    b"UKPRN,MISIdentifier,RC\n,U1,RC007\n1,U2,\n2,U3,\n",
    "<r><UKPRN>3</UKPRN><L><MISIdentifier> U1 </MISIdentifier><ULN>1000102504</ULN></L></r>".encode("utf-16"),
    b"\xff\xfea",
    b"UKPRN,FileName,MISIdentifier,ULN,ReturnCode\n\xa0,\xa0,U1,,RC007\n1,\t,U2,,\n",
]


@pytest.mark.parametrize(
    "contents", [MANY, MANY[::-1], MANY[:1], MANY[2:3], []], ids=["all", "turned", "one", "none", "no-file"]
)
def test_many_files_are_read_as_each_alone(contents):
    rows, refused_ones = read_results(contents, PROFILES)
    alone = {}
    for place, content in enumerate(contents):
        try:
            alone[place] = read_result(content, PROFILES).assign(file=place)
        except Refused as fault:
            assert str(refused_ones.pop(place)) == str(fault)
    assert not refused_ones
    assert rows.equals(pd.concat([rows[:0], *alone.values()], ignore_index=True)[list(rows.columns)])
    assert list(rows.columns[:2]) == ["file", "ordinal"]


def test_nothing_is_carried_from_one_file_to_the_next():
    rows, _ = read_results([MANY[0], b"MISIdentifier,ULN,FileName\nU9,1000102504,\n", MANY[3]], PROFILES)
    assert list(rows["ukprn"]) == ["1", "1", "2", "1", "9", "9", "9"]
    assert list(rows["file_name_cell"].fillna("-")) == ["first", "first", "-", "first", "-", "late", "late"]
