"""Shared ground for the tests: synthetic people only, Europe/London, no telemetry, no network."""

import os

os.environ["TZ"] = "Europe/London"
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")

import pandas as pd
import pytest

from schemas.tables import PUPIL_FIELDS


@pytest.fixture
def learner():
    """Makes pupil rows: sound ones, with what a test changes."""

    def make(*changes: dict[str, object]) -> pd.DataFrame:
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
        rows = [
            sound | {"row_ref": f"r{n}", "school_number": "6604025", "sha256": "s1"} | c for n, c in enumerate(changes)
        ]
        return pd.DataFrame(rows).astype("str").astype(object).where(lambda t: t.notna(), None).astype("str")

    return make
