"""UPN and ULN: their shapes and check characters, over whole columns.

Sources: docs/reference/sources.md (#upn: letters leave out I, O and S; weights 2 to 13, modulo 23. #uln: weights 10 to 2,
modulo 11; a remainder of 0 is invalid). The checker in python-stdnum knows English authorities only and refuses every Welsh
UPN, so the arithmetic is here. A UPN names the authority and school that allotted it, not those where the learner is now:
nothing here compares them.

Does not belong here: what follows from a wrong identifier (`expectations`), or whose it is (`evidence`, `merging`).
To add an identifier: its pattern, its weights, its table of check characters, and worked examples in the tests.
"""

import numpy as np
import pandas as pd

from tasks.core.text_columns import XML_BLANK, bytes_of_width, capitals, chosen_texts

_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"


def _values(characters: str) -> np.ndarray:
    """For each byte its place among the characters, -1 where it is none of them."""
    places = np.full(256, -1, dtype=np.int64)
    places[[ord(c) for c in characters]] = range(len(characters))
    return places


_DIGIT, _LETTER = _values("0123456789"), _values(_LETTERS)
_EITHER = np.maximum(_DIGIT, _LETTER)
#: The ILR's "not yet known": passes the shape, is never issued.
ULN_PLACEHOLDER = "9999999999"


def canonical_upn(upn: pd.Series) -> pd.Series:
    """UPNs as they compare.

    Args:
        upn: as sent.

    Returns:
        Without the blanks that XML has around them, in capitals; null where blank. Any other sign that cannot be seen
        stays, so that the UPN has not the shape of one: trimmed, it would be another text than the school's system knows.
    """
    text = capitals(upn.astype("str").str.strip(XML_BLANK))
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
    at, codes = bytes_of_width(text, 13)
    fits = (_LETTER[codes[:, 0]] >= 0) & (_DIGIT[codes[:, 1:12]] >= 0).all(axis=1)
    kind = np.where(_DIGIT[codes[:, 12]] >= 0, 1, np.where(_LETTER[codes[:, 12]] >= 0, 2, 0))
    shape = np.where(text.isna(), -1, 0)
    shape[at] = np.where(fits, kind, 0)
    return chosen_texts(["wrong", "permanent", "temporary"], shape, text.index)


def upn_check_letter(twelve: pd.Series) -> pd.Series:
    """The check letter that stands before characters 2 to 13 of a UPN.

    Args:
        twelve: twelve digits, or eleven and a letter (temporary; the letter counts as its place in the UPN's alphabet).

    Returns:
        The letter; null where the text is neither.
    """
    remainder = _remainder(twelve, np.arange(2, 14), 23, last=_EITHER)
    return chosen_texts(list(_LETTERS), remainder, twelve.index)


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
    at, codes = bytes_of_width(uln.astype("str").str.strip(), 10)
    right = np.zeros(len(uln), dtype=bool)
    right[at] = (_DIGIT[codes] >= 0).all(axis=1) & (_DIGIT[codes[:, 0]] > 0)
    return pd.Series(right, index=uln.index)


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
    remainder = _remainder(nine, np.arange(10, 1, -1), 11)
    # The digit is ten less the remainder; where that is 0 there is none.
    return chosen_texts([str(10 - r) for r in range(1, 11)], remainder - 1, nine.index)


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


def _remainder(text: pd.Series, weights: np.ndarray, modulus: int, *, last: np.ndarray = _DIGIT) -> np.ndarray:
    """The weighted sum of the characters, modulo.

    Args:
        text: one digit for each weight, ASCII.
        weights: of the characters.
        modulus: of the sum.
        last: what the last character may be, and counts as; digits count as their value.

    Returns:
        One number for each row, negative where the text is not of that form.
    """
    at, codes = bytes_of_width(text, len(weights))
    values = np.column_stack([_DIGIT[codes[:, :-1]], last[codes[:, -1]]])
    fits = (values >= 0).all(axis=1)
    remainder = np.full(len(text), -1, dtype=np.int64)
    remainder[at[fits]] = values[fits] @ weights % modulus
    return remainder
