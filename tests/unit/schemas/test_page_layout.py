"""The layout of the pages is data, refused whole where it is wrong; every part of it has its words and its tier."""

import pytest

from schemas.settings.names import language_of, letters_apart, parse_names
from schemas.settings.pages import AUTHORITY, WALES, WORDS, all_needs, all_sections, parse_address, parse_pages
from schemas.texts.catalogue import all_texts
from schemas.texts.faults import ConfigurationFault
from schemas.views import PAGE_TABLES

#: What stands under a column's name in a row, by kind.
STANDS = {"file": ["path"], "page": ["{}_cy", "{}_en"], "sentence": ["{}_cy", "{}_en"]}
#: What the needs' own table says, and no view.
OF_NEEDS = {"what", "action", "who"}


def tables():
    return {table.name: table for section in all_sections() for page in section.tables.values() for table in page}


def test_every_section_table_and_column_has_its_words():
    wanted = {f"pages.section.{section.name}" for section in all_sections()}
    wanted |= {f"pages.table.{name}" for name in tables()}
    for table in tables().values():
        for name in table.columns:
            assert {f"pages.column.{name}", f"pages.column.{table.name}.{name}"} & all_texts().keys(), name
    wanted |= {prefix + word for words, prefix in WORDS.values() for word in words}
    assert wanted <= all_texts().keys()


@pytest.mark.parametrize("name", sorted(PAGE_TABLES))
def test_every_column_of_a_table_has_its_tier(name):
    there = {column.name for column in PAGE_TABLES[name].columns}
    for column, kind in tables()[name].columns.items():
        stands = [at.format(column) for at in STANDS.get(kind, ["{}"])]
        either = {column, f"{column}_cy"} & there if kind == "name" else set(stands) <= there
        assert either or (name == "needs" and column in OF_NEEDS), (name, column)
    assert tables().keys() == PAGE_TABLES.keys()


def test_a_page_says_what_is_wanted_most_first():
    order = [section.name for section in all_sections()]
    assert order == [
        "needs",
        "schools",
        "exceptions",
        "ages",
        "readiness",
        "years",
        "days",
        "cycles",
        "batches",
        "downloads",
        "made",
    ]
    assert all(section.tables[AUTHORITY] for section in all_sections())
    assert {need.section for need in all_needs()} <= set(order) and {need.who for need in all_needs()} <= set(
        WORDS["who"][0]
    )
    # Whose names are in workbooks alone has no link to one from where everybody is.
    assert not next(section for section in all_sections() if section.name == "downloads").tables[WALES]


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        ("[colours]\n", ["colours"]),
        (
            "[sections]\nneeds = { county = [] }\n[tables.a]\nsize = 1\n",
            ["a: unknown", "[a] size", "[a] columns", "county"],
        ),
        ('[sections]\nneeds = { wales = ["a", "b"] }\n[tables.a.columns]\nx = "money"\n', ["[a] x", "b: unknown"]),
        (
            '[sections]\nn = { wales = ["a"] }\n[tables.a]\nfilter = "x"\n[tables.a.columns]\nx = "text"\n',
            ["[a] filter"],
        ),
    ],
    ids=["block", "keys", "kinds", "filter"],
)
def test_a_wrong_layout_tells_all_its_faults(content, faults):
    with pytest.raises(ConfigurationFault) as caught:
        parse_pages(content)
    assert len(caught.value.faults) == len(faults)


def test_where_a_data_root_is_served_is_an_address_or_a_fault():
    assert parse_address('address = "https://uln.example:8443/a/"\n') == "https://uln.example:8443/a/"
    for wrong in (
        'address = "javascript:alert(1)/"',
        'address = "https://x.example"',
        "address = 1",
        "",
        "a = 1\nb = 2",
        "=",
    ):
        with pytest.raises(ConfigurationFault):
            parse_address(wrong)


def test_lists_of_names_are_refused_where_nothing_is_marked():
    assert parse_names('apart = ["ban|gor"]\ncy = ["Ysgol"]\nen = ["School"]\n').apart == ("ban|gor",)
    for wrong in (
        'apart = ["bangor"]\ncy = ["a"]\nen = ["b"]',
        'apart = []\ncy = ["a"]',
        'apart = ["a|b"]\ncy=["a"]\nen=["b"]\nx=1',
    ):
        with pytest.raises(ConfigurationFault):
            parse_names(wrong)
    assert "ban|gor" in letters_apart()


def test_the_language_of_a_name_is_told_by_a_word_in_it():
    assert [language_of(n) for n in ("Ysgol y Ddôl", "Alun School", "Maes Garmon", "Ysgol Friars School")] == [
        "cy",
        "en",
        None,
        "cy",
    ]
