"""Who the learners of synthetic Wales are, and how their schools know them in an academic year. Pure.

Belongs here: the sizes of cohorts, what is drawn for a person, names, homes, UPNs. Does not belong here: what is wrong
with some of the records (`synthetic_wales`), and the files in which they stand (`synthetic_returns`).

A learner is the same person in every cycle. What a person is, and in which year they will move school, move house or
change their name, is drawn from (seed, school, year of birth) alone; a cycle only says which academic year it is. New
names: `names.toml`.
"""

import tomllib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from schemas.cycles import Cycle
from tasks.core.identifiers import upn_check_letter

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
_INWARD_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"
#: What is drawn for each person, once for life; new ones go last, or everybody changes.
_DRAWS = (
    *("girl", "given", "family", "has_middle", "middle", "born", "digit", "letter_1", "letter_2"),
    *("moves", "renames", "relocates", "new_family", "new_digit", "new_letter_1", "new_letter_2", "opts_out"),
)


def recorded_people(schools: pd.DataFrame, cycle: Cycle, seed: int, pupils_per_school: int) -> pd.DataFrame:
    """Every person as their school knows them in the cycle's academic year, all sound.

    Args:
        schools: as `synthetic_wales.plan_wales`, sorted by school_number.
        cycle: says which academic year it is.
        seed: makes everything.
        pupils_per_school: the mean of secondary and middle schools.

    Returns:
        school_number, the pupil fields, planted (`sound`, `twin` or the change of this year), true_upn, year, began
        (start of year 7), opts_out (a draw) and left (was on roll a year ago, and is no longer).
    """
    return _as_recorded(_people(_cohorts(schools, cycle, pupils_per_school), seed), schools, cycle.academic_year)


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
    following = schools["school_number"].map(next_schools(schools, schools["school_number"]))
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


def next_schools(schools: pd.DataFrame, members: pd.Series) -> dict[str, str]:
    """Each member's next one by number, special schools apart: of the same authority but for an authority's last."""
    following: dict[str, str] = {}
    for _, of_kind in schools[schools["school_number"].isin(members)].groupby(schools["sector_en"] == "Special"):
        numbers = list(of_kind["school_number"])
        if len(numbers) > 1:
            following |= dict(zip(numbers, numbers[1:] + numbers[:1], strict=True))
    return following
