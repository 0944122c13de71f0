"""UPN and ULN: their shapes and check characters, over whole columns.

Sources: UPN shape and check letter, DfE's published UPN guidance (letters leave out I, O and S; weights 2 to 13, modulo 23);
ULN, the LRS's published validation (weights 10 to 2, modulo 11; a remainder of 0 is invalid). The public checker in
python-stdnum knows English authorities only and refuses every Welsh UPN, so the arithmetic stands here.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

_LETTERS = "ABCDEFGHJKLMNPQRTUVWXYZ"
_PERMANENT = r"[A-HJ-NP-RT-Z][0-9]{12}"
_TEMPORARY = r"[A-HJ-NP-RT-Z][0-9]{11}[A-HJ-NP-RT-Z]"
#: The ILR's "not yet known": passes the shape, is never issued.
ULN_PLACEHOLDER = "9999999999"


def canonical_upn(upn: pd.Series) -> pd.Series:
    """UPNs as they compare: trimmed, upper case, null where blank."""
    text = upn.astype("str").str.strip().str.upper()
    return text.mask(text == "")


def upn_shape(upn: pd.Series) -> pd.Series:
    """`permanent`, `temporary` or `wrong`; null where there is no UPN."""
    text = canonical_upn(upn)
    shape = pd.Series("wrong", index=text.index, dtype="str")
    shape = shape.mask(text.str.fullmatch(_PERMANENT).astype(bool) & text.notna(), "permanent")
    shape = shape.mask(text.str.fullmatch(_TEMPORARY).astype(bool) & text.notna(), "temporary")
    return shape.mask(text.isna())


def upn_check_letter(twelve: pd.Series) -> pd.Series:
    """The check letter for characters 2 to 13 of a UPN.

    Args:
        twelve: twelve digits, or eleven and a letter (temporary; it counts as its place in the alphabet of UPNs).
    """
    values = _characters(twelve, 12)
    sums = values @ np.arange(2, 14)
    return pd.Series(np.array(list(_LETTERS))[sums % 23], index=twelve.index, dtype="str")


def upn_check_letter_ok(upn: pd.Series) -> pd.Series:
    """Whether the check letter is right; False where the shape is wrong or there is no UPN."""
    text = canonical_upn(upn)
    shaped = upn_shape(upn).isin(["permanent", "temporary"])
    right = pd.Series(False, index=text.index)
    good = text[shaped]
    if len(good):
        right.loc[shaped] = (upn_check_letter(good.str[1:]) == good.str[0]).to_numpy()
    return right


def _characters(text: pd.Series, width: int) -> npt.NDArray[np.int64]:
    """Digits as their value, letters as their place in the UPN alphabet; one row per text."""
    codes = np.array(text.to_list(), dtype=f"U{width}").view(np.uint32).reshape(len(text), width).astype(np.int64)
    table = np.full(128, -1, dtype=np.int64)
    table[48:58] = np.arange(10)
    for place, letter in enumerate(_LETTERS):
        table[ord(letter)] = place
    return table[codes]


def uln_shape_ok(uln: pd.Series) -> pd.Series:
    """Whether the text is ten digits of which the first is not 0."""
    return uln.astype("str").str.strip().str.fullmatch(r"[1-9][0-9]{9}").eq(True)


def uln_check_digit(nine: pd.Series) -> pd.Series:
    """The check digit for nine digits; null where the remainder is 0, for then no ULN has them."""
    remainder = _characters(nine, 9) @ np.arange(10, 1, -1) % 11
    digits = pd.Series((10 - remainder).astype(str), index=nine.index, dtype="str")
    return digits.mask(remainder == 0)


def uln_valid(uln: pd.Series) -> pd.Series:
    """Whether the text is a ULN: shape, check digit, and not the placeholder; False where null."""
    text = uln.astype("str").str.strip()
    shaped = uln_shape_ok(text) & (text != ULN_PLACEHOLDER)
    valid = pd.Series(False, index=text.index)
    good = text[shaped]
    if len(good):
        valid.loc[shaped] = (uln_check_digit(good.str[:9]) == good.str[9]).to_numpy()
    return valid
