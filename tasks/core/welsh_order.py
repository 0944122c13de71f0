"""The order of the Welsh alphabet, in which ch, dd, ff, ng, ll, ph, rh and th are letters.

Belongs here: how names compare. `Bangor` and `Llangefni` have an n and a g, and no letter ng: no rule knows that, a list
does (`schemas/settings/names.toml`), and it is not whole; nor does a rule know that English `th` is two letters. An
order is all that hangs on it. To tell of a name in which letters stand apart: a word in that list.
"""

import re
import unicodedata
from collections.abc import Sequence

import pandas as pd

#: In order; j, k, q, v, x and z stand in names of other languages.
LETTERS = (
    *("a", "b", "c", "ch", "d", "dd", "e", "f", "ff", "g", "ng", "h", "i", "j", "k", "l", "ll", "m", "n", "o"),
    *("p", "ph", "q", "r", "rh", "s", "t", "th", "u", "v", "w", "x", "y", "z"),
)
_PLACE = {letter: place for place, letter in enumerate(LETTERS)}
_TOKEN = re.compile("|".join(sorted(LETTERS, key=len, reverse=True)) + r"|[0-9]+|\s+")
_WORD = re.compile(r"[^\W\d_]+")
#: Between two letters that are no letter together.
_APART = "\u200c"


def welsh_key(name: str, apart: Sequence[str] = ()) -> tuple[tuple[int, ...], str, str]:
    """What names are compared by: letters, then accents and signs, then capitals.

    Args:
        name: as it is spelled.
        apart: beginnings of words in small letters, in which a `|` stands between two letters that are no letter together,
            such as `ban|gor`.
    """
    spelled = _WORD.sub(lambda word: _taken_apart(word[0], apart), _plain(name))
    found: list[int] = []
    for token in _TOKEN.findall(spelled):
        # Blanks before digits before letters; digits by their number.
        found += [0] if token.isspace() else [1, int(token)] if token.isdigit() else [2 + _PLACE[token]]
    return tuple(found), unicodedata.normalize("NFC", name).casefold(), name


def places(names: pd.Series, apart: Sequence[str] = ()) -> pd.Series:
    """Each name's place in the order, from 0; equal names have the same, a missing one is last."""
    order = {name: n for n, name in enumerate(sorted(set(names.dropna()), key=lambda one: welsh_key(one, apart)))}
    return names.map(order).fillna(len(order)).astype("int64")


def _plain(name: str) -> str:
    """Small letters without accents; what is no letter, digit or blank is nothing, as in a dictionary."""
    letters = unicodedata.normalize("NFD", name.casefold())
    return "".join(" " if one in "-–/" else one for one in letters if not unicodedata.combining(one))


def _taken_apart(word: str, apart: Sequence[str]) -> str:
    for beginning in apart:
        if word.startswith(beginning.replace("|", "")):
            return beginning.replace("|", _APART) + word[len(beginning) - 1 :]
    return word
