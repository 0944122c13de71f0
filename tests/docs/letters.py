"""The table of what each letter becomes in the form for the LRS, made from the code that makes it."""

import unicodedata
from pathlib import Path

import pandas as pd

from schemas.lrs.profiles import all_profiles
from tasks.core.lrs_form import lrs_names

PAGE = Path(__file__).resolve().parents[2] / "docs" / "letters.md"
#: Letters of Welsh and of the names that come with it (docs/reference/sources.md#welsh-letters).
WELSH = "âêîôûŵŷáéíóúẃýàèìòùẁỳäëïöüẅÿ"
#: Latin-1 Supplement, Latin Extended-A and -B, Latin Extended Additional.
BLOCKS = (range(0xC0, 0x250), range(0x1E00, 0x1F00))
#: What keyboards and word processors give for an apostrophe, a hyphen or a blank.
SIGNS = "'`´‘’ʼ′-‐‑–—−\u00a0"
TOP = """# Beth a ddaw o bob llythyren / What each letter becomes

Mae'r tabl hwn wedi'i wneud o'r cod (`make letters`). Mae'r ysgol yn cadw ei sillafiad ei hun: dim ond yr hyn a anfonir at yr
LRS sy'n newid. Nid yw rhestr nodau'r LRS ei hun yn gyhoeddus.

This table is made from the code (`make letters`). The school keeps its own spelling: only what is sent to the LRS changes.
The LRS's own list of characters is not public.
"""


def sent(characters: str) -> pd.Series:
    """The LRS's form of each character, within a name; index the characters."""
    found = pd.Series(list(characters), index=list(characters), dtype="str")
    return lrs_names("x" + found + "x", all_profiles()["2A"]).str.slice(1, -1)


def latin() -> str:
    """The Latin letters of Europe and beyond that are not ASCII."""
    every = (chr(n) for block in BLOCKS for n in block)
    return "".join(
        c for c in every if unicodedata.category(c)[0] == "L" and unicodedata.name(c, "").startswith("LATIN")
    )


def _shown(form: str) -> str:
    return form if form.strip() else "(bwlch / blank)"


def page() -> str:
    """The whole document."""
    capitals = {c: c.upper() for c in WELSH}
    pairs = sent(WELSH + "".join(capitals.values()))
    lines = [TOP, "## Llythrennau'r Gymraeg / Letters of Welsh", ""]
    lines += ["| llythyren / letter | a anfonir / sent |", "|---|---|"]
    lines += [f"| {c} {capitals[c]} | {pairs[c]} {pairs[capitals[c]]} |" for c in WELSH]
    lines += ["", "## Llythrennau Lladin eraill / Other Latin letters", ""]
    lines += ["| a anfonir / sent | llythrennau / letters |", "|---|---|"]
    others = sent("".join(c for c in latin() if c not in WELSH and c not in capitals.values()))
    groups = others.fillna("").groupby(others.fillna(""), sort=True)
    lines += [f"| {_shown(form)} | {' '.join(own.index)} |" for form, own in groups]
    lines += ["", "## Collnodau, cysylltnodau a bylchau / Apostrophes, hyphens and blanks", ""]
    lines += ["| a anfonir / sent | arwyddion / signs |", "|---|---|"]
    signs = sent(SIGNS)
    for form, own in signs.groupby(signs, sort=True):
        named = ", ".join(f"U+{ord(c):04X} {unicodedata.name(c).lower()}" for c in own.index)
        lines.append(f"| {_shown(form)} | {named} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
