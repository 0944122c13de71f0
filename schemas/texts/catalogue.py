"""The catalogue: headings, titles and sentences for people, in both languages, from `texts.csv` and the Welsh in `cy.po`.

Belongs here: fixed texts of outgoing files and of the terminal, and the sentences of our own faults. Does not belong here:
texts of rules, codes and findings, which are in their own tables.
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
    """A sentence in both languages, Welsh first; `cy` and `en` hold each language alone."""

    __slots__ = ("cy", "en")
    cy: str
    en: str

    def __new__(cls, cy: str, en: str) -> "Bilingual":
        """Join the two languages; a text that is the same in both appears once."""
        both = super().__new__(cls, cy if cy == en else f"{cy} / {en}")
        both.cy, both.en = cy, en
        return both

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]
        """Return the arguments for pickling."""
        return self.cy, self.en

    def at(self, place: str) -> "Bilingual":
        """Put the name of a place before the sentence, such as `[2012-01]`."""
        return Bilingual(f"{place} {self.cy}".lstrip(), f"{place} {self.en}".lstrip())


def parse_texts(
    content: str, source: str = "texts.csv", catalogue: dict[str, Translation] | None = None
) -> dict[str, dict[Language, str]]:
    """Return a table of texts (CSV with the columns key, en) by key and language.

    `source` is its name in faults; the Welsh comes from the shipped catalogue if `catalogue` is None.

    Raises:
        ConfigurationFault: lists every wrong heading, repeated key and blank text, and every fault of the Welsh. The faults
            are keys of sentences, because the sentences themselves may be wrong.
    """
    rows, faults = read_rows(content, source, ("key", "en", "cy"), catalogue=catalogue)
    if faults:
        raise ConfigurationFault(source, [str(fault) for fault in faults])
    return {row["key"]: {"en": row["en"], "cy": row["cy"]} for row in rows}


@cache
def all_texts() -> dict[str, dict[Language, str]]:
    """Return the shipped texts, by key and language."""
    return parse_texts(shipped_text(_FILE))


def text(key: str, lang: Language) -> str:
    """Return a text of `texts.csv` in one language.

    Raises:
        ConfigurationFault: the text does not exist.
    """
    texts = all_texts()
    if key not in texts:
        raise ConfigurationFault("texts.csv", [bilingual("fault.no_text", key=key)])
    return texts[key][lang]


def bilingual(key: str, /, **places: object) -> Bilingual:
    """Return a sentence of `texts.csv` in both languages, Welsh first.

    `places` fill the text's places: files, schools, batches, numbers; never a pupil's data. A bilingual value fills each
    language with its own.

    Raises:
        ConfigurationFault: the text does not exist.
    """
    cy, en = (text(key, lang).format(**{k: in_language(v, lang) for k, v in places.items()}) for lang in ("cy", "en"))
    return Bilingual(cy, en)


def sentence(message: Message) -> Bilingual:
    """Return the sentence of a message, in both languages; messages in its places become sentences too."""
    places = {name: sentence(value) if isinstance(value, Message) else value for name, value in message.places.items()}
    return bilingual(message.key, **places)


def in_language(value: object, lang: Language | None) -> object:
    """Return one language of a bilingual sentence; anything else unchanged, and everything if there is no language."""
    return getattr(value, lang) if lang is not None and isinstance(value, Bilingual) else value


def joined(sentences: Sequence[str], between: str = "; ") -> Bilingual:
    """Join sentences, in each language."""
    return Bilingual(*(between.join(str(in_language(part, lang)) for part in sentences) for lang in ("cy", "en")))


def sentence_of(fault: Exception) -> str:
    """Return the text of an exception of `schemas.texts.faults`, in both languages if it is one of our sentences."""
    if isinstance(fault, ConfigurationFault):
        return joined(fault.faults).at(f"{fault.source}:")
    return fault.args[0] if fault.args and isinstance(fault.args[0], Bilingual) else str(fault)
