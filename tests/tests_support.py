"""Invented learners for the tests, and a stage run without the engine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from schemas.faults import ServiceFault
from schemas.tables import PUPIL_FIELDS


def walked(stage: Any, root: Path | str, cycle: str, as_of: str, las: Sequence[str] = ("660",)) -> dict[str, int]:
    """Run a stage for some authorities; its counts.

    Raises:
        ServiceFault: an authority could not be done.
    """
    done = stage.fn(data=str(root), cycle=cycle, las=list(las), as_of=as_of)
    if done.faults:
        raise ServiceFault("; ".join(done.faults.values()))
    return done.total()


def sound_learners(*changes: dict[str, object]) -> pd.DataFrame:
    """One sound pupil row for each change, with the change made to it."""
    sound = dict.fromkeys(PUPIL_FIELDS) | {
        "upn": "M660402510001",
        "surname": "Prawf",
        "forename": "Enghraifft",
        "gender": "F",
        "dob": "1996-11-05",
        "nc_year": "10",
        "enrol_status": "C",
        "postcode": "LL77 7NG",
    }
    rows = [sound | {"row_ref": f"r{n}", "school_number": "6604025", "sha256": "s1"} | c for n, c in enumerate(changes)]
    return pd.DataFrame(rows).astype("str")
