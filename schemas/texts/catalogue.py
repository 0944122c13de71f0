"""Headings, titles and sentences that a person reads, in both languages, from `texts.csv` and the catalogue of Welsh.

Belongs here: the fixed texts of files that go out and of the terminal, and the sentences of our own faults. Rules, codes
and findings keep theirs in their own tables.
To add a text: a row in `texts.csv` and its Welsh in `locale/cy.po` (`schemas.texts.translations`).
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

from schemas.texts.csv_rows import read_rows
from schemas.texts.faults import ConfigurationFault, Message
from schemas.texts.translations import Translation, shipped_text

Language = Literal["en", "cy"]

_FILE = Path(__file__).with_name("texts.csv")


class Bilingual(str):
    """A sentence in both languages, Welsh first; each language alone can be had of it."""

    __slots__ = ("cy", "en")
    cy: str
    en: str

    def __new__(cls, cy: str, en: str) -> "Bilingual":
        """The two, side by side; once where they are the same."""
        made = super().__new__(cls, cy if cy == en else f"{cy} / {en}")
        made.cy, made.en = cy, en
        return made

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        """How it gets from one process to another."""
        return self.cy, self.en

    def at(self, place: str) -> "Bilingual":
        """The sentence after the name of what it is about, such as `[2012-01]`."""
        return Bilingual(f"{place} {self.cy}".lstrip(), f"{place} {self.en}".lstrip())


def parse_texts(
    content: str, source: str = "texts.csv", catalogue: dict[str, Translation] | None = None
) -> dict[str, dict[Language, str]]:
    """Read a table of texts.

    Args:
        content: CSV with the columns key, en.
        source: how to name it in a fault.
        catalogue: the Welsh; the shipped catalogue where None.

    Returns:
        Key -> language -> text.

    Raises:
        ConfigurationFault: with every wrong heading, repeated key and blank text, and every fault of the Welsh; by the keys
            of their sentences, which may be what is wrong.
    """
    rows, faults = read_rows(content, source, ("key", "en", "cy"), catalogue=catalogue)
    if faults:
        raise ConfigurationFault(source, [str(fault) for fault in faults])
    return {row["key"]: {"en": row["en"], "cy": row["cy"]} for row in rows}


@cache
def all_texts() -> dict[str, dict[Language, str]]:
    """The texts shipped with the project, by key and language."""
    return parse_texts(shipped_text(_FILE))


def text(key: str, lang: Language) -> str:
    """A text in one language.

    Args:
        key: as in `texts.csv`.
        lang: `en` or `cy`.

    Raises:
        ConfigurationFault: there is no such text.
    """
    texts = all_texts()
    if key not in texts:
        raise ConfigurationFault("texts.csv", [bilingual("fault.no_text", key=key)])
    return texts[key][lang]


def bilingual(key: str, /, **places: object) -> Bilingual:
    """A sentence in both languages, Welsh first.

    Args:
        key: as in `texts.csv`.
        places: what fills the text's places: files, schools, batches, numbers; never a pupil's data. What is itself in
            both languages fills each with its own.

    Raises:
        ConfigurationFault: there is no such text.
    """
    cy, en = (text(key, lang).format(**{k: in_language(v, lang) for k, v in places.items()}) for lang in ("cy", "en"))
    return Bilingual(cy, en)


def sentence(message: Message) -> Bilingual:
    """The sentence of a message, in both languages; a message in one of its places is a sentence, too."""
    places = {name: sentence(value) if isinstance(value, Message) else value for name, value in message.places.items()}
    return bilingual(message.key, **places)


def in_language(what: object, lang: Language | None) -> object:
    """Of a sentence in both languages the one; anything else, or where no language is asked for, as it is."""
    return getattr(what, lang) if lang is not None and isinstance(what, Bilingual) else what


def joined(sentences: Sequence[str], between: str = "; ") -> Bilingual:
    """Some sentences after one another, in each language."""
    return Bilingual(*(between.join(str(in_language(one, lang)) for one in sentences) for lang in ("cy", "en")))


def sentence_of(fault: Exception) -> str:
    """What an exception of `schemas.texts.faults` says, in both languages where it is one of the service's own sentences."""
    if isinstance(fault, ConfigurationFault):
        return joined(fault.faults).at(f"{fault.source}:")
    return fault.args[0] if fault.args and isinstance(fault.args[0], Bilingual) else str(fault)
