"""Who is known in a data root, and whether a text names any of them; where it does, tests tell numbers and not names."""

import re
from pathlib import Path

from tasks.io.lake.lake import Lake


def known_in(root: Path) -> set[str]:
    """What says who a learner of a data root is: identifiers, dates of birth, postcodes, and names that are no other words."""
    lake = Lake(root / "lake")
    pupils = lake.read("pupils", ["upn", "surname", "dob", "postcode"])
    found = {text for column in ("upn", "dob", "postcode") for text in pupils[column].dropna()}
    found |= {name for name in pupils["surname"].dropna() if len(name) > 4}
    found |= set(lake.read("learners", ["uln"])["uln"].dropna())
    return {text for text in found if len(text) > 4}


def named_in(text: str, people: set[str]) -> list[int]:
    """The numbers, in their order, of those that stand in a text as words of their own."""
    words = re.compile(
        r"(?<!\w)(" + "|".join(re.escape(one) for one in sorted(people, key=len, reverse=True)) + r")(?!\w)"
    )
    met = {match[1] for match in words.finditer(text)}
    return [n for n, one in enumerate(sorted(people)) if one in met]
