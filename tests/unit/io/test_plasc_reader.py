"""Reading returns: each layout, text first, unknown elements counted, what cannot be used refused with its reason."""

import re

import pandas as pd
import pytest
from lxml import etree

from schemas.plasc.layouts import all_layouts
from schemas.texts.faults import Refused
from tasks.io import untrusted_xml
from tasks.io.plasc.reader import inspect, read_return

HEADER = (
    "<Header><CollectionDetails><Collection>PLASC</Collection><ReferenceDate>2012-01-17</ReferenceDate></CollectionDetails>"
    "<Source><LEA>660</LEA><Estab>4025</Estab><SerialNo>1</SerialNo><DateTime>2012-01-20T10:00:00</DateTime></Source></Header>"
)


def xml(pupils, leavers="", header=HEADER, root="Message"):
    return (
        f"<{root}>{header}<Pupils><PupilsOnRoll>{pupils}</PupilsOnRoll>"
        f"<PupilsNoLongerOnRoll>{leavers}</PupilsNoLongerOnRoll></Pupils></{root}>"
    ).encode()


def pupil(box, sex="Gender", uln="UniqueLearnerNumber", extra=""):
    return (
        f"<PupilOnRoll><{box}><UPN>M660402510001</UPN><{uln}>1000102504</{uln}><Surname> ap Prŵf</Surname>"
        f"<{sex}>F</{sex}><DOB>31/12/1996</DOB><MiddleNames/></{box}><PupilStatus><NCyearActual>10</NCyearActual></PupilStatus>{extra}"
        "<HomeInformation><Address><PostCode>LL77 7NG</PostCode></Address></HomeInformation></PupilOnRoll>"
    )


@pytest.mark.parametrize("uln", ["ULN", "UniqueLearnerNumber"])
@pytest.mark.parametrize("sex", ["Gender", "Sex"])
@pytest.mark.parametrize("box", ["PupilIdentifiers", "NAWPupilIdentifiers"])
def test_every_layout_takes_both_names_of_uln_and_gender(box, sex, uln):
    found = read_return(xml(pupil(box, sex, uln)), all_layouts())
    expected = {"PupilIdentifiers": "english-like", "NAWPupilIdentifiers": "naw-2024" if sex == "Sex" else "naw"}
    assert found.header.layout == expected[box]
    row = found.pupils.iloc[0]
    assert (row["uln"], row["gender"], row["nc_year"], row["postcode"]) == ("1000102504", "F", "10", "LL77 7NG")
    # Text first: nothing is trimmed, repaired or converted; what is empty is null.
    assert (row["surname"], row["dob"]) == (" ap Prŵf", "31/12/1996")
    assert pd.isna(row["middle_names"]) and pd.isna(row["forename"])
    assert found.header.unknown_elements == {}


def test_leavers_are_counted_and_not_read():
    leaver = "<PupilNoLongerOnRoll><PupilIdentifiers><UPN>X</UPN></PupilIdentifiers></PupilNoLongerOnRoll>"
    found = read_return(xml(pupil("PupilIdentifiers") * 2, leaver), all_layouts())
    assert (len(found.pupils), found.header.leavers) == (2, 1)
    assert list(found.pupils["ordinal"]) == [1, 2]


def test_unknown_elements_are_counted_and_another_person_s_name_is_not_taken():
    extra = "<ShoeSize>5</ShoeSize><Contact><Surname>Arall</Surname></Contact>"
    found = read_return(xml(pupil("PupilIdentifiers", extra=extra) * 2), all_layouts())
    assert found.header.unknown_elements == {"Contact/Surname": 2, "ShoeSize": 2}
    assert set(found.pupils["surname"]) == {" ap Prŵf"}


def test_namespace_and_bom_are_taken():
    content = b"\xef\xbb\xbf" + xml(pupil("PupilIdentifiers")).replace(b"<Message>", b'<Message xmlns="urn:x">')
    assert len(read_return(content, all_layouts()).pupils) == 1


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (xml(pupil("PupilIdentifiers"))[:-30], "not_xml"),
        (b"", "not_xml"),
        (b"\x00\x01", "not_xml"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><Message/>', "doctype"),
        (xml("", root="Census"), "wrong_root"),
        (xml("", header=HEADER.replace("<LEA>660</LEA>", "")), "header_incomplete"),
        (xml("", header=HEADER.replace("PLASC", "EOTAS")), "wrong_collection"),
        (xml("", header=HEADER.replace("2012-01-17", "17/01/2012")), "bad_census_date"),
        (xml("", header=HEADER.replace("2012-01-20T10:00:00", "20/01/2012 10:00")), "bad_header_datetime"),
    ],
    ids=[
        "cut-off",
        "empty",
        "not-text",
        "doctype",
        "other-root",
        "no-authority",
        "other-collection",
        "other-date-form",
        "other-form-of-date-and-time",
    ],
)
def test_refused_with_its_reason(content, reason):
    for read in (inspect, read_return):
        with pytest.raises(Refused) as caught:
            read(content, all_layouts())
        assert caught.value.reason == reason


@pytest.mark.parametrize("sent", ["2012-01-17", "2012-01-17T00:00:00", "2012-01-17Z", "2012-01-17T00:00:00+00:00"])
def test_a_census_date_stays_as_sent(sent):
    content = xml("", header=HEADER.replace("2012-01-17", sent))
    assert inspect(content, all_layouts()).census_date == sent


@pytest.mark.parametrize("sent", ["2012-02-30", "20120117", "2012-W03-2", "2012-01-17 or so"])
def test_what_is_no_date_is_not_taken_for_one(sent):
    with pytest.raises(Refused, match="bad_census_date"):
        inspect(xml("", header=HEADER.replace("2012-01-17", sent)), all_layouts())


DATETIME = "2012-01-20T10:00:00"


@pytest.mark.parametrize(
    "sent",
    [
        "2012-01-20",
        "2012-01-20T10:00:00Z",
        "2012-01-20T10:00:00.1234567+01:00",
        "2012-01-20T24:00:00",
        "2012-01-20-14:00",
    ],
)
def test_a_header_datetime_stays_as_sent(sent):
    assert inspect(xml("", header=HEADER.replace(DATETIME, sent)), all_layouts()).header_datetime == sent


@pytest.mark.parametrize(
    "sent",
    [
        *(
            "2012-01-20 10:00:00",
            "2012-01-20T25:00:00",
            "2012-01-20T10:60:00",
            "2012-01-20T10:00",
            "2012-01-20T10:00:00.",
        ),
        *(
            "2012-01-20T::..",
            "2012-02-30T10:00:00",
            "2012-01-20T10:00:00+15:00",
            "20120120T100000",
            "2012-01-20T24:00:01",
        ),
    ],
)
def test_what_is_no_date_with_time_would_lose_to_an_older_return_and_is_refused(sent):
    with pytest.raises(Refused, match="bad_header_datetime"):
        inspect(xml("", header=HEADER.replace(DATETIME, sent)), all_layouts())


def test_the_header_that_lacks_something_is_told_by_its_path_and_a_serial_number_may_be_absent():
    with pytest.raises(Refused) as caught:
        inspect(xml("", header=HEADER.replace("<Estab>4025</Estab>", "<Estab> </Estab>")), all_layouts())
    assert caught.value.detail == "Header/Source/Estab"
    header = inspect(xml("", header=HEADER.replace("<SerialNo>1</SerialNo>", "")), all_layouts())
    assert (header.serial_no, header.school_number) == ("", "6604025")


def test_a_refusal_quotes_nothing_of_a_pupil():
    broken = xml(pupil("PupilIdentifiers")).replace(b"</Surname>", b"</Surnome>")
    with pytest.raises(Refused) as caught:
        read_return(broken, all_layouts())
    assert re.fullmatch(r"llinell 1, colofn \d+ / line 1, column \d+", caught.value.detail)
    assert not any(word in str(caught.value) for word in ("Surn", "Prŵf", "M6604"))


def test_a_document_type_is_found_in_another_encoding_and_behind_blanks():
    for kind in ('<!DOCTYPE x [<!ENTITY a "b">]>', '<!DOCTYPE x SYSTEM "y">', "<!DOCTYPE x>"):
        text = kind + xml("").decode()
        for content in (text.encode("utf-16"), b" " * 100_000 + text.encode()):
            with pytest.raises(Refused, match="doctype"):
                read_return(content, all_layouts())


def test_a_document_type_is_refused_before_the_parser_sees_it(monkeypatch):
    """Behind more blanks than anyone looks through, in each encoding that has one byte or two for a letter."""
    monkeypatch.setattr(untrusted_xml, "_parser", lambda: pytest.fail("parsed"))
    text = '<!DOCTYPE Message [<!ENTITY e "x">]>' + xml("<PupilOnRoll>&e;</PupilOnRoll>").decode()
    for before in ("", " " * 70_000, f"<!--{'x' * 70_000}-->"):
        for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"):
            with pytest.raises(Refused, match="doctype"):
                read_return((before + text).encode(encoding), all_layouts())


def test_the_parser_itself_puts_in_no_entity(tmp_path):
    (tmp_path / "secret").write_text("secret", encoding="utf-8")
    for entity in ('"secret"', f'SYSTEM "{(tmp_path / "secret").as_uri()}"'):
        root = etree.fromstring(f"<!DOCTYPE a [<!ENTITY e {entity}>]><a>&e;</a>".encode(), untrusted_xml._parser())
        assert "secret" not in "".join(root.itertext(etree.Element)) and root.text is None


@pytest.mark.parametrize("name", ["UTF-7", "IBM037", "utf-32", "Shift_JIS"])
def test_an_encoding_in_which_markup_could_hide_is_not_taken(name, monkeypatch):
    monkeypatch.setattr(untrusted_xml, "_parser", lambda: pytest.fail("parsed"))
    text = f"<?xml version='1.0' encoding = '{name}'?>{xml('').decode()}"
    with pytest.raises(Refused, match=f"not_xml.*{name.lower()}"):
        read_return(text.encode(), all_layouts())
    with pytest.raises(Refused, match="not_xml"):
        read_return(text.encode("cp037"), all_layouts())


@pytest.mark.parametrize("name", ["UTF-8", "UTF-16", "ISO-8859-1", "iso-8859-14", "windows-1252", "us-ascii"])
def test_the_encodings_of_returns_are_taken(name):
    text = f'<?xml version="1.0" encoding="{name}"?>' + xml(pupil("PupilIdentifiers")).decode().replace("ŵ", "w")
    assert len(read_return(text.encode(name), all_layouts()).pupils) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("part", ["<a/>", '<a b="" c="" d=""/>'], ids=["elements", "attributes"])
def test_elements_and_attributes_are_bounded_before_parsing(part, encoding, monkeypatch):
    honest = xml(part * 100).decode()
    monkeypatch.setattr(untrusted_xml, "MOST_MARKS", honest.count("<") + honest.count("="))
    assert read_return(honest.encode(encoding), all_layouts())
    monkeypatch.setattr(untrusted_xml, "_parser", lambda: pytest.fail("parsed"))
    with pytest.raises(Refused, match="file_too_large"):
        read_return(xml(part * 101).decode().encode(encoding), all_layouts())


def test_names_without_end_do_not_fill_the_memory():
    names = [f"{'n' * 1000}{n}" for n in range(5)]
    deep = "".join(f"<{n}>" for n in names) + "<a/>" * 9 + "".join(f"</{n}>" for n in reversed(names))
    found = read_return(
        xml(f"<PupilOnRoll>{deep}{''.join(f'<a{n}/>' for n in range(1500))}</PupilOnRoll>"), all_layouts()
    )
    assert len(found.header.unknown_elements) == 1000
    assert max(map(len, found.header.unknown_elements)) == 300


@pytest.mark.parametrize(
    "content",
    [
        b'<?xml version="1.0" encoding="no-such"?><Message/>',
        xml(pupil("PupilIdentifiers")).replace("ŵ".encode(), b"\xe5"),
        xml(pupil("PupilIdentifiers")).replace(b"M6604", b"\x00"),
        xml(pupil("PupilIdentifiers", extra="&undeclared;")),
        xml(pupil("PupilIdentifiers", extra="<a>" * 5000 + "</a>" * 5000)),
    ],
    ids=["encoding", "bytes", "nul", "entity", "depth"],
)
def test_what_cannot_be_parsed_is_the_sender_s_fault(content):
    with pytest.raises(Refused, match="not_xml"):
        read_return(content, all_layouts())


def test_the_layout_is_seen_though_the_first_record_lacks_it():
    content = xml("<PupilOnRoll/>" + pupil("NAWPupilIdentifiers") + pupil("NAWPupilIdentifiers", sex="Sex"))
    found = read_return(content, all_layouts())
    assert found.header.layout == "naw-2024"
    assert found.pupils["gender"].isna().tolist() == [True, False, False]


def test_a_return_without_pupils_has_the_columns_and_types_of_one_with():
    none, one = (read_return(xml(p), all_layouts()).pupils for p in ("", pupil("PupilIdentifiers")))
    assert len(none) == 0
    assert none.dtypes.to_dict() == one.dtypes.to_dict()
    assert {str(t) for name, t in one.dtypes.items() if name != "ordinal"} == {"str"}


def test_pupils_in_a_container_of_another_name_do_not_vanish_unseen():
    content = xml(pupil("PupilIdentifiers")).replace(b"PupilsOnRoll>", b"PupilsEnrolled>")
    found = read_return(content, all_layouts())
    assert len(found.pupils) == 0
    assert found.header.unknown_elements == {"/Pupils/PupilsEnrolled": 1}


def test_ordinary_census_elements_are_not_unknown():
    extra = (
        "<PupilCharacteristics><Ethnicity>WBRI</Ethnicity><Language/></PupilCharacteristics>"
        "<Attendance><Term><Sessions>1</Sessions></Term></Attendance>"
    )
    content = xml(pupil("PupilIdentifiers", extra=extra)).replace(
        b"<Pupils>", b"<School><Phase>SS</Phase></School><Pupils>"
    )
    assert read_return(content, all_layouts()).header.unknown_elements == {}


def test_a_known_container_that_stands_empty_is_not_unknown():
    extra = "<HomeInformation/><SpecialEducationalNeeds/><PupilStatus/><Shoes/>"
    assert read_return(xml(pupil("PupilIdentifiers", extra=extra)), all_layouts()).header.unknown_elements == {
        "Shoes": 1
    }


def test_the_first_of_two_addresses_is_taken():
    extra = "<HomeInformation><Address><PostCode>LL58 8AA</PostCode></Address></HomeInformation>"
    found = read_return(xml(pupil("PupilIdentifiers", extra=extra)), all_layouts())
    assert found.pupils["postcode"].tolist() == ["LL58 8AA"]


def test_an_alias_fills_in_where_the_first_name_is_empty_and_never_overwrites_it():
    box = "<PupilIdentifiers><Sex>M</Sex><Gender>{}</Gender></PupilIdentifiers>"
    records = "".join(f"<PupilOnRoll>{box.format(value)}</PupilOnRoll>" for value in ("F", ""))
    assert read_return(xml(records), all_layouts()).pupils["gender"].tolist() == ["F", "M"]


def test_an_alias_of_blanks_does_not_hide_a_filled_one():
    ulns = ("<UniqueLearnerNumber> </UniqueLearnerNumber>", "<ULN>1000102504</ULN>")
    for first, second in (ulns, ulns[::-1]):
        record = f"<PupilOnRoll><PupilIdentifiers>{first}{second}</PupilIdentifiers></PupilOnRoll>"
        assert read_return(xml(record), all_layouts()).pupils["uln"].tolist() == ["1000102504"]
    alone = f"<PupilOnRoll><PupilIdentifiers>{ulns[0]}</PupilIdentifiers></PupilOnRoll>"
    assert read_return(xml(alone), all_layouts()).pupils["uln"].tolist() == [" "]


def test_records_of_two_layouts_in_one_file_are_each_read_by_their_own():
    records = pupil("PupilIdentifiers") + pupil("NAWPupilIdentifiers") + pupil("NAWPupilIdentifiers", sex="Sex")
    for content in (xml(records), xml(pupil("NAWPupilIdentifiers") + pupil("PupilIdentifiers", uln="ULN"))):
        found = read_return(content, all_layouts())
        assert set(found.pupils["upn"]) == {"M660402510001"} and set(found.pupils["gender"]) == {"F"}
        assert set(found.pupils["uln"]) == {"1000102504"}
        assert found.header.unknown_elements == {}


def test_the_header_pass_counts_the_records_on_roll():
    leaver = "<PupilNoLongerOnRoll/>"
    assert inspect(xml(pupil("PupilIdentifiers") * 3, leaver), all_layouts()).declared == 3


def test_comments_and_marked_text_do_not_cut_a_value():
    names = "<Surname>ap <!-- x -->Prŵf</Surname><Forename><![CDATA[Siôn & Mair]]></Forename>"
    record = f"<PupilOnRoll><PupilIdentifiers>{names}</PupilIdentifiers></PupilOnRoll>"
    row = read_return(xml(record), all_layouts()).pupils.iloc[0]
    assert (row["surname"], row["forename"]) == ("ap Prŵf", "Siôn & Mair")
