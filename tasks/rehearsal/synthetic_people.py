"""The learners of synthetic Wales, and their school records in an academic year. Pure.

Belongs here: sizes of cohorts, a person's draws, names, homes, UPNs. Does not belong here: faults in records
(`synthetic_wales`), and the files (`synthetic_returns`). To add names: `names.toml`.

A learner is the same person in every cycle: all details, and the years in which they move school, move house, change
their name or get a permanent UPN, are drawn only from (seed, school, year of birth). A cycle only sets the academic year.

A few learners arrive from outside the UPN system with a temporary UPN. A school year later they have a permanent one, and
the temporary one is in FormerUPN (docs/reference/sources.md#pupil-items). The opposite change never happens.
"""

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from schemas.cycles import Cycle
from schemas.tables import PUPIL_FIELDS
from tasks.core.identifiers import upn_check_letter

_NAMES: dict[str, Any] = tomllib.loads(Path(__file__).with_name("names.toml").read_text(encoding="utf-8"))
#: Given name -> the short form that some schools write.
SHORT_NAMES: dict[str, str] = _NAMES["short"]
#: Family names by sex, in the same order and with the same weights: only the patronymics differ.
_FAMILY = {sex: [*_NAMES["family"], *_NAMES[f"patronymics_{sex}"]] for sex in ("girls", "boys")}
_FAMILY_WEIGHTS = [*_NAMES["family"].values(), *[_NAMES["patronymic_weight"]] * len(_NAMES["patronymics_girls"])]
_FIRST_YEAR = {"Middle": 1}
_FIRST_SECONDARY_YEAR = 7
#: Year -> share of a year-7 cohort that stays in the sixth form; the others have left.
_SIXTH_FORM = {12: 0.5, 13: 0.42, 14: 0.03}
#: Share of learners with each change in a school year: new school, new name, new home, permanent UPN.
_CHANGE_A_YEAR = {"moves": 0.01, "renames": 0.01, "relocates": 0.01, "permanent": 0.0005}
#: Certain changes in each cohort, so that every Wales has each: place in the cohort -> (change, year group).
_CERTAIN_CHANGES = {2: ("moves", 10), 3: ("renames", 11), 4: ("relocates", 10), 5: ("permanent", 11)}
#: Words in `planted` of a person's record before faults are planted.
KINDS = frozenset({"sound", "twin", "mover", "new-name", "moved-house", "upn-temporary", "upn-made-permanent"})
_LAST_YEAR = 14
_SMALLEST_COHORT = 6
_LARGEST_COHORT = 999  # a UPN has three digits for the serial number
_INWARD_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"
#: Draws of each person, once for life. Adding one changes everybody.
_DRAWS = (
    *("girl", "given", "family", "has_middle", "middle", "born", "digit", "letter_1", "letter_2"),
    *("moves", "renames", "relocates", "new_family", "new_digit", "new_letter_1", "new_letter_2", "opts_out"),
    "permanent",
)


def recorded_people(schools: pd.DataFrame, cycle: Cycle, seed: int, pupils_per_school: int) -> pd.DataFrame:
    """Return every person's school record in the cycle's academic year, without faults.

    The schools are as in `synthetic_wales.plan_wales`, sorted by school_number; `pupils_per_school` is the mean of
    secondary and middle schools.

    Returns:
        school_number, the pupil fields, former_postcode (for those who moved house), planted (a word of `KINDS`),
        true_upn, year, began (start of year 7), opts_out (a draw) and left (on roll a year ago, but no longer).
    """
    return _as_recorded(_people(_cohorts(schools, cycle, pupils_per_school), seed), schools, cycle.academic_year)


def _cohorts(schools: pd.DataFrame, cycle: Cycle, pupils_per_school: int) -> pd.DataFrame:
    """Return school_number, outward, size, first, last, year, began (start of year 7), on_roll, was_on_roll (counts)."""
    size = pd.to_numeric(schools["pupils"], errors="coerce")
    ordinary = schools["sector_en"] != "Special"
    mean = size[ordinary if ordinary.any() else slice(None)].mean()
    size = (size.fillna(mean) * (pupils_per_school / mean)) if mean > 0 else size.fillna(0) + pupils_per_school
    first = schools["sector_en"].map(_FIRST_YEAR).fillna(_FIRST_SECONDARY_YEAR).astype("int64")
    last = _last_year(schools)
    # A school's number of pupils as a multiple of its year-7 cohort.
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
    # The year after the last is only for its leavers.
    table = table[(table["year"] >= table["first"]) & (table["year"] <= table["last"] + 1)].reset_index(drop=True)
    return table.assign(
        began=cycle.academic_year - table["year"] + _FIRST_SECONDARY_YEAR,
        on_roll=_on_roll(table, table["year"]),
        was_on_roll=_on_roll(table, table["year"] - 1),
    )


def _last_year(schools: pd.DataFrame) -> pd.Series:
    """Return 11 for a school whose type says that it has no sixth form; otherwise 14."""
    kind = schools["school_type_en"] if "school_type_en" in schools else pd.Series("", index=schools.index)
    return kind.str.contains(r"-16\)|without post-16", regex=True).eq(True).map({True: 11, False: 14})


def _on_roll(table: pd.DataFrame, year: pd.Series) -> pd.Series:
    share = year.map(_SIXTH_FORM).fillna(1.0)
    count = (table["size"] * share).round().clip(lower=1).astype("int64")
    return count.where((year >= table["first"]) & (year <= table["last"]), 0)


def _people(cohorts: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Return a row for each person with the draws for life; only the drawing loops over cohorts."""
    wanted = cohorts[["on_roll", "was_on_roll"]].max(axis=1).to_numpy()
    draws = np.concatenate(
        [
            np.random.default_rng([seed, int(school), int(began)]).random((count, len(_DRAWS)))
            for school, began, count in zip(cohorts["school_number"], cohorts["began"], wanted, strict=True)
        ]
    )
    people = cohorts.loc[cohorts.index.repeat(wanted)].reset_index(drop=True)
    place = np.concatenate([np.arange(count) for count in wanted])
    for position, (change, year) in _CERTAIN_CHANGES.items():
        draws[place == position, _DRAWS.index(change)] = (year - 1) * _CHANGE_A_YEAR[change]
    # Twins, in every other cohort: the second has the home and birthday of the first, and moves with them.
    pairs = (people["school_number"].astype("int64") + people["began"]).to_numpy() % 2 == 0
    twins = np.flatnonzero((place % 60 == 1) & pairs)
    shared = [_DRAWS.index(d) for d in _DRAWS if d not in ("girl", "given", "has_middle", "middle", "opts_out")]
    draws[twins[:, None], shared] = draws[twins[:, None] - 1, shared]
    # Half the list away, so that twins never have the same given name.
    given = _DRAWS.index("given")
    draws[twins, given] = (draws[twins - 1, given] + 0.5) % 1
    twin = np.zeros(len(people), dtype=bool)
    twin[twins] = twin[twins - 1] = True
    people = people.assign(place=place, twin=twin, left=place >= people["on_roll"].to_numpy())
    return pd.concat([people, pd.DataFrame(draws, columns=list(_DRAWS))], axis=1)


def _family(people: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return each person's family name, and the name after a change."""
    weights = np.cumsum(_FAMILY_WEIGHTS)
    first, second = (
        np.searchsorted(weights, people[draw].to_numpy() * weights[-1], "right") for draw in ("family", "new_family")
    )
    # If the new name equals the old one, the next name in the list is taken.
    second = (second + (first == second)) % len(weights)
    girl = _is_girl(people)
    girls, boys = np.array(_FAMILY["girls"]), np.array(_FAMILY["boys"])
    names = [pd.Series(np.where(girl, girls[n], boys[n]), dtype="str") for n in (first, second)]
    return names[0], names[1]


def _is_girl(people: pd.DataFrame) -> pd.Series:
    return people["girl"] < 0.49


def _by_sex(people: pd.DataFrame, girls: str, boys: str, draw: str) -> pd.Series:
    picked = np.where(_is_girl(people), _pick(_NAMES[girls], people[draw]), _pick(_NAMES[boys], people[draw]))
    return pd.Series(picked, dtype="str")


def _pick(names: list[str], draw: pd.Series) -> npt.NDArray[np.str_]:
    picked: npt.NDArray[np.str_] = np.array(names)[(draw.to_numpy() * len(names)).astype(np.int64)]
    return picked


def _postcode(people: pd.DataFrame, digit: str, letter_1: str, letter_2: str) -> pd.Series:
    letters = list(_INWARD_LETTERS)
    inward = pd.Series(_pick(list("0123456789"), people[digit]), dtype="str")
    return people["outward"] + " " + inward + _pick(letters, people[letter_1]) + _pick(letters, people[letter_2])


def _as_recorded(people: pd.DataFrame, schools: pd.DataFrame, academic_year: int) -> pd.DataFrame:
    # The draw gives the school year of a change (0 for year 1); draws beyond year 15 mean never.
    past = academic_year - (people["began"] - _FIRST_SECONDARY_YEAR + 1)
    due = {c: np.floor(people[c] / rate + 1e-9).astype("int64") for c, rate in _CHANGE_A_YEAR.items()}
    following = schools["school_number"].map(next_schools(schools, schools["school_number"]))
    teaches = pd.DataFrame({"from": following, "last": _last_year(schools)}).set_index(schools["school_number"])
    target = people["school_number"].map(teaches["from"])
    last_year = target.map(teaches["last"])
    possible = target.notna() & people["year"].between(_FIRST_SECONDARY_YEAR, last_year.fillna(0))
    # A move before year 7, or to a school that does not teach the year, does not happen.
    moved = (due["moves"] <= past) & (due["moves"] >= _FIRST_SECONDARY_YEAR) & possible
    renamed, relocated = due["renames"] <= past, due["relocates"] <= past
    family, new_family = _family(people)
    serial = _serial(people)
    upn = upn_check_letter(serial) + serial
    temporary_upn = _temporary(serial)
    # A permanent UPN before year 7 concerns only the primary school. A later arrival has no record until then.
    arrives = due["permanent"] - 1
    comes_late = arrives.between(_FIRST_SECONDARY_YEAR - 1, _LAST_YEAR - 1)
    present: pd.Series = ~comes_late | (arrives <= past - people["left"].astype("int64"))
    is_temporary, was_temporary = comes_late & (arrives == past), comes_late & (arrives < past)
    kind = pd.Series("sound", index=people.index, dtype="str").mask(people["twin"], "twin")
    kind = kind.mask(relocated & (due["relocates"] == past), "moved-house")
    kind = kind.mask(renamed & (due["renames"] == past), "new-name")
    kind = kind.mask(moved & (due["moves"] == past), "mover")
    kind = kind.mask(is_temporary, "upn-temporary")
    kind = kind.mask(was_temporary & (due["permanent"] == past), "upn-made-permanent")
    blank = pd.Series(None, index=people.index, dtype="str")
    home = _postcode(people, "digit", "letter_1", "letter_2")
    new_home = _postcode(people, "new_digit", "new_letter_1", "new_letter_2")
    recorded = pd.DataFrame(
        {
            "school_number": people["school_number"].mask(moved, target),
            **dict.fromkeys(PUPIL_FIELDS, blank),
            "upn": upn.mask(is_temporary, temporary_upn),
            "former_upn": temporary_upn.where(was_temporary),
            "surname": family.mask(renamed, new_family),
            "forename": _by_sex(people, "girls", "boys", "given"),
            "middle_names": _by_sex(people, "middle_girls", "middle_boys", "middle").where(people["has_middle"] < 0.6),
            "former_surname": family.where(renamed),
            "gender": _is_girl(people).map({True: "F", False: "M"}).astype("str"),
            "dob": _born(people).dt.strftime("%Y-%m-%d").astype("str"),
            "nc_year": people["year"].astype("str"),
            "enrol_status": pd.Series("C", index=people.index, dtype="str"),
            "postcode": home.mask(relocated, new_home),
            "former_postcode": home.where(relocated),
            "planted": kind,
            "true_upn": upn,
            "year": people["year"],
            "began": people["began"],
            "opts_out": people["opts_out"],
            "left": people["left"],
        }
    )
    return recorded.loc[present].reset_index(drop=True)


def _born(people: pd.DataFrame) -> pd.Series:
    """Return birthdays within 364 days from 1 September: at the end of August the year group would be in doubt."""
    first_day = pd.to_datetime((people["began"] - 12).astype("str") + "-09-01", format="%Y-%m-%d")
    born: pd.Series = first_day + pd.to_timedelta(np.floor(people["born"] * 364), unit="D")
    return born


def _serial(people: pd.DataFrame) -> pd.Series:
    """Return the twelve digits of a permanent UPN: allocating school, year, number in the year.

    A primary school allocated it, not the present one, so its number is 2000 less; a special school (from 7000) did itself.
    """
    estab = people["school_number"].str[3:].astype("int64")
    return (
        people["school_number"].str[:3]
        + estab.where(estab >= 7000, estab - 2000).astype("str")
        + ((people["began"] - 7) % 100).astype("str").str.zfill(2)
        + (people["place"] + 1).astype("str").str.zfill(3)
    )


def _temporary(serial: pd.Series) -> pd.Series:
    """Return the temporary UPN that the permanent one replaces: a letter for the serial's last digit, so all are unique."""
    body = serial.str[:11] + serial.str[11].map(dict(zip("0123456789", "ABCDEFGHJK", strict=True))).astype("str")
    return upn_check_letter(body) + body


def next_schools(schools: pd.DataFrame, members: pd.Series) -> dict[str, str]:
    """Return each member's next school by number: usually of the same authority; special schools follow special ones."""
    following: dict[str, str] = {}
    for _, group in schools[schools["school_number"].isin(members)].groupby(schools["sector_en"] == "Special"):
        numbers = list(group["school_number"])
        if len(numbers) > 1:
            following |= dict(zip(numbers, numbers[1:] + numbers[:1], strict=True))
    return following
