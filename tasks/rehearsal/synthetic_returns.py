"""Writes the files that the schools of synthetic Wales send, and the truth about them: `write_wales`.

Belongs here: a return in each layout, zips, older and refused files, the reference files of the data root.
Does not belong here: the learners (`synthetic_people`) and the faults planted among them (`synthetic_wales`).
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from schemas.cycles import Cycle
from schemas.tables import PUPIL_FIELDS
from tasks.io.data_root.data_root import write_whole
from tasks.io.data_root.reference import schools
from tasks.rehearsal.synthetic_wales import SyntheticWales

#: First academic year whose returns have the element names of 2024 (Sex, UniqueLearnerNumber).
_LAYOUT_OF_2024_FROM = 2023


def write_wales(
    wales: SyntheticWales, root: Path, cycle: Cycle, progress: Callable[[float], None] | None = None
) -> pd.DataFrame:
    """Write the returns, the registration and the opt-outs into a data root, and the truth beside them.

    The rehearsal's LRS gets only the learners that it already knows (`rehearsal/lrs/known_before/<cycle>.parquet`), not the
    truth. A file that already has the same bytes is not written again.
    A file in `reference/` that a person has changed is kept.

    Args:
        wales: the plan.
        root: the data root.
        cycle: gives the returns' dates, and the id in their names.
        progress: called with the share that is done, after each school.

    Returns:
        path (below the inbox), member (inside a zip, or null), school_number, planted, outcome (accepted, superseded or
        `quarantined:<reason>`); sorted. Also kept as `rehearsal/truth/<cycle>/files.parquet`.
    """
    by_school = {str(school): rows for school, rows in _escaped(wales.pupils).groupby("school_number", sort=True)}
    leavers = {str(school): rows for school, rows in _escaped(wales.leavers).groupby("school_number", sort=True)}
    inbox = _Inbox(root / "dewi" / "inbox")
    nth_of_la: dict[str, int] = {}
    for place, school in enumerate(sorted(by_school)):
        nth_of_la[school[:3]] = nth = nth_of_la.get(school[:3], -1) + 1
        gone = leavers.get(school, wales.leavers.head(0))
        _send_returns(inbox, school, by_school[school], gone, cycle, place=place, nth_of_la=nth)
        if progress is not None:
            progress((place + 1) / len(by_school))
    inbox.write_zips()
    first = min(by_school)
    elsewhere = _school_elsewhere(first[:3], wales.schools)
    for name, content, reason, school in _refused(by_school[first].head(3), first, elsewhere, cycle):
        path = f"{first[:3]}/{cycle.id}-{name}"
        inbox.put(path, content, school, planted="refused", outcome=f"quarantined:{reason}")
    _keep_reference(root, {"registration.csv": wales.registration, "opt_outs.csv": wales.opt_outs})
    made = pd.DataFrame(inbox.files).astype("str").sort_values(["path", "member"], ignore_index=True)
    truth = root / "rehearsal" / "truth" / cycle.id
    for kept_as, table in {
        truth / "pupils.parquet": wales.pupils,
        truth / "files.parquet": made,
        truth / "possible_matches.parquet": wales.possible_matches,
        root / "rehearsal" / "lrs" / "known_before" / f"{cycle.id}.parquet": wales.known_before,
    }.items():
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        write_whole(kept_as, buffer.getvalue())
    return made


class _Inbox:
    """The files that schools send, and the truth of each."""

    def __init__(self, folder: Path) -> None:
        self.files: list[dict[str, str | None]] = []
        self._folder = folder
        self._zips: dict[str, dict[str, bytes]] = {}

    def put(
        self, path: str, content: bytes, school: str, *, planted: str, outcome: str, member: str | None = None
    ) -> None:
        """Send a file; with `member`, as part of a zip (`write_zips`)."""
        if member is None:
            write_whole(self._folder / path, content)
        else:
            self._zips.setdefault(path, {})[member] = content
        truth = {"path": path, "member": member, "school_number": school, "planted": planted, "outcome": outcome}
        self.files.append(truth)

    def write_zips(self) -> None:
        """Send the zips, once all their members are put."""
        for path, members in self._zips.items():
            write_whole(self._folder / path, _zip(members))


def _send_returns(
    inbox: _Inbox, school: str, rows: pd.DataFrame, gone: pd.DataFrame, cycle: Cycle, *, place: int, nth_of_la: int
) -> None:
    """Send a school's return, and for some an older one; the school's position in Wales and in its authority decides the form."""
    la, stem = school[:3], f"{school}_{cycle.id}_PLASC"
    layout = "naw-2024" if cycle.academic_year >= _LAYOUT_OF_2024_FROM else ("english-like", "naw")[place % 2]
    unknown = place % 40 == 0
    resubmits = place % 25 in (0, 2)
    older = _return(rows.iloc[:-3], gone, school, cycle, layout, serial=1, unknown=False) if resubmits else b""
    newest = _return(rows, gone, school, cycle, layout, serial=2, unknown=unknown)
    before, after = f"{stem}_001.xml", f"{stem}_002.xml"
    if place % 25 == 2:
        bundle = f"{la}/{stem}.zip"
        inbox.put(bundle, older, school, planted="older-return", outcome="superseded", member=before)
        inbox.put(bundle, newest, school, planted="two-in-zip", outcome="accepted", member=after)
    elif nth_of_la in (6, 7) and int(la) % 3 == 0:
        shared = f"{la}/PLASC_{cycle.id}.zip"
        inbox.put(shared, newest, school, planted="schools-in-zip", outcome="accepted", member=after)
    elif place % 10 == 1:
        inbox.put(f"{la}/{stem}.zip", newest, school, planted="in-zip", outcome="accepted", member=after)
    else:
        planted = "unknown-element" if unknown else "sound"
        inbox.put(f"{la}/{after}", newest, school, planted=planted, outcome="accepted")
    if place % 25 == 0:
        inbox.put(f"{la}/{before}", older, school, planted="older-return", outcome="superseded")


def _refused(rows: pd.DataFrame, school: str, elsewhere: str, cycle: Cycle) -> list[tuple[str, bytes, str, str]]:
    """Return files that must go to quarantine: name, content, reason (`schemas/codes/quarantine_reasons.csv`), school."""
    sample, strayed = (
        _return(rows, rows.head(0), of, cycle, "english-like", serial=3, unknown=False) for of in (school, elsewhere)
    )
    day = _census_day(cycle).encode()
    files = [
        ("cut-off.xml", sample[: -len(sample) // 3], "not_xml"),
        ("other-root.xml", f'<Report cycle="{cycle.id}"><Header/></Report>'.encode(), "wrong_root"),
        ("unknown-school.xml", sample.replace(f"<Estab>{school[3:]}<".encode(), b"<Estab>9999<"), "unknown_school"),
        ("other-year.xml", sample.replace(b"Date>" + day, b"Date>1999-01-19"), "outside_cycle"),
        ("other-collection.xml", sample.replace(b">PLASC<", b">WORKFORCE<"), "wrong_collection"),
        ("damaged.zip", _zip({"return.xml": sample})[:-30], "bad_zip"),
    ]
    return [*((*file, school) for file in files), ("other-authority.xml", strayed, "la_mismatch", elsewhere)]


def _school_elsewhere(la: str, of_wales: pd.DataFrame) -> str:
    """Return a school of another authority, whose return strayed into this authority's folder and so is not accepted.

    Nothing is lost: its good return is in its own folder. In a Wales with one authority, it is a school of the shipped
    register that sends no return.
    """
    numbers = pd.concat([of_wales["school_number"], schools()["school_number"]])
    return str(numbers[numbers.str[:3] != la].iloc[0])


def _keep_reference(root: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Write the files that are missing or unchanged since a rehearsal wrote them; a person's changes are kept."""
    record = root / "rehearsal" / "reference.json"
    made: dict[str, str] = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    for name, table in tables.items():
        path = root / "reference" / name
        if path.exists() and hashlib.sha256(path.read_bytes()).hexdigest() != made.get(name):
            continue
        content = table.to_csv(index=False, lineterminator="\n").encode("utf-8")
        write_whole(path, content)
        made[name] = hashlib.sha256(content).hexdigest()
    write_whole(record, json.dumps(made, indent=1, sort_keys=True).encode() + b"\n")


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name in sorted(members):
            # A fixed date, so that a zip's bytes do not depend on when it was made.
            bundle.writestr(zipfile.ZipInfo(name, (2012, 1, 20, 9, 0, 0)), members[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _census_day(cycle: Cycle) -> str:
    """Return the 17th day of the window: inside it in every cycle, and near the real census days."""
    return (pd.Timestamp(cycle.census_from) + pd.Timedelta(days=16)).strftime("%Y-%m-%d")


_IDENTIFIERS = {
    "upn": "UPN",
    "uln": "UniqueLearnerNumber",
    "former_upn": "FormerUPN",
    "surname": "Surname",
    "forename": "Forename",
    "middle_names": "MiddleNames",
    "former_surname": "FormerSurname",
    "gender": "Gender",
    "dob": "DOB",
}
_OTHER_NAMES = {"english-like": {}, "naw": {"uln": "ULN"}, "naw-2024": {"gender": "Sex"}}


def _escaped(pupils: pd.DataFrame) -> pd.DataFrame:
    """Escape the pupil fields for XML: once for all schools, and as objects, which Python reads fastest."""
    signs = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}  # & first
    out = pupils.copy()
    for field in PUPIL_FIELDS:
        for sign, entity in signs.items():
            out[field] = out[field].str.replace(sign, entity, regex=False)
    return out.astype(dict.fromkeys(PUPIL_FIELDS, "object"))


def _cells(rows: pd.DataFrame, field: str, element: str) -> list[str]:
    """Return the field of every row as an element, or an empty text where null; the text is already escaped."""
    return [f"<{element}>{text}</{element}>" if isinstance(text, str) else "" for text in rows[field].to_list()]


def _return(
    rows: pd.DataFrame, gone: pd.DataFrame, school: str, cycle: Cycle, layout: str, *, serial: int, unknown: bool
) -> bytes:
    box = "PupilIdentifiers" if layout == "english-like" else "NAWPupilIdentifiers"
    elements = _IDENTIFIERS | _OTHER_NAMES[layout]
    day = _census_day(cycle)
    term = "SPR" if cycle.census_from.month < 9 else "AUT"

    def records(of: pd.DataFrame, element: str, more: str) -> str:
        identifiers = map("".join, zip(*(_cells(of, f, name) for f, name in elements.items()), strict=True))
        status, year = _cells(of, "enrol_status", "EnrolStatus"), _cells(of, "nc_year", "NCyearActual")
        home = _cells(of, "postcode", "PostCode")
        return "".join(
            f"<{element}><{box}>{w}</{box}><PupilCharacteristics><Ethnicity>WBRI</Ethnicity></PupilCharacteristics>"
            f"<PupilStatus>{s}<EntryDate>2009-09-01</EntryDate><PartTime>false</PartTime>{y}</PupilStatus>{more}"
            f"<HomeInformation><Address>{h}</Address></HomeInformation></{element}>\n"
            for w, s, y, h in zip(identifiers, status, year, home, strict=True)
        )

    on_roll = records(rows, "PupilOnRoll", "<ShoeSize>5</ShoeSize>" if unknown else "")
    no_longer = records(gone, "PupilNoLongerOnRoll", "")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Message>\n<Header><CollectionDetails><Collection>PLASC</Collection>'
        f"<Term>{term}</Term><Year>{day[:4]}</Year><ReferenceDate>{day}</ReferenceDate></CollectionDetails>"
        f"<Source><SourceLevel>S</SourceLevel><LEA>{school[:3]}</LEA><Estab>{school[3:]}</Estab>"
        f"<SoftwareCode>Synthetic</SoftwareCode><SerialNo>{serial}</SerialNo>"
        f"<DateTime>{day}T1{serial}:00:00</DateTime></Source></Header>\n"
        f"<Pupils><PupilsOnRoll>\n{on_roll}</PupilsOnRoll>\n"
        f"<PupilsNoLongerOnRoll>\n{no_longer}</PupilsNoLongerOnRoll></Pupils>\n</Message>\n"
    ).encode()
