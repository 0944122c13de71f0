"""Facts about names that a program cannot derive (`names.toml`): pairs that are two Welsh letters, not one; names' languages.

If a name is sorted into the wrong place, or pronounced in the wrong language: add a word there.
"""

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated

from schemas.texts.catalogue import Bilingual, Language, bilingual
from schemas.texts.edited_files import Checked, Condition, Text, check, text_of, toml_of

_FILE = Path(__file__).with_name("names.toml")


def _marked(word: str) -> bool:
    return word.count("|") == 1 and word.replace("|", "").isalpha() and word == word.lower()


_Marked = Annotated[str, Condition("fault.letters_apart", _marked, word=str)]


class Names(Checked):
    """Lists of words.

    Attributes:
        apart: beginnings of words, in lower case, with a `|` between two letters that do not form one Welsh letter.
        cy, en: words that show the language of a name.
    """

    apart: tuple[_Marked, ...]
    cy: frozenset[Text]
    en: frozenset[Text]

    def conditions(self) -> Iterable[tuple[object, Bilingual]]:
        """Refuse a list without words."""
        return [(getattr(self, key), bilingual("fault.missing_key", key=key)) for key in ("apart", "cy", "en")]


def parse_names(content: str, source: str = "names.toml") -> Names:
    """Return the lists in a TOML text; `source` is its name in faults.

    Raises:
        ConfigurationFault: lists every key that is missing, unknown or not a list of words, and every wrong word in `apart`.
    """
    return check(Names, toml_of(content, source), source)


@cache
def _names() -> Names:
    return parse_names(text_of(_FILE))


def letters_apart() -> tuple[str, ...]:
    """Return beginnings of words, each with a `|` between two letters that do not form one Welsh letter."""
    return _names().apart


def language_of(name: str) -> Language | None:
    """Return the language in which a name is pronounced; None if no word shows it, for example in a place name."""
    words = set(name.replace("-", " ").split())
    if words & _names().cy:
        return "cy"
    return "en" if words & _names().en else None
