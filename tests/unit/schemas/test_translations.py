"""One catalogue holds the Welsh of every text, and tells all that is wrong with it at once."""

import pytest

from schemas.codes.code_table import parse_table
from schemas.texts.catalogue import Bilingual, bilingual, in_language, joined, parse_texts, sentence
from schemas.texts.edited_files import Checked
from schemas.texts.faults import ConfigurationFault, Message
from schemas.texts.translations import all_translations, parse_catalogue
from tests.support.paths import PROJECT

ENTRY = 'msgctxt "{}"\nmsgid "{}"\nmsgstr "{}"\n\n'


class Line(Checked):
    """A row of the test's table."""

    code: str
    label_en: str
    label_cy: str
    note_en: str
    note_cy: str


def catalogue(*entries):
    return parse_catalogue("".join(ENTRY.format(*entry) for entry in entries))[0]


def lines(text, *entries, replaces_shipped=False):
    read = parse_table(
        text,
        Line,
        "lines.csv",
        frozenset({"note_en"}),
        replaces_shipped=replaces_shipped,
        catalogue=catalogue(*entries),
    )
    return list(read.values())


def test_the_welsh_of_a_row_comes_from_the_catalogue_and_an_empty_text_has_none():
    found = lines(
        "code,label_en,note_en\nA,Year,\n", ("lines:A:label", "Year", "Blwyddyn"), ("other:A:label", "x", "y")
    )
    assert found == [Line(code="A", label_en="Year", label_cy="Blwyddyn", note_en="", note_cy="")]


def test_every_fault_of_the_welsh_is_told_at_once_and_names_its_context():
    with pytest.raises(ConfigurationFault) as caught:
        lines(
            "code,label_en,note_en\nA,Year,\nB,Code,\nC,on {date},\n",
            ("lines:B:label", "The code", "Cod"),
            ("lines:C:label", "on {date}", "ar {dydd}"),
            ("lines:A:note", "no longer there", "ddim yno mwyach"),
            ("lines:D:label", "of nobody", "o neb"),
        )
    assert [fault.en.partition(": ")[::2] for fault in caught.value.faults] == [
        (
            "lines:A:label",
            "there is no Welsh; add it to schemas/texts/locale/cy.po, or in a table of your own in its column .._cy",
        ),
        (
            "lines:B:label",
            "the English has changed since it was translated; put the new English and its Welsh into "
            "schemas/texts/locale/cy.po, or in a table of your own the Welsh into its column .._cy",
        ),
        ("lines:C:label", "English and Welsh differ in the places to fill"),
        ("lines:A:note", "no text has this context; take the entry out of schemas/texts/locale/cy.po"),
        ("lines:D:label", "no text has this context; take the entry out of schemas/texts/locale/cy.po"),
    ]


def test_a_table_of_one_s_own_may_hold_its_welsh_or_some_rows_of_the_shipped_one():
    given = lines(
        "code,label_en,label_cy,note_en,cy_review\nA,Year,Bl.,,N\n",
        ("lines:A:label", "Year", "x"),
        replaces_shipped=True,
    )
    assert given[0].label_cy == "Bl."
    some = lines(
        "code,label_en,note_en\nA,Year,\n",
        *((f"lines:{c}:label", "Year", "Blwyddyn") for c in "AB"),
        replaces_shipped=True,
    )
    assert some[0].label_cy == "Blwyddyn"
    with pytest.raises(ConfigurationFault, match="cy_review"):
        lines("code,label_en,note_en,cy_review\nA,Year,,N\n", ("lines:A:label", "Year", "x"))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('msgid "x"\nmsgstr "y"\n', ["needs a context"]),
        (ENTRY.format("texts:a", "x", "y"), ["texts:a: an entry needs a context"]),
        (ENTRY.format("texts:a:text", "x", " "), ["texts:a:text: there is no Welsh"]),
        (ENTRY.format("texts:a:text", "x", "y") * 2, ["texts:a:text: stands twice"]),
        ('msgctxt "texts:a:text"\nmsgid "x"\nmsgid_plural "xs"\nmsgstr[0] "y"\n', ["one form only"]),
        ('msgctxt "texts:a:text"\nmsgid "x"\nmsgstring "y"\n', ["is not a gettext catalogue"]),
        (
            ENTRY.format("a", "x", "y") + ENTRY.format("texts:b:text", "x", ""),
            ["a: an entry needs", "texts:b:text: there is no Welsh"],
        ),
    ],
    ids=["no-context", "two-parts", "blank", "twice", "plural", "no-catalogue", "two-faults"],
)
def test_a_wrong_catalogue_tells_what_is_wrong(content, told):
    for fault, english in zip(parse_catalogue(content)[1], told, strict=True):
        assert english in sentence(fault).en


def test_what_waits_for_a_translator_is_marked_and_an_obsolete_entry_is_not_there():
    fuzzy = (
        "#, fuzzy\n"
        + ENTRY.format("texts:a:text", "x", "y")
        + '#~ msgctxt "texts:b:text"\n#~ msgid "x"\n#~ msgstr "y"\n'
    )
    assert {context: entry.review for context, entry in parse_catalogue(fuzzy)[0].items()} == {"texts:a:text": True}
    assert any(entry.review for entry in all_translations().values())


def test_every_context_of_the_shipped_catalogue_is_of_a_table_that_is_there():
    tables = {path.stem for room in ("schemas", "expectations") for path in (PROJECT / room).rglob("*.csv")}
    assert {context.partition(":")[0] for context in all_translations()} <= tables


def test_no_shipped_table_holds_welsh_itself():
    for path in (path for room in ("schemas", "expectations") for path in (PROJECT / room).rglob("*.csv")):
        header = path.read_text(encoding="utf-8").partition("\n")[0].split(",")
        assert not [name for name in header if name == "cy" or name.endswith("_cy") or name == "cy_review"], path.name


def test_a_sentence_is_filled_in_each_language_and_either_can_be_had_alone():
    told = bilingual("fault.in_line", line=2, code="X", fault=bilingual("fault.empty", column="upn"))
    assert told == "llinell 2, X: mae upn yn wag / line 2, X: upn is empty"
    assert (in_language(told, "cy"), in_language(told, "en")) == (told.cy, "line 2, X: upn is empty")
    assert in_language(told, None) == told and in_language("as it is", "cy") == "as it is"
    assert joined([Bilingual("un", "one"), "2"]) == "un; 2 / one; 2"


def test_a_broken_table_of_texts_names_the_keys_of_its_faults():
    with pytest.raises(ConfigurationFault, match=r"texts\.csv: fault\.in_line \(line: 2, code: a, fault: fault\.empty"):
        parse_texts("key,en\na,\n")
    assert sentence(Message("fault.in_line", line=2, code="a", fault=Message("fault.empty", column="en"))) == bilingual(
        "fault.in_line", line=2, code="a", fault=bilingual("fault.empty", column="en")
    )
