"""Find text that looks like a pupil's identifier, and mask it: the second line of defence, after the tiers.

Shapes belong here. A name has no shape: `tasks.runtime.visibility` and `tasks.runtime.error_boundary` keep names out by
limiting what they let through. To add a shape: a line in `_SHAPES`.
"""

import re

_BEFORE, _AFTER = r"(?<![0-9A-Za-z])", r"(?![0-9A-Za-z])"
#: The sign that replaces each shape; longer shapes first.
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
#: For texts whose dates are those of files and runs.
_WITHOUT_DATES = _any_of({sign: shape for sign, shape in _SHAPES.items() if sign != "[date]"})


def masked(text: str, *, dates: bool = True) -> str:
    """Return the text with a sign in place of each UPN, ULN, postcode and, where `dates`, each date."""
    pattern, signs = _ALL if dates else _WITHOUT_DATES
    return pattern.sub(lambda match: signs[(match.lastindex or 1) - 1], text)


def identifiers_in(text: str) -> list[tuple[str, str]]:
    """Return each likely UPN, ULN or postcode in the text: its sign, and the characters found."""
    pattern, signs = _WITHOUT_DATES
    return [(signs[(match.lastindex or 1) - 1], match[0]) for match in pattern.finditer(text)]


def looks_personal(text: str) -> bool:
    """Whether the text holds a likely UPN, ULN or postcode."""
    return bool(identifiers_in(text))
