"""What a program cannot see of a name: which letters in it stand apart, and its language; from `names.toml`.

To tell of a name that is put in the wrong place, or read out in the wrong language: a word there.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from schemas.texts.catalogue import Language, both
from schemas.texts.edited_files import text_of, toml_of
from schemas.texts.faults import ConfigurationFault

_FILE = Path(__file__).with_name("names.toml")


@dataclass(frozen=True)
class Names:
    """The lists.

    Attributes:
        apart: beginnings of words, in small letters, with a `|` between two letters that are no Welsh letter together.
        cy, en: words by which a name is of that language.
    """

    apart: tuple[str, ...]
    cy: frozenset[str]
    en: frozenset[str]


def parse_names(content: str, source: str = "names.toml") -> Names:
    """Read the lists.

    Args:
        content: the TOML text.
        source: how to name it in a fault.

    Raises:
        ConfigurationFault: with every key that is missing, not known, or no list of words, and every word with no place
            marked.
    """
    given = toml_of(content, source)
    known = ("apart", "cy", "en")
    faults = [both("fault.unknown_key", key=key) for key in sorted(set(given) - set(known))]
    faults += [both("fault.missing_key", key=key) for key in known if not _words(given.get(key))]
    if not faults:
        faults = [
            both("fault.unknown_key", key=f"apart: {word}")
            for word in given["apart"]
            if word.count("|") != 1 or not word.replace("|", "").isalpha() or word != word.lower()
        ]
    if faults:
        raise ConfigurationFault(source, faults)
    return Names(tuple(given["apart"]), frozenset(given["cy"]), frozenset(given["en"]))


def _words(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(word, str) and word for word in value)


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
