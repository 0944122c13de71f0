"""Learners of synthetic Wales whom the LRS knows already, and the likely cause of each possible match. Pure.

A learner may have a ULN before a school asks for one: from work, from another country, from a school that asked by itself.
Where the LRS knows them otherwise than the return has them, it answers with a possible match. Who is known so, and how the
two differ, is the truth of a rehearsal; the stand-in gets the learners as the LRS knows them, and no reason.

Some causes leave a trace where the service can see it: in the record or among those sent (`record`), or beside the return of
an earlier cycle (`earlier`; a first cycle has none). Some leave none (`none`): what the LRS's record differs in never stood
in a return. To plant another: a row in `_WAYS`, and what the LRS has instead in `_as_known`.
"""

import numpy as np
import pandas as pd

from schemas.codes.possible_match_causes import Cause
from schemas.cycles import Cycle
from schemas.lrs.profiles import all_profiles
from schemas.tables import DEMOGRAPHICS
from tasks.core.identifiers import canonical_upn
from tasks.core.lrs_form import demographics

#: What is planted in a record -> why it is like one that the LRS knows, for which share of such records, and the trace.
_WAYS: dict[str, tuple[Cause, float, str]] = {
    "names-swapped": (Cause.NAMES_SWAPPED, 1.0, "record"),
    "short-name": (Cause.NEW_GIVEN_NAME, 1.0, "earlier"),
    "dob-slip": (Cause.NEW_BIRTH_OR_GENDER, 1.0, "earlier"),
    "new-name": (Cause.NEW_FAMILY_NAME, 0.08, "record"),
    "moved-house": (Cause.NEW_POSTCODE, 0.08, "earlier"),
    "mover": (Cause.MOVED_SCHOOL, 0.08, "earlier"),
    "upn-temporary": (Cause.ARRIVED, 0.3, "record"),
    "sound": (Cause.UNKNOWN, 0.0003, "none"),
}


def whom_the_lrs_knows(
    pupils: pd.DataFrame, cycle: Cycle, rng: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The learners whom the LRS knows from before, and all who will be a possible match by what is planted or by birth.

    Args:
        pupils: the pupil fields, former_postcode, true_forename, true_dob, planted, outcome.
        cycle: says in which form the LRS has names.
        rng: draws whom it knows.

    Returns:
        As the LRS knows them: `DEMOGRAPHICS`, in its form; sorted. And the truth: upn (canonical), school_number, cause,
        trace (record, earlier, none); of twins and namesakes both, of whom the LRS gives one the ULN; sorted by UPN.
    """
    sent = pupils[pupils["outcome"] == "sent"].reset_index(drop=True)
    twin, namesake = (
        sent.duplicated(fields, keep=False)
        for fields in (["surname", "dob", "gender", "postcode"], ["surname", "forename", "dob", "gender"])
    )
    cause = pd.Series(None, index=sent.index, dtype="str").mask(twin, Cause.TWIN).mask(namesake, Cause.NAMESAKE)
    trace = pd.Series(None, index=sent.index, dtype="str").mask(cause.notna(), "record")
    drawn = pd.Series(rng.random(len(sent)), index=sent.index)
    for kind, (why, share, where) in _WAYS.items():
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
    """The records as the LRS has them: otherwise in one thing each, or with the names the right way round."""
    kind = rows["planted"]
    swapped = kind == "names-swapped"
    # Somebody else's home: none that the learner ever had in a return.
    elsewhere = pd.Series(np.roll(rows["postcode"].to_numpy(), 1), index=rows.index, dtype="str")
    return rows.assign(
        forename=rows["true_forename"],
        surname=rows["surname"].mask(swapped, rows["forename"]).mask(kind == "new-name", rows["former_surname"]),
        dob=rows["true_dob"],
        postcode=rows["postcode"]
        .mask(kind == "moved-house", rows["former_postcode"])
        .mask(kind.isin(["mover", "upn-temporary", "sound"]), elsewhere),
    )
