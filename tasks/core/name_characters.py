"""Classify the characters of a name by Unicode category, and decide which of them the form for the LRS keeps.

Source: docs/reference/sources.md#names. The LRS's own list of characters is not public, so a dropped character is a finding.

Not here: how a fault is named (`expectations`). To allow more characters: `schemas/lrs`.
"""

import unicodedata
from collections.abc import Callable

import pandas as pd
from anyascii import anyascii

from tasks.core.text_columns import map_unique

#: No name has these: digits and numbers, control characters, pictograms, and codes without a character.
_NEVER_IN_A_NAME = frozenset(("Nd", "Nl", "No", "Cc", "So", "Co", "Cn", "Cs"))
#: Forms that keyboards and word processors use for an apostrophe, among them ʻ (U+02BB) and ʼ (U+02BC), and for a hyphen.
_APOSTROPHES = "'`´‘’‛ʹʻʼʽʾʿˈ′＇ꞌ՚"
_HYPHENS = "-‐‑‒–—―−﹣－"
_ALIKE = dict.fromkeys(_APOSTROPHES, "'") | dict.fromkeys(_HYPHENS, "-")


def never_in_a_name(names: pd.Series) -> pd.Series:
    """Whether a name, as sent, holds a digit, control character, pictogram or code for no character; False where null."""
    return _any(names, "A-Za-z '.-", lambda c: unicodedata.category(c) in _NEVER_IN_A_NAME)


def not_kept(names: pd.Series, allowed: str) -> pd.Series:
    """Whether a name, as sent, holds signs that the form for the LRS leaves out or turns into blanks; False where null.

    Letters, marks, spaces, hyphens, apostrophes and full stops are not such signs; `allowed` is the profile's
    `name_characters`.
    """
    return _any(
        names, allowed, lambda c: not (_is_letter(c) or c in " ." or c in _ALIKE or unicodedata.category(c) == "Zs")
    )


def look_alike(names: pd.Series) -> pd.Series:
    """Whether a name, as sent, holds letters or marks that look like others; False where null.

    The form for the LRS replaces them with those others. They are a letter of another alphabet beside Latin letters; a letter
    that Unicode calls a variant of another (full width, mathematical, a ligature); and a mark that belongs to no letter:
    alone, enclosing, invisible, or the third on a letter. A combining accent on its letter is not one of them.
    """

    def has_look_alike(spellings: pd.Series) -> pd.Series:
        foreign = spellings[spellings.notna() & ~spellings.str.fullmatch(r"[\x00-\x7f]*").eq(True)]
        return spellings.map({name: _looks_like_another(name) for name in foreign.unique()}).eq(True)

    return map_unique(has_look_alike, names)


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
    """Whether any character passes the test `holds`; each text left after removing `common` characters is tested once."""

    def any_holds(spellings: pd.Series) -> pd.Series:
        rest = spellings.str.replace(f"[{common}]", "", regex=True)
        answers = {text: any(map(holds, text)) for text in rest.dropna().unique()}
        return rest.map(answers).eq(True)

    return map_unique(any_holds, names)


def base_letters(name: str) -> str:
    """Return a name in ASCII: letters as their base letters, apostrophes and hyphens as the plain ones.

    Invisible format characters go, and any other sign outside ASCII becomes a blank: only letters are spelt out.
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
