"""The LRS's return codes: outcome, who acts, texts in both languages, confidence. `codes/return_codes.csv`.

Codes are named only here (POSSIBLE_MATCH), in `tasks.stages.lrs_check` and in the rehearsal. A `return_codes.csv` in the data
root's `reference/` replaces the shipped table and holds its own Welsh; `label_cy`, `action_cy` or `field_cy` may be left out
if its English is the shipped text. `UNKNOWN` is the row for codes not in the table, `NONE` for an answer without a code.
"""

from pathlib import Path
from typing import Annotated, Literal

import pandas as pd

from schemas.codes.code_table import load_table
from schemas.texts.edited_files import Checked, Condition

#: The one code for which a likely cause is worked out (`tasks.core.possible_match`).
POSSIBLE_MATCH = "RC007"

_FILE = Path(__file__).with_name("return_codes.csv")


def _form(code: str) -> str:
    return str(normalise_code(pd.Series([code], dtype="str"))[0])


class ReturnCode(Checked):
    """A code. If several answers came without a ULN, the code with the lowest precedence is shown."""

    code: Annotated[str, Condition("fault.code_form", lambda code: code == _form(code), form=_form)]
    outcome: Literal["uln", "exception", "unknown"]
    who_acts: Literal["school", "service", "lrs", "unknown"]
    resubmit: Literal["Y", "N", "?"]
    precedence: Annotated[str, Condition("fault.precedence", str.isdigit)]
    label_en: str
    label_cy: str
    action_en: str
    action_cy: str
    field_en: str
    field_cy: str
    source: str
    confidence: Literal["known", "unknown"]


def all_return_codes(reference: Path | None = None) -> dict[str, ReturnCode]:
    """Return the codes, by code; a `return_codes.csv` in the folder `reference` replaces the shipped one.

    Raises:
        ConfigurationFault: the table is wrong, or lacks UNKNOWN or NONE.
    """
    return load_table(ReturnCode, _FILE, reference, needed=("UNKNOWN", "NONE"))


def code_table(codes: dict[str, ReturnCode]) -> pd.DataFrame:
    """Return the codes as a table; precedence is a number."""
    return pd.DataFrame([c.model_dump() for c in codes.values()]).astype("str").astype({"precedence": "int64"})


def normalise_code(codes: pd.Series) -> pd.Series:
    """Return codes in one spelling: `RC10`, `rc 010` and `RC010` are the same; null if blank."""
    text = codes.astype("str").str.upper().str.replace("[\\s\u00a0]", "", regex=True)
    numbers = text.str.extract(r"^RC0*([0-9]{1,3})$")[0]
    text = text.mask(numbers.notna(), "RC" + numbers.str.zfill(3))
    return text.mask(text == "").astype("str")
