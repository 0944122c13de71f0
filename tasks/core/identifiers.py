"""UPN and ULN: their shapes and check characters, over whole columns.

Sources: UPN shape and check letter, DfE's published UPN guidance (letters leave out I, O and S; weights 2 to 13,
modulo 23); ULN, the LRS's published validation (weights 10 to 2, modulo 11; a remainder of 0 is invalid). The checker
in python-stdnum knows English authorities only and refuses every Welsh UPN, so the arithmetic stands here. A UPN names
the authority and school that allotted it, not those where the learner is now: nothing here compares them.

Does not belong here: what follows from a wrong identifier (`expectations`), or whose it is (`evidence`, `merging`).
To add an identifier: its pattern, its weights, its table of check characters, and worked examples in the tests.
"""

import numpy as np
import pandas as pd

_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"
_LETTER = "[A-HJ-NP-RT-Z]"
_PERMANENT = _LETTER + "[0-9]{12}"
_TEMPORARY = _LETTER + "[0-9]{11}" + _LETTER
_ULN = "[1-9][0-9]{9}"
#: The ILR's "not yet known": passes the shape, is never issued.
ULN_PLACEHOLDER = "9999999999"


def canonical_upn(upn: pd.Series) -> pd.Series:
    """UPNs as they compare.

    Args:
        upn: as sent.

    Returns:
        Trimmed, in upper case; null where blank.
    """
    text = upn.astype("str").str.strip().str.upper()
    return text.mask(text == "")


def upn_shape(upn: pd.Series) -> pd.Series:
    """What a UPN is by its shape.

    Args:
        upn: as sent.

    Returns:
        `permanent` (a letter, twelve digits), `temporary` (a letter, eleven digits, a letter) or `wrong`; null where
        there is no UPN.
    """
    text = canonical_upn(upn)
    shape = pd.Series("wrong", index=text.index, dtype="str")
    shape = shape.mask(text.str.fullmatch(_PERMANENT).eq(True), "permanent")
    shape = shape.mask(text.str.fullmatch(_TEMPORARY).eq(True), "temporary")
    return shape.mask(text.isna())


def upn_check_letter(twelve: pd.Series) -> pd.Series:
    """The check letter that stands before characters 2 to 13 of a UPN.

    Args:
        twelve: twelve digits, or eleven and a letter (temporary; the letter counts as its place in the UPN's alphabet).

    Returns:
        The letter; null where the text is neither.
    """
    place = _remainder(twelve, f"[0-9]{{11}}(?:[0-9]|{_LETTER})", np.arange(2, 14), 23)
    return place.map(dict(enumerate(_LETTERS))).astype("str")


def upn_check_letter_ok(upn: pd.Series) -> pd.Series:
    """Whether the check letter is right.

    Args:
        upn: as sent.

    Returns:
        bool; False where the shape is wrong or there is no UPN.
    """
    text = canonical_upn(upn)
    return (upn_check_letter(text.str[1:]) == text.str[:1]).astype(bool)


def uln_shape_ok(uln: pd.Series) -> pd.Series:
    """Whether a ULN is ten digits of which the first is not 0.

    Args:
        uln: as sent.

    Returns:
        bool; the placeholder has the shape. False where null.
    """
    return uln.astype("str").str.strip().str.fullmatch(_ULN).eq(True)


def uln_placeholder(uln: pd.Series) -> pd.Series:
    """Whether the text is 9999999999, by which some systems say that there is no ULN yet.

    Args:
        uln: as sent.

    Returns:
        bool; False where null.
    """
    return (uln.astype("str").str.strip() == ULN_PLACEHOLDER).astype(bool)


def uln_check_digit(nine: pd.Series) -> pd.Series:
    """The tenth digit of a ULN.

    Args:
        nine: its first nine digits.

    Returns:
        The digit as text; null where the remainder is 0, for no ULN starts so, or where the text is not nine digits.
    """
    remainder = _remainder(nine, "[0-9]{9}", np.arange(10, 1, -1), 11)
    return remainder.map({r: str(10 - r) for r in range(1, 11)}).astype("str")


def uln_valid(uln: pd.Series) -> pd.Series:
    """Whether the text is a ULN: shape, check digit, and not the placeholder.

    Args:
        uln: as sent.

    Returns:
        bool; False where null.
    """
    text = uln.astype("str").str.strip()
    right = uln_check_digit(text.str[:9]) == text.str[9:]
    return (uln_shape_ok(text) & right & ~uln_placeholder(text)).astype(bool)


def _remainder(text: pd.Series, pattern: str, weights: np.ndarray, modulus: int) -> pd.Series:
    """The weighted sum of the characters, modulo; null where the text does not fit the pattern (ASCII only).

    Digits count as their value, letters as their place in the UPN's alphabet.
    """
    fits = text.astype("str").str.fullmatch(pattern).eq(True).to_numpy(dtype=bool)
    width = len(weights)
    codes = np.array(text[fits].to_list(), dtype=f"U{width}").view(np.uint32).reshape(-1, width)
    values = np.zeros(128, dtype=np.int64)
    values[ord("0") : ord("9") + 1] = np.arange(10)
    values[[ord(letter) for letter in _LETTERS]] = np.arange(len(_LETTERS))
    remainder = np.full(len(text), np.nan)
    remainder[fits] = values[codes] @ weights % modulus
    return pd.Series(remainder, index=text.index)
