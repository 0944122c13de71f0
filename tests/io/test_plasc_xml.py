"""Reading returns: each layout, text first, unknown elements counted, what cannot be used refused with its reason."""

import pandas as pd
import pytest

from schemas.faults import ConfigurationFault, Refused
from schemas.plasc_layouts import all_layouts, parse_layouts
from tasks.io.plasc_xml import read_header, read_return

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
        f"<PupilOnRoll><{box}><UPN>M660402510001</UPN><{uln}>1000102504</{uln}><Surname> ap Prŵf</Surname><{sex}>F</{sex}>"
        f"<DOB>31/12/1996</DOB><MiddleNames/></{box}><PupilStatus><NCyearActual>10</NCyearActual></PupilStatus>{extra}"
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
    assert found.unknown_elements == {}


def test_leavers_are_counted_and_not_read():
    leaver = "<PupilNoLongerOnRoll><PupilIdentifiers><UPN>X</UPN></PupilIdentifiers></PupilNoLongerOnRoll>"
    found = read_return(xml(pupil("PupilIdentifiers") * 2, leaver), all_layouts())
    assert (len(found.pupils), found.leavers) == (2, 1)
    assert list(found.pupils["ordinal"]) == [1, 2]


def test_unknown_elements_are_counted_and_another_person_s_name_is_not_taken():
    extra = "<ShoeSize>5</ShoeSize><Contact><Surname>Arall</Surname></Contact>"
    found = read_return(xml(pupil("PupilIdentifiers", extra=extra) * 2), all_layouts())
    assert found.unknown_elements == {"Contact/Surname": 2, "ShoeSize": 2}
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
    ],
)
def test_refused_with_its_reason(content, reason):
    for read in (read_header, read_return):
        with pytest.raises(Refused) as caught:
            read(content, all_layouts())
        assert caught.value.reason == reason


def test_layout_files_tell_all_their_faults():
    with pytest.raises(ConfigurationFault) as caught:
        parse_layouts('[a]\nroots = "x"\n', "field,a\nupn,UPN\nshoe,Shoe\n", "")
    text = str(caught.value)
    assert "'roots'" in text and "'identifiers'" in text and "'shoe'" in text and "'surname'" in text
