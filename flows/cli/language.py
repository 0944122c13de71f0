"""In which language the terminal speaks: in both, Welsh first, unless `uln --lang` or ULN_LANG asks for one.

Belongs here: the choice, and how a text of `schemas.texts.catalogue` is said in it. Does not belong here: the texts
themselves.
"""

import os
from collections.abc import Iterable
from contextvars import ContextVar
from typing import cast, get_args

from schemas.texts.catalogue import Language, bilingual, in_language

#: The one language that was asked for; None where both are spoken.
chosen: ContextVar[Language | None] = ContextVar("chosen", default=None)


def localised_text(key: str, /, **places: object) -> str:
    """A text in the language of the terminal (`schemas.texts.catalogue.bilingual`)."""
    return localised(bilingual(key, **places))


def localised(what: object) -> str:
    """A sentence that is in both languages, as the terminal says it; anything else as it is."""
    return str(in_language(what, chosen.get()))


def pair(cy: str, en: str, between: str = " / ") -> str:
    """Two texts that say the same, as the terminal says them."""
    lang = chosen.get()
    if lang is None:
        return cy if cy == en else f"{cy}{between}{en}"
    return cy if lang == "cy" else en


def heading(key: str) -> str:
    """The heading of a narrow column: each language on its own line."""
    sentence = bilingual(key)
    return pair(sentence.cy, sentence.en, "\n")


def asked_for(arguments: Iterable[str]) -> Language | None:
    """The language that the words before the command ask for, else ULN_LANG; None where none is, or none that we speak."""
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
