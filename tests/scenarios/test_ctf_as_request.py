"""A school that cannot send PLASC sends a transfer file as its request: the same rules after it, the same conservation."""

import re

import pytest

from schemas.cycles import cycle_by_id
from schemas.plasc.layouts import all_layouts
from schemas.texts.faults import Refused
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tasks.io.plasc.arrow_reader import pupil_columns
from tasks.io.plasc.reader import inspect, read_return
from tasks.reports.check import CheckedReturn, check_file
from tasks.reports.status import status_of
from tasks.steps.receive import admit
from tests.support.diary import census
from tests.support.learners.ten import ASKED, FIRST, REGISTRATION, UPN, WHO, pupil, send_return
from tests.support.paths import GOLDEN

CTF = (GOLDEN / "requests" / "ctf_full.xml").read_bytes()
SCHOOLS = {"6604025", "6604026"}


def a_ctf(
    pupils,
    *,
    version="12.0",
    day="2012-01-19",
    qualifier="partial",
    source="4025",
    # A request is addressed to the school itself, its authority or nobody.
    dest="<LEA>660</LEA><Estab>LLLL</Estab>",
):
    """A transfer file of a school: of each pupil what stands in it, in the order of the specification."""
    return (
        f"<CTfile><Header><DocumentName>Common Transfer File</DocumentName><CTFversion>{version}</CTFversion>"
        f"<DateTime>{day}T10:00:00</DateTime><DocumentQualifier>{qualifier}</DocumentQualifier><SupplierID>MIS</SupplierID>"
        f"<SourceSchool><LEA>660</LEA><Estab>{source}</Estab></SourceSchool><DestSchool>{dest}</DestSchool></Header>"
        f"<CTFpupilData>{''.join(pupils)}</CTFpupilData></CTfile>"
    ).encode()


def in_ctf(who, gender="Gender", **changes):
    own = {
        "surname": f"Teulu{who}",
        "forename": who,
        "sex": "F",
        "dob": "1996-11-05",
        "nc_year": "10",
        "postcode": "LL77 7NG",
    }
    own |= {"uln": ""} | changes
    return (
        f"<Pupil><UPN>{UPN[who]}</UPN><UniqueLearnerNumber>{own['uln']}</UniqueLearnerNumber>"
        f"<Surname>{own['surname']}</Surname><Forename>{own['forename']}</Forename><DOB>{own['dob']}</DOB>"
        f"<{gender}>{own['sex']}</{gender}><BasicDetails><NCyearActual>{own['nc_year']}</NCyearActual>"
        f"<EnrolStatus>C</EnrolStatus></BasicDetails><Address><PostCode>{own['postcode']}</PostCode></Address></Pupil>"
    )


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    DataRoot(root).create()
    (root / "reference" / "registration.csv").write_text(REGISTRATION, encoding="utf-8")
    (root / "dewi" / "inbox" / "660").mkdir(parents=True)
    return root


def put(root, name, content):
    (root / "dewi" / "inbox" / "660" / name).write_bytes(content)


def sent(root):
    return Lake(root / "lake").read(
        "batch_rows", ["upn", "given_name", "family_name", "middle_name", "dob", "gender", "postcode"]
    )


def test_the_golden_transfer_file_is_read_field_by_field_and_nothing_in_it_is_unknown():
    found = read_return(CTF, all_layouts())
    assert (found.header.school_number, found.header.layout, found.header.destination) == ("6604025", "ctf", "6604025")
    assert (found.header.declared, found.header.leavers, found.header.unknown_elements) == (2, 0, {})
    first, second = found.pupils.fillna("").to_dict("records")
    assert first == {
        "ordinal": 1, "upn": "L660402500000", "former_upn": "A660402500009", "uln": "", "surname": "Prawf-Môn",
        "forename": "Siân", "middle_names": "Mair", "former_surname": "", "gender": "F", "dob": "1996-11-05",
        "nc_year": "10", "enrol_status": "C", "postcode": "LL77 7NG",
    }  # fmt: skip
    assert (second["uln"], second["gender"], second["postcode"]) == ("1000102504", "M", "LL77 7NG")
    header = found.header
    fast = pupil_columns(CTF, all_layouts()["ctf"], [all_layouts()["ctf"]], header.declared, ())
    assert fast is not None and fast.to_pandas().equals(found.pupils)


@pytest.mark.parametrize(
    ("version", "gender"), [("11.0", "Gender"), ("12.0", "Gender"), ("19.0", "Gender"), ("25.0", "Sex")]
)
@pytest.mark.parametrize("qualifier", ["full", "partial"])
def test_every_version_full_or_partial_asks_as_a_return_of_the_same_learners_does(
    root, version, gender, qualifier, tmp_path
):
    put(root, "request.xml", a_ctf([in_ctf(who, gender) for who in WHO], version=version, qualifier=qualifier))
    counts = census(root, FIRST, ASKED)
    assert (counts["receive.accepted"], counts["read.records"], counts["release.learners"]) == (1, 10, 10)
    assert all(school["balanced"] for school in status_of(str(root), FIRST)["schools"].values())
    other = tmp_path / "plasc"
    DataRoot(other).create()
    (other / "reference" / "registration.csv").write_text(REGISTRATION, encoding="utf-8")
    send_return(other, "2012-01-19", [pupil(who) for who in WHO])
    census(other, FIRST, ASKED)
    assert sent(root).equals(sent(other))


def test_passing_failing_and_blank_values_meet_the_same_rules(root):
    pupils = [
        in_ctf("Ann"),
        in_ctf("Bryn", surname="B12"),
        in_ctf("Carys", sex=""),
        in_ctf("Dewi", postcode=""),
        in_ctf("Elin", dob="1996-13-05"),
        in_ctf("Ffion", nc_year="7"),
        in_ctf("Gwen", uln="1000102504"),
        in_ctf("Huw").replace("<BasicDetails>", "<Shoe>7</Shoe><BasicDetails>"),
    ]
    put(root, "request.xml", a_ctf(pupils))
    counts = census(root, FIRST, ASKED)
    assert (counts["validate.held"], counts["release.learners"]) == (4, 2)
    assert sorted(sent(root)["upn"]) == sorted([UPN["Ann"], UPN["Huw"]])
    row = Lake(root / "lake").read("received").iloc[0]
    assert row["unknown_elements"] == '{"Shoe": 1}' and row["layout"] == "ctf"
    school = status_of(str(root), FIRST)["schools"]["6604025"]
    assert school["balanced"] and school["records"] == 8


def test_a_return_counts_before_a_transfer_file_whichever_came_last(root):
    send_return(root, "2012-01-18", [pupil(who) for who in WHO[:6]])
    put(root, "request.xml", a_ctf([in_ctf(who) for who in WHO], day="2012-01-25"))
    assert census(root, FIRST, ASKED)["release.learners"] == 6
    assert status_of(str(root), FIRST)["schools"]["6604025"]["balanced"]


def test_the_transfer_files_of_a_school_add_up_and_of_each_learner_the_newest_says_what_counts(root):
    """One of a year group, one with a forgotten learner and corrections, and one in which a UPN was put right."""
    wrong = UPN["Bryn"][:-1] + "X"
    put(root, "year10.xml", a_ctf([in_ctf("Ann"), in_ctf("Bryn").replace(UPN["Bryn"], wrong), in_ctf("Carys", sex="")]))
    put(root, "more.xml", a_ctf([in_ctf("Bryn"), in_ctf("Carys"), in_ctf("Dewi")], day="2012-01-20"))
    counts = census(root, FIRST, ASKED)
    assert (counts["read.records"], counts["select.chosen"], counts["validate.held"]) == (6, 4, 0)
    assert sorted(sent(root)["upn"]) == sorted(UPN[who] for who in ("Ann", "Bryn", "Carys", "Dewi"))
    school = status_of(str(root), FIRST)["schools"]["6604025"]
    assert school["balanced"] and school["records"] == 6 and school["not_chosen"] == {"superseded_return": 2}
    # A return takes the place of all of them.
    send_return(root, "2012-01-18", [pupil("Elin")])
    assert census(root, FIRST, ASKED)["release.learners"] == 1
    assert status_of(str(root), FIRST)["schools"]["6604025"]["not_chosen"]["superseded_return"] == 6


def test_whoever_has_no_year_group_is_chosen_by_the_date_of_birth_and_held_so_that_the_school_enters_it(root):
    """A file in parts may have no BasicDetails; one is born in the year of year 8, of another no year can be read."""
    bare = [in_ctf("Ann"), in_ctf("Bryn", dob="1998-11-05"), in_ctf("Carys", dob="1996-13-05")]
    sections = re.compile("<BasicDetails>.*?</BasicDetails>")
    put(root, "request.xml", a_ctf([*(sections.sub("", one) for one in bare), in_ctf("Dewi")]))
    counts = census(root, FIRST, ASKED)
    assert (counts["read.records"], counts["select.chosen"], counts["validate.held"]) == (4, 3, 2)
    assert sent(root)["upn"].tolist() == [UPN["Dewi"]]
    findings = Lake(root / "lake").read("findings", ["row_ref", "rule", "severity"])
    held = findings[findings["severity"] == "blocking"].groupby("row_ref")["rule"].agg(set).tolist()
    assert sorted(held, key=len) == [{"YRG01"}, {"YRG01", "DOB02"}]
    school = status_of(str(root), FIRST)["schools"]["6604025"]
    assert school["balanced"] and school["records"] == 4


def refusal(content, folder="660", cycle=FIRST):
    with pytest.raises(Refused) as caught:
        admit(inspect(content, all_layouts()), cycle_by_id(cycle), SCHOOLS, folder)
    return caught.value.reason


def test_whose_and_of_when_it_must_be():
    own = a_ctf([in_ctf("Ann")])
    admit(inspect(own, all_layouts()), cycle_by_id(FIRST), SCHOOLS, "660")
    # Of any day of the cycle, not of its census days alone; of no other.
    admit(inspect(a_ctf([], day="2012-07-31"), all_layouts()), cycle_by_id(FIRST), SCHOOLS, "660")
    assert refusal(a_ctf([], day="2012-08-01")) == refusal(a_ctf([], day="2011-12-31")) == "outside_cycle"
    assert refusal(own, folder="661") == "la_mismatch"
    # A pupil's file on the way to another school is no request, nor is one that this service has made.
    assert refusal(a_ctf([], dest="<LEA>660</LEA><Estab>4026</Estab>")) == "for_another_school"
    # Nor is one on the way to a school that is not in our register, such as an English one.
    assert refusal(a_ctf([], dest="<LEA>873</LEA><Estab>4001</Estab>")) == "for_another_school"
    # Nor a leaver's, whose next school is not known (these very letters stand in the file), nor one for another authority.
    for letters in ("XXX</LEA><Estab>XXXX", "MMM</LEA><Estab>MMMM", "661</LEA><Estab>LLLL"):
        assert refusal(a_ctf([], dest=f"<LEA>{letters}</Estab>")) == "for_another_school"
    for sound in ("<LEA>660</LEA><Estab>LLLL</Estab>", "<LEA>660</LEA><Estab>4025</Estab>", ""):
        admit(inspect(a_ctf([], dest=sound), all_layouts()), cycle_by_id(FIRST), SCHOOLS, "660")
    assert refusal(a_ctf([], source="LLLL", dest="<LEA>660</LEA><Estab>4025</Estab>")) == "unknown_school"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ((b"Common Transfer File", b"Something Else"), "wrong_collection"),
        ((b"2012-01-19T10:00:00", b"yesterday"), "bad_census_date"),
        ((b"<Estab>4025</Estab>", b""), "header_incomplete"),
        ((b"</CTfile>", b""), "not_xml"),
        ((b"CTfile", b"CTFile"), "wrong_root"),
        ((b"<CTfile>", b'<!DOCTYPE CTfile [<!ENTITY a "b">]><CTfile>'), "doctype"),
    ],
)
def test_a_hostile_or_broken_one_is_refused_with_its_reason(change, reason):
    with pytest.raises(Refused) as caught:
        inspect(CTF.replace(b'<?xml version="1.0" encoding="UTF-8"?>\n', b"").replace(*change), all_layouts())
    assert caught.value.reason == reason


def test_pupils_in_a_container_of_another_name_do_not_vanish_unseen():
    hidden = CTF.replace(b"</CTFpupilData>", b"</CTFpupilData><MorePupils><Pupil/></MorePupils>")
    assert inspect(hidden, all_layouts()).unknown_elements == {"/MorePupils": 1}
    # A return's own container in a transfer file is no record either.
    odd = CTF.replace(b"<UCI/>", b"").replace(
        b"</CTFpupilData>", b"<PupilOnRoll><UPN>x</UPN></PupilOnRoll></CTFpupilData>"
    )
    found = inspect(odd, all_layouts())
    assert found.declared == 2 and list(found.unknown_elements) == ["/CTFpupilData/PupilOnRoll"]


def test_a_school_can_check_it_beforehand(tmp_path):
    path = tmp_path / "request.xml"
    path.write_bytes(CTF)
    [found] = check_file(path)
    assert isinstance(found, CheckedReturn)
    assert (found.cycle.id, found.records, found.chosen, found.not_chosen) == ("2012-01", 2, 1, {"uln_held": 1})
    assert re.match("66", found.header.school_number)
