"""The LRS's form of a learner; the school's spelling is never touched."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.lrs.profiles import all_profiles
from schemas.tables import SENT_FIELDS
from tasks.core import lrs_form
from tasks.core.lrs_form import batch_content, batch_ref, lrs_names, lrs_postcodes, lrs_rows

P2A, P3A = all_profiles()["2A"], all_profiles()["3A"]


def column(*values):
    return pd.Series(list(values), dtype="str")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("âêîôûŵŷ ÂÊÎÔÛŴŶ", "aeiouwy AEIOUWY"),
        ("áéíóúẃýàèìòùẁỳäëïöüẅÿ", "aeiouwyaeiouwyaeiouwy"),
        ("w\u0302y\u0302", "wy"),
        ("O’Brien", "O'Brien"),
        ("O‘Brien", "O'Brien"),
        ("Oʼ´`Brien", "O'''Brien"),
        ("Elin–Haf", "Elin-Haf"),
        ("Anna‑Mair", "Anna-Mair"),
        ("Siân (Jane)/Mair", "Sian Jane Mair"),
        ("Si\u00ada\u200bn \u202ePrawf", "Sian Prawf"),
        ("\u200b", None),
        ("O\u02bbNeill", "O'Neill"),
        ("\U0001f600 Bob", "Bob"),
        ("\u2167", None),
        ("€va", "va"),
        ("N/A", "N A"),
        ("  ap   Siôn ", "ap Sion"),
        ("St. John", "St. John"),
        ("--", None),
        (" ", None),
        (None, None),
    ],
)
def test_names(name, form):
    found = lrs_names(column(name), P2A).iloc[0]
    assert (found if isinstance(found, str) else None) == form


@pytest.mark.parametrize("version", sorted(all_profiles()))
@pytest.mark.parametrize("sign", ["'", "-", ".", " "])
def test_every_layout_keeps_the_signs_that_names_have(version, sign):
    """docs/reference/sources.md#names: we keep letters, space, hyphen, apostrophe and full stop."""
    names = column(f"D{sign}Arcy", f"Siân{sign}O{sign}Neill")
    assert list(lrs_names(names, all_profiles()[version])) == [f"D{sign}Arcy", f"Sian{sign}O{sign}Neill"]


@pytest.mark.parametrize("version", sorted(all_profiles()))
def test_a_learner_s_names_and_those_that_the_lrs_compares_keep_their_apostrophes_in_every_layout(learner, version):
    profile, true = all_profiles()[version], pd.Series([True])
    rows = lrs_rows(learner({"surname": "O’Brien", "forename": "D'Arcy", "middle_names": "Tŷ`r"}), profile, true, ~true)
    sent = rows[["family_name", "given_name", "middle_name"]].iloc[0]
    assert list(sent) == ["O'Brien", "D'Arcy", "Ty'r"]


def test_postcodes():
    assert list(lrs_postcodes(column("ll777ng", " LL77  7NG ", "ZZ999ZZ"))) == ["LL77 7NG", "LL77 7NG", "ZZ99 9ZZ"]
    assert list(lrs_postcodes(column("LL77\u00a07NG", "bfpo 12"))) == ["LL77 7NG", "BFPO12"]
    assert lrs_postcodes(column("", None)).isna().all()


def test_only_ascii_leaves_and_lengths_are_told_not_cut():
    found = lrs_names(column("Ŵ" * 40, "Straße", "æ"), P2A)
    assert list(found) == ["W" * 40, "Strasse", "ae"]


@pytest.mark.parametrize(
    ("seen", "opted_out", "two_a", "three_a"),
    [(False, False, "0", "0"), (True, False, "1", "1"), (True, True, "2", "1"), (False, True, "0", "0")],
)
def test_sharing(learner, seen, opted_out, two_a, three_a):
    rows, truth = learner({}), (pd.Series([seen]), pd.Series([opted_out]))
    assert list(lrs_rows(rows, P2A, *truth)["ability_to_share"]) == [two_a]
    assert list(lrs_rows(rows, P3A, *truth)["ability_to_share"]) == [three_a]


@pytest.mark.parametrize(
    ("gender", "code"),
    [
        *(("M", "1"), ("f", "2"), (" F ", "2"), ("1", "1"), ("2", "2"), ("9", "9")),
        *(("0", "0"), ("U", "0"), ("", "0"), (None, "0"), ("X", None)),
    ],
)
def test_gender(learner, gender, code):
    true = pd.Series([True])
    found = lrs_rows(learner({"gender": gender}), P2A, true, ~true)["gender"].iloc[0]
    assert (found if isinstance(found, str) else None) == code


def test_dates_upns_and_middle_names(learner):
    rows = learner(
        {"dob": " 1996-02-29 ", "upn": " m660402510001 ", "middle_names": "Siân"},
        {"dob": "1997-02-29", "upn": " ", "middle_names": "A" * 36},
        {"dob": "05/11/1996", "middle_names": "A1"},
        {"dob": None, "middle_names": "A" * 35},
        {"middle_names": "Rhys²"},
        {"middle_names": "\tHaf\n"},
    )
    no = pd.Series([False] * 6)
    found = lrs_rows(rows, P2A, no, no)
    assert found["dob"].iloc[0] == "1996-02-29" and found["dob"].iloc[1:4].isna().all()
    assert found["upn"].iloc[0] == "M660402510001" and pd.isna(found["upn"].iloc[1])
    # Of a rule and the form, neither leaves out what the other lets through: blanks at the ends are no characters.
    assert list(found["middle_name"].isna()) == [False, True, True, False, True, False]
    assert found["middle_name"].iloc[0] == "Sian"
    assert set(found.dtypes) == {pd.Series(["a"]).dtype}


def test_the_school_s_spelling_is_not_touched(learner):
    rows = learner({"forename": "Siôn", "surname": "O’Brien", "postcode": "ll777ng"})
    before = rows.copy(deep=True)
    true = pd.Series([True])
    lrs_rows(rows, P2A, true, ~true)
    pd.testing.assert_frame_equal(rows, before)


REF = ("10000001", "2A", "CSV", "2012-01")


def two_rows(learner, **changes):
    true = pd.Series([True] * 2)
    return lrs_rows(learner({"middle_names": "Siân"}, {"upn": "R681404209123"}), P2A, true, ~true).assign(**changes)


def test_a_reference_is_the_one_it_always_was(learner):
    # A ledger of earlier runs knows batches by it; the second has values that need quotes.
    assert batch_ref(batch_content(two_rows(learner)), *REF) == "B06b87dddc4810237"
    quoted = two_rows(learner, postcode=['a"b', "c,\nd\re"])
    assert batch_ref(batch_content(quoted), *REF) == "Bd0ba5d3b3fd8affa"


def test_a_reference_goes_by_content_and_cycle(learner):
    rows = two_rows(learner)
    one = batch_ref(batch_content(rows), *REF)
    assert batch_ref(batch_content(rows.copy()), *REF) == one
    assert batch_ref(batch_content(rows.assign(postcode="LL77 7NH")), *REF) != one
    assert batch_ref(batch_content(rows), *REF[:3], "d") != one


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    values=st.lists(
        st.none() | st.text(st.sampled_from(["a", "ŵ", " ", "'", '"', ",", "\n", "\r", "\0", ";"]), max_size=3),
        min_size=2,
        max_size=2,
    )
)
def test_what_a_batch_says_is_written_as_to_csv_writes_it(values):
    columns = ["upn", *SENT_FIELDS, "ability_to_share"]
    rows = pd.DataFrame({name: values if n % 2 else values[::-1] for n, name in enumerate(columns)}).astype("str")
    assert lrs_form._csv(batch_content(rows)) == rows.to_csv(index=False, lineterminator="\n").encode()


def test_postcodes_lose_every_kind_of_blank():
    assert set(lrs_postcodes(column(*(f"ll77{blank}7ng" for blank in "\t \x1c\x85\xa0\u2003\u3000")))) == {"LL77 7NG"}
