"""Language of the terminal: both, Welsh first, unless `uln --lang` or ULN_LANG asks for one.

Belongs here: the choice, and the rendering of a text of `schemas.texts.catalogue` in it. Does not belong here: the texts.
"""

import os
from collections.abc import Iterable
from contextvars import ContextVar
from typing import cast, get_args

from schemas.texts.catalogue import Language, bilingual, in_language

#: The language asked for; None for both.
chosen: ContextVar[Language | None] = ContextVar("chosen", default=None)


def localised_text(key: str, /, **places: object) -> str:
    """Return a text (`schemas.texts.catalogue.bilingual`) in the terminal's language."""
    return localised(bilingual(key, **places))


def localised(message: object) -> str:
    """Return a bilingual sentence in the terminal's language; anything else unchanged, as text."""
    return str(in_language(message, chosen.get()))


def pair(cy: str, en: str, between: str = " / ") -> str:
    """Return the text of the terminal's language; both, with `between` between them, if none was asked for."""
    lang = chosen.get()
    if lang is None:
        return cy if cy == en else f"{cy}{between}{en}"
    return cy if lang == "cy" else en


def heading(key: str) -> str:
    """Return the heading of a narrow column, each language on its own line."""
    sentence = bilingual(key)
    return pair(sentence.cy, sentence.en, "\n")


def language_of(arguments: Iterable[str]) -> Language | None:
    """Return the language of `--lang` before the command, without it that of ULN_LANG; None if it is neither cy nor en."""
    words = iter(arguments)
    wanted = os.environ.get("ULN_LANG")
    for word in words:
        if word == "--lang":
            wanted = next(words, None)
        elif word.startswith("--lang="):
            wanted = word.removeprefix("--lang=")
        elif not word.startswith("-"):
            break
    return cast(Language, wanted) if wanted in get_args(Language) else None
