"""The Welsh of every text: `locale/cy.po`, the only gettext catalogue, and the check of it.

The English of a text is in its table, in columns `.._en` (in `texts.csv`: `en`). Its Welsh is in the catalogue, with context
`table:key:column` and that English as source. `#, fuzzy` marks Welsh that waits for a translator (`make translations` lists
it). A person's own table has its Welsh in columns `.._cy`.
To add a text: its row in a table, its entry in the catalogue; the loader names missing ones. To change English: change the
entry's `msgid` too, and mark it fuzzy unless the Welsh still means the same.
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import polib

from schemas.texts.faults import ConfigurationFault, Message

CATALOGUE = Path(__file__).with_name("locale") / "cy.po"
_CONTEXT = re.compile(r"[^:]+:.+:[a-z_]+")
_PLACE = re.compile(r"\{(\w*)[^{}]*\}")


@dataclass(frozen=True)
class Translation:
    """An entry of the catalogue: its English source, its Welsh, and whether it waits for a translator."""

    english: str
    welsh: str
    review: bool


def parse_catalogue(content: str) -> tuple[dict[str, Translation], list[Message]]:
    """Read a gettext catalogue; each entry has a context and one form.

    Returns:
        The entries by context, in file order; and messages: it is not a gettext catalogue, or an entry has no context or
        no Welsh, has plural forms, or is repeated.
    """
    try:
        entries = [entry for entry in polib.pofile(content) if not entry.obsolete]
    except (OSError, ValueError, IndexError) as error:
        return {}, [Message("fault.not_gettext", reason=error)]
    faults = [
        Message("fault.context", context=entry.msgctxt or entry.msgid[:60])
        for entry in entries
        if not _CONTEXT.fullmatch(entry.msgctxt or "") or entry.msgid_plural
    ]
    times = Counter(entry.msgctxt or "" for entry in entries)
    faults += [Message("fault.twice", code=context) for context in sorted(times) if times[context] > 1]
    blank = [entry.msgctxt or "" for entry in entries if not entry.msgstr.strip() and not entry.msgid_plural]
    faults += [Message("fault.no_welsh", context=context) for context in blank]
    return {entry.msgctxt: Translation(entry.msgid, entry.msgstr, entry.fuzzy) for entry in entries}, faults


def shipped_text(path: Path) -> str:
    """Return the text of a file that the texts themselves come from.

    Raises:
        ConfigurationFault: it is not UTF-8; the fault is the key of its sentence, because the sentence cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationFault(path.name, [str(Message("fault.not_utf8"))]) from None


@cache
def all_translations() -> dict[str, Translation]:
    """Return the shipped catalogue, by context.

    Raises:
        ConfigurationFault: the catalogue is wrong; lists the key of every fault's sentence.
    """
    entries, faults = parse_catalogue(shipped_text(CATALOGUE))
    if faults:
        raise ConfigurationFault(CATALOGUE.name, [str(fault) for fault in faults])
    return entries


def welsh_of(
    table: str, english: dict[str, str], catalogue: dict[str, Translation] | None = None, *, whole: bool = True
) -> tuple[dict[str, str], list[Message]]:
    """Return the Welsh of a table's texts, and its faults.

    Args:
        table: the table's name, the first part of the contexts.
        english: the texts by the rest of their context, `key:column`.
        catalogue: the catalogue; None for the shipped one.
        whole: whether these are all texts of the table; then the catalogue may hold no others of it.

    Returns:
        Welsh by `key:column`; and messages: a text without Welsh, with changed English or with other places to fill, and an
        entry without a text.
    """
    entries = all_translations() if catalogue is None else catalogue
    of_table = {c.removeprefix(f"{table}:"): entry for c, entry in entries.items() if c.startswith(f"{table}:")}
    used = {at: of_table[at] for at in english if at in of_table}
    wrong = {
        "fault.no_welsh": [at for at in english if at not in used],
        "fault.stale_welsh": [at for at, entry in used.items() if entry.english != english[at]],
        "fault.places_differ": [at for at, entry in used.items() if places(entry.welsh) != places(english[at])],
        "fault.welsh_of_nothing": [at for at in of_table if at not in used] if whole else [],
    }
    faults = [Message(key, context=f"{table}:{at}") for key, of_key in wrong.items() for at in of_key]
    return {at: entry.welsh for at, entry in used.items()}, faults


def places(text: str) -> set[str]:
    """Return the names of a text's places, such as `{cycle}`."""
    return set(_PLACE.findall(text))
