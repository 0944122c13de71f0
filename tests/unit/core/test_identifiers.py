"""UPN and ULN arithmetic, against published and hand-computed examples."""

import re

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.identifiers import (
    canonical_upn,
    uln_check_digit,
    uln_placeholder,
    uln_shape_ok,
    uln_valid,
    upn_check_letter,
    upn_check_letter_ok,
    upn_shape,
)


def column(*values):
    return pd.Series(list(values), dtype="str")


LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"


def plain_letter(twelve):
    """The published arithmetic, a character at a time."""
    if not re.fullmatch(rf"[0-9]{{11}}[0-9{LETTERS}]", twelve):
        return None
    worth = [LETTERS.index(c) if c in LETTERS else int(c) for c in twelve]
    return LETTERS[sum(w * n for w, n in zip(worth, range(2, 14), strict=True)) % 23]


def plain_digit(nine):
    if not re.fullmatch("[0-9]{9}", nine):
        return None
    remainder = sum(int(c) * w for c, w in zip(nine, range(10, 1, -1), strict=True)) % 11
    return str(10 - remainder) if remainder else None


odd = st.text(st.sampled_from([*"0123456789ABISO", "a", "ŵ", "１", "٣", "\0", " ", "\n"]), max_size=14)
upns = st.from_regex(r"[A-Z][0-9]{11}[0-9A-Z]\n?", fullmatch=True)
ulns = st.from_regex(r"[0-9]{9,11}\n?", fullmatch=True)


@settings(derandomize=True, max_examples=100, deadline=None)
@given(values=st.lists(st.none() | odd | upns | ulns, max_size=30))
def test_read_as_bytes_they_are_what_they_are_a_character_at_a_time(values):
    whole = column(*values)
    upn = [v if isinstance(v, str) else "" for v in canonical_upn(whole)]
    shapes = [
        None if not v
        else "permanent" if re.fullmatch(rf"[{LETTERS}][0-9]{{12}}", v)
        else "temporary" if re.fullmatch(rf"[{LETTERS}][0-9]{{11}}[{LETTERS}]", v)
        else "wrong"
        for v in upn
    ]  # fmt: skip
    assert [v if isinstance(v, str) else None for v in upn_shape(whole)] == shapes
    right = [plain_letter(v[1:]) is not None and plain_letter(v[1:]) == v[:1] for v in upn]
    assert list(upn_check_letter_ok(whole)) == right
    uln = [v.strip() if isinstance(v, str) else "" for v in whole]
    shaped = [re.fullmatch("[1-9][0-9]{9}", v) is not None for v in uln]
    assert list(uln_shape_ok(whole)) == shaped
    valid = [ok and plain_digit(v[:9]) == v[9] and v != "9999999999" for ok, v in zip(shaped, uln, strict=True)]
    assert list(uln_valid(whole)) == valid


def test_check_letters_computed_by_hand():
    # 6604025 10 001: 6*2+6*3+0*4+4*5+0*6+2*7+5*8+1*9+0+0+0+1*13 = 126; 126 mod 23 = 11 -> M. The last is published.
    found = upn_check_letter(column("660402510001", "681404209123", "67441030807A", "801200005001"))
    assert list(found) == ["M", "R", "L", "B"]


@pytest.mark.parametrize(
    ("upn", "shape", "right"),
    [
        ("M660402510001", "permanent", True),
        (" m660402510001 ", "permanent", True),
        ("L67441030807A", "temporary", True),
        ("A660402510001", "permanent", False),
        ("M66040251000", "wrong", False),
        ("I660402510001", "wrong", False),
        ("M66040251000١", "wrong", False),
        ("", None, False),
        (None, None, False),
    ],
    ids=[
        "permanent",
        "untidy",
        "temporary",
        "wrong-letter",
        "short",
        "letter-not-used",
        "other-digit",
        "blank",
        "absent",
    ],
)
def test_upn_shape_and_letter(upn, shape, right):
    found = upn_shape(column(upn)).iloc[0]
    assert (found if isinstance(found, str) else None) == shape
    assert bool(upn_check_letter_ok(column(upn)).iloc[0]) is right


@pytest.mark.parametrize(
    ("uln", "valid"),
    [
        ("9276308686", True),
        ("1000102504", True),
        ("4444599390", True),
        ("1026893096", True),
        ("6936002314", True),
        ("1964986809", True),
        (" 8383558804 ", True),
        ("1111111111", False),
        ("9999999999", False),
        ("1234567890", False),
        ("0000102504", False),
        ("100010250", False),
        ("", False),
        (None, False),
    ],
    ids=[
        "published",
        "example",
        "check-digit-0",
        "sum-191",
        "sum-226",
        "sum-309",
        "sum-303-untidy",
        "ten-ones",
        "placeholder",
        "wrong-digit",
        "leading-0",
        "short",
        "blank",
        "absent",
    ],
)
def test_uln(uln, valid):
    assert bool(uln_valid(column(uln)).iloc[0]) is valid


def test_nine_digits_with_remainder_0_have_no_uln():
    # The digits 1,0,0,0,0,0,0,0,x weigh 10 and 2x. For x = 1: 12, 12 mod 11 = 1, so the check digit is 9.
    assert uln_check_digit(column("100000001")).iloc[0] == "9"
    # For x = 6: 22, 22 mod 11 = 0: no ULN starts so.
    assert pd.isna(uln_check_digit(column("100000006")).iloc[0])


def test_canonical_upn_is_null_where_blank():
    assert list(canonical_upn(column(" m660402510001", "  ")).isna()) == [False, True]


@pytest.mark.parametrize(
    ("nine", "digit"),
    [("927630868", "6"), ("100010250", "4"), ("444459939", "0"), ("196498680", "9"), ("111111111", "0")],
    ids=["sum-290", "sum-39", "sum-274", "sum-309", "sum-54"],
)
def test_check_digits_of_the_published_sums(nine, digit):
    assert uln_check_digit(column(nine)).iloc[0] == digit


def test_the_placeholder_has_the_shape_and_is_no_uln():
    placeholder = column("9999999999", " 9999999999 ", "9276308686", "", None)
    assert list(uln_placeholder(placeholder)) == [True, True, False, False, False]
    assert list(uln_shape_ok(placeholder)) == [True, True, True, False, False]
    assert not uln_valid(placeholder).iloc[:2].any()


def test_check_characters_are_null_where_the_text_does_not_fit():
    assert upn_check_letter(column("66040251000", "6604025100012", "66040251000I", "", None)).isna().all()
    assert uln_check_digit(column("12345678", "1234567890", "12345678x", "١٢٣٤٥٦٧٨٩", None)).isna().all()


def test_a_made_upn_has_its_check_letter():
    twelve = column("660402510001", "67441030807A")
    assert upn_check_letter_ok(upn_check_letter(twelve) + twelve).all()


def test_every_wrong_digit_is_noticed():
    # 11 is prime and no weight is a multiple of it: one mistyped digit always changes the remainder.
    right = "9276308686"
    wrong = [right[:i] + d + right[i + 1 :] for i in range(10) for d in "0123456789" if d != right[i]]
    assert not uln_valid(column(*wrong)).any()


def test_empty_columns_and_the_index_are_kept():
    for judge in (canonical_upn, upn_shape, upn_check_letter, upn_check_letter_ok, uln_check_digit, uln_valid):
        assert len(judge(column())) == 0
        rows = pd.Series(["9276308686", None], index=[7, 3], dtype="str")
        assert list(judge(rows).index) == [7, 3]
