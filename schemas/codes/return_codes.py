"""The LRS's return codes: outcome, who acts, texts in both languages, how sure we are. `lrs/return_codes.csv`.

No code stands anywhere else in the program, but POSSIBLE_MATCH here. A `return_codes.csv` in the data root's `reference/`
replaces the shipped table; its Welsh stands in columns of its own (`label_cy`, `action_cy`, `field_cy`), any of which it may
leave out while the English of that column is the shipped one. `UNKNOWN` speaks for any code that is not in the table,
`NONE` for an answer that has none.
"""

from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

import pandas as pd

from schemas.codes.code_table import load_table
from schemas.texts.edited_files import Checked, Says

#: The one code whose likely cause is looked for (`tasks.core.possible_match`).
POSSIBLE_MATCH = "RC007"

_FILE = Path(__file__).with_name("return_codes.csv")


def _form(code: str) -> str:
    return str(normalise_code(pd.Series([code], dtype="str"))[0])


@dataclass(frozen=True)
class ReturnCode(Checked):
    """One code; the lower its precedence, the sooner it is shown where several answers came without a ULN."""

    code: Annotated[str, Says("fault.code_form", lambda code: code == _form(code), {"form": _form})]
    outcome: Literal["uln", "exception", "unknown"]
    who_acts: Literal["school", "service", "lrs", "unknown"]
    resubmit: Literal["Y", "N", "?"]
    precedence: Annotated[str, Says("fault.precedence", str.isdigit)]
    label_en: str
    label_cy: str
    action_en: str
    action_cy: str
    field_en: str
    field_cy: str
    source: str
    confidence: Literal["known", "unknown"]


def all_return_codes(override: Path | None = None) -> dict[str, ReturnCode]:
    """The codes, by code.

    Args:
        override: a table to use in place of the shipped one.

    Raises:
        ConfigurationFault: the table is wrong, or has no UNKNOWN and NONE.
    """
    path = override or _FILE
    return _load(path, path.stat().st_mtime_ns)


@cache
def _load(path: Path, _changed: int) -> dict[str, ReturnCode]:
    return load_table(ReturnCode, path, own=path != _FILE, needed=("UNKNOWN", "NONE"))


def code_table(codes: dict[str, ReturnCode]) -> pd.DataFrame:
    """The codes as a table; precedence a number."""
    return pd.DataFrame([asdict(c) for c in codes.values()]).astype("str").astype({"precedence": "int64"})


def normalise_code(codes: pd.Series) -> pd.Series:
    """Codes as they compare: `RC10`, `rc 010` and `RC010` are one; null where blank."""
    text = codes.astype("str").str.upper().str.replace("[\\s\u00a0]", "", regex=True)
    numbers = text.str.extract(r"^RC0*([0-9]{1,3})$")[0]
    text = text.mask(numbers.notna(), "RC" + numbers.str.zfill(3))
    return text.mask(text == "").astype("str")
