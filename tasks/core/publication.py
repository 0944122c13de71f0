"""Decide what goes back to a school: the learners in its CTF, and the lines of its work list.

The work list has a line for each fault, with the one action that puts it right. A learner's lines are together, in the order
of the texts (`code_texts`: first things first); `step` numbers them. The texts come from the rule catalogue and the code
tables, as an argument; nothing here knows a code's meaning. Learners that a school's system refuses: `mis_rules`.
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
from tasks.core.verification import OUTCOME_FINDINGS

ULN_OF_ANOTHER_BIRTH = "REG01"
RETURN_HAS_ULN_OF_ANOTHER = "REG04"
ASKED_BY_ANOTHER_SCHOOL = "TWO01"
#: Why a record that was not chosen may still get a ULN: the ULN came to the learner in another way.
_CAME = (NotChosen.ULN_HELD.value, NotChosen.ASKED_ELSEWHERE.value)
_OF_CTF = ("upn", "surname", "forename", "dob", "gender")
_OF_PUPIL = ("row_ref", "school_number", *_OF_CTF, "middle_names", "nc_year", "former_upn", "uln")

#: A learner in a file; `sent`: the names as sent to the LRS, if they differ from the school's spelling.
ULN_COLUMNS = ("upn", "uln", "surname", "forename", "dob", "gender", "sent")
#: A line of the work list. why_* and check_*: the likely cause of a possible match and what to check; lrs_code: the code that
#: the LRS would have given for the fault of a blocking finding.
EXCEPTION_COLUMNS = (
    *("upn", "surname", "forename", "nc_year", "step"),
    *("wrong_en", "wrong_cy", "why_en", "why_cy", "check_en", "check_cy", "action_en", "action_cy"),
    *("sent", "field_en", "field_cy", "code", "lrs_code"),
)
#: Help, not content: no new file is delivered when a possible match's likely cause becomes clearer, or less clear because
#: the returns that showed it have been purged.
_HELP = ("why_en", "why_cy", "check_en", "check_cy")
_CONTENT = tuple(name for name in EXCEPTION_COLUMNS if name not in _HELP)
_TEXTS = ("wrong_en", "wrong_cy", "action_en", "action_cy", "field_en", "field_cy")


@dataclass(frozen=True)
class SchoolRecords:
    """The records of several schools, and what the ledger knows about their learners.

    Attributes:
        pupils: row_ref, school_number and the pupil fields, as sent.
        dispositions: row_ref, disposition, reason.
        standing: row_ref, upn (by which the ledger knows the learner), state, batch_ref; of the chosen records.
        learners: upn, uln, dob, school_number, other_upns, conflict (`merging.with_conflicts`).
        findings: row_ref, rule, severity, field; of the rules, and of `superseding.changed_values` at the return's arrival.
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
    """Return the learners with a ULN, and the lines of the work list, for several schools at once.

    The CTF has chosen learners who now have a ULN, learners whose ULN the register holds from an earlier cycle while the
    return had none, and learners for whom another school asked. It leaves out a learner whose ULN was also answered for
    another learner, one for whom another school asked and whose date of birth is not the register's, and one whom a
    school's system would refuse (`mis_rules`): these learners are in the work list.

    Args:
        records: of whole schools.
        texts: code, wrong_en, wrong_cy, action_en, action_cy, field_en, field_cy, lrs_code; first things first.

    Returns:
        ulns (school_number and ULN_COLUMNS) and list lines (school_number, row_ref, field as the findings name it, and
        EXCEPTION_COLUMNS; `possible_match.with_likely_causes` fills why_* and check_*), each sorted.
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
    """Return the records that may get a ULN or a line, each with what the ledger knows about its learner."""
    pupils, dispositions = records.pupils, records.dispositions
    # Other records get neither ULN nor line, and they are nearly half of a cycle's records.
    came = dispositions.loc[dispositions["reason"].isin(_CAME), "row_ref"]
    older = dispositions.loc[dispositions["reason"].eq(NotChosen.SUPERSEDED_RETURN.value), "row_ref"]
    former = former_upns(pupils, ~is_in(pupils["row_ref"], older))
    wanted = is_in(pupils["row_ref"], pd.concat([records.standing["row_ref"], came]))
    rows = pupils.loc[wanted, list(_OF_PUPIL)].assign(vouched=former[wanted])
    rows = rows.merge(dispositions[["row_ref", "reason"]], on="row_ref")
    known = records.standing[["row_ref", "upn", "state", "batch_ref"]].rename(columns={"upn": "learner_upn"})
    rows = rows.merge(known, on="row_ref", how="left")
    rows["learner_upn"] = canonical_upn(rows["learner_upn"].fillna(rows["upn"]))
    rows["sent"] = _as_sent(rows, records.sent)
    return _with_register(rows, records.learners[records.learners["uln"].notna()])


def _entitled(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """Return the learners who get their ULN (school_number and ULN_COLUMNS), and the lines for ULNs withheld or in doubt.

    Each line has the columns of `rows` (`_with_ledger`) and its code.
    """
    answered, arrived = rows["state"].eq(RowState.ULN.value), rows["reason"].isin(_CAME)
    has_uln = uln_valid(rows["uln"]).astype(bool)
    due = (answered | (arrived & ~has_uln)) & rows["held_uln"].notna()
    # The school that asked may correct a date of birth afterwards; elsewhere a different date may mean another learner.
    elsewhere = rows["held_school"] != rows["school_number"]
    other_birth = due & elsewhere & (rows["dob"].str.strip() != rows["held_dob"])
    # Somebody may have typed in a ULN for the same learner: if it differs, neither replaces the other.
    at_odds = arrived & has_uln & rows["held_uln"].notna() & (rows["uln"].str.strip() != rows["held_uln"])
    refused = broken_rules(rows[(due | at_odds) & ~other_birth])
    unfit = pd.Series(rows.index.isin(refused.loc[~refused["stays"], "row"]), index=rows.index)
    conflict = _conflicts(rows, due)
    ulns = rows[due & ~other_birth & ~unfit & ~conflict.str.contains(ULN_SHARED)]
    ulns = ulns.drop(columns="uln").rename(columns={"held_uln": "uln"})
    ulns = ulns.sort_values(["school_number", "upn", "row_ref"]).drop_duplicates(["school_number", "upn"])
    lines = [
        rows[other_birth].assign(code=ULN_OF_ANOTHER_BIRTH),
        rows.loc[refused["row"]].assign(code=refused["code"].to_numpy()),
        rows[_uln_of_another(rows, has_uln)].assign(code=RETURN_HAS_ULN_OF_ANOTHER),
        rows[conflict != ""].assign(code=conflict[conflict != ""].str.split(";").astype(object)).explode("code"),
    ]
    return ulns[["school_number", *ULN_COLUMNS]].reset_index(drop=True), lines


def _conflicts(rows: pd.DataFrame, due: pd.Series) -> pd.Series:
    """Return the codes of the register's conflicts about ULNs that are due, separated by `;`; empty where none."""
    # Two records of one school cannot both get one ULN, even if they are one learner.
    twice = due & rows.assign(uln=rows["held_uln"].where(due)).duplicated(["school_number", "uln"], keep=False)
    conflict = rows["conflict"].where(due).fillna("").astype("str")
    # A school that enters the other UPN as the former one has decided which of the two is right.
    settled = canonical_upn(rows["former_upn"]).eq(rows["held_upns"])
    conflict = conflict.mask(settled, conflict.str.replace(ONE_LEARNER_TWICE, "").str.strip(";"))
    shared = conflict.str.replace(ONE_LEARNER_TWICE, ULN_SHARED)
    shared = shared.mask(~shared.str.contains(ULN_SHARED), shared + ";" + ULN_SHARED).str.strip(";")
    return conflict.mask(twice, shared)


def _with_texts(lines: pd.DataFrame, texts: pd.DataFrame) -> pd.DataFrame:
    """Return the lines in their order, each with its texts and its step."""
    listed = lines.merge(texts.assign(rank=range(len(texts))), on="code", how="left")
    fallback = texts.set_index("code").loc["UNKNOWN"]
    for column in _TEXTS:
        listed[column] = listed[column].fillna(str(fallback[column]))
    listed = _with_portal(listed)
    changed = listed["field"].notna()
    for lang in get_args(Language):
        listed[f"field_{lang}"] = listed[f"field_{lang}"].mask(changed, _field_names(listed["field"], lang))
    listed["field"] = listed["field"].fillna("uln")
    order = ["school_number", "surname", "forename", "upn", "row_ref", "rank", "code"]
    listed = _in_steps(listed.sort_values(order, na_position="first"))
    # why_* and check_* stay empty here; `possible_match.with_likely_causes` fills them.
    return listed.reindex(columns=["school_number", "row_ref", "field", *EXCEPTION_COLUMNS]).reset_index(drop=True)


def _uln_of_another(rows: pd.DataFrame, has_uln: pd.Series) -> pd.Series:
    """Whether the ULN in a record is that of another learner of the school, by that learner's record or by the register."""
    uln = rows["uln"].str.strip().where(has_uln, rows["held_uln"])
    holders = rows.assign(of=uln)[["school_number", "of", "learner_upn"]].dropna(subset=["of"]).drop_duplicates()
    held = composite_key(holders["school_number"], holders["of"])
    return has_uln & is_in(composite_key(rows["school_number"], uln), held[held.duplicated()])


def _in_steps(lines: pd.DataFrame) -> pd.DataFrame:
    """Add `step`: the line's number among a learner's lines, as `number/total`; null for a single line."""
    by_record = lines.groupby("row_ref", sort=False)["code"]
    many, number = by_record.transform("size"), by_record.cumcount() + 1
    step = number.astype("str") + "/" + many.astype("str")
    return lines.assign(step=step.astype("str").where(many > 1))


def _as_sent(rows: pd.DataFrame, sent: pd.DataFrame) -> pd.Series:
    """Return the names that a record's batch took to the LRS, `family, given middle`, where the school's spelling differs."""
    key, sent_key = composite_key(rows["learner_upn"], rows["batch_ref"]), composite_key(sent["upn"], sent["batch_ref"])
    differs = pd.Series(False, index=rows.index)
    parts = {}
    for name, pupil_name in (("family_name", "surname"), ("given_name", "forename"), ("middle_name", "middle_names")):
        parts[name] = lookup(key, sent_key, sent[name]).fillna("")
        differs |= parts[name] != rows[pupil_name].fillna("").str.strip()
    shown = differs & is_in(key, sent_key) & rows["batch_ref"].notna()
    names = parts["family_name"] + ", " + parts["given_name"] + (" " + parts["middle_name"]).str.rstrip()
    return names.where(shown).astype("str")


def _with_register(rows: pd.DataFrame, learners: pd.DataFrame) -> pd.DataFrame:
    """Add held_uln, held_dob, held_school, held_upns and conflict: what the register holds for each record.

    By UPN; else by the former UPN (vouched), if the date of birth agrees.
    """
    names = {"uln": "held_uln", "dob": "held_dob", "school_number": "held_school", "conflict": "conflict"}
    names["other_upns"] = "held_upns"
    register = learners.set_index("upn").reindex(columns=list(names)).rename(columns=names)
    rows = rows.reset_index(drop=True)
    by_upn, by_former = (register.reindex(rows[name]).reset_index(drop=True) for name in ("learner_upn", "vouched"))
    same_birth = by_former["held_dob"].eq(rows["dob"].str.strip())
    return pd.concat([rows, by_upn.where(by_upn["held_uln"].notna(), by_former.where(same_birth))], axis=1)


def _finding_lines(rows: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """Return the blocking findings, also those of learners sent before the fault came in: these must be put right too."""
    open_rows = rows.loc[rows["state"].notna() & rows["state"].ne(RowState.ULN.value)]
    blocking = findings.loc[is_blocking(findings), ["row_ref", "rule"]]
    return open_rows.merge(blocking, on="row_ref").rename(columns={"rule": "code"})


def _change_lines(rows: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """Return the changes since a record was sent, coded by the learner's state now: the answer may have come since."""
    changed = findings.loc[findings["rule"].isin(list(CHANGE_FINDINGS.values())), ["row_ref", "field"]]
    changes = rows.merge(changed, on="row_ref")
    # A record not chosen because the register holds its ULN counts as one with a ULN.
    state = changes["state"].where(changes["reason"].ne(NotChosen.ULN_HELD.value), RowState.ULN.value)
    return changes.assign(code=state.map(CHANGE_FINDINGS).astype("str"))[state.isin(list(CHANGE_FINDINGS))]


def _verified_lines(rows: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    verified = findings.loc[findings["rule"].isin(list(OUTCOME_FINDINGS.values())), ["row_ref", "rule"]]
    return rows.merge(verified, on="row_ref").rename(columns={"rule": "code"})


def _field_names(fields: pd.Series, lang: Language) -> pd.Series:
    """Return the names that people use for the fields of findings (`;` between them); few combinations of fields occur."""
    names = {f: ", ".join(text(f"field.{name}", lang) for name in f.split(";")) for f in fields.dropna().unique()}
    return fields.map(names).astype("str")


def _answer_lines(rows: pd.DataFrame, exceptions: pd.DataFrame) -> pd.DataFrame:
    """Return the LRS's answers; `portal` is the school that asked, where the learner is now in another one."""
    names = {"upn": "learner_upn", "return_code": "code", "school_number": "portal"}
    answers = exceptions[["batch_ref", *names]].rename(columns=names)
    lines = rows[rows["state"].eq(RowState.EXCEPTION.value)].merge(answers, on=["learner_upn", "batch_ref"])
    return lines.assign(portal=lines["portal"].mask(lines["portal"] == lines["school_number"]))


def _with_portal(lines: pd.DataFrame) -> pd.DataFrame:
    """Add to the action, for a learner who moved after a school asked, on whose portal the exception is."""
    moved = lines["portal"].notna()
    for lang in get_args(Language):
        texts = [getattr(bilingual("workbook.portal_of", school=school), lang) for school in lines.loc[moved, "portal"]]
        action = lines.loc[moved, f"action_{lang}"] + "; " + pd.Series(texts, index=lines.index[moved], dtype="str")
        lines[f"action_{lang}"] = lines[f"action_{lang}"].mask(moved, action)
    return lines


def by_school(
    ulns: pd.DataFrame, lines: pd.DataFrame, also: Iterable[str] = ()
) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """Return the ulns and the lines (EXCEPTION_COLUMNS) of each school, in the order of `for_schools`; by school number.

    The schools in `also` get an entry even if it is empty, because they had something before.
    """
    parts = []
    for table in (ulns, lines[["school_number", *EXCEPTION_COLUMNS]]):
        content = table.drop(columns="school_number")
        groups = content.groupby(table["school_number"].to_numpy(), sort=True)
        parts.append(({str(school): rows.reset_index(drop=True) for school, rows in groups}, content.head(0)))
    (with_uln, no_ulns), (listed, no_lines) = parts
    return {s: (with_uln.get(s, no_ulns), listed.get(s, no_lines)) for s in sorted({*with_uln, *listed, *also})}


def content_refs(ulns: pd.DataFrame, lines: pd.DataFrame, also: Iterable[str] = ()) -> dict[str, str]:
    """Return a reference to the content of each school's file. Equal content has an equal one, and is not delivered twice.

    The arguments are those of `by_school`.
    """
    parts = []
    for table, names in ((ulns, [c for c in ulns.columns if c != "school_number"]), (lines, list(_CONTENT))):
        rows = _rows(table[names])
        places = table.groupby("school_number").indices
        parts.append((tuple(names), {str(school): [rows[n] for n in at] for school, at in places.items()}))
    schools = sorted({*also, *(school for _, rows in parts for school in rows)})
    return {school: _ref(*([names, *rows.get(school, [])] for names, rows in parts)) for school in schools}


def authority_ref(refs: dict[str, str]) -> str:
    """Return a reference to what an authority gets, from its schools' `content_refs`: it changes if one of those changes."""
    return _ref(sorted(refs.items()) or [("", "")])


def _rows(table: pd.DataFrame) -> list[tuple[str, ...]]:
    cells = [pa.array(table[c], pa.large_string(), from_pandas=True).fill_null("").to_pylist() for c in table.columns]
    return list(zip(*cells, strict=True))


def _ref(*tables: list[tuple[str, ...]]) -> str:
    lines = _Lines()
    for rows in tables:
        csv.writer(lines, lineterminator="\n").writerows(rows)
    return hashlib.sha256("".join(lines).encode("utf-8")).hexdigest()


class _Lines(list[str]):
    """Lines in memory that a CSV writer can write to."""

    write = list.append
