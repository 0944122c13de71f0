"""The fast ways of reading a return give what the walk over its elements gives, or pass."""

import tempfile

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.plasc.layouts import all_layouts
from tasks.io.plasc import arrow_reader as plasc_columns
from tasks.io.plasc import reader as plasc_xml
from tasks.io.plasc.arrow_reader import PUPILS_SCHEMA, pupil_columns
from tasks.io.plasc.grammar import all_known
from tasks.io.plasc.reader import inspect, read_pupils

HEADER = (
    "<Header><CollectionDetails><Collection>PLASC</Collection><ReferenceDate>2012-01-17</ReferenceDate></CollectionDetails>"
    "<Source><LEA>660</LEA><Estab>4025</Estab><SerialNo>1</SerialNo><DateTime>2012-01-20T10:00:00</DateTime></Source></Header>"
)
SOUND = (
    "<PupilOnRoll><{box}><UPN>M660402510001</UPN><{uln}>1000102504</{uln}><Surname> ap Prŵf</Surname><{sex}>F</{sex}>"
    "<DOB>31/12/1996</DOB><MiddleNames/></{box}><PupilStatus><NCyearActual>10</NCyearActual></PupilStatus>"
    "<HomeInformation><Address><PostCode>LL77 7NG</PostCode></Address></HomeInformation></PupilOnRoll>"
)


def xml(pupils, leavers="", root="<Message>", extra=""):
    close = "</" + root[1:].split()[0].rstrip(">") + ">"
    return (
        f"{root}{HEADER}<Pupils><PupilsOnRoll>{pupils}</PupilsOnRoll>{extra}"
        f"<PupilsNoLongerOnRoll>{leavers}</PupilsNoLongerOnRoll></Pupils>{close}"
    )


def record(box="PupilIdentifiers", inside="", beside=""):
    return f"<PupilOnRoll><{box}><UPN>A</UPN>{inside}</{box}>{beside}</PupilOnRoll>"


def both_ways(content, layouts=None):
    """The return as it is read, held equal to the walk; and whether each fast way was taken."""
    layouts = layouts or all_layouts()
    root, layouts = plasc_xml._root(content, layouts)
    layout = plasc_xml._layout(root, layouts)
    _, unknown = plasc_xml._walk(root, plasc_xml._at(root, layout.on_roll), layout, layouts)
    header = inspect(content, layouts)
    assert header.unknown_elements == dict(unknown)
    known = {"declared": header.declared, "unknown_elements": header.unknown_elements}
    pupils = read_pupils(content, header.layout, layouts, **known)
    assert pupils.schema == PUPILS_SCHEMA
    # Without the rows: what does not agree here is invented, and still no habit to get into.
    assert pupils.equals(plasc_xml._walked_pupils(content, layouts)), "the two ways differ"
    fast = pupil_columns(content, layout, layouts.values(), header.declared, header.unknown_elements) is not None
    return pupils, fast, all_known(root, layout, 300)


@pytest.mark.parametrize("uln", ["ULN", "UniqueLearnerNumber"])
@pytest.mark.parametrize("sex", ["Gender", "Sex"])
@pytest.mark.parametrize("box", ["PupilIdentifiers", "NAWPupilIdentifiers"])
@pytest.mark.parametrize("root", ["<Message>", '<Message xmlns="urn:x">', '<Message a="1" xmlns:n="urn:n">'])
def test_a_return_of_each_layout_goes_both_fast_ways(box, sex, uln, root):
    content = xml(SOUND.format(box=box, uln=uln, sex=sex) * 3, "<PupilNoLongerOnRoll><a/></PupilNoLongerOnRoll>", root)
    for sent in (content.encode(), b"\xef\xbb\xbf" + content.encode()):
        pupils, fast, known = both_ways(sent)
        assert fast and known
        assert set(pupils["uln"].to_pylist()) == {"1000102504"}


ODD = {
    "a-field-twice": record(inside="<UPN>B</UPN>"),
    "first-alias-blank": record(inside="<UniqueLearnerNumber> \u3000</UniqueLearnerNumber><ULN>1</ULN>"),
    "second-alias-blank": record(inside="<ULN> </ULN><UniqueLearnerNumber>1</UniqueLearnerNumber>"),
    "both-aliases-blank": record(inside="<ULN>  </ULN><UniqueLearnerNumber> </UniqueLearnerNumber>"),
    "both-aliases": record(inside="<ULN>2</ULN><UniqueLearnerNumber>1</UniqueLearnerNumber>"),
    "blanks-alone": record(inside="<Surname>  </Surname><Forename>\n</Forename>"),
    "marked-text": record(inside="<Surname>a<![CDATA[<x>&amp;]]>b</Surname><Forename><![CDATA[]]></Forename>"),
    "entities": record(inside="<Surname>A&amp;B&#233;&#x2019;&lt;&#13;&#10;</Surname>"),
    "comments": record(inside="<Surname>a<!-- <UPN>x</UPN> -->b</Surname><!-- x -->"),
    "instructions": record(inside="<Surname>a<?x y?>b</Surname><?x y?>"),
    "line-ends": record(inside="<Surname>a\r\nb\rc\r\r\nd</Surname>"),
    "attributes": record(inside='<Surname a="x>y" b="">a</Surname>'),
    "no-text": record(inside="<Surname></Surname><Forename/>"),
    "another-namespace": record(inside='<Surname xmlns="urn:y">a</Surname>'),
    "prefixes": record(inside='<n:Surname xmlns:n="urn:y">a</n:Surname>'),
    "a-field-in-two-namespaces": record(inside='<n:UPN xmlns:n="urn:y">a</n:UPN>'),
    "two-layouts": record() + record("NAWPupilIdentifiers"),
    "two-layouts-one-empty": record() + "<PupilOnRoll><NAWPupilIdentifiers/></PupilOnRoll>",
    "two-containers-of-a-name": record(beside="<PupilIdentifiers><ULN>1</ULN></PupilIdentifiers>"),
    "two-containers-with-prefix": record()
    + record("n:NAWPupilIdentifiers xmlns:n='u'").replace(" xmlns:n='u'></", "></"),
    "within-a-field": record(inside="<Surname>a<b>c</b>d</Surname>"),
    "deep-within-a-field": record(inside="<Surname>a<b><c/></b>d</Surname>"),
    "a-known-one-misplaced": record(beside="<UPN>B</UPN><PupilStatus><Surname>b</Surname></PupilStatus>"),
    "unknown": record(inside="<ShoeSize>5</ShoeSize>", beside="<Contact><UPN>B</UPN></Contact><Empty/>"),
    "passed-over": record(beside="<Attendance><Term><UPN>B</UPN></Term></Attendance>"),
    "a-record-in-a-record": record(beside=record()),
    "not-a-record": record() + "<Other><PupilIdentifiers><UPN>B</UPN></PupilIdentifiers></Other>" + record(),
    "empty-records": "<PupilOnRoll/>" + record() + "<PupilOnRoll></PupilOnRoll>",
    "two-lists": record() + "</PupilsOnRoll><PupilsOnRoll>" + record(inside="<ULN>1</ULN>"),
    "no-pupils": "",
    "blanks-around": f"\n {record(inside=' <ULN>1</ULN> ')} text \n",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("root", ["<Message>", '<Message xmlns="urn:x">', '<n:Message xmlns:n="urn:x">'])
@pytest.mark.parametrize("case", ODD)
def test_odd_returns_are_read_as_by_the_walk(case, root, encoding):
    both_ways(xml(ODD[case], root=root).encode(encoding))


@pytest.mark.parametrize("name", ["ISO-8859-1", "windows-1252", "utf-16"])
def test_other_encodings_are_left_to_the_walk(name):
    declared = f'<?xml version="1.0" {" " * 300}encoding = "{name}"?>'
    pupils, fast, _ = both_ways((declared + xml(record(inside="<Surname>Siôn</Surname>"))).encode(name))
    assert not fast and pupils["surname"].to_pylist() == ["Siôn"]


@pytest.mark.parametrize(
    "case",
    ["first-alias-blank", "both-aliases", "marked-text", "entities", "comments", "line-ends", "unknown", "passed-over"],
)
def test_what_is_odd_and_sure_is_read_fast(case):
    assert both_ways(xml(ODD[case]).encode())[1]


@pytest.mark.parametrize("inside", ["x", "<Ethnicity/>x", "x<Odd/>"])
def test_a_field_in_a_container_that_is_passed_over_is_taken_and_the_rest_stays_known(inside):
    usual = all_layouts()["english-like"]
    box = "PupilCharacteristics"
    assert f"{box}/*" in usual.known
    layouts = {
        "english-like": usual.model_copy(update={"paths": usual.paths | {"former_surname": (f"{box}/Deep/Name",)}})
    }
    beside = f"<{box}><Ethnicity>W</Ethnicity><Deep><Other><More/></Other><Name>Rhys</Name></Deep>{inside}</{box}>"
    pupils, fast, _ = both_ways(xml(record(beside=beside)).encode(), layouts)
    assert not fast and pupils["former_surname"].to_pylist() == ["Rhys"]
    assert inspect(xml(record(beside=beside)).encode(), layouts).unknown_elements == {}


def test_a_field_that_a_layout_lacks_is_null_and_read_fast():
    usual = all_layouts()["english-like"]
    layouts = {"english-like": usual.model_copy(update={"paths": usual.paths | {"former_surname": ()}})}
    pupils, fast, _ = both_ways(xml(record(inside="<FormerSurname>Rhys</FormerSurname>") * 2).encode(), layouts)
    assert fast and pupils["former_surname"].to_pylist() == [None, None]


@pytest.mark.parametrize("root", ["<Message>", '<Message xmlns="urn:x">'])
@pytest.mark.parametrize(("late", "walks"), [("", 0), ("<Late/>", 1), ("<n:ShoeSize xmlns:n='urn:y'/>", 1)])
def test_unknown_elements_of_every_record_are_counted_without_a_walk(root, late, walks, monkeypatch):
    new = "<ShoeSize>5</ShoeSize><Contact><Name>b</Name></Contact>"
    some = record(inside="<UPN><x/></UPN>", beside=new) * 30 + record(beside="<Contact/>" + late)
    content = xml(some, root=root).encode()
    both_ways(content)
    walked, real = [], plasc_xml._walk
    monkeypatch.setattr(plasc_xml, "_walk", lambda *a: walked.append(1) or real(*a))
    expected = {"Contact": 1, "Contact/Name": 30, "PupilIdentifiers/UPN/x": 30, "ShoeSize": 30 + late.count("Shoe")}
    assert inspect(content, all_layouts()).unknown_elements == expected | ({"Late": 1} if "Late" in late else {})
    assert len(walked) == walks


@pytest.mark.parametrize("name", ["\uff76y", "Cyfe\u0302n", "\u674e", "a\xb7b", "_a.b-c"], ids=ascii)
def test_an_element_of_whatever_name_is_counted(name):
    """RELAX NG does not take every name that the parser takes."""
    content = xml(record(beside=f"<{name}/>") * 3).encode()
    both_ways(content)
    assert inspect(content, all_layouts()).unknown_elements == {name: 3}


def test_a_namespace_without_end_is_left_to_the_walk():
    assert not both_ways(xml(record(), root=f'<Message xmlns="{"x" * 301}">').encode())[2]


@pytest.mark.parametrize("extra", ["<School/>", "<PupilsEnrolled/>", "<PupilsOnRoll><Other/></PupilsOnRoll>"])
def test_elements_outside_the_records_are_seen_by_the_grammar(extra):
    assert not both_ways(xml(record(), extra=extra).encode())[2]
    assert both_ways(xml(record()).replace("<Pupils>", "<School><a/></School><Pupils>").encode())[2]


def test_layouts_that_the_reader_would_take_otherwise_are_left_to_the_walk():
    usual = all_layouts()["english-like"]
    content = xml(record(inside="<Surname>a<Title>b</Title></Surname><Forename>c</Forename>")).encode()
    for change in (
        {"paths": usual.paths | {"forename": ("PupilIdentifiers/Surname/Title",)}},
        {"known": usual.known | {"PupilIdentifiers/Surname/Title"}},
        {"known": usual.known | {"PupilIdentifiers/*"}},
        {"known": usual.known | {"PupilIdentifiers/*/x"}},
        {"known": usual.known | {"PupilIdentifiers/Surname/*"}},
        {"paths": usual.paths | {"forename": ("PupilIdentifiers//Forename", "PupilIdentifiers/@x")}},
    ):
        layouts = {"english-like": usual.model_copy(update=change)}
        assert not both_ways(content, layouts)[1]


@pytest.mark.parametrize(
    "known",
    [
        *("/*", "/School/Phase", "/School/*", "/School", "/Pupils", "/Pupils/*", "/Pupils/Other"),
        "/Pupils/PupilsOnRoll/*",
        "/Pupils/PupilsOnRoll/PupilOnRoll",
        "/Pupils/PupilsOnRoll/PupilOnRoll/Odd",
        "*",
        "*/Odd",
        "Odd/*",
        "Odd/*/x",
        "Odd",
        "/Pupils/PupilsOnRoll/Other",
        "Odd//x",
        "Odd/" + "x" * 300,
    ],
)
def test_whatever_a_layout_calls_known_the_grammar_takes_it_as_the_walk_does(known):
    odd = "<Odd/><Odd><x/><y><x/></y></Odd>" + f"<Odd><{'x' * 300}/></Odd>"
    content = xml(record(beside=odd) + "<Other/>", extra="<Other><x/></Other>")
    for layout in (one for one in all_layouts().values() if one.root == "Message"):
        layouts = {"only": layout.model_copy(update={"name": "only", "known": (layout.known - {"/School"}) | {known}})}
        for sent in (
            content.replace("<Pupils>", "<School><Phase/></School><Pupils>"),
            xml(record(beside=odd)),
            xml(""),
        ):
            both_ways(sent.encode(), layouts)


def test_what_was_inspected_by_a_layout_that_has_gone_is_walked():
    content = xml(record()).encode()
    found = read_pupils(content, "gone", all_layouts(), declared=1, unknown_elements={})
    assert found["upn"].to_pylist() == ["A"]


def test_a_count_that_differs_is_left_to_the_walk():
    layouts = all_layouts()
    assert pupil_columns(xml(record()).encode(), layouts["english-like"], layouts.values(), 2, ()) is None


def test_the_reader_s_settings_leave_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    plasc_columns._reader.cache_clear()
    assert both_ways(xml(record()).encode())[1]
    assert list(tmp_path.iterdir()) == []


def test_a_blank_is_to_arrow_what_it_is_to_the_walk():
    codes = [9, 10, 13, *range(0x20, 0xD800), *range(0xE000, 0xFFFE), *range(0x10000, 0x110000)]
    characters = list(map(chr, codes))
    assert pa.compute.utf8_is_space(pa.array(characters)).to_pylist() == [not c.strip() for c in characters]


_TEXT = st.lists(
    st.sampled_from(
        [
            "A",
            " ",
            "\n",
            "\r\n",
            "\r",
            "&amp;",
            "&#13;",
            "&#160;",
            "é",
            "\u3000",
            "<![CDATA[<b>]]>",
            "<![CDATA[]]>",
            "<!--c-->",
            "<?p i?>",
            ">",
        ]
    ),
    max_size=3,
).map("".join)
_NAMES = st.sampled_from(
    ["UPN", "ULN", "UniqueLearnerNumber", "Gender", "Sex", "PostCode", "Postcode", "Odd", "n:UPN", "PreferredSurname"]
)
_BOXES = st.sampled_from(
    ["PupilIdentifiers"] * 6
    + [
        "NAWPupilIdentifiers",
        "n:PupilIdentifiers",
        "PupilCharacteristics",
        "PupilStatus",
        "HomeInformation",
        "Address",
        "Odd",
    ]
)
_ATTRIBUTES = st.sampled_from([""] * 6 + [' a="x>"', ' xmlns="urn:y"'])


def _element(name, attributes, content):
    return f"<{name}{attributes}>{content}</{name}>" if content else f"<{name}{attributes}/>"


_FIELD = st.builds(_element, _NAMES, _ATTRIBUTES, _TEXT)
_WITHIN = st.builds(_element, _NAMES, st.just(""), st.builds("{}{}{}".format, _TEXT, _FIELD, _TEXT))
_BOX = st.recursive(
    st.lists(st.one_of(_FIELD, _FIELD, _FIELD, _TEXT, _WITHIN), max_size=4, unique=True).map("".join),
    lambda inner: st.builds(_element, _BOXES, _ATTRIBUTES, inner),
    max_leaves=2,
)
_RECORD = st.builds(
    _element,
    st.sampled_from(["PupilOnRoll"] * 9 + ["n:PupilOnRoll", "Odd"]),
    _ATTRIBUTES,
    st.lists(st.builds(_element, _BOXES, _ATTRIBUTES, _BOX), max_size=3).map("".join),
)
_ROOTS = st.sampled_from(['<Message xmlns:n="urn:n">', '<Message xmlns="urn:x" xmlns:n="urn:x">'])


@given(
    records=st.lists(_RECORD, max_size=5).map("".join),
    leavers=st.lists(_RECORD, max_size=2).map(lambda some: "".join(some).replace("OnRoll", "NoLongerOnRoll")),
    root=_ROOTS,
    encoding=st.sampled_from(["utf-8"] * 4 + ["utf-8-sig", "utf-16"]),
)
@settings(max_examples=400, deadline=None, derandomize=True)
def test_returns_put_together_at_random_are_read_as_by_the_walk(records, leavers, root, encoding):
    both_ways(xml(records, leavers, root).encode(encoding))
