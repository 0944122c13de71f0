"""A stand-in for the LRS: answers what stands in `lrs/outbox`, from a register of its own, into `lrs/inbox`.

Its web service (`lrs_web_stand_in`) answers from the same register, by the same rules.

Belongs here: what an LRS would see and say. It reads batch files by their headings and nothing else of the service: not
the lake, not the truth of a rehearsal. Its register (`rehearsal/lrs/register.parquet`) and the list of what it has
answered outlast a run.

Matching is on the five demographics (given and family name, date of birth, gender, postcode;
docs/reference/sources.md#matching): all equal is the same learner; all but one of them, or all with the names crossed,
is a possible match (RC007). It knows learners from before, as the rehearsal hands them to it
(`rehearsal/lrs/known_before/`; why they are like a learner of a return it is not told). The real rules of similarity
are not public, and neither is the meaning of RC001 to RC005: **RC001 for a new ULN and RC002 for a learner known before
are this stand-in's own convention.** By a hash of the five, a small share of learners counts as known to the LRS
before, as like one that it knows (RC007), or as too little described (RC006).

RC010, RC011 and RC013 have their true causes (a value is missing, is in a wrong form, the age is not one for a ULN), but
the service's own rules hold all that would cause them. So that operators see these rows too, a few learners with nothing
wrong get one of them **by lot**, by the same hash. The lot stays with the five: asked again, in any cycle, the answer is
the same until the school sends something else, or a person at the portal enters the learner anew. That a person can
only do where what was sent is whole: an answer by lot can be settled there, one with a true cause waits for the school.

To teach it a new answer: a line in `_judge`, or in `_BY_LOT`.
"""

import csv
import datetime as dt
import hashlib
import io
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lxml import etree

from schemas.lrs.profiles import Profile, all_profiles
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ServiceFault
from tasks.core.identifiers import uln_check_digit
from tasks.io.data_root.data_root import write_whole

_FIVE = ["given_name", "family_name", "dob", "gender", "postcode"]
#: What two learners share who may be one: all but one of the five, or all with the names in either order.
_NEARLY = [*([f for f in _FIVE if f != left_out] for left_out in _FIVE), ["names", "dob", "gender", "postcode"]]
_READ = ["upn", "middle_name", *_FIVE, "ability_to_share"]
_NEW, _KNOWN = "RC001", "RC002"
_TOO_LITTLE, _POSSIBLE_MATCH, _MISSING, _FORMAT, _AGE = "RC006", "RC007", "RC010", "RC011", "RC013"
_AGES = (13, 110)
_NAME = r"(?=.*[A-Za-z])[A-Za-z' .\-]{1,35}"
_DATE = r"(?:18|19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}"
_POSTCODE = r"(?:[A-Za-z]{1,2}[0-9Rr][0-9A-Za-z]? ?[0-9][ABD-HJLNP-UW-Zabd-hjlnp-uw-z]{2}|BFPO ?[0-9]{1,4}) {0,4}"
#: Of ten thousand learners of whom nothing is known and with whom nothing is wrong, so many are answered so.
_BY_LOT = {_TOO_LITTLE: 10, _POSSIBLE_MATCH: 50, _KNOWN: 50, _MISSING: 15, _FORMAT: 30, _AGE: 15}
_FIRST_NINE = 100_000_000
_BATCH_NAME = re.compile(r"LRB_[0-9A-Za-z]{8}_([0-9]{12})")


@dataclass(frozen=True)
class StandInSummary:
    """What the stand-in did.

    Attributes:
        files: batch files answered.
        rows: learners in them.
        ulns: learners answered with a ULN.
        exceptions: return code -> learners without a ULN.
    """

    files: int = 0
    rows: int = 0
    ulns: int = 0
    exceptions: dict[str, int] = field(default_factory=dict)


def answer_outbox(
    root: Path, *, profiles: dict[str, Profile], seed: int = 0, second_pass: bool = False
) -> StandInSummary:
    """Answer every batch of the outbox that was not answered before: `lrs/inbox/<name>_RESULT.CSV` for each.

    Args:
        root: the data root.
        profiles: layouts that take the place of the shipped ones: which heading holds which field.
        seed: shifts whom the LRS claims to know.
        second_pass: answer again what was answered before, as `<name>_RESULT_2.CSV`: a result file taken from the
            portal once more, in which learners whose exceptions were settled meanwhile have their ULN.

    Returns:
        Counts.

    Raises:
        ServiceFault: a batch's name does not say when it was made, or its headings are not those of any layout.
    """
    state = StandInState(root)
    batches = [
        (path, sha256, content)
        for path in sorted((root / "lrs" / "outbox").glob("LRB_*"))
        if path.suffix in (".CSV", ".XML")
        for content in [path.read_bytes()]
        for sha256 in [hashlib.sha256(content).hexdigest()]
        if second_pass == (sha256 in state.answered)
    ]
    if not batches:
        return StandInSummary()
    headings = headings_of(all_profiles() | profiles)
    tables = [_read(path, content) for path, _, content in batches]
    days = [_day_of(path) for path, _, _ in batches]
    named = [path.name for path, _, _ in batches]
    summary, results = answered_batches(state, tables, days, named, headings, seed)
    for (path, _, _), result in zip(batches, results, strict=True):
        name = f"{path.stem}_RESULT{'_2' if second_pass else ''}.CSV"
        write_whole(root / "lrs" / "inbox" / name, _csv_bytes(result))
    state.answered |= {sha256 for _, sha256, _ in batches}
    state.save()
    return summary


def answered_batches(
    state: "StandInState",
    tables: list[pd.DataFrame],
    days: list[dt.date],
    named: list[str],
    headings: dict[str, str],
    seed: int,
) -> tuple[StandInSummary, list[pd.DataFrame]]:
    """Answer some batches together, however they came; what the LRS knows afterwards is in the state, not saved yet.

    Args:
        state: what the LRS knows.
        tables: the batches, every cell text.
        days: on which each is answered.
        named: how each is called.
        headings: heading -> our name (`headings_of`).
        seed: see `answer_outbox`.

    Returns:
        Counts; and each batch with its ULN and ReturnCode.

    Raises:
        ServiceFault: headings are not those of any layout.
    """
    rows = pd.concat(
        [_rows(t, day, name, headings) for t, day, name in zip(tables, days, named, strict=True)], ignore_index=True
    )
    answers, state.register = _judge(rows, state.register, seed)
    ends = np.cumsum([len(t) for t in tables])
    results = []
    for table, end in zip(tables, ends, strict=True):
        mine = answers.iloc[end - len(table) : end]
        results.append(table.assign(ULN=mine["uln"].fillna("").to_list(), ReturnCode=mine["code"].to_list()))
    state.open = _still_open(state.open, rows.assign(code=answers["code"], at_portal=answers["at_portal"]))
    without = answers.loc[answers["uln"].isna(), "code"]
    counts = dict(sorted(Counter(without.to_list()).items()))
    return StandInSummary(len(tables), len(rows), int(answers["uln"].notna().sum()), counts), results


def processed_exceptions(root: Path, share: float, seed: int = 0) -> int:
    """Play people who work on the portal: export a share of what can be settled there, each now with a ULN.

    That is RC006 and RC007, and what was answered by lot; not what waits for a value that only the school has.

    The exports are in the 2A layout whatever the batch was in, without UCI and UPN (LRS release 1902.01), one for each
    organisation: `lrs/inbox/ExportProcessedExceptions_<UKPRN>_<nnn>.CSV`.

    Args:
        root: the data root.
        share: of the open exceptions that can be settled, from 0 to 1; which ones is a matter of the seed.
        seed: see `share`.

    Returns:
        How many exceptions were settled.
    """
    state = StandInState(root)
    can = state.open[state.open["at_portal"] == "Y"]
    order = _lots(can["ukprn"] + "|" + can["upn"], f"{seed}|portal", 2**32).sort_values(kind="stable")
    worked = can.loc[order.index[: round(len(can) * share)]].sort_values(["ukprn", "upn"])
    if worked.empty:
        return 0
    state.register = _allot(worked, state.register)
    worked = worked.assign(uln=_ulns(worked, state.register))
    state.exports += 1
    profile = all_profiles()["2A"]
    for ukprn, rows in worked.groupby("ukprn", sort=True):
        about = {
            "file_version": "2A",
            "file_name": "ExportProcessedExceptions",
            "ukprn": ukprn,
            "record_count": len(rows),
        }
        table = {}
        for column in profile.columns:
            if column.first_row_only:
                cells = [str(about[column.source]), *[""] * (len(rows) - 1)]
            elif column.heading == "ULN":
                cells = rows["uln"].to_list()
            elif column.source in _READ:
                cells = rows[column.source].to_list()
            else:
                cells = [column.source.removeprefix("=")] * len(rows)
            table[column.heading] = cells
        name = f"ExportProcessedExceptions_{ukprn}_{state.exports:03d}.CSV"
        write_whole(root / "lrs" / "inbox" / name, _csv_bytes(pd.DataFrame(table)))
    state.open = state.open.drop(worked.index).reset_index(drop=True)
    state.save()
    return len(worked)


class StandInState:
    """What the stand-in remembers: the register (uln, the five, origin), what it has answered, what is open."""

    def __init__(self, root: Path) -> None:
        self._folder = root / "rehearsal" / "lrs"
        self.register = self._table("register", ["uln", *_FIVE, "origin"])
        for path in sorted((self._folder / "known_before").glob("*.parquet")):
            known = pd.read_parquet(path)
            self.register = _allot(known, self.register, known=pd.Series(True, index=known.index))
        self.open = self._table("open", ["ukprn", *_READ, "code", "at_portal"])
        path = self._folder / "answered.json"
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        self.answered: set[str] = set(kept.get("answered", []))
        self.exports: int = kept.get("exports", 0)

    def _table(self, name: str, columns: list[str]) -> pd.DataFrame:
        path = self._folder / f"{name}.parquet"
        return pd.read_parquet(path) if path.exists() else pd.DataFrame(columns=columns, dtype="str")

    def save(self) -> None:
        """The register first: a ULN that was given must never be forgotten; the list of files answered last."""
        for name, table in (("register", self.register), ("open", self.open)):
            buffer = io.BytesIO()
            table.to_parquet(buffer, index=False)
            write_whole(self._folder / f"{name}.parquet", buffer.getvalue())
        kept = {"answered": sorted(self.answered), "exports": self.exports}
        write_whole(self._folder / "answered.json", json.dumps(kept, indent=1).encode() + b"\n")


def headings_of(profiles: dict[str, Profile]) -> dict[str, str]:
    """Heading (or XML name) -> our name for what it holds."""
    found: dict[str, str] = {}
    for profile in profiles.values():
        for column in profile.columns:
            # The UPN column of 3A repeats the MIS identifier.
            if (column.source in _READ or column.source == "ukprn") and column.heading != "UPN":
                found |= dict.fromkeys(
                    [column.heading, column.xml_name or column.heading, *column.aliases], column.source
                )
    return found


def _read(path: Path, content: bytes) -> pd.DataFrame:
    """A batch file as it stands: every cell text, columns by their headings."""
    if path.suffix == ".CSV":
        return pd.read_csv(io.BytesIO(content), dtype="str", keep_default_na=False, encoding="utf-8")
    root = etree.fromstring(content)
    about = {str(child.tag): child.text or "" for child in root if not len(child)}
    records = [{str(cell.tag): cell.text or "" for cell in child} for child in root if len(child)]
    if records:
        records[0] = about | records[0]
    return pd.DataFrame(records, dtype="str").fillna("")


def _day_of(path: Path) -> dt.date:
    """The day of a batch file, from its name.

    Raises:
        ServiceFault: it says none.
    """
    named = _BATCH_NAME.match(path.name)
    if named is None:
        raise ServiceFault(bilingual("fault.stand_in_date", file=path.name))
    return dt.datetime.strptime(named[1], "%d%m%Y%H%M").date()  # noqa: DTZ007 - a calendar day


def _rows(table: pd.DataFrame, day: dt.date, named: str, headings: dict[str, str]) -> pd.DataFrame:
    """ukprn, the fields that matter, and `at` (the day)."""
    column_of = {headings[c]: c for c in reversed(list(table.columns)) if c in headings}
    if not {"ukprn", "upn", "given_name", "family_name"} <= set(column_of):
        raise ServiceFault(bilingual("fault.stand_in_headings", file=named))
    blank = pd.Series("", index=table.index, dtype="str")
    found = {name: table[column_of[name]].str.strip() if name in column_of else blank for name in ["ukprn", *_READ]}
    rows = pd.DataFrame(found).assign(at=pd.Timestamp(day))
    return rows.assign(ukprn=rows["ukprn"].iloc[0] if len(rows) else "")


def _judge(rows: pd.DataFrame, register: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The answers (uln, code, at_portal; in the order of the rows) and the register as it is afterwards.

    at_portal is Y where a person can settle the exception without a new value from the school.
    """
    code = pd.Series(None, index=rows.index, dtype="str")

    def say(answer: str, where: pd.Series) -> None:
        nonlocal code
        code = code.mask(code.isna() & where, answer)

    born = pd.to_datetime(rows["dob"].where(rows["dob"].str.fullmatch(_DATE)), format="%Y-%m-%d", errors="coerce")
    names = rows["given_name"].str.fullmatch(_NAME) & rows["family_name"].str.fullmatch(_NAME)
    codes = rows["gender"].isin(list("0129")) & rows["ability_to_share"].isin(list("012"))
    not_yet = (born.dt.month * 100 + born.dt.day) > (rows["at"].dt.month * 100 + rows["at"].dt.day)
    age = rows["at"].dt.year - born.dt.year - not_yet
    say(_MISSING, (rows[[*_FIVE, "ability_to_share"]] == "").any(axis=1))
    say(_FORMAT, ~(names & codes & born.notna() & rows["postcode"].str.fullmatch(_POSTCODE)))
    say(_AGE, ~age.between(*_AGES))
    at_portal = code.isna().map({True: "Y", False: "N"}).astype("str")
    key = _key(rows, _FIVE)
    known = key.isin(_key(register, _FIVE))
    say(_KNOWN, known)
    # What is left is asked for the first time; the first row of a learner answers for the others of this hand-over.
    first = rows[code.isna() & ~key.where(code.isna()).duplicated()]
    lot = _lots(key.loc[first.index], str(seed), 10_000)
    drawn = np.searchsorted(np.cumsum(list(_BY_LOT.values())), lot.to_numpy(), "right")
    verdict = pd.Series(np.array([*_BY_LOT, _NEW])[drawn], index=first.index, dtype="str")
    unregistered = ~verdict.isin([_NEW, _KNOWN])
    asked, held = (rows.assign(names=_names(rows)) for rows in (first, register))
    for fields in _NEARLY:
        nearly = _key(asked, fields)
        # Like one in the register, or like one asked for before in this hand-over.
        near = nearly.isin(_key(held, fields)) | nearly.where(~unregistered).duplicated()
        verdict = verdict.mask(near & (verdict == _NEW), _POSSIBLE_MATCH)
    allotted = first[verdict.isin([_NEW, _KNOWN])]
    register = _allot(allotted, register, known=verdict.loc[allotted.index] == _KNOWN)
    by_key = verdict.set_axis(key.loc[first.index])
    code = code.where(code.notna(), key.map(by_key).astype("str"))
    again = (code == _NEW) & ~rows.index.isin(first.index)
    code = code.mask(again, _KNOWN)
    uln = _ulns(rows, register).where(code.isin([_NEW, _KNOWN]))
    return pd.DataFrame({"uln": uln, "code": code, "at_portal": at_portal}), register


def _key(rows: pd.DataFrame, fields: list[str]) -> pd.Series:
    """The fields as one text to compare by; capitals do not matter."""
    key = rows[fields[0]].astype("str")
    for name in fields[1:]:
        key = key + "|" + rows[name].astype("str")
    return key.str.upper()


def _names(rows: pd.DataFrame) -> pd.Series:
    """Given and family name, in whichever order they stand."""
    given, family = (rows[name].astype("str").str.upper() for name in ("given_name", "family_name"))
    return (given + "|" + family).where(given <= family, family + "|" + given)


def _lots(keys: pd.Series, salt: str, below: int) -> pd.Series:
    """A number below `below` for each text, the same on every machine and in every run."""
    digests = [hashlib.sha256(f"{salt}|{k}".encode()).digest()[:8] for k in keys.to_list()]
    return pd.Series([int.from_bytes(d, "big") % below for d in digests], index=keys.index, dtype="int64")


def _ulns(rows: pd.DataFrame, register: pd.DataFrame) -> pd.Series:
    held = register["uln"].set_axis(_key(register, _FIVE))
    return _key(rows, _FIVE).map(held).astype("str")


def _allot(rows: pd.DataFrame, register: pd.DataFrame, known: pd.Series | None = None) -> pd.DataFrame:
    """The register with a new ULN for each learner of the rows that it does not hold, in the order of the rows."""
    key = _key(rows, _FIVE)
    new = rows[~key.isin(_key(register, _FIVE)) & ~key.duplicated()]
    # The next in number after all that were given; one start in eleven has no check digit and is passed over.
    start = int(register["uln"].str[:9].astype("int64").max()) + 1 if len(register) else _FIRST_NINE
    nine = pd.Series(range(start, start + 2 * len(new) + 11), dtype="int64").astype("str")
    ulns = (nine + uln_check_digit(nine)).dropna().iloc[: len(new)]
    before = known.loc[new.index].astype(bool) if known is not None else pd.Series(False, index=new.index)
    added = new[_FIVE].assign(uln=ulns.to_list(), origin=before.map({True: "known before", False: "allotted"}))
    return pd.concat([register, added[list(register.columns)].astype("str")], ignore_index=True)


def _still_open(before: pd.DataFrame, answered: pd.DataFrame) -> pd.DataFrame:
    """Exceptions after a hand-over: an answer takes the place of the one before for the same learner of a school."""
    told = pd.concat([before, answered[[*before.columns]]], ignore_index=True)
    told = told.drop_duplicates(["ukprn", "upn"], keep="last")
    return told[told["code"].ne(_NEW) & told["code"].ne(_KNOWN)].sort_values(["ukprn", "upn"], ignore_index=True)


def _csv_bytes(table: pd.DataFrame) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(table.columns)
    writer.writerows(zip(*(table[c].to_list() for c in table.columns), strict=True))
    return text.getvalue().encode("utf-8")
