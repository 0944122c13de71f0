"""The Welsh of every text: `locale/cy.po`, the one gettext catalogue, and what is wrong with it.

English stands where a text belongs: in the columns `.._en` of a table (`texts.csv`: `en`). Its Welsh stands in the
catalogue, under the context `table:key:column` and with that English as its source; `#, fuzzy` marks Welsh that waits for
a translator (`make translations` lists them). A table that people keep themselves has its Welsh in columns `.._cy`.

To add a text: its row in a table, its entry in the catalogue; the loader names what is missing. To change English: change
the entry's `msgid` with it and mark it fuzzy, unless the Welsh still says the same.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polib

from schemas.texts.edited_files import text_of
from schemas.texts.faults import ConfigurationFault, told

CATALOGUE = Path(__file__).with_name("locale") / "cy.po"
_CONTEXT = re.compile(r"[^:]+:.+:[a-z_]+")
_PLACE = re.compile(r"\{(\w*)[^{}]*\}")


@dataclass(frozen=True)
class Translation:
    """An entry of the catalogue: the English that was translated, the Welsh, and whether it waits for a translator."""

    english: str
    welsh: str
    review: bool


def parse_catalogue(content: str, source: str = "cy.po") -> dict[str, Translation]:
    """Read a catalogue.

    Args:
        content: a gettext catalogue; each entry has a context and one form.
        source: how to name it in a fault.

    Returns:
        The entries by context, in file order.

    Raises:
        ConfigurationFault: no gettext catalogue; or every entry without context or Welsh, in two places, or of many forms.
    """
    try:
        entries = [entry for entry in polib.pofile(content) if not entry.obsolete]
    except (OSError, ValueError, IndexError) as error:
        raise ConfigurationFault(source, [told("fault.not_gettext", reason=error)]) from None
    contexts = [entry.msgctxt or "" for entry in entries]
    faults = [
        told("fault.context", context=context or entry.msgid[:60])
        for context, entry in zip(contexts, entries, strict=True)
        if not _CONTEXT.fullmatch(context) or entry.msgid_plural
    ]
    faults += [told("fault.twice", code=context) for context in sorted({c for c in contexts if contexts.count(c) > 1})]
    faults += [
        told("fault.no_welsh", context=context)
        for context, entry in zip(contexts, entries, strict=True)
        if not entry.msgstr.strip() and not entry.msgid_plural
    ]
    if faults:
        raise ConfigurationFault(source, faults)
    return {entry.msgctxt: Translation(entry.msgid, entry.msgstr, entry.fuzzy) for entry in entries}


@cache
def all_translations() -> dict[str, Translation]:
    """The shipped catalogue, by context.

    Raises:
        ConfigurationFault: it is wrong; with every fault.
    """
    return parse_catalogue(text_of(CATALOGUE), CATALOGUE.name)


def welsh_of(
    table: str,
    english: dict[str, str],
    catalogue: dict[str, Translation] | None = None,
    *,
    whole: bool = True,
) -> tuple[dict[str, str], list[str]]:
    """The Welsh of a table's texts, and what is wrong with it.

    Args:
        table: the table's name, the first part of the contexts.
        english: the texts by the rest of their context, `key:column`.
        catalogue: where to look; the shipped one where None.
        whole: whether these are all texts of the table, so that the catalogue may hold no others of it.

    Returns:
        Welsh by `key:column`; and a sentence for each text without Welsh, whose English is not the one that was
        translated, or with other places to fill, and for each entry that is of no text.
    """
    entries = all_translations() if catalogue is None else catalogue
    found = {at: entries[f"{table}:{at}"] for at in english if f"{table}:{at}" in entries}
    faults = [told("fault.no_welsh", context=f"{table}:{at}") for at in english if at not in found]
    faults += [
        told("fault.stale_welsh", context=f"{table}:{at}")
        for at, entry in found.items()
        if entry.english != english[at]
    ]
    faults += [
        told("fault.places_differ", context=f"{table}:{at}")
        for at, entry in found.items()
        if places(entry.welsh) != places(english[at])
    ]
    if whole:
        known = {f"{table}:{at}" for at in english}
        odd = [context for context in entries if context.startswith(f"{table}:") and context not in known]
        faults += [told("fault.welsh_of_nothing", context=context) for context in odd]
    return {at: entry.welsh for at, entry in found.items()}, faults


def places(text: str) -> set[str]:
    """The places to fill in a text."""
    return set(_PLACE.findall(text))
