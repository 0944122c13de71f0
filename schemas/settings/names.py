"""What a program cannot see of a name: which letters in it stand apart, and its language; from `names.toml`.

To tell of a name that is put in the wrong place, or read out in the wrong language: a word there.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from schemas.texts.catalogue import Language, bilingual
from schemas.texts.edited_files import Checked, Says, Text, Wrong, check, text_of, toml_of

_FILE = Path(__file__).with_name("names.toml")


def _marked(word: str) -> bool:
    return word.count("|") == 1 and word.replace("|", "").isalpha() and word == word.lower()


_Marked = Annotated[str, Says("fault.letters_apart", _marked, {"word": str})]


@dataclass(frozen=True)
class Names(Checked):
    """The lists.

    Attributes:
        apart: beginnings of words, in small letters, with a `|` between two letters that are no Welsh letter together.
        cy, en: words by which a name is of that language.
    """

    apart: tuple[_Marked, ...]
    cy: frozenset[Text]
    en: frozenset[Text]

    def __post_init__(self) -> None:
        """Refuse a list without words."""
        Wrong.unless(*((getattr(self, key), bilingual("fault.missing_key", key=key)) for key in ("apart", "cy", "en")))


def parse_names(content: str, source: str = "names.toml") -> Names:
    """The lists of a TOML text; `source` names it in faults.

    Raises:
        ConfigurationFault: with every key that is missing, not known, or no list of words, and every word with no place
            marked.
    """
    return check(Names, toml_of(content, source), source)


@cache
def _names() -> Names:
    return parse_names(text_of(_FILE))


def letters_apart() -> tuple[str, ...]:
    """Beginnings of words in which two letters are no Welsh letter together."""
    return _names().apart


def language_of(name: str) -> Language | None:
    """The language in which a name is read out; None where nothing tells, as of a place."""
    words = set(name.replace("-", " ").split())
    if words & _names().cy:
        return "cy"
    return "en" if words & _names().en else None
