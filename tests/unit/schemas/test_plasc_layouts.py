"""The layouts that are shipped, and that a faulty layout file tells all its faults at once."""

import pytest

from schemas.plasc.layouts import all_layouts, parse_layouts, request_layouts
from schemas.tables import PUPIL_FIELDS, TABLES, Tier, parse_pupil_columns
from schemas.texts.faults import ConfigurationFault

BLOCK = """
[a]
root = "R"
on_roll = "P/On/One"
no_longer_on_roll = "P/Off/One"
identifiers = "Box"
collections = ["X"]
known = ["Box/Other"]
[a.header]
la_code = "H/L"
estab = "H/E"
collection = "H/C"
census_date = "H/D"
header_datetime = "H/T"
serial_no = "H/S"
"""
PATHS = "field,tier,since,a\n" + "".join(f"{field},personal,1,Box/{field}\n" for field in PUPIL_FIELDS)


def faults_of(layouts=BLOCK, paths=PATHS):
    with pytest.raises(ConfigurationFault) as caught:
        parse_layouts(layouts, paths)
    return "\n".join(caught.value.faults)


def test_every_shipped_layout_holds_every_field_and_both_names_of_uln_gender_and_postcode():
    layouts = all_layouts()
    assert list(layouts) == ["english-like", "naw", "naw-2024", "ctf"]
    assert request_layouts() == ["ctf"]
    assert set(layouts["ctf"].paths["gender"]) == {"Gender", "Sex"} and tuple(layouts["ctf"].paths) == PUPIL_FIELDS
    for layout in (one for one in layouts.values() if not one.request):
        box = layout.identifiers
        assert tuple(layout.paths) == PUPIL_FIELDS
        assert set(layout.paths["uln"]) == {f"{box}/ULN", f"{box}/UniqueLearnerNumber"}
        assert set(layout.paths["gender"]) == {f"{box}/Gender", f"{box}/Sex"}
        assert "HomeInformation/Address/PostCode" in layout.paths["postcode"]


def test_a_sound_block_is_taken_and_its_own_words_go_before_the_shared_ones():
    assert parse_layouts(BLOCK, PATHS)["a"].paths["upn"] == ("Box/upn",)
    both = parse_layouts('[shared]\nroot = "Shared"\nmarker = "Sex"\n' + BLOCK, PATHS)["a"]
    assert (both.root, both.marker) == ("R", "Sex")


def test_a_field_that_a_layout_lacks_has_no_path_there():
    layout = parse_layouts(BLOCK, PATHS.replace("Box/dob", "-"))["a"]
    assert layout.paths["dob"] == () and layout.paths["upn"] == ("Box/upn",)


def test_a_row_is_a_column_with_its_tier_and_the_version_that_brought_it():
    columns = parse_pupil_columns("field,tier,since,a\nupn,personal,1,U\nlanguage,internal,2,L\n")
    assert [(c.name, c.tier, c.since, c.required) for c in columns] == [
        ("upn", Tier.PERSONAL, 1, False),
        ("language", Tier.INTERNAL, 2, False),
    ]


def test_each_tier_and_version_that_is_wrong_is_told_at_once_in_both_languages():
    rows = "field,tier,since,a\nupn,open,1,U\nlanguage,internal,0,L\ndob,,x,D\n"
    with pytest.raises(ConfigurationFault) as caught:
        parse_pupil_columns(rows)
    told = [(fault.en.partition(":")[0], fault.en.split()[1]) for fault in caught.value.faults]
    assert told == [("upn", "tier"), ("language", "since"), ("dob", "tier"), ("dob", "since")]
    assert all(fault.cy != fault.en for fault in caught.value.faults)


def test_no_column_that_came_later_is_required():
    later = [column for table in TABLES.values() for column in table.columns if column.since > 1 and column.required]
    assert later == [] and all(table.version >= 1 for table in TABLES.values())


def test_all_faults_are_told_at_once():
    layouts = BLOCK.replace("root =", "roots =").replace('identifiers = "Box"\n', "").replace("serial_no", "serial")
    paths = PATHS.replace("surname,", "shoe,", 1) + "upn,personal,1,Box/Again\n"
    told = faults_of(layouts, paths)
    for word in (
        "roots is not a key",
        "'root'",
        "'identifiers'",
        "[a.header] serial is not a key",
        "'serial_no'",
        "'shoe'",
        "'surname'",
        "upn: stands twice",
    ):
        assert word in told


@pytest.mark.parametrize(
    ("sound", "faulty", "told"),
    [
        ('["X"]', '"X"', "collections must be a list"),
        ('["X"]', "[]", "collections must be a list"),
        ('root = "R"', "root = 1", "root must be a text"),
        ('root = "R"', 'root = "R"\nrequest = "yes"', "request"),
        ('root = "R"', 'root = "R"\nname = "b"', "[a] name is not a key"),
        ('root = "R"', 'root = "R"\npaths = { upn = ["x"] }', "[a] paths is not a key"),
        ('"H/S"', '" "', "[a.header] serial_no must be a text"),
        ("[a]", "x = 1\n[a]", "x must be a block"),
        ('root = "R"', 'root = "R"\ndestination = "x"', "destination must be a list"),
        ("[a]", "[a", "line"),
        (BLOCK, "", "no layout"),
        (BLOCK, BLOCK + BLOCK.replace("[a", "[b"), "column 'b' is missing"),
    ],
    ids=[
        "text-for-list",
        "empty-list",
        "number-for-text",
        "text-for-yes",
        "own-name",
        "own-paths",
        "blank-path",
        "outside-a-block",
        "text-for-places",
        "no-toml",
        "no-block",
        "layout-without-column",
    ],
)
def test_a_faulty_block_is_told(sound, faulty, told):
    assert told in faults_of(BLOCK.replace(sound, faulty))


@pytest.mark.parametrize(
    ("sound", "faulty", "told"),
    [
        ("Box/dob", "", "dob in a has an empty path"),
        ("Box/dob", "Box/dob| Box/b", "dob in a has an empty path or one with blanks"),
        ("Box/dob", "Box/surname", "is given for surname and dob"),
        ("since,a", "since,b", "column 'a'"),
        ("field,", "what,", "column 'field'"),
        ("since,a", "a", "column 'since'"),
    ],
    ids=["empty", "blank", "one-path-two-fields", "other-layout", "no-field-column", "no-since-column"],
)
def test_a_faulty_path_is_told(sound, faulty, told):
    assert told in faults_of(paths=PATHS.replace(sound, faulty))
