"""A stand-in for the LRS: answers what stands in `lrs/outbox`, from a register of its own, into `lrs/inbox`.

Reads nothing else of the service. Matches on the five demographics (given and family name, birth date, gender, postcode):
all equal is the same learner; nearly equal is a possible match (RC007); else a new ULN. What the real LRS does beyond that
is not public: the code RC001 for a success is this stand-in's own convention, and small shares of learners, fixed by a
hash, are answered as if the LRS knew a similar one (RC007) or too little (RC006).
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

import pandas as pd
from lxml import etree

from schemas.lrs_profiles import Profile
from tasks.core.identifiers import uln_check_digit
from tasks.io.data_root import write_whole

_FIVE = ("GivenName", "FamilyName", "DateOfBirth", "Gender", "LastKnownPostCode")
_SUCCESS = "RC001"
_NAME = re.compile(r"[A-Za-z' .\-]{1,35}")
_POSTCODE = re.compile(r"(?:[A-Z]{1,2}[0-9R][0-9A-Z]? ?[0-9][ABD-HJLNP-UW-Z]{2}|BFPO ?[0-9]{1,4})")
_SIMILAR_IN_10000 = 50
_TOO_LITTLE_IN_10000 = 10


@dataclass
class StandInSummary:
    """What the stand-in did."""

    files: int = 0
    rows: int = 0
    ulns: int = 0
    codes: Counter[str] = field(default_factory=Counter)


def answer_outbox(root: Path, *, profiles: dict[str, Profile], seed: int = 0) -> StandInSummary:
    """Answer every batch of the outbox that was not answered before.

    Args:
        root: the data root.
        profiles: only to know by which heading a file tells its sharing; the stand-in reads by heading.
        seed: shifts which learners the LRS claims to know already.
    """
    del profiles
    own = root / "rehearsal" / "lrs"
    done = json.loads((own / "answered.json").read_text()) if (own / "answered.json").exists() else []
    register = _Register(own / "register.parquet", seed)
    summary = StandInSummary()
    opened: list[dict[str, str]] = []
    for path in sorted((root / "lrs" / "outbox").glob("LRB_*")):
        content = path.read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        if sha256 in done:
            continue
        headings, rows = _xml(content) if path.suffix == ".XML" else _csv(content)
        ukprn = next((r["UKPRN"] for r in rows if r.get("UKPRN")), "")
        at = dt.datetime.strptime(path.stem.split("_")[2], "%d%m%Y%H%M").date()  # noqa: DTZ007 - a calendar day
        for row in rows:
            row["ULN"], row["ReturnCode"] = register.answer(row, at)
            summary.codes[row["ReturnCode"]] += 1
            summary.ulns += bool(row["ULN"])
            if not row["ULN"]:
                opened.append({**row, "UKPRN": ukprn})
        text = io.StringIO()
        writer = csv.DictWriter(
            text, [*headings, "ReturnCode"], quoting=csv.QUOTE_ALL, lineterminator="\r\n", restval=""
        )
        writer.writeheader()
        writer.writerows(rows)
        write_whole(root / "lrs" / "inbox" / f"{path.stem}_RESULT.CSV", text.getvalue().encode("utf-8"))
        done.append(sha256)
        summary.files += 1
        summary.rows += len(rows)
    if summary.files:
        register.save()
        write_whole(own / "answered.json", json.dumps(sorted(done)).encode())
        _append(own / "opened.json", opened)
    return summary


def processed_exceptions(root: Path, share: float, name: str = "processed_exceptions.csv") -> int:
    """Play a person who has worked on the portal: export a share of the open exceptions, now with a ULN.

    Args:
        root: the data root.
        share: of the open exceptions, the first ones in order.
        name: the export's file name.

    Returns:
        How many.
    """
    own = root / "rehearsal" / "lrs"
    opened = json.loads((own / "opened.json").read_text())
    register = _Register(own / "register.parquet", 0)
    worked = opened[: round(len(opened) * share)]
    for row in worked:
        row["ULN"] = register.allot(row)
    headings = [h for h in (worked[0] if worked else {}) if h not in ("ReturnCode", "UPN", "UCI")]
    text = io.StringIO()
    writer = csv.DictWriter(text, headings, quoting=csv.QUOTE_ALL, lineterminator="\r\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(worked)
    write_whole(root / "lrs" / "inbox" / name, text.getvalue().encode("utf-8"))
    register.save()
    write_whole(own / "opened.json", json.dumps(opened[len(worked) :], ensure_ascii=False).encode())
    return len(worked)


def _append(path: Path, rows: list[dict[str, str]]) -> None:
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    write_whole(path, json.dumps(before + rows, ensure_ascii=False).encode())


def _csv(content: bytes) -> tuple[list[str], list[dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(content.decode("utf-8"), newline=""))
    rows = list(reader)
    return list(reader.fieldnames or []), rows


def _xml(content: bytes) -> tuple[list[str], list[dict[str, str]]]:
    root = etree.fromstring(content)
    about = {str(c.tag): c.text or "" for c in root if not len(c)}
    rows = [{str(c.tag): c.text or "" for c in record} for record in root if len(record)]
    rows = [{**(about if n == 0 else {}), **row} for n, row in enumerate(rows)]
    return [*about, "ULN", *sorted({name for row in rows for name in row if name not in about})], rows


class _Register:
    """The stand-in's learners, kept over runs: the five demographics and a ULN each."""

    def __init__(self, path: Path, seed: int) -> None:
        self._path, self._seed = path, seed
        table = pd.read_parquet(path) if path.exists() else pd.DataFrame(columns=[*_FIVE, "ULN"])
        self._known: dict[tuple[str, ...], str] = {}
        self._near: set[tuple[str, ...]] = set()
        self._next = 0
        for row in table[[*_FIVE, "ULN"]].astype("str").to_numpy().tolist():
            self._add(tuple(row[:5]), row[5])
        self._numbers = _numbers(len(self._known))

    def _add(self, five: tuple[str, ...], uln: str) -> None:
        self._known[five] = uln
        given, family, born, gender, postcode = five
        self._near |= {
            ("g", family, born, gender, postcode),
            ("f", given, born, gender, postcode),
            ("p", given, family, born, gender),
        }

    def answer(self, row: dict[str, str], at: dt.date) -> tuple[str, str]:
        """The ULN, or none, and the code."""
        five = tuple(row.get(name, "") or "" for name in _FIVE)
        given, family, born, gender, postcode = five
        if not all(five):
            return "", "RC010"
        if not _well_formed(five, row):
            return "", "RC011"
        day = dt.date.fromisoformat(born)
        age = at.year - day.year - ((at.month, at.day) < (day.month, day.day))
        if not 13 <= age <= 110:
            return "", "RC013"
        if five in self._known:
            return self._known[five], _SUCCESS
        fate = (
            int(hashlib.sha256(f"{self._seed}|{row.get('MISIdentifier', '')}|{born}".encode()).hexdigest()[:8], 16)
            % 10000
        )
        if fate < _TOO_LITTLE_IN_10000:
            return "", "RC006"
        near = {
            ("g", family, born, gender, postcode),
            ("f", given, born, gender, postcode),
            ("p", given, family, born, gender),
        }
        if near & self._near or fate < _TOO_LITTLE_IN_10000 + _SIMILAR_IN_10000:
            return "", "RC007"
        return self.allot(row), _SUCCESS

    def allot(self, row: dict[str, str]) -> str:
        """A new ULN for a learner; the one it has where it is known."""
        five = tuple(row.get(name, "") or "" for name in _FIVE)
        if five not in self._known:
            if self._next >= len(self._numbers):
                self._numbers, self._next = _numbers(len(self._known)), 0
            self._add(five, self._numbers[self._next])
            self._next += 1
        return self._known[five]

    def save(self) -> None:
        """Keep the register for the next run."""
        table = pd.DataFrame([[*five, uln] for five, uln in self._known.items()], columns=[*_FIVE, "ULN"]).astype("str")
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        write_whole(self._path, buffer.getvalue())


def _numbers(taken: int, count: int = 100_000) -> list[str]:
    """The next ULNs in order; one nine-digit start in eleven has no check digit and is passed over."""
    start = 100_000_000 + taken + taken // 10 + 1
    # As many are passed over as come before: begin well after them, so that no number is given twice.
    start += taken // 5
    nine = pd.Series(range(start, start + count), dtype="int64").astype("str")
    digit = uln_check_digit(nine)
    return list((nine + digit)[digit.notna()])


def _well_formed(five: tuple[str, ...], row: dict[str, str]) -> bool:
    given, family, born, gender, postcode = five
    try:
        dt.date.fromisoformat(born)
    except ValueError:
        return False
    sharing = row.get("AbilityToShare", row.get("PrivacyNoticeSeen", ""))
    names = all(_NAME.fullmatch(n) for n in (given, family))
    return names and gender in "0129" and bool(_POSTCODE.fullmatch(postcode)) and sharing in ("0", "1", "2")
