"""What the characters of a name are, by Unicode category, and which of them a form for the LRS keeps.

Source: docs/reference/sources.md#names. The LRS's own list of characters is not public, so a dropped character is a finding.

Does not belong here: what a fault is called (`expectations`). To let more characters through: `schemas/lrs`.
"""

import unicodedata
from collections.abc import Callable

import pandas as pd
from anyascii import anyascii

from tasks.core.text_columns import map_unique

#: No name has these: digits and numbers, controls, pictures, and codes that stand for no character.
_NEVER_IN_A_NAME = frozenset(("Nd", "Nl", "No", "Cc", "So", "Co", "Cn", "Cs"))
#: What keyboards and word processors give for an apostrophe, ʻ (U+02BB) and ʼ (U+02BC) among them, and for a hyphen.
_APOSTROPHES = "'`´‘’‛ʹʻʼʽʾʿˈ′＇ꞌ՚"
_HYPHENS = "-‐‑‒–—―−﹣－"
_ALIKE = dict.fromkeys(_APOSTROPHES, "'") | dict.fromkeys(_HYPHENS, "-")


def never_in_a_name(names: pd.Series) -> pd.Series:
    """Whether a name holds a digit, a control character, a picture or a code that stands for no character.

    Args:
        names: as sent.

    Returns:
        bool; False where null.
    """
    return _any(names, "A-Za-z '.-", lambda c: unicodedata.category(c) in _NEVER_IN_A_NAME)


def not_kept(names: pd.Series, allowed: str) -> pd.Series:
    """Whether a name holds signs that are left out, or become blanks, in the form for the LRS.

    Args:
        names: as sent.
        allowed: the profile's `name_characters`.

    Returns:
        bool; False where null. Letters, marks, spaces, hyphens, apostrophes and full stops are no such signs.
    """
    return _any(names, allowed, lambda c: not (_is_letter(c) or c in " ." or c in _ALIKE or _is_space(c)))


def look_alike(names: pd.Series) -> pd.Series:
    """Whether a name holds letters or marks that may be taken for others: the form for the LRS makes them the others.

    That is a letter of another alphabet beside Latin ones, a letter that Unicode knows as a variant of another (of full
    width, of mathematics, a ligature), and a mark that no letter bears: alone, invisible, or the third on a letter.

    Args:
        names: as sent.

    Returns:
        bool; False where null. Accents may stand in characters of their own.
    """

    def asked(spellings: pd.Series) -> pd.Series:
        foreign = spellings[spellings.notna() & ~spellings.str.fullmatch(r"[\x00-\x7f]*").eq(True)]
        return spellings.map({name: _looks_like_another(name) for name in foreign.unique()}).eq(True)

    return map_unique(asked, names)


def _looks_like_another(name: str) -> bool:
    characters = [c for c in unicodedata.normalize("NFC", name) if c not in _ALIKE]
    letters = [c for c in characters if unicodedata.category(c)[0] == "L"]
    alphabets = {_alphabet(c) for c in letters}
    if ("LATIN" in alphabets and len(alphabets) > 1) or any(unicodedata.normalize("NFKC", c) != c for c in letters):
        return True
    base, marks = "", 0
    for c in characters:
        kind = unicodedata.category(c)
        if kind[0] != "M":
            base, marks = (_alphabet(c) if kind[0] == "L" else ""), 0
            continue
        marks += 1
        if kind == "Me" or not base or marks > 2 or (base == "LATIN" and not unicodedata.combining(c)):
            return True
    return False


def _alphabet(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0]


def _any(names: pd.Series, common: str, holds: Callable[[str], bool]) -> pd.Series:
    """Whether any character holds the question; asked once for each rest that the common characters leave."""

    def asked(spellings: pd.Series) -> pd.Series:
        rest = spellings.str.replace(f"[{common}]", "", regex=True)
        answers = {text: any(map(holds, text)) for text in rest.dropna().unique()}
        return rest.map(answers).eq(True)

    return map_unique(asked, names)


def base_letters(name: str) -> str:
    """A name in ASCII: letters to their base letters, apostrophes and hyphens to the plain ones.

    Invisible format characters are taken out, any other sign becomes a blank: only letters are spelt out.
    """
    return str(anyascii("".join(map(_sign, name))))


def _sign(character: str) -> str:
    if character in _ALIKE:
        return _ALIKE[character]
    if character.isascii() or _is_letter(character):
        return character
    return "" if unicodedata.category(character) == "Cf" else " "


def _is_letter(character: str) -> bool:
    return unicodedata.category(character)[0] in "LM"


def _is_space(character: str) -> bool:
    return unicodedata.category(character) == "Zs"
