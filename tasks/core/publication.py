"""What goes back to a school: who stands in its CTF, and what stands in its list of exceptions.

The texts come from the rule catalogue and the code tables, handed in as a table; nothing here knows a code's meaning.
"""

import csv
import hashlib
from typing import get_args

import pandas as pd
import pyarrow as pa

from schemas.states import NotChosen, RowState, Severity
from schemas.texts import Language, text
from tasks.core.evidence import iso_dates
from tasks.core.identifiers import canonical_upn, uln_valid
from tasks.core.membership import among, paired
from tasks.core.merging import ONE_LEARNER_TWICE, ULN_SHARED
from tasks.core.superseding import TOLD
from tasks.core.text_columns import XML_BLANK, capitals

ULN_OF_ANOTHER_BIRTH = "REG01"
NOT_FIT_FOR_CTF = "REG02"
RETURN_HAS_ANOTHER_ULN = "REG03"
RETURN_HAS_ULN_OF_ANOTHER = "REG04"
ASKED_BY_ANOTHER_SCHOOL = "TWO01"
#: Why a record that was not chosen may get a ULN all the same: it came to the learner in another way.
_CAME = (NotChosen.ULN_HELD.value, NotChosen.ASKED_ELSEWHERE.value)
#: What a learner in a CTF must have, and how long a name may be (CTF 12 guidance; the schemas in `schemas/ctf`).
_CTF_NEEDS = ("upn", "surname", "forename", "dob", "gender")
_CTF_NAME_LENGTH = 35
_OF_PUPIL = ("row_ref", "school_number", *_CTF_NEEDS, "nc_year", "former_upn", "uln")

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
    "why_en",
    "why_cy",
    "check_en",
    "check_cy",
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

    In the CTF: chosen learners who now have a ULN, learners who came to the school with a ULN that the register holds from
    an earlier cycle and the return did not, and learners for whom another school asked. Never one whose ULN was answered
    for another learner too, nor one who came from elsewhere and has another date of birth than the register's, nor one
    that a school's system would refuse: those stand in the list.

    Args:
        pupils: row_ref, school_number and the pupil fields, as sent.
        dispositions: row_ref, disposition, reason.
        standing: row_ref, upn (by which the ledger knows the learner), state, batch_ref.
        learners: upn, uln, dob, school_number, other_upns, conflict (`merging.with_conflicts`).
        findings: row_ref, rule, severity, field; of the rules, and of `superseding.changed` when the return came.
        exceptions: upn, batch_ref, return_code.
        texts: code, wrong_en, wrong_cy, action_en, action_cy, field_en, field_cy.

    Returns:
        ulns (school_number, upn, uln, surname, forename, dob, gender) and list lines (school_number, row_ref, field as
        the findings name it, and EXCEPTION_COLUMNS, of which `possible_match.told` fills why_* and check_*), each sorted.
    """
    # Of all others nothing is due or listed, and they are nearly half of a cycle's records.
    came = dispositions.loc[dispositions["reason"].isin(_CAME), "row_ref"]
    rows = pupils.loc[among(pupils["row_ref"], pd.concat([standing["row_ref"], came])), list(_OF_PUPIL)]
    rows = rows.merge(dispositions[["row_ref", "reason"]], on="row_ref")
    known = standing[["row_ref", "upn", "state", "batch_ref"]].rename(columns={"upn": "learner_upn"})
    rows = rows.merge(known, on="row_ref", how="left")
    rows["learner_upn"] = canonical_upn(rows["learner_upn"].fillna(rows["upn"]))
    rows = _with_register(rows, learners[learners["uln"].notna()])
    answered = rows["state"].eq(RowState.ULN.value)
    has_own = uln_valid(rows["uln"]).astype(bool)
    arrived = rows["reason"].isin(_CAME)
    due = (answered | (arrived & ~has_own)) & rows["held_uln"].notna()
    # The school that asked may correct a date of birth afterwards; elsewhere another one may mean another learner.
    elsewhere = rows["held_school"] != rows["school_number"]
    other_birth = due & elsewhere & (rows["dob"].str.strip() != rows["held_dob"])
    # One learner that a school's system would refuse sinks the whole file: such a one stands in the list instead.
    blank = pd.concat([rows[c].str.strip().fillna("").eq("") for c in _CTF_NEEDS], axis=1).any(axis=1)
    long = (rows["surname"].str.len() > _CTF_NAME_LENGTH) | (rows["forename"].str.len() > _CTF_NAME_LENGTH)
    gender = capitals(rows["gender"].str.strip(XML_BLANK)).fillna("")
    dob = rows["dob"].str.strip(XML_BLANK)
    no_date = iso_dates(dob).isna() | (dob.str.len() != len("1996-11-05"))
    unfit = due & ~other_birth & (blank | long | no_date | ~gender.str.fullmatch("[MFU0129]"))
    # Two records of one school that share a ULN cannot both have it, even where they are one learner.
    twice = due & rows.assign(uln=rows["held_uln"].where(due)).duplicated(["school_number", "uln"], keep=False)
    conflict = rows["conflict"].where(due).fillna("").astype("str")
    # Whoever has entered the other UPN as the former one has said which of the two it is.
    settled = canonical_upn(rows["former_upn"]).eq(rows["held_upns"])
    conflict = conflict.mask(settled, conflict.str.replace(ONE_LEARNER_TWICE, "").str.strip(";"))
    told = conflict.str.replace(ONE_LEARNER_TWICE, ULN_SHARED)
    told = told.mask(~told.str.contains(ULN_SHARED), told + ";" + ULN_SHARED).str.strip(";")
    conflict = conflict.mask(twice, told)
    shared = conflict.str.contains(ULN_SHARED)
    another = (arrived | answered) & has_own & rows["held_uln"].notna() & (rows["uln"].str.strip() != rows["held_uln"])
    ulns = rows[due & ~other_birth & ~unfit & ~shared].drop(columns="uln").rename(columns={"held_uln": "uln"})
    ulns = ulns.sort_values(["school_number", "upn", "row_ref"]).drop_duplicates(["school_number", "upn"])
    lines = [
        rows[other_birth].assign(code=ULN_OF_ANOTHER_BIRTH),
        rows[unfit].assign(code=NOT_FIT_FOR_CTF),
        rows[another].assign(code=RETURN_HAS_ANOTHER_ULN),
        rows[_uln_of_another(rows, has_own)].assign(code=RETURN_HAS_ULN_OF_ANOTHER),
        rows[rows["reason"].eq(NotChosen.ASKED_ELSEWHERE.value)].assign(code=ASKED_BY_ANOTHER_SCHOOL),
        rows[conflict != ""].assign(code=conflict[conflict != ""].str.split(";").astype(object)).explode("code"),
        _finding_lines(rows, findings),
        _change_lines(rows, findings),
        _answer_lines(rows, exceptions),
    ]
    listed = pd.concat(lines).merge(texts, on="code", how="left")
    fallback = texts.set_index("code").loc["UNKNOWN"]
    for column in ("wrong_en", "wrong_cy", "action_en", "action_cy", "field_en", "field_cy"):
        listed[column] = listed[column].fillna(str(fallback[column]))
    changed = listed["field"].notna()
    for lang in get_args(Language):
        listed[f"field_{lang}"] = listed[f"field_{lang}"].mask(changed, _named(listed["field"], lang))
    listed["field"] = listed["field"].fillna("uln")
    listed = listed.sort_values(["school_number", "surname", "forename", "upn", "row_ref", "code"], na_position="first")
    return (
        ulns[["school_number", "upn", "uln", "surname", "forename", "dob", "gender"]].reset_index(drop=True),
        # Why and what to check: nothing yet; `possible_match.told` fills them in.
        listed.reindex(columns=["school_number", "row_ref", "field", *EXCEPTION_COLUMNS]).reset_index(drop=True),
    )


def _uln_of_another(rows: pd.DataFrame, has_own: pd.Series) -> pd.Series:
    """Whether the ULN in a record is another learner's of the school, by that one's record or by the register."""
    uln = rows["uln"].str.strip().where(has_own, rows["held_uln"])
    own = rows.assign(of=uln)[["school_number", "of", "learner_upn"]].dropna(subset=["of"]).drop_duplicates()
    several = own.loc[own.duplicated(["school_number", "of"], keep=False), ["school_number", "of"]]
    return has_own & among(paired(rows["school_number"], uln), paired(several["school_number"], several["of"]))


def _with_register(rows: pd.DataFrame, learners: pd.DataFrame) -> pd.DataFrame:
    """Join what the register holds by UPN, else by the former UPN: held_uln, held_dob, held_school, held_upns, conflict."""
    names = {"uln": "held_uln", "dob": "held_dob", "school_number": "held_school", "conflict": "conflict"}
    names["other_upns"] = "held_upns"
    register = learners.set_index("upn").reindex(columns=list(names)).rename(columns=names)
    by_upn = register.reindex(rows["learner_upn"])
    by_former = register.reindex(canonical_upn(rows["former_upn"]))
    found = by_upn.reset_index(drop=True)
    found = found.where(found["held_uln"].notna(), by_former.reset_index(drop=True))
    return pd.concat([rows.reset_index(drop=True), found[list(names.values())]], axis=1)


def _finding_lines(rows: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """What the rules hold, also of a learner who was sent before the fault came in: it must be put right all the same."""
    open_rows = rows.loc[rows["state"].notna() & rows["state"].ne(RowState.ULN.value)]
    blocking = findings.loc[findings["severity"] == Severity.BLOCKING.value, ["row_ref", "rule"]]
    return open_rows.merge(blocking, on="row_ref").rename(columns={"rule": "code"})


def _change_lines(rows: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """What has changed since it was sent, told by where the learner stands now: the answer may have come since."""
    found = rows.merge(findings.loc[findings["rule"].isin(list(TOLD.values())), ["row_ref", "field"]], on="row_ref")
    # Who is not chosen, as the register holds the ULN, has one as well.
    state = found["state"].where(found["reason"].ne(NotChosen.ULN_HELD.value), RowState.ULN.value)
    return found.assign(code=state.map(TOLD).astype("str"))[state.isin(list(TOLD))]


def _named(fields: pd.Series, lang: Language) -> pd.Series:
    """The fields of the findings (`;` between them) as a person calls them; of a record few kinds of change occur."""
    names = {f: ", ".join(text(f"field.{one}", lang) for one in f.split(";")) for f in fields.dropna().unique()}
    return fields.map(names).astype("str")


def _answer_lines(rows: pd.DataFrame, exceptions: pd.DataFrame) -> pd.DataFrame:
    answers = exceptions[["upn", "batch_ref", "return_code"]]
    answers = answers.rename(columns={"upn": "learner_upn", "return_code": "code"})
    return rows[rows["state"].eq(RowState.EXCEPTION.value)].merge(answers, on=["learner_upn", "batch_ref"])


def by_school(ulns: pd.DataFrame, lines: pd.DataFrame) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """What each school gets.

    Args:
        ulns: as `for_schools` gives them.
        lines: likewise.

    Returns:
        School number -> its ulns and its lines (EXCEPTION_COLUMNS), in the given order; by school number.
    """
    parts = []
    for table in (ulns, lines[["school_number", *EXCEPTION_COLUMNS]]):
        own = table.drop(columns="school_number")
        groups = own.groupby(table["school_number"].to_numpy(), sort=True)
        parts.append(({str(school): rows.reset_index(drop=True) for school, rows in groups}, own.head(0)))
    (with_uln, no_ulns), (listed, no_lines) = parts
    return {s: (with_uln.get(s, no_ulns), listed.get(s, no_lines)) for s in sorted({*with_uln, *listed})}


def content_ref(ulns: pd.DataFrame, lines: pd.DataFrame) -> str:
    """A reference to what a school gets, equal for equal content; so that the same thing is not delivered twice."""
    return _ref(*([tuple(table.columns), *_rows(table)] for table in (ulns, lines)))


def content_refs(ulns: pd.DataFrame, lines: pd.DataFrame) -> dict[str, str]:
    """`content_ref` of what `by_school` gives each school, for all at once: text is taken out of the tables once.

    Args:
        ulns: as `for_schools` gives them.
        lines: likewise.
    """
    parts = []
    for table, names in ((ulns, [c for c in ulns.columns if c != "school_number"]), (lines, list(EXCEPTION_COLUMNS))):
        rows = _rows(table[names])
        places = table.groupby("school_number").indices
        parts.append((tuple(names), {str(school): [rows[n] for n in at] for school, at in places.items()}))
    schools = sorted({school for _, rows in parts for school in rows})
    return {school: _ref(*([names, *rows.get(school, [])] for names, rows in parts)) for school in schools}


def _rows(table: pd.DataFrame) -> list[tuple[str, ...]]:
    cells = [pa.array(table[c], pa.large_string(), from_pandas=True).fill_null("").to_pylist() for c in table.columns]
    return list(zip(*cells, strict=True))


def _ref(*tables: list[tuple[str, ...]]) -> str:
    digest = hashlib.sha256()
    for rows in tables:
        digest.update(_csv(rows).encode("utf-8"))
    return digest.hexdigest()


def _csv(rows: list[tuple[str, ...]]) -> str:
    """What `to_csv` writes of rows of text, without what it does for other types: it is asked of every school."""
    text = "\n".join(map(",".join, rows)) + "\n"
    commas = len(rows) * (len(rows[0]) - 1)
    if commas and text.count(",") == commas and text.count("\n") == len(rows) and '"' not in text and "\r" not in text:
        return text
    quoted = _Lines()
    csv.writer(quoted, lineterminator="\n").writerows(rows)
    return "".join(quoted)


class _Lines(list[str]):
    """Something for a CSV writer to write to, in memory."""

    def write(self, line: str) -> None:
        """Take a line."""
        self.append(line)
