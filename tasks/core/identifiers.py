"""UPN and ULN: shapes and check characters, over whole columns.

Sources: docs/reference/sources.md (#upn: letters without I, O and S; weights 2 to 13, modulo 23. #uln: weights 10 to 2,
modulo 11; a remainder of 0 is invalid). The checker in python-stdnum knows only English authorities and refuses every Welsh
UPN, so the arithmetic is here. A UPN names the authority and school that allotted it, not the learner's present ones, so
nothing here compares them.

Does not belong here: consequences of a wrong identifier (`expectations`), whose identifier it is (`evidence`, `merging`).
To add an identifier: its pattern, weights and check characters, and worked examples in the tests.
"""

import numpy as np
import pandas as pd

from tasks.core.text_columns import XML_BLANK, bytes_of_width, capitals, chosen_texts

_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"


def _values(characters: str) -> np.ndarray:
    """Return each byte's position among the characters; -1 where it is not one of them."""
    positions = np.full(256, -1, dtype=np.int64)
    positions[[ord(c) for c in characters]] = range(len(characters))
    return positions


_DIGIT, _LETTER = _values("0123456789"), _values(_LETTERS)
_EITHER = np.maximum(_DIGIT, _LETTER)
#: The ILR's "not yet known": has the shape of a ULN but is never issued.
ULN_PLACEHOLDER = "9999999999"


def canonical_upn(upn: pd.Series) -> pd.Series:
    """Return UPNs, as sent, in the form in which they are compared: capitals, no XML white space around; null where blank.

    Any other invisible character stays and makes the shape wrong: without it, the UPN would no longer equal the text in
    the school's system.
    """
    text = capitals(upn.astype("str").str.strip(XML_BLANK))
    return text.mask(text == "")


def upn_shape(upn: pd.Series) -> pd.Series:
    """Return the shape of each UPN, as sent; null without a UPN.

    It is `permanent` (a letter, twelve digits), `temporary` (a letter, eleven digits, a letter) or `wrong`.
    """
    text = canonical_upn(upn)
    at, codes = bytes_of_width(text, 13)
    fits = (_LETTER[codes[:, 0]] >= 0) & (_DIGIT[codes[:, 1:12]] >= 0).all(axis=1)
    kind = np.where(_DIGIT[codes[:, 12]] >= 0, 1, np.where(_LETTER[codes[:, 12]] >= 0, 2, 0))
    shape = np.where(text.isna(), -1, 0)
    shape[at] = np.where(fits, kind, 0)
    return chosen_texts(["wrong", "permanent", "temporary"], shape, text.index)


def upn_check_letter(twelve: pd.Series) -> pd.Series:
    """Return the check letter, the first character of a UPN, from the other twelve: twelve digits, or eleven and a letter.

    The letter of a temporary UPN counts as its position in the UPN's alphabet. Null where the text has another form.
    """
    remainder = _remainder(twelve, np.arange(2, 14), 23, last=_EITHER)
    return chosen_texts(list(_LETTERS), remainder, twelve.index)


def upn_check_letter_ok(upn: pd.Series) -> pd.Series:
    """Whether the check letter of a UPN (as sent) is right; False where the shape is wrong or there is no UPN."""
    text = canonical_upn(upn)
    return (upn_check_letter(text.str[1:]) == text.str[:1]).astype(bool)


def uln_shape_ok(uln: pd.Series) -> pd.Series:
    """Whether a ULN (as sent) has ten digits, the first not 0; True for the placeholder, False where null."""
    at, codes = bytes_of_width(uln.astype("str").str.strip(), 10)
    fits = np.zeros(len(uln), dtype=bool)
    fits[at] = (_DIGIT[codes] >= 0).all(axis=1) & (_DIGIT[codes[:, 0]] > 0)
    return pd.Series(fits, index=uln.index)


def uln_placeholder(uln: pd.Series) -> pd.Series:
    """Whether the text (as sent) is 9999999999, which some systems write for "no ULN yet"; False where null."""
    return (uln.astype("str").str.strip() == ULN_PLACEHOLDER).astype(bool)


def uln_check_digit(nine: pd.Series) -> pd.Series:
    """Return the tenth digit of a ULN, as text, from its first nine; null where the text is not nine digits.

    Also null where the remainder is 0: no ULN begins with such nine digits.
    """
    remainder = _remainder(nine, np.arange(10, 1, -1), 11)
    # The digit is ten less the remainder; a remainder of 0 has none.
    return chosen_texts([str(10 - r) for r in range(1, 11)], remainder - 1, nine.index)


def uln_valid(uln: pd.Series) -> pd.Series:
    """Whether the text (as sent) is a ULN: shape, check digit, and not the placeholder; False where null."""
    text = uln.astype("str").str.strip()
    right = uln_check_digit(text.str[:9]) == text.str[9:]
    return (uln_shape_ok(text) & right & ~uln_placeholder(text)).astype(bool)


def _remainder(text: pd.Series, weights: np.ndarray, modulus: int, *, last: np.ndarray = _DIGIT) -> np.ndarray:
    """Return the weighted sum of each text's characters, modulo `modulus`.

    -1 unless the text has one ASCII digit for each weight; `last`, the value of each byte, may allow another last character.
    """
    at, codes = bytes_of_width(text, len(weights))
    values = np.column_stack([_DIGIT[codes[:, :-1]], last[codes[:, -1]]])
    fits = (values >= 0).all(axis=1)
    remainder = np.full(len(text), -1, dtype=np.int64)
    remainder[at[fits]] = values[fits] @ weights % modulus
    return remainder
