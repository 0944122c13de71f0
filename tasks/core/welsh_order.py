"""Sort by the Welsh alphabet, in which ch, dd, ff, ng, ll, ph, rh and th are letters.

How names compare belongs here. `Bangor` and `Llangefni` have an n and a g, not the letter ng. No rule knows that, so a list
does (`schemas/settings/names.toml`). The list is not complete, and no rule knows that English `th` is two letters; but only
the order of names depends on this. To add a name with two separate letters: a word in that list.
"""

import re
import unicodedata
from collections.abc import Sequence

import pandas as pd

#: In order; j, k, q, v, x and z are in names of other languages.
LETTERS = (
    *("a", "b", "c", "ch", "d", "dd", "e", "f", "ff", "g", "ng", "h", "i", "j", "k", "l", "ll", "m", "n", "o"),
    *("p", "ph", "q", "r", "rh", "s", "t", "th", "u", "v", "w", "x", "y", "z"),
)
_PLACE = {letter: place for place, letter in enumerate(LETTERS)}
_TOKEN = re.compile("|".join(sorted(LETTERS, key=len, reverse=True)) + r"|[0-9]+|\s+")
_WORD = re.compile(r"[^\W\d_]+")
#: Put between two letters that are not one letter together.
_APART = "\u200c"


def welsh_key(name: str, apart: Sequence[str] = ()) -> tuple[tuple[int, ...], str, str]:
    """Return the sort key of a name: letters, then accents and signs, then capitals.

    `apart` has beginnings of words in small letters, with a `|` between two letters that are not one letter: `ban|gor`.
    """
    spelled = _WORD.sub(lambda word: _split_letters(word[0], apart), _plain(name))
    letters: list[int] = []
    for token in _TOKEN.findall(spelled):
        # Blanks before digits before letters; digits by their number.
        letters += [0] if token.isspace() else [1, int(token)] if token.isdigit() else [2 + _PLACE[token]]
    return tuple(letters), unicodedata.normalize("NFC", name).casefold(), name


def places(names: pd.Series, apart: Sequence[str] = ()) -> pd.Series:
    """Return each name's position in the order, from 0; equal names share one, a missing name is last."""
    order = {name: n for n, name in enumerate(sorted(set(names.dropna()), key=lambda name: welsh_key(name, apart)))}
    return names.map(order).fillna(len(order)).astype("int64")


def _plain(name: str) -> str:
    """Return small letters without accents; hyphens and slashes become blanks. `_TOKEN` leaves out all other signs."""
    letters = unicodedata.normalize("NFD", name.casefold())
    return "".join(" " if letter in "-–/" else letter for letter in letters if not unicodedata.combining(letter))


def _split_letters(word: str, apart: Sequence[str]) -> str:
    for beginning in apart:
        if word.startswith(beginning.replace("|", "")):
            return beginning.replace("|", _APART) + word[len(beginning) - 1 :]
    return word
