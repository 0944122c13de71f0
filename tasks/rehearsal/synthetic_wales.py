"""A synthetic Wales: real schools, invented learners, and planted faults with the outcome that each must have.

Belongs here: who the learners are (`plan_wales`, pure) and the files that their schools send (`write_wales`). Does not
belong here: anything that the service does with them. The same seed makes the same Wales, to the byte.

A learner is the same person in every cycle. What a person is, and in which year they will move school, move house or
change their name, is drawn from (seed, school, year of birth) alone; a cycle only says which academic year it is. To
plant a new kind of fault: a row in `PLANTED`.
"""

import hashlib
import io
import json
import tomllib
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt
import pandas as pd

from schemas.cycles import Cycle
from schemas.tables import PUPIL_FIELDS
from tasks.core.identifiers import uln_check_digit, upn_check_letter
from tasks.io.data_root import write_whole
from tasks.io.reference import REGISTRATION_COLUMNS

_NAMES: dict[str, list[str]] = tomllib.loads(Path(__file__).with_name("names.toml").read_text(encoding="utf-8"))
_FIRST_YEAR = {"Middle": 1}
_FIRST_SECONDARY_YEAR = 7
#: Share of a year-7 cohort that is at school in the sixth form; the rest left after year 11.
_SIXTH_FORM = {12: 0.5, 13: 0.42, 14: 0.03}
#: In each school year so many move school, change their name, move house.
_CHANGE_A_YEAR = 0.01
#: These of each cohort do so for certain, so that no Wales is without: place in the cohort -> (change, year group).
_CERTAIN_CHANGES = {2: ("moves", 10), 3: ("renames", 11), 4: ("relocates", 10)}
_SMALLEST_COHORT = 6
_LARGEST_COHORT = 999  # a UPN has three digits for the serial number
_OPT_OUT_SHARE = 0.005
_NOT_READY_SHARE = 0.03
#: The academic year from which returns have the names of 2024 (Sex, UniqueLearnerNumber).
_LAYOUT_OF_2024_FROM = 2023
_INWARD_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"
#: What is drawn for each person, once for life; new ones go last, or everybody changes.
_DRAWS = (
    *("girl", "given", "family", "has_middle", "middle", "born", "digit", "letter_1", "letter_2"),
    *("moves", "renames", "relocates", "new_family", "new_digit", "new_letter_1", "new_letter_2", "opts_out"),
)


@dataclass(frozen=True)
class Planted:
    """One kind of fault.

    Attributes:
        share: of all records; at least one is planted.
        field: the field that is changed.
        value: what it becomes; a value that starts with * is worked out from the record (`_worked_out`).
        outcome: what must become of the record: `sent`, `uln_held`, or `held:<rule of expectations/catalogue.csv>`.
        rule: the rule that must speak, where the record is sent all the same.
    """

    share: float
    field: str
    value: str | None
    outcome: str
    rule: str = ""


PLANTED: dict[str, Planted] = {
    "upn-blank": Planted(0.0006, "upn", None, "held:UPN01"),
    "upn-shape": Planted(0.0006, "upn", "*shape", "held:UPN02"),
    "upn-letter": Planted(0.0008, "upn", "*letter", "held:UPN03"),
    "upn-temporary": Planted(0.0008, "upn", "*temporary", "sent", "UPN04"),
    "given-blank": Planted(0.0005, "forename", None, "held:GIV01"),
    "given-long": Planted(0.0004, "forename", "Aberystwyth Bethesda Caernarfon Dolgellau", "held:GIV02"),
    "given-digits": Planted(0.0005, "forename", "S1an", "held:GIV03"),
    "given-unwritable": Planted(0.0002, "forename", "--", "held:GIV04"),
    "family-blank": Planted(0.0005, "surname", " ", "held:FAM01"),
    "family-long": Planted(0.0004, "surname", "Aberystwyth-Bethesda-Caernarfon-Dolgellau", "held:FAM02"),
    "family-digits": Planted(0.0005, "surname", "J0nes", "held:FAM03"),
    "family-unwritable": Planted(0.0002, "surname", "-", "held:FAM04"),
    "middle-long": Planted(0.0004, "middle_names", "Aberystwyth Bethesda Caernarfon Dolgellau", "sent", "MID01"),
    "middle-digits": Planted(0.0004, "middle_names", "W1n", "sent", "MID02"),
    "dob-blank": Planted(0.0005, "dob", None, "held:DOB01"),
    "dob-unreal": Planted(0.0005, "dob", "1997-02-30", "held:DOB02"),
    "dob-implausible": Planted(0.0005, "dob", "1890-01-01", "held:DOB03"),
    "dob-unlike-year": Planted(0.0008, "dob", "*older", "sent", "DOB04"),
    "gender-blank": Planted(0.0005, "gender", None, "held:GEN01"),
    "gender-unknown": Planted(0.0005, "gender", "X", "held:GEN02"),
    "postcode-blank": Planted(0.002, "postcode", None, "held:PCD01"),
    "postcode-wrong": Planted(0.002, "postcode", "LL77 7CC", "held:PCD02"),
    "postcode-zz99": Planted(0.002, "postcode", "ZZ99 9ZZ", "sent", "PCD03"),
    "year-blank": Planted(0.0003, "nc_year", None, "held:YRG01"),
    "year-unknown": Planted(0.0005, "nc_year", "X", "held:YRG02"),
    "enrolment-blank": Planted(0.001, "enrol_status", None, "sent", "ENR01"),
    "enrolment-unknown": Planted(0.0003, "enrol_status", "Z", "held:ENR02"),
    "uln-shape": Planted(0.0005, "uln", "12345", "sent", "ULN01"),
    "uln-digit": Planted(0.0005, "uln", "1000102505", "sent", "ULN02"),
    "uln-placeholder": Planted(0.001, "uln", "9999999999", "sent"),
    "uln-held": Planted(0.003, "uln", "*uln", "uln_held"),
}
_UPN_TWICE_SHARE = 0.0006
#: Two records of one learner in two schools: kind -> (status here, status there, outcome here, outcome there).
_IN_TWO_SCHOOLS = {
    "dual": ("M", "S", "sent", "enrolment_status"),
    "guest": ("M", "G", "sent", "enrolment_status"),
    "two-schools": ("M", "M", "held:UPN06", "held:UPN06"),
}
#: Ways of not being ready: kind -> (column of registration.csv, value).
NOT_READY: dict[str, tuple[str, str | None]] = {
    "no-privacy-notice": ("privacy_notice_on", None),
    "no-ukprn": ("ukprn", None),
    "no-lrb": ("lrb_registered_on", None),
    "edubase-differs": ("edubase_postcode", "CF99 1NA"),
}


@dataclass(frozen=True)
class SyntheticWales:
    """A planned Wales.

    Attributes:
        pupils: school_number, the pupil fields (text, null where absent), planted (the kind, or `sound`), outcome (what
            must become of the record where its ULN is not known from an earlier cycle: `sent`, `held:<rule>`, or a
            reason for which it is not chosen), true_upn (who it is, whatever the record says); a row for each record,
            in file order.
        leavers: school_number and the pupil fields of some who were on roll a year ago.
        registration: the columns of `reference/registration.csv`.
        opt_outs: upn, recorded_on.
        schools: the rows of the schools register that were asked for, and `readiness`: `ready`, `not-taking-part` or
            the kind of not being ready.
    """

    pupils: pd.DataFrame
    leavers: pd.DataFrame
    registration: pd.DataFrame
    opt_outs: pd.DataFrame
    schools: pd.DataFrame


def plan_wales(schools: pd.DataFrame, cycle: Cycle, seed: int, pupils_per_school: int = 900) -> SyntheticWales:
    """Plan the records of every school, and what is wrong with some.

    Args:
        schools: school_number, school_name, sector_en, postcode, pupils and, where known, school_type_en; rows of the
            schools register.
        cycle: says which academic year it is, and whom the service will choose.
        seed: makes everything.
        pupils_per_school: the mean of secondary and middle schools; each school's own number sets its share.

    Returns:
        The plan; nothing is written.
    """
    schools = schools.sort_values("school_number", ignore_index=True)
    schools = schools.assign(readiness=_readiness(schools, seed))
    people = _people(_cohorts(schools, cycle, pupils_per_school), seed)
    pupils = _as_recorded(people, schools, cycle.academic_year)
    gone = pupils["left"].to_numpy()
    leavers = pupils[gone].groupby("school_number", sort=True).head(3)
    pupils = pupils[~gone].sort_values(["school_number", "year", "true_upn"], ignore_index=True)
    out = pupils[(pupils["opts_out"] < _OPT_OUT_SHARE) & (pupils["year"] >= 9)]
    recorded = (out["began"] + 2).astype("str") + "-09-20"
    opt_outs = pd.DataFrame({"upn": out["true_upn"], "recorded_on": recorded}).sort_values("upn", ignore_index=True)
    rng = np.random.default_rng([seed, cycle.academic_year, 1])
    pupils = _plant(pupils, schools, cycle, rng)
    columns = ["school_number", *PUPIL_FIELDS, "planted", "outcome", "true_upn"]
    return SyntheticWales(
        pupils[columns], leavers[["school_number", *PUPIL_FIELDS]], _registration(schools), opt_outs, schools
    )


def _readiness(schools: pd.DataFrame, seed: int) -> npt.NDArray[np.str_]:
    """`ready`, `not-taking-part` (three special schools in four) or a kind of `NOT_READY`.

    Not ready are: none of fewer than three schools, one of fewer than twelve, else one of each kind or 3 %.
    """
    special = (schools["sector_en"] == "Special").to_numpy()
    found = np.where(special & (schools["school_number"].astype("int64") % 4 != 0), "not-taking-part", "ready")
    found = found.astype("U20")
    ready = np.flatnonzero(~special)
    few = min(1, len(ready) // 3)
    count = max(len(NOT_READY), round(len(ready) * _NOT_READY_SHARE)) if len(ready) >= 12 else few
    chosen = np.random.default_rng([seed, 2]).permutation(ready)[:count]
    found[chosen] = np.resize(np.array(list(NOT_READY)), count)
    return found


def _cohorts(schools: pd.DataFrame, cycle: Cycle, pupils_per_school: int) -> pd.DataFrame:
    """school_number, postcode, year, began (start of year 7), size, on_roll and was_on_roll (the first so many)."""
    size = pd.to_numeric(schools["pupils"], errors="coerce")
    ordinary = schools["sector_en"] != "Special"
    mean = size[ordinary if ordinary.any() else slice(None)].mean()
    size = (size.fillna(mean) * (pupils_per_school / mean)) if mean > 0 else size.fillna(0) + pupils_per_school
    first = schools["sector_en"].map(_FIRST_YEAR).fillna(_FIRST_SECONDARY_YEAR).astype("int64")
    last = _last_year(schools)
    # How many year-7 cohorts a school's number is made of.
    cohorts = 12 - first + (last == 14) * sum(_SIXTH_FORM.values())
    full = (size / cohorts).round().clip(_SMALLEST_COHORT, _LARGEST_COHORT).astype("int64")
    base = pd.DataFrame(
        {
            "school_number": schools["school_number"],
            "outward": schools["postcode"].str.split(" ").str[0],
            "size": full,
            "first": first,
            "last": last,
        }
    )
    table = base.merge(pd.DataFrame({"year": range(1, 16)}), how="cross")
    # The year after the last is there for its leavers alone.
    table = table[(table["year"] >= table["first"]) & (table["year"] <= table["last"] + 1)].reset_index(drop=True)
    return table.assign(
        began=cycle.academic_year - table["year"] + _FIRST_SECONDARY_YEAR,
        on_roll=_on_roll(table, table["year"]),
        was_on_roll=_on_roll(table, table["year"] - 1),
    )


def _last_year(schools: pd.DataFrame) -> pd.Series:
    """11 for a school without a sixth form, as its type says; else 14."""
    kind = schools["school_type_en"] if "school_type_en" in schools else pd.Series("", index=schools.index)
    return kind.str.contains(r"-16\)|without post-16", regex=True).eq(True).map({True: 11, False: 14})


def _on_roll(table: pd.DataFrame, year: pd.Series) -> pd.Series:
    share = year.map(_SIXTH_FORM).fillna(1.0)
    count = (table["size"] * share).round().clip(lower=1).astype("int64")
    return count.where((year >= table["first"]) & (year <= table["last"]), 0)


def _people(cohorts: pd.DataFrame, seed: int) -> pd.DataFrame:
    """One row per person, with what was drawn for life; only the drawing goes cohort by cohort."""
    wanted = cohorts[["on_roll", "was_on_roll"]].max(axis=1).to_numpy()
    draws = np.concatenate(
        [
            np.random.default_rng([seed, int(school), int(began)]).random((count, len(_DRAWS)))
            for school, began, count in zip(cohorts["school_number"], cohorts["began"], wanted, strict=True)
        ]
    )
    people = cohorts.loc[cohorts.index.repeat(wanted)].reset_index(drop=True)
    place = np.concatenate([np.arange(count) for count in wanted])
    for due, (change, year) in _CERTAIN_CHANGES.items():
        draws[place == due, _DRAWS.index(change)] = (year - 1) * _CHANGE_A_YEAR
    # Twins: the second of a pair shares home and birthday with the first, and moves with them. In every other cohort.
    pairs = (people["school_number"].astype("int64") + people["began"]).to_numpy() % 2 == 0
    twins = np.flatnonzero((place % 60 == 1) & pairs)
    shared = [_DRAWS.index(d) for d in _DRAWS if d not in ("girl", "given", "has_middle", "middle", "opts_out")]
    draws[twins[:, None], shared] = draws[twins[:, None] - 1, shared]
    # Never the same given name: half the list away.
    given = _DRAWS.index("given")
    draws[twins, given] = (draws[twins - 1, given] + 0.5) % 1
    twin = np.zeros(len(people), dtype=bool)
    twin[twins] = twin[twins - 1] = True
    people = people.assign(place=place, twin=twin, left=place >= people["on_roll"].to_numpy())
    return pd.concat([people, pd.DataFrame(draws, columns=list(_DRAWS))], axis=1)


def _pick(names: list[str], draw: pd.Series) -> npt.NDArray[np.str_]:
    picked: npt.NDArray[np.str_] = np.array(names)[(draw.to_numpy() * len(names)).astype(np.int64)]
    return picked


def _postcode(people: pd.DataFrame, digit: str, letter_1: str, letter_2: str) -> pd.Series:
    letters = list(_INWARD_LETTERS)
    inward = pd.Series(_pick(list("0123456789"), people[digit]), dtype="str")
    return people["outward"] + " " + inward + _pick(letters, people[letter_1]) + _pick(letters, people[letter_2])


def _as_recorded(people: pd.DataFrame, schools: pd.DataFrame, academic_year: int) -> pd.DataFrame:
    """The people as their schools know them in that year, all sound."""
    # A change falls in the school year (0 for year 1) in which its draw lies; draws beyond year 15 stand for never.
    past = academic_year - (people["began"] - _FIRST_SECONDARY_YEAR + 1)
    due = {c: np.floor(people[c] / _CHANGE_A_YEAR + 1e-9).astype("int64") for c in ("moves", "renames", "relocates")}
    following = schools["school_number"].map(_ring(schools, schools["school_number"]))
    teaches = pd.DataFrame({"from": following, "last": _last_year(schools)}).set_index(schools["school_number"])
    target = people["school_number"].map(teaches["from"])
    last_there = target.map(teaches["last"])
    can = target.notna() & people["year"].between(_FIRST_SECONDARY_YEAR, last_there.fillna(0))
    # Who moved before year 7, or to where the year is not taught, is taken to have stayed.
    moved = (due["moves"] <= past) & (due["moves"] >= _FIRST_SECONDARY_YEAR) & can
    renamed, relocated = due["renames"] <= past, due["relocates"] <= past
    girl = people["girl"] < 0.49
    family = pd.Series(_pick(_NAMES["family"], people["family"]), dtype="str")
    new_family = pd.Series(_pick(_NAMES["family"], people["new_family"]), dtype="str")
    serial = (
        people["school_number"].str[:3]
        + _allocating_estab(people["school_number"])
        + ((people["began"] - 7) % 100).astype("str").str.zfill(2)
        + (people["place"] + 1).astype("str").str.zfill(3)
    )
    upn = upn_check_letter(serial) + serial
    # 364 days from 1 September: nobody is born on the last days of August, where the year group is a matter of hours.
    first_day = pd.to_datetime((people["began"] - 12).astype("str") + "-09-01", format="%Y-%m-%d")
    born = first_day + pd.to_timedelta(np.floor(people["born"] * 364), unit="D")
    middle = pd.Series(_pick(_NAMES["middle"], people["middle"]), dtype="str")
    kind = pd.Series("sound", index=people.index, dtype="str").mask(people["twin"], "twin")
    kind = kind.mask(relocated & (due["relocates"] == past), "moved-house")
    kind = kind.mask(renamed & (due["renames"] == past), "new-name")
    kind = kind.mask(moved & (due["moves"] == past), "mover")
    blank = pd.Series(None, index=people.index, dtype="str")
    given = np.where(girl, _pick(_NAMES["girls"], people["given"]), _pick(_NAMES["boys"], people["given"]))
    new_home = _postcode(people, "new_digit", "new_letter_1", "new_letter_2")
    return pd.DataFrame(
        {
            "school_number": people["school_number"].mask(moved, target),
            "upn": upn,
            "former_upn": blank,
            "uln": blank,
            "surname": family.mask(renamed, new_family),
            "forename": pd.Series(given, dtype="str"),
            "middle_names": middle.where(people["has_middle"] < 0.6),
            "former_surname": family.where(renamed),
            "gender": girl.map({True: "F", False: "M"}).astype("str"),
            "dob": born.dt.strftime("%Y-%m-%d").astype("str"),
            "nc_year": people["year"].astype("str"),
            "enrol_status": pd.Series("C", index=people.index, dtype="str"),
            "postcode": _postcode(people, "digit", "letter_1", "letter_2").mask(relocated, new_home),
            "planted": kind,
            "true_upn": upn,
            "year": people["year"],
            "began": people["began"],
            "opts_out": people["opts_out"],
            "left": people["left"],
        }
    )


def _allocating_estab(school: pd.Series) -> pd.Series:
    """The primary school that gave a UPN: 2000 below (one for one), for a UPN never tells the present school."""
    estab = school.str[3:].astype("int64")
    return estab.where(estab >= 7000, estab - 2000).astype("str")


def _ring(schools: pd.DataFrame, members: pd.Series) -> dict[str, str]:
    """Each member's next one by number, special schools apart: of the same authority but for an authority's last."""
    following: dict[str, str] = {}
    for _, of_kind in schools[schools["school_number"].isin(members)].groupby(schools["sector_en"] == "Special"):
        numbers = list(of_kind["school_number"])
        if len(numbers) > 1:
            following |= dict(zip(numbers, numbers[1:] + numbers[:1], strict=True))
    return following


def _plant(pupils: pd.DataFrame, schools: pd.DataFrame, cycle: Cycle, rng: np.random.Generator) -> pd.DataFrame:
    """Plant every kind among learners whom the service would choose, in ready schools, each learner at most once."""
    ready = schools.loc[schools["readiness"] == "ready", "school_number"]
    chosen = pupils["year"].isin(cycle.year_groups) & pupils["school_number"].isin(ready)
    if cycle.born_on_or_before is not None:
        chosen &= pupils["dob"] <= cycle.born_on_or_before.isoformat()
    left: pd.Index = pd.Index(rng.permutation(pupils.index[chosen & (pupils["planted"] == "sound")].to_numpy()))
    outcome = pd.Series("sent", index=pupils.index, dtype="str")

    def take(share: float) -> pd.Index:
        nonlocal left
        count = max(1, round(share * len(pupils)))
        taken: pd.Index = left[:count]
        left = left[count:]
        return taken

    for kind, planted in PLANTED.items():
        rows = take(planted.share)
        pupils.loc[rows, planted.field] = _worked_out(pupils.loc[rows], planted.value)
        pupils.loc[rows, "planted"], outcome.loc[rows] = kind, planted.outcome
    # The one whose UPN is taken stands in the same school: neighbours once those left are put in order of school.
    school = pupils.loc[left, "school_number"].sort_values(kind="stable")
    place = school.groupby(school).cumcount()
    pair = ((place % 2 == 0) & (school == school.shift(-1))).to_numpy()
    pairs = rng.permutation(np.flatnonzero(pair))[: max(1, round(_UPN_TWICE_SHARE * len(pupils)))]
    rows, partners = school.index[pairs], school.index[pairs + 1]
    pupils.loc[rows, "upn"] = pupils.loc[partners, "upn"].to_numpy()
    pupils.loc[rows, "planted"], pupils.loc[partners, "planted"] = "upn-twice", "upn-taken"
    outcome.loc[rows.union(partners)] = "held:UPN05"
    left = left[~left.isin(rows.union(partners))]
    # The schools of both records are ready, or nobody could see the second one.
    other_school = pupils["school_number"].map(_ring(schools, ready)).astype("str")
    left = left[other_school.loc[left].notna()]
    copies, after = [], []
    for kind, (here, there, outcome_here, outcome_there) in _IN_TWO_SCHOOLS.items():
        rows = take(1 / 1500)
        pupils.loc[rows, "planted"], pupils.loc[rows, "enrol_status"] = kind, here
        outcome.loc[rows] = outcome_here
        copy = pupils.loc[rows].assign(
            school_number=other_school.loc[rows], enrol_status=there, planted=f"{kind}-other"
        )
        copies.append(copy)
        after.append(pd.Series(outcome_there, index=rows, dtype="str"))
    outcome = pd.concat([outcome, *after], ignore_index=True)
    pupils = pd.concat([pupils, *copies], ignore_index=True)
    return pupils.assign(outcome=_not_chosen_first(pupils, outcome, ready, cycle)).sort_values(
        ["school_number", "year", "true_upn", "planted"], ignore_index=True
    )


def _not_chosen_first(pupils: pd.DataFrame, outcome: pd.Series, ready: pd.Series, cycle: Cycle) -> pd.Series:
    """The outcome with the reasons for not choosing laid over it, the strongest last (`schemas.states.NotChosen`)."""
    outcome = outcome.mask(~pupils["school_number"].isin(ready) & (outcome != "uln_held"), "school_not_ready")
    if cycle.born_on_or_before is not None:
        real = pupils["dob"].str.fullmatch(r"\d{4}-\d\d-\d\d").eq(True) & (pupils["planted"] != "dob-unreal")
        outcome = outcome.mask(real & (pupils["dob"] > cycle.born_on_or_before.isoformat()).fillna(False), "age")
    outcome = outcome.mask(~pupils["year"].isin(cycle.year_groups), "year_group")
    return outcome.mask(pupils["enrol_status"].isin(["S", "G"]), "enrolment_status")


def _worked_out(rows: pd.DataFrame, value: str | None) -> "pd.Series | str | None":
    upn = rows["upn"]
    if value == "*shape":
        return upn.str[:1] + upn.str[2:]
    if value == "*letter":
        return upn.str[:1].eq("A").map({True: "B", False: "A"}).astype("str") + upn.str[1:]
    if value == "*temporary":
        # The last digit becomes a letter, one for one, so that no two of a school become the same.
        body = upn.str[1:12] + upn.str[12].map(dict(zip("0123456789", "ABCDEFGHJK", strict=True))).astype("str")
        return upn_check_letter(body) + body
    if value == "*older":
        return (rows["dob"].str[:4].astype("int64") - 3).astype("str") + rows["dob"].str[4:].str.replace("-29", "-28")
    if value == "*uln":
        # Far above those that the stand-in allots; one start in eleven has no check digit.
        nine = pd.Series(range(900_000_000, 900_000_000 + 2 * len(rows) + 11), dtype="int64").astype("str")
        ulns = (nine + uln_check_digit(nine)).dropna().iloc[: len(rows)]
        return ulns.set_axis(rows.index)
    return value


def _registration(schools: pd.DataFrame) -> pd.DataFrame:
    """Registered before the first cycle of all, so the same in every cycle."""
    takes_part = schools["readiness"].eq("not-taking-part").map({True: "N", False: "Y"})
    table = pd.DataFrame(
        {
            "school_number": schools["school_number"],
            # Not the school's real number: 1 and the school's own seven digits.
            "ukprn": "1" + schools["school_number"],
            "ukrlp_name": schools["school_name"],
            "ukrlp_postcode": schools["postcode"],
            # The two registers spell capitals differently; that is no mismatch.
            "edubase_name": schools["school_name"].str.upper(),
            "edubase_postcode": schools["postcode"],
            "lrb_registered_on": "2010-09-01",
            "privacy_notice_on": "2010-09-15",
            "takes_part": takes_part,
        }
    ).astype("str")
    for kind, (column, value) in NOT_READY.items():
        table.loc[(schools["readiness"] == kind).to_numpy(), column] = value
    return table[list(REGISTRATION_COLUMNS)]


def write_wales(
    wales: SyntheticWales, root: Path, cycle: Cycle, advance: Callable[[str], None] | None = None
) -> pd.DataFrame:
    """Write the returns, the registration and the opt-outs into a data root, and the truth beside them.

    A file that stands there already with the same bytes is left alone. `reference/` files that somebody has changed
    since a rehearsal wrote them are left as they are.

    Args:
        wales: the plan.
        root: the data root.
        cycle: its census days date the returns, and its id stands in their names.
        advance: called with each school's number.

    Returns:
        path (below the inbox), member (inside a zip, or null), school_number, planted, outcome (accepted, superseded or
        `quarantined:<reason>`); sorted. It is also kept as `rehearsal/truth/<cycle>/files.parquet`.
    """
    inbox = root / "dewi" / "inbox"
    by_school = {str(school): rows for school, rows in wales.pupils.groupby("school_number", sort=True)}
    leavers = {str(school): rows for school, rows in wales.leavers.groupby("school_number", sort=True)}
    files: list[dict[str, str | None]] = []
    bundles: dict[str, dict[str, bytes]] = {}

    def put(path: str, content: bytes, school: str, *, planted: str, outcome: str, member: str | None = None) -> None:
        if member is None:
            write_whole(inbox / path, content)
        else:
            bundles.setdefault(path, {})[member] = content
        files.append({"path": path, "member": member, "school_number": school, "planted": planted, "outcome": outcome})

    nth_of_la: dict[str, int] = {}
    for place, school in enumerate(sorted(by_school)):
        la, stem = school[:3], f"{school}_{cycle.id}_PLASC"
        nth = nth_of_la[la] = nth_of_la.get(la, -1) + 1
        layout = "naw-2024" if cycle.academic_year >= _LAYOUT_OF_2024_FROM else ("english-like", "naw")[place % 2]
        rows, gone = by_school[school], leavers.get(school, wales.leavers.head(0))
        unknown = place % 40 == 0
        older = _return(rows.iloc[:-3], gone, school, cycle, layout, serial=1, unknown=False)
        newest = _return(rows, gone, school, cycle, layout, serial=2, unknown=unknown)
        before, after = f"{stem}_001.xml", f"{stem}_002.xml"
        if place % 25 == 2:
            both = f"{la}/{stem}.zip"
            put(both, older, school, planted="older-return", outcome="superseded", member=before)
            put(both, newest, school, planted="two-in-zip", outcome="accepted", member=after)
        elif nth in (6, 7) and int(la) % 3 == 0:
            shared = f"{la}/PLASC_{cycle.id}.zip"
            put(shared, newest, school, planted="schools-in-zip", outcome="accepted", member=after)
        elif place % 10 == 1:
            put(f"{la}/{stem}.zip", newest, school, planted="in-zip", outcome="accepted", member=after)
        else:
            put(f"{la}/{after}", newest, school, planted="unknown-element" if unknown else "sound", outcome="accepted")
        if place % 25 == 0:
            put(f"{la}/{before}", older, school, planted="older-return", outcome="superseded")
        if advance is not None:
            advance(school)
    for path, members in bundles.items():
        write_whole(inbox / path, _zip(members))
    first = min(by_school)
    for name, content, reason in _refused(by_school[first].head(3), first, cycle):
        put(f"{first[:3]}/{cycle.id}-{name}", content, first, planted="refused", outcome=f"quarantined:{reason}")
    _keep_reference(root, {"registration.csv": wales.registration, "opt_outs.csv": wales.opt_outs})
    made = pd.DataFrame(files).astype("str").sort_values(["path", "member"], ignore_index=True)
    truth = root / "rehearsal" / "truth" / cycle.id
    for name, table in (("pupils", wales.pupils), ("files", made)):
        buffer = io.BytesIO()
        table.to_parquet(buffer, index=False)
        write_whole(truth / f"{name}.parquet", buffer.getvalue())
    return made


def _refused(rows: pd.DataFrame, school: str, cycle: Cycle) -> list[tuple[str, bytes, str]]:
    """Files that must end in quarantine: name, content, reason of `schemas/quarantine_reasons.csv`."""
    sample = _return(rows, rows.head(0), school, cycle, "english-like", serial=3, unknown=False)
    day = _census_day(cycle).encode()
    return [
        ("cut-off.xml", sample[: -len(sample) // 3], "not_xml"),
        ("other-root.xml", f'<Report cycle="{cycle.id}"><Header/></Report>'.encode(), "wrong_root"),
        ("unknown-school.xml", sample.replace(f"<Estab>{school[3:]}<".encode(), b"<Estab>9999<"), "unknown_school"),
        ("other-year.xml", sample.replace(b"Date>" + day, b"Date>1999-01-19"), "outside_cycle"),
        ("other-collection.xml", sample.replace(b">PLASC<", b">WORKFORCE<"), "wrong_collection"),
        ("damaged.zip", _zip({"return.xml": sample})[:-30], "bad_zip"),
    ]


def _keep_reference(root: Path, tables: dict[str, pd.DataFrame]) -> None:
    """Write the files that are missing or stand as a rehearsal last wrote them; a person's own changes are kept."""
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
            # One date for all: a zip's bytes must not depend on when it was made.
            bundle.writestr(zipfile.ZipInfo(name, (2012, 1, 20, 9, 0, 0)), members[name], zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _census_day(cycle: Cycle) -> str:
    """The 17th day of the window: inside it for every cycle, near to where the real ones fall."""
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
_OTHER_NAMES = {
    "english-like": {},
    "naw": {"uln": "ULN"},
    "naw-2024": {"gender": "Sex"},
}


def _cells(rows: pd.DataFrame, field: str, element: str) -> list[str]:
    """The field of every row as an element, nothing where it is null."""
    texts = rows[field].to_list()
    return [f"<{element}>{escape(t)}</{element}>" if isinstance(t, str) else "" for t in texts]


def _return(
    rows: pd.DataFrame, gone: pd.DataFrame, school: str, cycle: Cycle, layout: str, *, serial: int, unknown: bool
) -> bytes:
    """A school's return: header, pupils on roll, pupils no longer on roll."""
    box = "PupilIdentifiers" if layout == "english-like" else "NAWPupilIdentifiers"
    elements = _IDENTIFIERS | _OTHER_NAMES[layout]
    day = _census_day(cycle)
    term = "SPR" if cycle.census_from.month < 9 else "AUT"

    def records(of: pd.DataFrame, element: str, more: str) -> str:
        who = map("".join, zip(*(_cells(of, f, name) for f, name in elements.items()), strict=True))
        status, year = _cells(of, "enrol_status", "EnrolStatus"), _cells(of, "nc_year", "NCyearActual")
        home = _cells(of, "postcode", "PostCode")
        return "".join(
            f"<{element}><{box}>{w}</{box}><PupilCharacteristics><Ethnicity>WBRI</Ethnicity></PupilCharacteristics>"
            f"<PupilStatus>{s}<EntryDate>2009-09-01</EntryDate><PartTime>false</PartTime>{y}</PupilStatus>{more}"
            f"<HomeInformation><Address>{h}</Address></HomeInformation></{element}>\n"
            for w, s, y, h in zip(who, status, year, home, strict=True)
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
