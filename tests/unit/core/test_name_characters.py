"""Characters of names by Unicode category."""

import pandas as pd
import pytest

from tasks.core.name_characters import base_letters, look_alike, never_in_a_name, not_kept

ALLOWED = "A-Za-z '.-"


def column(*values):
    return pd.Series(list(values), dtype="str")


@pytest.mark.parametrize(
    "name",
    ["S1an", "Dav\u0661d", "Rhys\u00b2", "\u2167", "J\x07ones", "Jo\x85nes", "\U0001f600 Bob", "\ue000", "\u0378"],
    ids=["digit", "arabic-digit", "superscript", "roman", "control", "c1-control", "picture", "private", "unassigned"],
)
def test_what_no_name_holds(name):
    assert never_in_a_name(column(name)).to_list() == [True]


@pytest.mark.parametrize(
    "name",
    [
        "N/A",
        "Sian (Jane)",
        "Jones, Mary",
        "Si\u00adan",
        "\u202eSian",
        "Si\u200ban",
        "Sian\ufeff",
        "\u20acva",
        "l\u00b7l",
        "a_b",
    ],
    ids=["slash", "bracket", "comma", "soft-hyphen", "override", "zero-width", "mark", "euro", "dot", "underscore"],
)
def test_signs_that_are_lost_are_told_and_may_stand(name):
    assert not_kept(column(name), ALLOWED).to_list() == [True]
    assert never_in_a_name(column(name)).to_list() == [False]


@pytest.mark.parametrize(
    "name",
    [
        *("Siân", "w\u0302yn", "Ŵ", "李", "ap Rhys", "St. John", "a\u00a0b", "Lloyd-Jones"),
        *("O\u2019Neill", "O\u2018Neill", "O`Neill", "O\u00b4Neill", "O\u02bbNeill", "O\u02bcNeill", "O\uff07Neill"),
        *("A\u2010B", "A\u2011B", "A\u2013B", "A\u2014B", "A\u2212B"),
    ],
    ids=ascii,
)
def test_letters_marks_spaces_hyphens_apostrophes_and_full_stops_are_kept(name):
    assert not_kept(column(name), ALLOWED).to_list() == [False]
    assert never_in_a_name(column(name)).to_list() == [False]


def test_what_a_profile_allows_is_kept():
    assert not_kept(column("a,b", "a(b"), "A-Za-z ,").to_list() == [False, True]


def test_no_name_and_no_names():
    assert (
        never_in_a_name(column(None, "")).to_list() == not_kept(column(None, ""), ALLOWED).to_list() == [False, False]
    )
    assert never_in_a_name(column()).dtype == bool and not_kept(column(), ALLOWED).dtype == bool


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("Siân", "Sian"),
        ("O\u02bbNeill-O\u02bcNeill\u2013X", "O'Neill-O'Neill-X"),
        ("Si\u00ada\u200bn\u202e", "Sian"),
        ("\U0001f600Bob\u20ac", " Bob "),
        ("\u2167\u00b2", "  "),
        ("a\u00a0b", "a b"),
    ],
    ids=["welsh", "apostrophes", "invisible", "pictures", "numbers", "space"],
)
def test_only_letters_are_spelt_out(name, form):
    assert base_letters(name) == form


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Si\u0430n",
            "\u041cair",
            "\u0395lin",
            "Si\u0430\u0302n",
            "\u0405ian Rhys",
            "Li \u674e",
            "\uff33ian",
            "\U0001d412ian",
        ),
        *("\U0001d412\U0001d422\U0001d41a\U0001d427", "Gri\ufb03th", "\u017fian", "Sian\u00aa", "Sian\u02b0"),
        *(
            "\u0302Sian",
            "Sian \u0302",
            "S\u0337\u0338\u0335ian",
            "S\u20ddian",
            "Si\ufe0fan",
            "Si\u034fan",
            "Si\u0e34an",
        ),
    ],
    ids=ascii,
)
def test_letters_and_marks_that_look_like_others(name):
    assert look_alike(column(name)).to_list() == [True]
    assert never_in_a_name(column(name)).to_list() == [False]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "Sian",
            "Siân",
            "Sia\u0302n",
            "W\u0302yn",
            "O\u2019Neill",
            "O\u02bbNeill\u2013Rhys",
            "Stra\u00dfe",
            "\u1eb9\u0301",
            "\u01ed",
        ),
        *(
            "\u0410\u043d\u043d\u0430",
            "\u674e\u5c0f\u9f99",
            "\u0905\u0928\u093f\u0932",
            "\u0645\u0652\u0646\u0651\u064e\u0629",
            "\u3084\u307e \u5c71",
        ),
    ],
    ids=ascii,
)
def test_names_in_one_alphabet_with_its_accents(name):
    assert look_alike(column(name)).to_list() == [False]


def test_no_name_looks_like_another():
    assert look_alike(column(None, "")).to_list() == [False, False]
    assert look_alike(column()).dtype == bool
