"""A stand-in for the LRS: answers the batches in `lrs/outbox` from its own register, into `lrs/inbox`.

Its web service (`lrs_web_stand_in`) answers from the same register, by the same rules. It reads batch files by their
headings; it does not read the service's lake or the truth of a rehearsal. Its register (`rehearsal/lrs/register.parquet`)
and the list of answered files outlast a run.

Matching is on the five demographics (given and family name, date of birth, gender, postcode;
docs/reference/sources.md#matching): if all are equal, it is the same learner; if all but one are equal, or all with given
and family name swapped, it is a possible match (RC007). The rehearsal gives it known learners
(`rehearsal/lrs/known_before/`), without the reason why they are similar. The real similarity rules and the meaning of
RC001 to RC005 are not public: **RC001 for a new ULN and RC002 for a known learner are this stand-in's own convention.** A
hash of the five makes a small share of learners known to the LRS, a possible match (RC007) or insufficient (RC006).

RC010, RC011 and RC013 have their true causes (a missing value, a wrong form, an age outside the range), but the service
holds every record that would cause them. So that operators see them too, the same hash gives them to a few faultless
learners **at random**: the same in any cycle, until the school sends other values. The portal can settle such an answer,
because the record is complete; an answer with a true cause waits for the school.

To add an answer: a line in `_judge`, or in `_AT_RANDOM`.
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
#: Fields that possible matches share: all but one of the five, or all with the names in either order.
_NEARLY = [*([f for f in _FIVE if f != left_out] for left_out in _FIVE), ["names", "dob", "gender", "postcode"]]
_READ = ["upn", "middle_name", *_FIVE, "ability_to_share"]
_NEW, _KNOWN = "RC001", "RC002"
_TOO_LITTLE, _POSSIBLE_MATCH, _MISSING, _FORMAT, _AGE = "RC006", "RC007", "RC010", "RC011", "RC013"
_AGES = (13, 110)
_NAME = r"(?=.*[A-Za-z])[A-Za-z' .\-]{1,35}"
_DATE = r"(?:18|19|20)[0-9]{2}-[0-9]{2}-[0-9]{2}"
_POSTCODE = r"(?:[A-Za-z]{1,2}[0-9Rr][0-9A-Za-z]? ?[0-9][ABD-HJLNP-UW-Zabd-hjlnp-uw-z]{2}|BFPO ?[0-9]{1,4}) {0,4}"
#: Return code -> how many of ten thousand unknown, faultless learners get it at random.
_AT_RANDOM = {_TOO_LITTLE: 10, _POSSIBLE_MATCH: 50, _KNOWN: 50, _MISSING: 15, _FORMAT: 30, _AGE: 15}
_FIRST_NINE = 100_000_000
_EXPORT = "ExportProcessedExceptions"
_BATCH_NAME = re.compile(r"LRB_[0-9A-Za-z]{8}_([0-9]{12})")


@dataclass(frozen=True)
class StandInSummary:
    """Counts of answers: batch files, learners in them, learners with a ULN, and those without by return code."""

    files: int = 0
    rows: int = 0
    ulns: int = 0
    exceptions: dict[str, int] = field(default_factory=dict)


def answer_outbox(
    root: Path, *, profiles: dict[str, Profile], seed: int = 0, second_pass: bool = False
) -> StandInSummary:
    """Answer every unanswered batch of the outbox, each with `lrs/inbox/<name>_RESULT.CSV`.

    Args:
        root: the data root.
        profiles: layouts that replace the shipped ones: which heading holds which field.
        seed: changes which learners get an answer of `_AT_RANDOM`.
        second_pass: answer again the batches that already have an answer, as `<name>_RESULT_2.CSV`. This is a result file
            downloaded from the portal a second time: learners whose exceptions were settled in between have their ULN.

    Raises:
        ServiceFault: a batch's name has no time, or its headings fit no layout.
    """
    state = StandInState(root)
    outbox = sorted(path for path in (root / "lrs" / "outbox").glob("LRB_*") if path.suffix in (".CSV", ".XML"))
    contents = {path: path.read_bytes() for path in outbox}
    sha256_of = {path: hashlib.sha256(content).hexdigest() for path, content in contents.items()}
    due = [path for path in outbox if second_pass == (sha256_of[path] in state.answered)]
    if not due:
        return StandInSummary()
    batches = [(path.name, _day_of(path), _read(path, contents[path])) for path in due]
    summary, results = answered_batches(state, batches, all_profiles() | profiles, seed)
    for path, result in zip(due, results, strict=True):
        name = f"{path.stem}_RESULT{'_2' if second_pass else ''}.CSV"
        write_whole(root / "lrs" / "inbox" / name, _csv_bytes(result))
    state.answered |= {sha256_of[path] for path in due}
    state.save()
    return summary


def answered_batches(
    state: "StandInState", batches: list[tuple[str, dt.date, pd.DataFrame]], profiles: dict[str, Profile], seed: int
) -> tuple[StandInSummary, list[pd.DataFrame]]:
    """Answer batches from files or the web service together; the state is updated, but not saved.

    `batches` holds name, day of the answer, and rows (every cell text) of each; `seed` is that of `answer_outbox`.

    Returns:
        Counts; and each batch with ULN and ReturnCode added.

    Raises:
        ServiceFault: the headings fit no layout.
    """
    headings = _headings(profiles)
    rows = pd.concat([_rows(table, day, name, headings) for name, day, table in batches], ignore_index=True)
    answers, state.register = _judge(rows, state.register, seed)
    results, end = [], 0
    for _, _, table in batches:
        start, end = end, end + len(table)
        batch = answers.iloc[start:end]
        results.append(table.assign(ULN=batch["uln"].fillna("").to_list(), ReturnCode=batch["code"].to_list()))
    state.open = _still_open(state.open, rows.assign(code=answers["code"], at_portal=answers["at_portal"]))
    without = answers.loc[answers["uln"].isna(), "code"]
    counts = dict(sorted(Counter(without.to_list()).items()))
    return StandInSummary(len(batches), len(rows), int(answers["uln"].notna().sum()), counts), results


def processed_exceptions(root: Path, share: float, seed: int = 0) -> int:
    """Act as people at the portal: settle a share of the exceptions and export them, each now with a ULN.

    They can settle RC006, RC007 and answers given at random, but not exceptions that need a value from the school.

    The exports are in the 2A layout whatever the batch's layout, without UCI and UPN (LRS release 1902.01), one for each
    organisation: `lrs/inbox/ExportProcessedExceptions_<UKPRN>_<nnn>.CSV`.

    Returns:
        The number of exceptions settled: `share` (0 to 1) of those that can be settled, drawn by the seed.
    """
    state = StandInState(root)
    can = state.open[state.open["at_portal"] == "Y"]
    order = _draws(can["ukprn"] + "|" + can["upn"], f"{seed}|portal", 2**32).sort_values(kind="stable")
    worked = can.loc[order.index[: round(len(can) * share)]].sort_values(["ukprn", "upn"])
    if worked.empty:
        return 0
    state.register = _allot(worked, state.register)
    worked = worked.assign(uln=_ulns(worked, state.register))
    state.exports += 1
    sources = {c.heading: "uln" if c.heading == "ULN" else c.source for c in all_profiles()["2A"].columns}
    for ukprn, rows in worked.groupby("ukprn", sort=True):
        about = {"file_version": "2A", "file_name": _EXPORT, "ukprn": ukprn, "record_count": len(rows)}
        cells = rows.assign(**{name: [str(value), *[""] * (len(rows) - 1)] for name, value in about.items()})
        table = {h: cells[source] if source in cells else source.removeprefix("=") for h, source in sources.items()}
        name = f"{_EXPORT}_{ukprn}_{state.exports:03d}.CSV"
        write_whole(root / "lrs" / "inbox" / name, _csv_bytes(pd.DataFrame(table)))
    state.open = state.open.drop(worked.index).reset_index(drop=True)
    state.save()
    return len(worked)


class StandInState:
    """The stand-in's memory: register (uln, the five, origin), answered files, open exceptions, number of exports."""

    def __init__(self, root: Path) -> None:
        self._folder = root / "rehearsal" / "lrs"
        self.register = self._table("register", ["uln", *_FIVE, "origin"])
        for path in sorted((self._folder / "known_before").glob("*.parquet")):
            known = pd.read_parquet(path)
            self.register = _allot(known, self.register, known=pd.Series(True, index=known.index))
        self.open = self._table("open", ["ukprn", *_READ, "code", "at_portal"])
        path = self._folder / "answered.json"
        saved: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        self.answered: set[str] = set(saved.get("answered", []))
        self.exports: int = saved.get("exports", 0)

    def _table(self, name: str, columns: list[str]) -> pd.DataFrame:
        path = self._folder / f"{name}.parquet"
        return pd.read_parquet(path) if path.exists() else pd.DataFrame(columns=columns, dtype="str")

    def save(self) -> None:
        """Save the register first, because no allotted ULN may be forgotten, and the list of answered files last."""
        for name, table in (("register", self.register), ("open", self.open)):
            buffer = io.BytesIO()
            table.to_parquet(buffer, index=False)
            write_whole(self._folder / f"{name}.parquet", buffer.getvalue())
        kept = {"answered": sorted(self.answered), "exports": self.exports}
        write_whole(self._folder / "answered.json", json.dumps(kept, indent=1).encode() + b"\n")


def _headings(profiles: dict[str, Profile]) -> dict[str, str]:
    """Return heading (or XML name) -> our name of the field."""
    names: dict[str, str] = {}
    for profile in profiles.values():
        for column in profile.columns:
            # The UPN column of 3A repeats the MIS identifier.
            if (column.source in _READ or column.source == "ukprn") and column.heading != "UPN":
                spellings = [column.heading, column.xml_name or column.heading, *column.aliases]
                names |= dict.fromkeys(spellings, column.source)
    return names


def _read(path: Path, content: bytes) -> pd.DataFrame:
    """Read a batch file: every cell text, columns by their headings."""
    if path.suffix == ".CSV":
        return pd.read_csv(io.BytesIO(content), dtype="str", keep_default_na=False, encoding="utf-8")
    root = etree.fromstring(content)
    about = {str(child.tag): child.text or "" for child in root if not len(child)}
    records = [{str(cell.tag): cell.text or "" for cell in child} for child in root if len(child)]
    if records:
        records[0] = about | records[0]
    return pd.DataFrame(records, dtype="str").fillna("")


def _day_of(path: Path) -> dt.date:
    matched = _BATCH_NAME.match(path.name)
    if matched is None:
        raise ServiceFault(bilingual("fault.stand_in_date", file=path.name))
    return dt.datetime.strptime(matched[1], "%d%m%Y%H%M").date()  # noqa: DTZ007 - a calendar day


def _rows(table: pd.DataFrame, day: dt.date, named: str, headings: dict[str, str]) -> pd.DataFrame:
    """Return ukprn, the fields of `_READ`, and `at` (the day)."""
    column_of = {headings[c]: c for c in reversed(list(table.columns)) if c in headings}
    if not {"ukprn", "upn", "given_name", "family_name"} <= set(column_of):
        raise ServiceFault(bilingual("fault.stand_in_headings", file=named))
    blank = pd.Series("", index=table.index, dtype="str")
    fields = {name: table[column_of[name]].str.strip() if name in column_of else blank for name in ["ukprn", *_READ]}
    rows = pd.DataFrame(fields).assign(at=pd.Timestamp(day))
    return rows.assign(ukprn=rows["ukprn"].iloc[0] if len(rows) else "")


def _judge(rows: pd.DataFrame, register: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the answers (uln, code, at_portal; in the order of the rows) and the updated register.

    at_portal is Y where a person can settle the exception without a new value from the school.
    """
    born = pd.to_datetime(rows["dob"].where(rows["dob"].str.fullmatch(_DATE)), format="%Y-%m-%d", errors="coerce")
    names = rows["given_name"].str.fullmatch(_NAME) & rows["family_name"].str.fullmatch(_NAME)
    codes = rows["gender"].isin(list("0129")) & rows["ability_to_share"].isin(list("012"))
    not_yet = (born.dt.month * 100 + born.dt.day) > (rows["at"].dt.month * 100 + rows["at"].dt.day)
    age = rows["at"].dt.year - born.dt.year - not_yet
    code = pd.Series(None, index=rows.index, dtype="str").mask(~age.between(*_AGES), _AGE)
    code = code.mask(~(names & codes & born.notna() & rows["postcode"].str.fullmatch(_POSTCODE)), _FORMAT)
    code = code.mask((rows[[*_FIVE, "ability_to_share"]] == "").any(axis=1), _MISSING)  # the strongest last
    at_portal = code.isna().map({True: "Y", False: "N"}).astype("str")
    key = _key(rows, _FIVE)
    code = code.mask(code.isna() & key.isin(_key(register, _FIVE)), _KNOWN)
    # The other learners are new to the LRS. A learner's first row decides for their other rows of this hand-over.
    first = rows[code.isna() & ~key.where(code.isna()).duplicated()]
    number = _draws(key.loc[first.index], str(seed), 10_000)
    drawn = np.searchsorted(np.cumsum(list(_AT_RANDOM.values())), number.to_numpy(), "right")
    verdict = pd.Series(np.array([*_AT_RANDOM, _NEW])[drawn], index=first.index, dtype="str")
    unregistered = ~verdict.isin([_NEW, _KNOWN])
    new, registered = (rows.assign(names=_names(rows)) for rows in (first, register))
    for fields in _NEARLY:
        nearly = _key(new, fields)
        # Similar to a learner in the register, or to an earlier one in this hand-over.
        near = nearly.isin(_key(registered, fields)) | nearly.where(~unregistered).duplicated()
        verdict = verdict.mask(near & (verdict == _NEW), _POSSIBLE_MATCH)
    allotted = first[verdict.isin([_NEW, _KNOWN])]
    register = _allot(allotted, register, known=verdict.loc[allotted.index] == _KNOWN)
    code = code.where(code.notna(), key.map(verdict.set_axis(key.loc[first.index])).astype("str"))
    code = code.mask((code == _NEW) & ~rows.index.isin(first.index), _KNOWN)
    uln = _ulns(rows, register).where(code.isin([_NEW, _KNOWN]))
    return pd.DataFrame({"uln": uln, "code": code, "at_portal": at_portal}), register


def _key(rows: pd.DataFrame, fields: list[str]) -> pd.Series:
    """Join the fields into one text for comparison; case does not matter."""
    text = rows[fields].astype("str")
    return text[fields[0]].str.cat(text[fields[1:]], sep="|").str.upper()


def _names(rows: pd.DataFrame) -> pd.Series:
    """Join given and family name in alphabetical order, so that their order does not matter."""
    given, family = (rows[name].astype("str").str.upper() for name in ("given_name", "family_name"))
    return (given + "|" + family).where(given <= family, family + "|" + given)


def _draws(keys: pd.Series, salt: str, below: int) -> pd.Series:
    """Draw a number below `below` for each text, the same on every machine and in every run."""
    digests = [hashlib.sha256(f"{salt}|{k}".encode()).digest()[:8] for k in keys.to_list()]
    return pd.Series([int.from_bytes(d, "big") % below for d in digests], index=keys.index, dtype="int64")


def _ulns(rows: pd.DataFrame, register: pd.DataFrame) -> pd.Series:
    known = register["uln"].set_axis(_key(register, _FIVE))
    return _key(rows, _FIVE).map(known).astype("str")


def _allot(rows: pd.DataFrame, register: pd.DataFrame, known: pd.Series | None = None) -> pd.DataFrame:
    """Add each learner who is not in the register, with a new ULN, in the order of the rows."""
    key = _key(rows, _FIVE)
    new = rows[~key.isin(_key(register, _FIVE)) & ~key.duplicated()]
    # The next numbers after the largest ULN. One in eleven has no check digit and is skipped.
    start = int(register["uln"].str[:9].astype("int64").max()) + 1 if len(register) else _FIRST_NINE
    nine = pd.Series(range(start, start + 2 * len(new) + 11), dtype="int64").astype("str")
    ulns = (nine + uln_check_digit(nine)).dropna().iloc[: len(new)]
    before = known.loc[new.index].astype(bool) if known is not None else pd.Series(False, index=new.index)
    added = new[_FIVE].assign(uln=ulns.to_list(), origin=before.map({True: "known before", False: "allotted"}))
    return pd.concat([register, added[list(register.columns)].astype("str")], ignore_index=True)


def _still_open(before: pd.DataFrame, answered: pd.DataFrame) -> pd.DataFrame:
    """Return the open exceptions after a hand-over: a learner's new answer replaces the one before."""
    latest = pd.concat([before, answered[[*before.columns]]], ignore_index=True)
    latest = latest.drop_duplicates(["ukprn", "upn"], keep="last")
    return latest[latest["code"].ne(_NEW) & latest["code"].ne(_KNOWN)].sort_values(["ukprn", "upn"], ignore_index=True)


def _csv_bytes(table: pd.DataFrame) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(table.columns)
    writer.writerows(zip(*(table[c].to_list() for c in table.columns), strict=True))
    return text.getvalue().encode("utf-8")
