"""Learners of synthetic Wales whom the LRS already knows, and the cause of each possible match. Pure.

A learner may have a ULN before this service requests one: from work, from another country, from a school's own request.
Where the LRS's record differs from the return, it answers with a possible match. Who is known, and how the records differ,
is the truth of a rehearsal; the stand-in gets only the LRS's records, without the cause.

Some causes leave a trace that the service can see: in the record or among the learners sent (`record`), or in comparison
with an earlier cycle's return (`earlier`; a first cycle has none). Others leave none (`none`): the LRS's value was never in
a return. To plant another cause: a row in `_CAUSES`, and the LRS's value in `_as_known`.
"""

import numpy as np
import pandas as pd

from schemas.codes.possible_match_causes import Cause
from schemas.cycles import Cycle
from schemas.lrs.profiles import all_profiles
from schemas.tables import DEMOGRAPHICS
from tasks.core.identifiers import canonical_upn
from tasks.core.lrs_form import demographics

#: Word in `planted` -> cause, share of such records that the LRS knows, trace.
_CAUSES: dict[str, tuple[Cause, float, str]] = {
    "names-swapped": (Cause.NAMES_SWAPPED, 1.0, "record"),
    "short-name": (Cause.NEW_GIVEN_NAME, 1.0, "earlier"),
    "dob-slip": (Cause.NEW_BIRTH_OR_GENDER, 1.0, "earlier"),
    "new-name": (Cause.NEW_FAMILY_NAME, 0.08, "record"),
    "moved-house": (Cause.NEW_POSTCODE, 0.08, "earlier"),
    "mover": (Cause.MOVED_SCHOOL, 0.08, "earlier"),
    "upn-temporary": (Cause.ARRIVED, 0.3, "record"),
    "sound": (Cause.UNKNOWN, 0.0003, "none"),
}


def learners_known_to_lrs(
    pupils: pd.DataFrame, cycle: Cycle, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the learners whom the LRS already knows, and all learners who will be a possible match.

    `pupils` has the pupil fields, former_postcode, true_forename, true_dob, planted, outcome. The cycle's LRS profile gives
    the form of the LRS's records; `rng` draws the known learners.

    Returns:
        The LRS's records: `DEMOGRAPHICS` in the LRS's form, sorted.
        The truth: upn (canonical), school_number, cause, trace (record, earlier, none), sorted by UPN. It has both of a pair
        of twins or namesakes: the LRS gives a ULN to one of them.
    """
    sent = pupils[pupils["outcome"] == "sent"].reset_index(drop=True)
    twin, namesake = (
        sent.duplicated(fields, keep=False)
        for fields in (["surname", "dob", "gender", "postcode"], ["surname", "forename", "dob", "gender"])
    )
    cause = pd.Series(None, index=sent.index, dtype="str").mask(twin, Cause.TWIN).mask(namesake, Cause.NAMESAKE)
    trace = pd.Series(None, index=sent.index, dtype="str").mask(cause.notna(), "record")
    drawn = pd.Series(rng.random(len(sent)), index=sent.index)
    for kind, (why, share, where) in _CAUSES.items():
        rows = cause.isna() & (sent["planted"] == kind) & (drawn < share)
        cause, trace = cause.mask(rows, why), trace.mask(rows, where)
    known = sent[cause.notna() & ~twin & ~namesake]
    form = demographics(_as_known(known), all_profiles()[cycle.lrs_profile])
    truth = sent[["school_number"]].assign(upn=canonical_upn(sent["upn"]), cause=cause, trace=trace)
    truth = truth.loc[cause.notna(), ["upn", "school_number", "cause", "trace"]]
    return (
        form[list(DEMOGRAPHICS)].sort_values(list(DEMOGRAPHICS), ignore_index=True),
        truth.sort_values(["upn", "school_number"], ignore_index=True),
    )


def _as_known(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the LRS's records: each differs in one field, or has given and family name in the right order."""
    kind = rows["planted"]
    swapped = kind == "names-swapped"
    # Another person's home, which the learner never had in a return.
    elsewhere = pd.Series(np.roll(rows["postcode"].to_numpy(), 1), index=rows.index, dtype="str")
    return rows.assign(
        forename=rows["true_forename"],
        surname=rows["surname"].mask(swapped, rows["forename"]).mask(kind == "new-name", rows["former_surname"]),
        dob=rows["true_dob"],
        postcode=rows["postcode"]
        .mask(kind == "moved-house", rows["former_postcode"])
        .mask(kind.isin(["mover", "upn-temporary", "sound"]), elsewhere),
    )
