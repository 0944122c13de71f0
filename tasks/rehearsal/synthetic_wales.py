"""A synthetic Wales: real schools, invented learners, and planted faults with the outcome that each must have.

The same seed makes the same Wales to the byte. A learner is the same person in every cycle: a cohort is made from the seed,
the school and the year in which it began year 7; a cycle decides which cohorts are in which year.
"""

import io
import json
import tomllib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd

from schemas.cycles import Cycle
from schemas.tables import PUPIL_FIELDS
from tasks.core.identifiers import upn_check_letter
from tasks.io.data_root import write_whole
from tasks.io.reference import REGISTRATION_COLUMNS

_NAMES = tomllib.loads(Path(__file__).with_name("names.toml").read_text(encoding="utf-8"))
#: Share of a cohort that is still at school in each year.
_STAYING = {12: 0.5, 13: 0.42, 14: 0.03}
_FIRST_REHEARSED_YEAR = 2011
_CHANGE_RATE = 0.01

#: kind -> (share of the records, changed fields, outcome: a reason, `held:<rule>`, or `sent`).
PLANTED: dict[str, tuple[float, dict[str, str | None], str]] = {
    "upn-blank": (0.0006, {"upn": None}, "held:UPN01"),
    "upn-shape": (0.0006, {"upn": "A12345"}, "held:UPN02"),
    "upn-letter": (0.0008, {"upn": "*letter"}, "held:UPN03"),
    "upn-temporary": (0.0008, {"upn": "*temporary"}, "sent"),
    "upn-twice": (0.0006, {"upn": "*neighbour"}, "held:UPN05"),
    "given-blank": (0.0005, {"forename": None}, "held:GIV01"),
    "given-long": (0.0004, {"forename": "Aberystwyth Bethesda Caernarfon Dolgellau"}, "held:GIV02"),
    "given-digits": (0.0005, {"forename": "S1an"}, "held:GIV03"),
    "given-unwritable": (0.0002, {"forename": "--"}, "held:GIV04"),
    "family-blank": (0.0005, {"surname": " "}, "held:FAM01"),
    "family-long": (0.0004, {"surname": "Aberystwyth-Bethesda-Caernarfon-Dolgellau"}, "held:FAM02"),
    "family-digits": (0.0005, {"surname": "J0nes"}, "held:FAM03"),
    "middle-long": (0.0004, {"middle_names": "Aberystwyth Bethesda Caernarfon Dolgellau"}, "sent"),
    "dob-blank": (0.0005, {"dob": None}, "held:DOB01"),
    "dob-unreal": (0.0005, {"dob": "1997-02-30"}, "held:DOB02"),
    "dob-implausible": (0.0005, {"dob": "1890-01-01"}, "held:DOB03"),
    "gender-unknown": (0.0005, {"gender": "X"}, "held:GEN02"),
    "gender-blank": (0.0005, {"gender": None}, "held:GEN01"),
    "postcode-blank": (0.002, {"postcode": None}, "held:PCD01"),
    "postcode-wrong": (0.002, {"postcode": "LL77 7CC"}, "held:PCD02"),
    "postcode-zz99": (0.002, {"postcode": "ZZ99 9ZZ"}, "sent"),
    "year-x": (0.0005, {"nc_year": "X"}, "held:YRG02"),
    "enrolment-blank": (0.001, {"enrol_status": None}, "sent"),
    "uln-shape": (0.0005, {"uln": "12345"}, "sent"),
    "uln-digit": (0.0005, {"uln": "1000102505"}, "sent"),
    "uln-placeholder": (0.002, {"uln": "9999999999"}, "sent"),
    "uln-held": (0.004, {"uln": "1000102504"}, "uln_held"),
}
_NOT_READY = {
    "no-ukprn": {"ukprn": None},
    "no-lrb": {"lrb_registered_on": None},
    "no-privacy-notice": {"privacy_notice_on": None},
    "edubase-differs": {"edubase_postcode": "CF99 1NA"},
}


@dataclass(frozen=True)
class SyntheticWales:
    """A planned Wales.

    Attributes:
        pupils: school_number, the pupil fields, planted, outcome; one row per record of the current returns.
        registration: the columns of `reference/registration.csv`.
        opt_outs: upn, recorded_on.
        schools: the schools register's rows that take part.
    """

    pupils: pd.DataFrame
    registration: pd.DataFrame
    opt_outs: pd.DataFrame
    schools: pd.DataFrame


def plan_wales(schools: pd.DataFrame, cycle: Cycle, seed: int, pupils_per_school: int = 900) -> SyntheticWales:
    """Plan the records of every school, and what is wrong with some.

    Args:
        schools: school_number, la_code, sector_en, postcode, pupils, ...; rows of the schools register.
        cycle: decides the years.
        seed: makes everything.
        pupils_per_school: the mean size; each school's own number in the register sets its share.
    """
    schools = schools.reset_index(drop=True)
    size = pd.to_numeric(schools["pupils"], errors="coerce").fillna(0)
    scale = pupils_per_school / max(size[schools["sector_en"] != "Special"].mean(), 1)
    cohorts = [
        _cohort(seed, str(number), cycle.academic_year, year, max(2, round(n * scale / 6.0)), str(postcode))
        for number, n, postcode in zip(schools["school_number"], size, schools["postcode"], strict=True)
        for year in range(7, 15)
    ]
    pupils = pd.concat(cohorts, ignore_index=True)
    pupils = _move(pupils, schools, cycle)
    pupils = _plant(pupils, cycle, np.random.default_rng([seed, cycle.academic_year, 1]))
    pupils = _double(pupils, schools, cycle)
    chosen = pupils["nc_year"].isin([str(y) for y in cycle.year_groups])
    out = pupils.loc[chosen & pupils["planted"].eq("sound"), "upn"].iloc[::200]
    recorded = f"{cycle.academic_year}-09-20"
    opt_outs = pd.DataFrame({"upn": out.sort_values().to_list(), "recorded_on": recorded})
    return SyntheticWales(pupils, _registration(schools, cycle), opt_outs, schools)


def _cohort(seed: int, school: str, academic_year: int, year: int, size: int, postcode: str) -> pd.DataFrame:
    began = academic_year - year + 7
    rng = np.random.default_rng([seed, int(school), began])
    given, family, middle = (np.array(_NAMES[k]) for k in ("given", "family", "middle"))
    boy = rng.random(size) < 0.51
    first = pd.Timestamp(began - 12, 9, 1)
    born = first + pd.to_timedelta(rng.integers(0, 364, size), unit="D")
    letters = np.array(list("ABDEFGHJLNPQRSTUWXYZ"))
    codes = [
        f"{postcode.split()[0]} {d}{a}{b}"
        for d, a, b in zip(rng.integers(0, 10, size), *letters[rng.integers(0, 20, (2, size))], strict=True)
    ]
    serial = pd.Series([f"{school}{began % 100:02d}{n:03d}" for n in range(size)], dtype="str")
    table = pd.DataFrame(
        {
            "school_number": school,
            "upn": upn_check_letter(serial) + serial,
            "former_upn": None,
            "uln": None,
            "surname": family[rng.integers(0, len(family), size)],
            "forename": given[rng.integers(0, len(given), size)],
            "middle_names": middle[rng.integers(0, len(middle), size)],
            "former_surname": None,
            "gender": np.where(boy, "M", "F"),
            "dob": born.strftime("%Y-%m-%d"),
            "nc_year": str(year),
            "enrol_status": "C",
            "postcode": codes,
            "planted": "sound",
            "moves": rng.random(size),
            "renames": rng.random(size),
            "relocates": rng.random(size),
        }
    ).astype(dict.fromkeys(PUPIL_FIELDS, "str"))
    # Twins: the second of each 60th pair has the first one's family name, birth date and postcode.
    for column in ("surname", "dob", "postcode"):
        table.loc[1::60, column] = table.loc[0::60, column].to_numpy()[: len(table.loc[1::60])]
    table.loc[1::60, "planted"] = "twin"
    table.loc[1::60, "forename"] = np.where(
        table.loc[0::60, "forename"].to_numpy()[: len(table.loc[1::60])] == "Mali", "Cadi", "Mali"
    )
    keep = table.index < max(1, round(size * _STAYING.get(year, 1.0)))
    return table[keep].assign(middle_names=lambda t: t["middle_names"].mask(t["middle_names"] == ""))


def _move(pupils: pd.DataFrame, schools: pd.DataFrame, cycle: Cycle) -> pd.DataFrame:
    """After the first rehearsed year some learners have moved school, changed their name or their address."""
    if cycle.academic_year > _FIRST_REHEARSED_YEAR:
        after = {a: b for a, b in _next_school(schools).items() if a != b}
        moved = (pupils["moves"] < _CHANGE_RATE) & pupils["school_number"].isin(after)
        renamed = pupils["renames"] < _CHANGE_RATE
        relocated = pupils["relocates"] < _CHANGE_RATE
        pupils = pupils.assign(
            school_number=pupils["school_number"].mask(moved, pupils["school_number"].map(after)),
            former_surname=pupils["former_surname"].mask(renamed, pupils["surname"]),
            surname=pupils["surname"].mask(renamed, "Newydd"),
            postcode=pupils["postcode"].mask(relocated, "CF10 1EP"),
            planted=pupils["planted"].mask(relocated, "moved-house").mask(renamed, "new-name").mask(moved, "mover"),
        )
    return pupils.drop(columns=["moves", "renames", "relocates"]).assign(outcome="sent")


def _next_school(schools: pd.DataFrame) -> dict[str, str]:
    """The next school of the same authority, in a ring."""
    following: dict[str, str] = {}
    for _, of_la in schools.groupby("la_code"):
        numbers = list(of_la["school_number"])
        following |= dict(zip(numbers, numbers[1:] + numbers[:1], strict=True))
    return following


def _plant(pupils: pd.DataFrame, cycle: Cycle, rng: np.random.Generator) -> pd.DataFrame:
    pupils = pupils.sort_values(["school_number", "nc_year", "upn"], ignore_index=True)
    chosen = pupils.index[pupils["nc_year"].isin([str(y) for y in cycle.year_groups]) & pupils["planted"].eq("sound")]
    order = rng.permutation(chosen.to_numpy())
    at = 0
    for kind, (share, changes, outcome) in PLANTED.items():
        count = max(1, round(share * len(pupils)))
        rows = order[at : at + count]
        at += count
        for field, value in changes.items():
            pupils.loc[rows, field] = _value(pupils, rows, value, order[at : at + count])
        pupils.loc[rows, "planted"] = kind
        pupils.loc[rows, "outcome"] = outcome
        if kind == "upn-twice":
            at += count
    outside = ~pupils["nc_year"].isin([*map(str, cycle.year_groups), "X"])
    return pupils.assign(outcome=pupils["outcome"].mask(outside, "year_group"))


def _value(
    pupils: pd.DataFrame,
    rows: "np.ndarray[tuple[int], np.dtype[np.int64]]",
    value: str | None,
    others: "np.ndarray[tuple[int], np.dtype[np.int64]]",
) -> object:
    upns = pupils.loc[rows, "upn"]
    if value == "*letter":
        return upns.str[0].map(lambda letter: "B" if letter == "A" else "A") + upns.str[1:]
    if value == "*temporary":
        body = upns.str[1:12] + "A"
        return upn_check_letter(body) + body
    if value == "*neighbour":
        # The one whose UPN is taken stands in the same school, and both are held for it.
        school = pupils["school_number"]
        partners = [
            next(
                i
                for i in pupils.index[school == school[r]]
                if i not in set(rows)
                and pupils.loc[i, "planted"] == "sound"
                and pupils.loc[i, "nc_year"] == pupils.loc[r, "nc_year"]
            )
            for r in rows
        ]
        pupils.loc[partners, "planted"] = "upn-taken"
        pupils.loc[partners, "outcome"] = "held:UPN05"
        return pupils.loc[partners, "upn"].to_numpy()
    del others
    return value


def _double(pupils: pd.DataFrame, schools: pd.DataFrame, cycle: Cycle) -> pd.DataFrame:
    """Dual registrations (M here, S or G there), and learners whom two schools both call their own."""
    after = {a: b for a, b in _next_school(schools).items() if a != b}
    chosen = pupils["nc_year"].isin([str(y) for y in cycle.year_groups]) & pupils["planted"].eq("sound")
    able = pupils.index[chosen & pupils["school_number"].isin(after)]
    if able.empty:
        return pupils
    count = max(1, len(pupils) // 1500)
    step = max(1, len(able) // (3 * count))
    picked = able[::step][: 3 * count]
    copies = []
    for kind, status, rows in (
        ("dual", "S", picked[0::3]),
        ("guest", "G", picked[1::3]),
        ("two-schools", "C", picked[2::3]),
    ):
        pupils.loc[rows, "planted"] = kind
        copy = pupils.loc[rows].assign(enrol_status=status, planted=f"{kind}-other")
        copy["school_number"] = copy["school_number"].map(after)
        both = "held:UPN06" if kind == "two-schools" else "enrolment_status"
        copies.append(copy.assign(outcome=both))
        if kind == "two-schools":
            pupils.loc[rows, "outcome"] = both
        else:
            pupils.loc[rows, "enrol_status"] = "M"
    return pd.concat([pupils, *copies], ignore_index=True)


def _registration(schools: pd.DataFrame, cycle: Cycle) -> pd.DataFrame:
    """Each school registered, but for one in 50 of each way of not being ready, where there are schools enough."""
    del cycle  # registered once, before the first cycle of all
    table = pd.DataFrame(
        {
            "school_number": schools["school_number"],
            "ukprn": [str(10000000 + int(n) % 1000000 * 7 % 9000000) for n in schools["school_number"]],
            "ukrlp_name": schools["school_name"],
            "ukrlp_postcode": schools["postcode"],
            "edubase_name": schools["school_name"].str.upper(),
            "edubase_postcode": schools["postcode"],
            "lrb_registered_on": "2010-09-01",
            "privacy_notice_on": "2010-09-15",
            "takes_part": np.where((schools["sector_en"] == "Special") & (schools.index % 4 != 0), "N", "Y"),
        }
    ).astype("str")
    table["ukprn"] = [str(10000000 + 37 * n) for n in range(1, len(table) + 1)]
    for place, changes in enumerate(_NOT_READY.values()):
        for column, value in changes.items():
            table.loc[10 + 12 * place :: 50, column] = value
    return table[list(REGISTRATION_COLUMNS)]


def write_wales(
    wales: SyntheticWales, root: Path, cycle: Cycle, advance: Callable[[str], None] | None = None
) -> pd.DataFrame:
    """Write the returns, the registration and the opt-outs into a data root, and the truth beside them.

    Args:
        wales: the plan.
        root: the data root.
        cycle: its census days date the returns.
        advance: called with each school's number.

    Returns:
        path (below the inbox), school_number, planted, outcome (accepted, superseded or quarantined:<reason>).
    """
    files: list[dict[str, str]] = []
    by_school = dict(tuple(wales.pupils.groupby("school_number", sort=True)))
    bundles: dict[str, dict[str, bytes]] = {}
    for place, school in enumerate(sorted(by_school)):
        if advance is not None:
            advance(school)
        rows, la = by_school[school].reset_index(drop=True), school[:3]
        layout = "naw-2024" if cycle.academic_year >= 2023 else ("english-like", "naw")[place % 2]
        if place % 25 == 3:
            older = _return(rows.iloc[:-3], school, cycle, layout, serial=1, odd=False)
            _put(root, files, f"{la}/{school}_PLASC_001.xml", older, school, "older-return", "superseded")
        content = _return(rows, school, cycle, layout, serial=2, odd=place % 40 == 5)
        name = f"{school}_PLASC_002.xml"
        if place % 10 == 7:
            bundles.setdefault(f"{la}/PLASC_{cycle.id}.zip", {})[name] = content
            files.append(
                {
                    "path": f"{la}/PLASC_{cycle.id}.zip",
                    "school_number": school,
                    "planted": "in-zip",
                    "outcome": "accepted",
                }
            )
        else:
            _put(root, files, f"{la}/{name}", content, school, "sound", "accepted")
    for path, members in bundles.items():
        write_whole(root / "dewi" / "inbox" / path, _zip(members))
    first = sorted(by_school)[0]
    sample = _return(by_school[first].head(3), first, cycle, "english-like", serial=3, odd=False)
    for name, content, reason in (
        ("cut-off.xml", sample[:-200], "not_xml"),
        ("other-root.xml", b"<Report><Header/></Report>", "wrong_root"),
        ("unknown-school.xml", sample.replace(f"<Estab>{first[3:]}<".encode(), b"<Estab>9999<"), "unknown_school"),
        ("other-year.xml", sample.replace(_census_day(cycle).encode(), b"1999-01-19"), "outside_cycle"),
        ("other-collection.xml", sample.replace(b">PLASC<", b">WORKFORCE<"), "wrong_collection"),
    ):
        _put(root, files, f"{first[:3]}/{cycle.id}-{name}", content, first, "refused", f"quarantined:{reason}")
    _csv(root / "reference" / "registration.csv", wales.registration)
    _csv(root / "reference" / "opt_outs.csv", wales.opt_outs)
    truth = root / "rehearsal" / "truth" / cycle.id
    made = pd.DataFrame(files).sort_values(["path", "school_number"], ignore_index=True)
    for name, table in (("pupils", wales.pupils), ("files", made)):
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        write_whole(truth / f"{name}.parquet", buffer.getvalue())
    write_whole(
        truth / "planted.json",
        json.dumps(wales.pupils["planted"].value_counts().sort_index().to_dict(), indent=1).encode(),
    )
    return made


def _put(
    root: Path, files: list[dict[str, str]], path: str, content: bytes, school: str, planted: str, outcome: str
) -> None:
    write_whole(root / "dewi" / "inbox" / path, content)
    files.append({"path": path, "school_number": school, "planted": planted, "outcome": outcome})


def _csv(path: Path, table: pd.DataFrame) -> None:
    write_whole(path, table.to_csv(index=False, lineterminator="\n").encode("utf-8"))


def _zip(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name in sorted(members):
            bundle.writestr(zipfile.ZipInfo(name, (2012, 1, 20, 9, 0, 0)), members[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _census_day(cycle: Cycle) -> str:
    """A day of the window: the third Tuesday would do; the 17th day is always inside."""
    return (pd.Timestamp(cycle.census_from) + pd.Timedelta(days=16)).strftime("%Y-%m-%d")


_ELEMENTS = {
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


def _return(rows: pd.DataFrame, school: str, cycle: Cycle, layout: str, *, serial: int, odd: bool) -> bytes:
    box = "PupilIdentifiers" if layout == "english-like" else "NAWPupilIdentifiers"
    elements = _ELEMENTS | ({"gender": "Sex"} if layout == "naw-2024" else {"uln": "ULN"} if layout == "naw" else {})
    day = _census_day(cycle)

    def cells(field: str, name: str) -> list[str]:
        return [f"<{name}>{escape(v)}</{name}>" if isinstance(v, str) else "" for v in rows[field].to_list()]

    who = zip(*(cells(field, name) for field, name in elements.items()), strict=True)
    status, year, code = (
        cells("enrol_status", "EnrolStatus"),
        cells("nc_year", "NCyearActual"),
        cells("postcode", "PostCode"),
    )
    extra = "<ShoeSize>5</ShoeSize>" if odd else ""
    pupils = [
        f"<PupilOnRoll><{box}>{''.join(w)}</{box}><PupilCharacteristics><Ethnicity>WBRI</Ethnicity></PupilCharacteristics>"
        f"<PupilStatus>{s}<EntryDate>2009-09-01</EntryDate>{y}</PupilStatus>{extra}"
        f"<HomeInformation><Address>{c}</Address></HomeInformation></PupilOnRoll>\n"
        for w, s, y, c in zip(who, status, year, code, strict=True)
    ]
    leaver = (
        f"<PupilNoLongerOnRoll><{box}><UPN>A000000000000</UPN><Surname>Gynt</Surname></{box}></PupilNoLongerOnRoll>"
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Message>\n<Header><CollectionDetails><Collection>PLASC</Collection>'
        f"<Term>SPR</Term><Year>{day[:4]}</Year><ReferenceDate>{day}</ReferenceDate></CollectionDetails>"
        f"<Source><SourceLevel>S</SourceLevel><LEA>{school[:3]}</LEA><Estab>{school[3:]}</Estab>"
        f"<SoftwareCode>Synthetic</SoftwareCode><SerialNo>{serial}</SerialNo><DateTime>{day}T1{serial}:00:00</DateTime></Source></Header>\n"
        f"<Pupils><PupilsOnRoll>\n{''.join(pupils)}</PupilsOnRoll><PupilsNoLongerOnRoll>{leaver}</PupilsNoLongerOnRoll></Pupils>\n</Message>\n"
    ).encode()
