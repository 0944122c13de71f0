"""What goes back to a school: who stands in its CTF, and what stands in its work list.

The work list has a line for each thing that is wrong, with the one action that puts it right. Lines of one learner stand
together, first things first: in the order of the texts (`code_texts`), and `step` says which of how many. The texts come
from the rule catalogue and the code tables, handed in as a table; nothing here knows a code's meaning. Whom a school's
system would refuse is for `mis_rules` to say.
"""

import csv
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

import pandas as pd
import pyarrow as pa

from schemas.states import NotChosen, RowState
from schemas.texts.catalogue import Language, bilingual, text
from tasks.core.held import is_blocking
from tasks.core.identifiers import canonical_upn, uln_valid
from tasks.core.membership import composite_key, is_in, lookup
from tasks.core.merging import ONE_LEARNER_TWICE, ULN_SHARED
from tasks.core.mis_rules import broken_rules
from tasks.core.one_learner import former_upns
from tasks.core.superseding import CHANGE_FINDINGS
from tasks.core.verification import FOUND

ULN_OF_ANOTHER_BIRTH = "REG01"
RETURN_HAS_ULN_OF_ANOTHER = "REG04"
ASKED_BY_ANOTHER_SCHOOL = "TWO01"
#: Why a record that was not chosen may get a ULN all the same: it came to the learner in another way.
_CAME = (NotChosen.ULN_HELD.value, NotChosen.ASKED_ELSEWHERE.value)
_OF_CTF = ("upn", "surname", "forename", "dob", "gender")
_OF_PUPIL = ("row_ref", "school_number", *_OF_CTF, "middle_names", "nc_year", "former_upn", "uln")

#: What a learner in a file comes with; `sent` is what went to the LRS, where it is not as the school spells it.
ULN_COLUMNS = ("upn", "uln", "surname", "forename", "dob", "gender", "sent")
#: A line of the work list. why_* and check_* are the likely reason of a possible match and what to check; lrs_code is the
#: code that the LRS would have given for what a rule holds.
EXCEPTION_COLUMNS = (
    *("upn", "surname", "forename", "nc_year", "step"),
    *("wrong_en", "wrong_cy", "why_en", "why_cy", "check_en", "check_cy", "action_en", "action_cy"),
    *("sent", "field_en", "field_cy", "code", "lrs_code"),
)
#: Not what is delivered: the likely reason of a possible match is a help, and no new file comes because it is known better,
#: or worse, as where the returns that it was seen in have been purged.
_HELP = ("why_en", "why_cy", "check_en", "check_cy")
_CONTENT = tuple(name for name in EXCEPTION_COLUMNS if name not in _HELP)
_TEXTS = ("wrong_en", "wrong_cy", "action_en", "action_cy", "field_en", "field_cy")


@dataclass(frozen=True)
class SchoolRecords:
    """The records of several schools, and what the ledger holds of their learners.

    Attributes:
        pupils: row_ref, school_number and the pupil fields, as sent.
        dispositions: row_ref, disposition, reason.
        standing: row_ref, upn (by which the ledger knows the learner), state, batch_ref; of the chosen records.
        learners: upn, uln, dob, school_number, other_upns, conflict (`merging.with_conflicts`).
        findings: row_ref, rule, severity, field; of the rules, and of `superseding.changed_values` when the return came.
        exceptions: upn, batch_ref, return_code, school_number (that asked).
        sent: batch_ref, upn, given_name, family_name, middle_name; the names that went to the LRS.
    """

    pupils: pd.DataFrame
    dispositions: pd.DataFrame
    standing: pd.DataFrame
    learners: pd.DataFrame
    findings: pd.DataFrame
    exceptions: pd.DataFrame
    sent: pd.DataFrame


def for_schools(records: SchoolRecords, texts: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The learners with a ULN, and the lines of the work list, of several schools at once.

    In the CTF: chosen learners who now have a ULN, learners who came to the school with a ULN that the register holds from
    an earlier cycle and the return did not, and learners for whom another school asked. Never one whose ULN was answered
    for another learner too, nor one who came from elsewhere and has another date of birth than the register's, nor one
    that a school's system would refuse (`mis_rules`): those stand in the list.

    Args:
        records: of whole schools.
        texts: code, wrong_en, wrong_cy, action_en, action_cy, field_en, field_cy, lrs_code; first things first.

    Returns:
        ulns (school_number and ULN_COLUMNS) and list lines (school_number, row_ref, field as the findings name it, and
        EXCEPTION_COLUMNS, of which `possible_match.with_likely_causes` fills why_* and check_*), each sorted.
    """
    rows = _with_ledger(records)
    ulns, withheld = _entitled(rows)
    lines = [
        *withheld,
        rows[rows["reason"].eq(NotChosen.ASKED_ELSEWHERE.value)].assign(code=ASKED_BY_ANOTHER_SCHOOL),
        _finding_lines(rows, records.findings),
        _change_lines(rows, records.findings),
        _verified_lines(rows, records.findings),
        _answer_lines(rows, records.exceptions),
    ]
    return ulns, _with_texts(pd.concat(lines), texts)


def _with_ledger(records: SchoolRecords) -> pd.DataFrame:
    """The records that may be due a ULN or a line, each with what the ledger holds of its learner."""
    pupils, dispositions = records.pupils, records.dispositions
    # Of all others nothing is due or listed, and they are nearly half of a cycle's records.
    came = dispositions.loc[dispositions["reason"].isin(_CAME), "row_ref"]
    older = dispositions.loc[dispositions["reason"].eq(NotChosen.SUPERSEDED_RETURN.value), "row_ref"]
    former = former_upns(pupils, ~is_in(pupils["row_ref"], older))
    asked = is_in(pupils["row_ref"], pd.concat([records.standing["row_ref"], came]))
    rows = pupils.loc[asked, list(_OF_PUPIL)].assign(vouched=former[asked])
    rows = rows.merge(dispositions[["row_ref", "reason"]], on="row_ref")
    known = records.standing[["row_ref", "upn", "state", "batch_ref"]].rename(columns={"upn": "learner_upn"})
    rows = rows.merge(known, on="row_ref", how="left")
    rows["learner_upn"] = canonical_upn(rows["learner_upn"].fillna(rows["upn"]))
    rows["sent"] = _as_sent(rows, records.sent)
    return _with_register(rows, records.learners[records.learners["uln"].notna()])


def _entitled(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """The learners who get their ULN, and the lines for ULNs that are withheld or in doubt.

    Args:
        rows: `_with_ledger`.

    Returns:
        school_number and ULN_COLUMNS; lines, each the columns of `rows` and its code.
    """
    answered, arrived = rows["state"].eq(RowState.ULN.value), rows["reason"].isin(_CAME)
    has_own = uln_valid(rows["uln"]).astype(bool)
    due = (answered | (arrived & ~has_own)) & rows["held_uln"].notna()
    # The school that asked may correct a date of birth afterwards; elsewhere another one may mean another learner.
    elsewhere = rows["held_school"] != rows["school_number"]
    other_birth = due & elsewhere & (rows["dob"].str.strip() != rows["held_dob"])
    # The same learner may have had a ULN typed in: where it is another one, neither goes over the other.
    at_odds = arrived & has_own & rows["held_uln"].notna() & (rows["uln"].str.strip() != rows["held_uln"])
    refused = broken_rules(rows[(due | at_odds) & ~other_birth])
    unfit = pd.Series(rows.index.isin(refused.loc[~refused["stays"], "row"]), index=rows.index)
    conflict = _conflicts(rows, due)
    ulns = rows[due & ~other_birth & ~unfit & ~conflict.str.contains(ULN_SHARED)]
    ulns = ulns.drop(columns="uln").rename(columns={"held_uln": "uln"})
    ulns = ulns.sort_values(["school_number", "upn", "row_ref"]).drop_duplicates(["school_number", "upn"])
    lines = [
        rows[other_birth].assign(code=ULN_OF_ANOTHER_BIRTH),
        rows.loc[refused["row"]].assign(code=refused["code"].to_numpy()),
        rows[_uln_of_another(rows, has_own)].assign(code=RETURN_HAS_ULN_OF_ANOTHER),
        rows[conflict != ""].assign(code=conflict[conflict != ""].str.split(";").astype(object)).explode("code"),
    ]
    return ulns[["school_number", *ULN_COLUMNS]].reset_index(drop=True), lines


def _conflicts(rows: pd.DataFrame, due: pd.Series) -> pd.Series:
    """The codes of the register's conflicts about ULNs that are due, `;` between them; empty where there is none."""
    # Two records of one school that share a ULN cannot both have it, even where they are one learner.
    twice = due & rows.assign(uln=rows["held_uln"].where(due)).duplicated(["school_number", "uln"], keep=False)
    conflict = rows["conflict"].where(due).fillna("").astype("str")
    # A school that has entered the other UPN as the former one has said which of the two it is.
    settled = canonical_upn(rows["former_upn"]).eq(rows["held_upns"])
    conflict = conflict.mask(settled, conflict.str.replace(ONE_LEARNER_TWICE, "").str.strip(";"))
    shared = conflict.str.replace(ONE_LEARNER_TWICE, ULN_SHARED)
    shared = shared.mask(~shared.str.contains(ULN_SHARED), shared + ";" + ULN_SHARED).str.strip(";")
    return conflict.mask(twice, shared)


def _with_texts(lines: pd.DataFrame, texts: pd.DataFrame) -> pd.DataFrame:
    """The lines in their order, each with its texts and its step."""
    listed = lines.merge(texts.assign(rank=range(len(texts))), on="code", how="left")
    fallback = texts.set_index("code").loc["UNKNOWN"]
    for column in _TEXTS:
        listed[column] = listed[column].fillna(str(fallback[column]))
    listed = _with_portal(listed)
    changed = listed["field"].notna()
    for lang in get_args(Language):
        listed[f"field_{lang}"] = listed[f"field_{lang}"].mask(changed, _named(listed["field"], lang))
    listed["field"] = listed["field"].fillna("uln")
    order = ["school_number", "surname", "forename", "upn", "row_ref", "rank", "code"]
    listed = _in_steps(listed.sort_values(order, na_position="first"))
    # Why and what to check: nothing yet; `possible_match.with_likely_causes` fills them in.
    return listed.reindex(columns=["school_number", "row_ref", "field", *EXCEPTION_COLUMNS]).reset_index(drop=True)


def _uln_of_another(rows: pd.DataFrame, has_own: pd.Series) -> pd.Series:
    """Whether the ULN in a record is another learner's of the school, by that one's record or by the register."""
    uln = rows["uln"].str.strip().where(has_own, rows["held_uln"])
    own = rows.assign(of=uln)[["school_number", "of", "learner_upn"]].dropna(subset=["of"]).drop_duplicates()
    several = own.loc[own.duplicated(["school_number", "of"], keep=False), ["school_number", "of"]]
    return has_own & is_in(
        composite_key(rows["school_number"], uln), composite_key(several["school_number"], several["of"])
    )


def _in_steps(lines: pd.DataFrame) -> pd.DataFrame:
    """With `step`: of a learner with several things to do, which of how many a line is; else null."""
    of_one = lines.groupby("row_ref", sort=False)["code"]
    many, number = of_one.transform("size"), of_one.cumcount() + 1
    step = number.astype("str") + "/" + many.astype("str")
    return lines.assign(step=step.astype("str").where(many > 1))


def _as_sent(rows: pd.DataFrame, sent: pd.DataFrame) -> pd.Series:
    """The names that a record's batch took to the LRS, `family, given middle`, where the school spells them otherwise."""
    key, of_sent = composite_key(rows["learner_upn"], rows["batch_ref"]), composite_key(sent["upn"], sent["batch_ref"])
    differs = pd.Series(False, index=rows.index)
    parts = {}
    for name, own in (("family_name", "surname"), ("given_name", "forename"), ("middle_name", "middle_names")):
        parts[name] = lookup(key, of_sent, sent[name]).fillna("")
        differs |= parts[name] != rows[own].fillna("").str.strip()
    there = differs & is_in(key, of_sent) & rows["batch_ref"].notna()
    told = parts["family_name"] + ", " + parts["given_name"] + (" " + parts["middle_name"]).str.rstrip()
    return told.where(there).astype("str")


def _with_register(rows: pd.DataFrame, learners: pd.DataFrame) -> pd.DataFrame:
    """Join what the register holds by UPN, else by the former UPN (vouched) where the date of birth agrees.

    Returns:
        The rows with held_uln, held_dob, held_school, held_upns, conflict.
    """
    names = {"uln": "held_uln", "dob": "held_dob", "school_number": "held_school", "conflict": "conflict"}
    names["other_upns"] = "held_upns"
    register = learners.set_index("upn").reindex(columns=list(names)).rename(columns=names)
    by_upn = register.reindex(rows["learner_upn"])
    by_former = register.reindex(rows["vouched"]).reset_index(drop=True)
    same_birth = by_former["held_dob"].eq(rows["dob"].str.strip().reset_index(drop=True))
    found = by_upn.reset_index(drop=True)
    found = found.where(found["held_uln"].notna(), by_former.where(same_birth))
    return pd.concat([rows.reset_index(drop=True), found[list(names.values())]], axis=1)


def _finding_lines(rows: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """What the rules hold, also of a learner who was sent before the fault came in: it must be put right all the same."""
    open_rows = rows.loc[rows["state"].notna() & rows["state"].ne(RowState.ULN.value)]
    blocking = findings.loc[is_blocking(findings), ["row_ref", "rule"]]
    return open_rows.merge(blocking, on="row_ref").rename(columns={"rule": "code"})


def _change_lines(rows: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """What has changed since it was sent, told by where the learner stands now: the answer may have come since."""
    found = rows.merge(
        findings.loc[findings["rule"].isin(list(CHANGE_FINDINGS.values())), ["row_ref", "field"]], on="row_ref"
    )
    # Who is not chosen, as the register holds the ULN, has one as well.
    state = found["state"].where(found["reason"].ne(NotChosen.ULN_HELD.value), RowState.ULN.value)
    return found.assign(code=state.map(CHANGE_FINDINGS).astype("str"))[state.isin(list(CHANGE_FINDINGS))]


def _verified_lines(rows: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """What the LRS said of the ULN that stands in the return."""
    found = findings.loc[findings["rule"].isin(list(FOUND.values())), ["row_ref", "rule"]]
    return rows.merge(found, on="row_ref").rename(columns={"rule": "code"})


def _named(fields: pd.Series, lang: Language) -> pd.Series:
    """The fields of the findings (`;` between them) as a person calls them; of a record few kinds of change occur."""
    names = {f: ", ".join(text(f"field.{one}", lang) for one in f.split(";")) for f in fields.dropna().unique()}
    return fields.map(names).astype("str")


def _answer_lines(rows: pd.DataFrame, exceptions: pd.DataFrame) -> pd.DataFrame:
    """What the LRS answered; with `portal`, the school that asked, where that is another than the learner stands in."""
    answers = exceptions[["upn", "batch_ref", "return_code", "school_number"]]
    names = {"upn": "learner_upn", "return_code": "code", "school_number": "portal"}
    lines = rows[rows["state"].eq(RowState.EXCEPTION.value)].merge(
        answers.rename(columns=names), on=["learner_upn", "batch_ref"]
    )
    return lines.assign(portal=lines["portal"].mask(lines["portal"] == lines["school_number"]))


def _with_portal(lines: pd.DataFrame) -> pd.DataFrame:
    """Of a learner who moved after being asked for, the action says on whose portal the exception stands."""
    moved = lines["portal"].notna()
    for lang in get_args(Language):
        told = [getattr(bilingual("workbook.portal_of", school=school), lang) for school in lines.loc[moved, "portal"]]
        whole = lines.loc[moved, f"action_{lang}"] + "; " + pd.Series(told, index=lines.index[moved], dtype="str")
        lines[f"action_{lang}"] = lines[f"action_{lang}"].mask(moved, whole)
    return lines


def by_school(
    ulns: pd.DataFrame, lines: pd.DataFrame, also: Iterable[str] = ()
) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """What each school gets.

    Args:
        ulns: as `for_schools` gives them.
        lines: likewise.
        also: schools that get something even where it is nothing, as they had something before.

    Returns:
        School number -> its ulns and its lines (EXCEPTION_COLUMNS), in the given order; by school number.
    """
    parts = []
    for table in (ulns, lines[["school_number", *EXCEPTION_COLUMNS]]):
        own = table.drop(columns="school_number")
        groups = own.groupby(table["school_number"].to_numpy(), sort=True)
        parts.append(({str(school): rows.reset_index(drop=True) for school, rows in groups}, own.head(0)))
    (with_uln, no_ulns), (listed, no_lines) = parts
    return {s: (with_uln.get(s, no_ulns), listed.get(s, no_lines)) for s in sorted({*with_uln, *listed, *also})}


def content_refs(ulns: pd.DataFrame, lines: pd.DataFrame, also: Iterable[str] = ()) -> dict[str, str]:
    """A reference to the content of each school's file, equal for equal content: the same content is not delivered twice.

    Args:
        ulns: as `for_schools` gives them.
        lines: likewise.
        also: as for `by_school`.
    """
    parts = []
    for table, names in ((ulns, [c for c in ulns.columns if c != "school_number"]), (lines, list(_CONTENT))):
        rows = _rows(table[names])
        places = table.groupby("school_number").indices
        parts.append((tuple(names), {str(school): [rows[n] for n in at] for school, at in places.items()}))
    schools = sorted({*also, *(school for _, rows in parts for school in rows)})
    return {school: _ref(*([names, *rows.get(school, [])] for names, rows in parts)) for school in schools}


def authority_ref(refs: dict[str, str]) -> str:
    """A reference to what an authority gets: it changes with what any of its schools gets.

    Args:
        refs: school number -> its reference (`content_refs`).
    """
    return _ref(sorted(refs.items()) or [("", "")])


def _rows(table: pd.DataFrame) -> list[tuple[str, ...]]:
    cells = [pa.array(table[c], pa.large_string(), from_pandas=True).fill_null("").to_pylist() for c in table.columns]
    return list(zip(*cells, strict=True))


def _ref(*tables: list[tuple[str, ...]]) -> str:
    """The SHA-256 of tables as CSV."""
    lines = _Lines()
    for rows in tables:
        csv.writer(lines, lineterminator="\n").writerows(rows)
    return hashlib.sha256("".join(lines).encode("utf-8")).hexdigest()


class _Lines(list[str]):
    """Lines in memory that a CSV writer can write to."""

    write = list.append
