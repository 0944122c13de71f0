"""Invented learners: sound pupil rows here; ten learners, learners in two schools, small Waleses in modules of their own."""

import pandas as pd

from schemas.tables import PUPIL_FIELDS


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
