"""What looks like a pupil's identifier in a text, and the text without it: the second line of defence, after the tiers.

Belongs here: shapes. A name has none; names are kept out by what is let through (`tasks.runtime.visibility`,
`tasks.runtime.error_boundary`). To add a shape: a line in `_SHAPES`.
"""

import re

_BEFORE, _AFTER = r"(?<![0-9A-Za-z])", r"(?![0-9A-Za-z])"
#: What a reader sees in its place; first the longer shapes.
_SHAPES = {
    "[UPN]": r"[A-Za-z][0-9]{11}[0-9A-Za-z]",
    "[ULN]": r"[1-9][0-9]{9}",
    "[date]": r"(?:19|20)[0-9]{2}[-/.][01][0-9][-/.][0-3][0-9](?:T[0-9:.]+)?"
    r"|[0-3]?[0-9][-/.][01]?[0-9][-/.](?:19|20)[0-9]{2}",
    "[postcode]": r"[A-Za-z]{1,2}[0-9][0-9A-Za-z]?\s{0,2}[0-9][A-Za-z]{2}",
}


def _any_of(shapes: dict[str, str]) -> tuple[re.Pattern[str], tuple[str, ...]]:
    return re.compile(_BEFORE + "(?:" + "|".join(f"({s})" for s in shapes.values()) + ")" + _AFTER), tuple(shapes)


_ALL = _any_of(_SHAPES)
#: Files and runs have dates of their own.
_BUT_DATES = _any_of({sign: shape for sign, shape in _SHAPES.items() if sign != "[date]"})


def masked(text: str, *, dates: bool = True) -> str:
    """The text with a sign in place of everything that looks like a UPN, a ULN, a postcode or, unless told, a date."""
    pattern, signs = _ALL if dates else _BUT_DATES
    return pattern.sub(lambda found: signs[(found.lastindex or 1) - 1], text)


def identifiers_in(text: str) -> list[tuple[str, str]]:
    """What looks like a UPN, a ULN or a postcode in it: the sign that would stand in its place, and what stands there."""
    pattern, signs = _BUT_DATES
    return [(signs[(found.lastindex or 1) - 1], found[0]) for found in pattern.finditer(text)]


def looks_personal(text: str) -> bool:
    """Whether something stands in it that looks like a UPN, a ULN or a postcode."""
    return bool(identifiers_in(text))
