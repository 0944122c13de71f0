"""What goes back to a school: who stands in its CTF, and what stands in its list of exceptions.

The texts come from the rule catalogue and the code tables, handed in as a table; nothing here knows a code's meaning.
"""

import hashlib

import pandas as pd

from schemas.states import NotChosen, RowState
from tasks.core.identifiers import canonical_upn, uln_valid
from tasks.core.merging import ULN_SHARED

ULN_OF_ANOTHER_BIRTH = "REG01"
NOT_FIT_FOR_CTF = "REG02"
#: What a learner in a CTF must have, and how long a name may be (CTF 12 guidance; the schemas in `schemas/ctf`).
_CTF_NEEDS = ("upn", "surname", "forename", "dob", "gender")
_CTF_NAME_LENGTH = 35

EXCEPTION_COLUMNS = (
    "upn",
    "surname",
    "forename",
    "nc_year",
    "wrong_en",
    "wrong_cy",
    "action_en",
    "action_cy",
    "code",
    "field_en",
    "field_cy",
)


def for_schools(
    pupils: pd.DataFrame,
    dispositions: pd.DataFrame,
    standing: pd.DataFrame,
    learners: pd.DataFrame,
    findings: pd.DataFrame,
    exceptions: pd.DataFrame,
    texts: pd.DataFrame,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The learners with a ULN, and the lines of the exceptions list, of several schools at once.

    In the CTF: chosen learners who now have a ULN, and learners who came to the school with a ULN that the register
    holds from an earlier cycle and the return did not. Never one whose ULN was answered for two UPNs, nor one whose
    date of birth differs from the register's, nor one that a school's system would refuse: those stand in the list.

    Args:
        pupils: row_ref, school_number and the pupil fields, as sent.
        dispositions: row_ref, disposition, reason.
        standing: row_ref, upn, state, batch_ref.
        learners: upn, uln, dob.
        findings: row_ref, rule, severity.
        exceptions: upn, batch_ref, return_code, state.
        texts: code, wrong_en, wrong_cy, action_en, action_cy, field_en, field_cy.

    Returns:
        ulns (school_number, upn, uln, surname, forename, dob, gender) and list lines (school_number and
        EXCEPTION_COLUMNS), each sorted.
    """
    rows = pupils.merge(dispositions[["row_ref", "disposition", "reason"]], on="row_ref")
    rows = rows.merge(standing[["row_ref", "state", "batch_ref"]], on="row_ref", how="left")
    rows["learner_upn"] = canonical_upn(rows["upn"])
    register = learners[["upn", "uln", "dob"]].rename(
        columns={"upn": "learner_upn", "uln": "held_uln", "dob": "held_dob"}
    )
    rows = rows.merge(register, on="learner_upn", how="left")
    answered = rows["state"].eq(RowState.ULN.value)
    arrived = rows["reason"].eq(NotChosen.ULN_HELD.value) & ~uln_valid(rows["uln"]).astype(bool)
    due = (answered | arrived) & rows["held_uln"].notna()
    other_birth = due & (rows["dob"].str.strip() != rows["held_dob"])
    # One learner that a school's system would refuse sinks the whole file: such a one stands in the list instead.
    blank = pd.concat([rows[c].str.strip().fillna("").eq("") for c in _CTF_NEEDS], axis=1).any(axis=1)
    long = (rows["surname"].str.len() > _CTF_NAME_LENGTH) | (rows["forename"].str.len() > _CTF_NAME_LENGTH)
    unfit = due & ~other_birth & (blank | long | ~rows["gender"].fillna("").str.fullmatch("[MFU0129]"))
    # The row the finding was made on may be another school's: go by the learner.
    shared_uln = rows["row_ref"].isin(findings.loc[findings["rule"] == ULN_SHARED, "row_ref"])
    ulns = rows[due & ~other_birth & ~unfit & ~shared_uln].drop(columns="uln").rename(columns={"held_uln": "uln"})
    ulns = ulns.sort_values(["school_number", "upn", "row_ref"]).drop_duplicates(["school_number", "upn"])
    lines = [
        rows[other_birth].assign(code=ULN_OF_ANOTHER_BIRTH),
        rows[unfit].assign(code=NOT_FIT_FOR_CTF),
        _finding_lines(rows, findings),
        _answer_lines(rows, exceptions),
    ]
    listed = pd.concat(lines).merge(texts, on="code", how="left")
    fallback = texts.set_index("code").loc["UNKNOWN"]
    for column in ("wrong_en", "wrong_cy", "action_en", "action_cy", "field_en", "field_cy"):
        listed[column] = listed[column].fillna(str(fallback[column]))
    listed = listed.sort_values(["school_number", "surname", "forename", "upn", "row_ref", "code"], na_position="first")
    return (
        ulns[["school_number", "upn", "uln", "surname", "forename", "dob", "gender"]].reset_index(drop=True),
        listed[["school_number", *EXCEPTION_COLUMNS]].reset_index(drop=True),
    )


def _finding_lines(rows: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    held = rows.loc[rows["state"].eq(RowState.HELD.value)]
    blocking = findings.loc[findings["severity"] == "blocking", ["row_ref", "rule"]]
    merging = findings.loc[findings["rule"].str.startswith("LRS"), ["row_ref", "rule"]]
    found = pd.concat([held.merge(blocking, on="row_ref"), rows.merge(merging, on="row_ref")])
    return found.rename(columns={"rule": "code"})


def _answer_lines(rows: pd.DataFrame, exceptions: pd.DataFrame) -> pd.DataFrame:
    opened = exceptions.loc[exceptions["state"] == "open", ["upn", "batch_ref", "return_code"]]
    opened = opened.rename(columns={"upn": "learner_upn", "return_code": "code"})
    return rows[rows["state"].eq(RowState.EXCEPTION.value)].merge(opened, on=["learner_upn", "batch_ref"])


def content_ref(ulns: pd.DataFrame, lines: pd.DataFrame) -> str:
    """A reference to what a school gets, equal for equal content; so that the same thing is not delivered twice."""
    digest = hashlib.sha256()
    for table in (ulns, lines):
        digest.update(table.to_csv(index=False, lineterminator="\n").encode("utf-8"))
    return digest.hexdigest()
