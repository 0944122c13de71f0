"""A synthetic Wales: real schools, invented learners, and planted faults with the outcome that each must have. Pure.

Belongs here: which schools are ready, the faults planted in records, and the outcome of each record (`plan_wales`). Does not
belong here: the learners (`synthetic_people`), the files (`synthetic_returns`), and anything that the service does. The
same seed makes the same Wales, to the byte. To plant a new kind of fault: a row in `PLANTED`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from schemas.cycles import Cycle
from schemas.tables import PUPIL_FIELDS
from schemas.texts.catalogue import bilingual
from schemas.texts.faults import ConfigurationFault
from tasks.core.identifiers import uln_check_digit
from tasks.io.data_root.reference import REGISTRATION_COLUMNS
from tasks.rehearsal.known_before import learners_known_to_lrs
from tasks.rehearsal.synthetic_people import KINDS as PEOPLE_KINDS
from tasks.rehearsal.synthetic_people import SHORT_NAMES, next_schools, recorded_people

_OPT_OUT_SHARE = 0.005
_NOT_READY_SHARE = 0.03


@dataclass(frozen=True)
class Planted:
    """One kind of fault.

    Attributes:
        share: of all records; at least one is planted.
        field: the changed field.
        value: the new value; a value that starts with * is worked out from the record (`_WORKED_OUT`).
        outcome: expected outcome of the record: `sent`, `uln_held`, or `held:<rule of expectations/catalogue.csv>`.
        rule: the rule that must warn, where the record is still sent.
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
    "upn-small-letters": Planted(0.0002, "upn", "*small", "sent"),
    "upn-blanks": Planted(0.0002, "upn", "*blanks", "sent"),
    "given-blank": Planted(0.0005, "forename", None, "held:GIV01"),
    "given-long": Planted(0.0004, "forename", "Aberystwyth Bethesda Caernarfon Dolgellau", "held:GIV02"),
    "given-digits": Planted(0.0005, "forename", "S1an", "held:GIV03"),
    "given-control": Planted(0.0001, "forename", "Si\tân", "held:GIV03"),
    "given-other-digits": Planted(0.0001, "forename", "Rhys²", "held:GIV03"),
    "given-brackets": Planted(0.0002, "forename", "Siân (Sian)", "sent", "GIV05"),
    "given-look-alike": Planted(0.00005, "forename", "Si\u0430n", "sent", "GIV06"),
    "given-unwritable": Planted(0.0002, "forename", "--", "held:GIV04"),
    "family-blank": Planted(0.0005, "surname", " ", "held:FAM01"),
    "family-long": Planted(0.0004, "surname", "Aberystwyth-Bethesda-Caernarfon-Dolgellau", "held:FAM02"),
    "family-digits": Planted(0.0005, "surname", "J0nes", "held:FAM03"),
    "family-control": Planted(0.0001, "surname", "Jo\u0085nes", "held:FAM03"),
    "family-comma": Planted(0.0001, "surname", "Jones, Parry", "sent", "FAM05"),
    "family-look-alike": Planted(0.00005, "surname", "J\u043enes", "sent", "FAM06"),
    "family-unwritable": Planted(0.0002, "surname", "-", "held:FAM04"),
    "middle-long": Planted(0.0004, "middle_names", "Aberystwyth Bethesda Caernarfon Dolgellau", "sent", "MID01"),
    "middle-digits": Planted(0.0004, "middle_names", "W1n", "sent", "MID02"),
    "middle-control": Planted(0.0001, "middle_names", "Gwên\tHaf", "sent", "MID02"),
    "middle-ampersand": Planted(0.0001, "middle_names", "Mair & Haf", "sent", "MID03"),
    "middle-look-alike": Planted(0.00005, "middle_names", "M\u0430ir", "sent", "MID04"),
    "dob-blank": Planted(0.0005, "dob", None, "held:DOB01"),
    "dob-unreal": Planted(0.0005, "dob", "1997-02-30", "held:DOB02"),
    "dob-day-first": Planted(0.0002, "dob", "*day-first", "held:DOB02"),
    "dob-implausible": Planted(0.0005, "dob", "1890-01-01", "held:DOB03"),
    "dob-unlike-year": Planted(0.0008, "dob", "*older", "sent", "DOB04"),
    "gender-blank": Planted(0.0005, "gender", None, "held:GEN01"),
    "gender-unknown": Planted(0.0005, "gender", "X", "held:GEN02"),
    "postcode-blank": Planted(0.002, "postcode", None, "held:PCD01"),
    "postcode-wrong": Planted(0.002, "postcode", "LL77 7CC", "held:PCD02"),
    "postcode-zz99": Planted(0.0015, "postcode", "ZZ99 9ZZ", "sent", "PCD03"),
    "year-blank": Planted(0.0003, "nc_year", None, "held:YRG01"),
    "year-unknown": Planted(0.0005, "nc_year", "X", "held:YRG02"),
    "year-in-words": Planted(0.0002, "nc_year", "*year", "held:YRG02"),
    "enrolment-blank": Planted(0.0006, "enrol_status", None, "sent", "ENR01"),
    "enrolment-small-letter": Planted(0.0002, "enrol_status", "c", "sent"),
    "enrolment-unknown": Planted(0.0003, "enrol_status", "Z", "held:ENR02"),
    "uln-shape": Planted(0.0005, "uln", "12345", "sent", "ULN01"),
    "uln-digit": Planted(0.0005, "uln", "1000102505", "sent", "ULN02"),
    "uln-placeholder": Planted(0.0008, "uln", "9999999999", "sent"),
    "uln-held": Planted(0.003, "uln", "*uln", "uln_held"),
}
_UPN_TWICE_SHARE = 0.0006
#: A learner's records in two schools: kind -> (first status, second status, first outcome, second outcome).
_IN_TWO_SCHOOLS = {
    "dual": ("M", "S", "sent", "enrolment_status"),
    "guest": ("M", "G", "sent", "enrolment_status"),
    "two-schools": ("M", "M", "held:UPN06", "held:UPN06"),
}
#: Changes to a learner whom the LRS knows, which give a possible match (`known_before`): kind -> share of all records.
#: The youngest come first, because the service has an older learner's ULN from an earlier cycle.
_LIKE_ANOTHER = {"names-swapped": 0.0003, "short-name": 0.0003, "dob-slip": 0.0003, "namesake": 0.0001}
#: Kind without a fault (`synthetic_people.KINDS`) -> the rule that must warn.
_RULES_OF_LIFE = {"upn-temporary": "UPN04"}
#: Every word in `planted`.
KINDS = frozenset(
    {
        *(*PEOPLE_KINDS, *PLANTED, "upn-twice", "upn-taken", *_LIKE_ANOTHER),
        *(*_IN_TWO_SCHOOLS, *(f"{kind}-other" for kind in _IN_TWO_SCHOOLS)),
    }
)
#: Kind of not being ready -> (column of registration.csv, value).
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
        pupils: a row for each record, in file order: school_number, the pupil fields (text, null where absent), planted
            (a word of `KINDS`), outcome (`sent`, `held:<rule>`, or the reason for not being chosen), warning (the rule that
            must warn of a record that is still sent, or null), true_upn (the learner's permanent UPN, whatever the record
            says, and also before they have it). The outcomes are those of a first cycle: in a later one, `sent` becomes
            `uln_held` if the register has a ULN under the record's UPN, or under its FormerUPN with the same date of birth.
        leavers: school_number and the pupil fields of some learners who were on roll a year ago.
        registration: the columns of `reference/registration.csv`.
        opt_outs: upn, recorded_on.
        schools: the planned rows of the schools register, and `readiness`: `ready`, `not-taking-part` or a kind of
            `NOT_READY`.
        known_before: records of the learners whom the LRS knows without the service (`schemas.tables.DEMOGRAPHICS`).
        possible_matches: the learners with a possible match, and its cause (`known_before.learners_known_to_lrs`).
    """

    pupils: pd.DataFrame
    leavers: pd.DataFrame
    registration: pd.DataFrame
    opt_outs: pd.DataFrame
    schools: pd.DataFrame
    known_before: pd.DataFrame
    possible_matches: pd.DataFrame


def plan_wales(schools: pd.DataFrame, cycle: Cycle, seed: int, pupils_per_school: int = 900) -> SyntheticWales:
    """Plan the records of every school, and the faults in some; nothing is written.

    Args:
        schools: rows of the schools register: school_number, school_name, sector_en, postcode, pupils and, where known,
            school_type_en.
        cycle: sets the academic year and the learners whom the service will choose.
        seed: seed of all random draws.
        pupils_per_school: mean over secondary and middle schools; a school's share follows its number of pupils.

    Raises:
        ConfigurationFault: the seed is negative.
    """
    if seed < 0:
        raise ConfigurationFault("--seed", [bilingual("fault.seed", seed=seed)])
    schools = schools.sort_values("school_number", ignore_index=True)
    schools = schools.assign(readiness=_readiness(schools, seed))
    pupils = recorded_people(schools, cycle, seed, pupils_per_school)
    gone = pupils["left"].to_numpy()
    leavers = pupils[gone].groupby("school_number", sort=True).head(3)
    pupils = pupils[~gone].sort_values(["school_number", "year", "true_upn"], ignore_index=True)
    out = pupils[(pupils["opts_out"] < _OPT_OUT_SHARE) & (pupils["year"] >= 9)]
    recorded = (out["began"] + 2).astype("str") + "-09-20"
    opt_outs = pd.DataFrame({"upn": out["upn"], "recorded_on": recorded}).sort_values("upn", ignore_index=True)
    rng = np.random.default_rng([seed, cycle.academic_year, 1])
    pupils = _plant(pupils, schools, cycle, rng)
    rules = _RULES_OF_LIFE | {kind: planted.rule for kind, planted in PLANTED.items() if planted.rule}
    pupils["warning"] = pupils["planted"].map(rules).where(pupils["outcome"] == "sent").astype("str")
    known, matches = learners_known_to_lrs(pupils, cycle, np.random.default_rng([seed, cycle.academic_year, 3]))
    columns = ["school_number", *PUPIL_FIELDS, "planted", "outcome", "warning", "true_upn"]
    return SyntheticWales(
        pupils=pupils[columns],
        leavers=leavers[["school_number", *PUPIL_FIELDS]],
        registration=_registration(schools),
        opt_outs=opt_outs,
        schools=schools,
        known_before=known,
        possible_matches=matches,
    )


def _readiness(schools: pd.DataFrame, seed: int) -> npt.NDArray[np.str_]:
    """Return `ready`, `not-taking-part` (three special schools in four) or a kind of `NOT_READY` for each school.

    Number of schools not ready: 0 of fewer than three, 1 of fewer than twelve, otherwise one of each kind or 3 %.
    """
    special = (schools["sector_en"] == "Special").to_numpy()
    readiness = np.where(special & (schools["school_number"].astype("int64") % 4 != 0), "not-taking-part", "ready")
    readiness = readiness.astype("U20")
    ready = np.flatnonzero(~special)
    few = min(1, len(ready) // 3)
    count = max(len(NOT_READY), round(len(ready) * _NOT_READY_SHARE)) if len(ready) >= 12 else few
    chosen = np.random.default_rng([seed, 2]).permutation(ready)[:count]
    readiness[chosen] = np.resize(np.array(list(NOT_READY)), count)
    return readiness


def _plant(pupils: pd.DataFrame, schools: pd.DataFrame, cycle: Cycle, rng: np.random.Generator) -> pd.DataFrame:
    """Plant every kind among the learners in ready schools whom the service would choose, at most one for a learner."""
    ready = schools.loc[schools["readiness"] == "ready", "school_number"]
    chosen = pupils["year"].isin(cycle.year_groups) & pupils["school_number"].isin(ready)
    if cycle.born_on_or_before is not None:
        chosen &= pupils["dob"] <= cycle.born_on_or_before.isoformat()
    left: pd.Index = pd.Index(rng.permutation(pupils.index[chosen & (pupils["planted"] == "sound")].to_numpy()))
    outcome = pd.Series("sent", index=pupils.index, dtype="str")
    pupils = pupils.assign(true_forename=pupils["forename"], true_dob=pupils["dob"])

    def draw(share: float) -> pd.Index:
        nonlocal left
        count = max(1, round(share * len(pupils)))
        taken: pd.Index = left[:count]
        left = left[count:]
        return taken

    for kind, planted in PLANTED.items():
        rows = draw(planted.share)
        worked_out = _WORKED_OUT.get(planted.value)
        pupils.loc[rows, planted.field] = worked_out(pupils.loc[rows]) if worked_out else planted.value
        pupils.loc[rows, "planted"], outcome.loc[rows] = kind, planted.outcome
    # Two learners of one school get one UPN. The remaining learners are sorted by school, and a pair are neighbours.
    school = pupils.loc[left, "school_number"].sort_values(kind="stable")
    place = school.groupby(school).cumcount()
    pair = ((place % 2 == 0) & (school == school.shift(-1))).to_numpy()
    pairs = rng.permutation(np.flatnonzero(pair))[: max(1, round(_UPN_TWICE_SHARE * len(pupils)))]
    rows, partners = school.index[pairs], school.index[pairs + 1]
    pupils.loc[rows, "upn"] = pupils.loc[partners, "upn"].to_numpy()
    pupils.loc[rows, "planted"], pupils.loc[partners, "planted"] = "upn-twice", "upn-taken"
    outcome.loc[rows.union(partners)] = "held:UPN05"
    left = left[~left.isin(rows.union(partners))]
    # Both schools must be ready, otherwise nobody would see the second record.
    other_school = pupils["school_number"].map(next_schools(schools, ready)).astype("str")
    left = left[other_school.loc[left].notna()]
    copies, after = [], []
    for kind, (first, second, first_outcome, second_outcome) in _IN_TWO_SCHOOLS.items():
        rows = draw(1 / 1500)
        pupils.loc[rows, "planted"], pupils.loc[rows, "enrol_status"] = kind, first
        outcome.loc[rows] = first_outcome
        copy = pupils.loc[rows].assign(
            school_number=other_school.loc[rows], enrol_status=second, planted=f"{kind}-other"
        )
        copies.append(copy)
        after.append(pd.Series(second_outcome, index=rows, dtype="str"))
    _write_like_others(pupils, left[np.argsort(pupils.loc[left, "year"] != min(cycle.year_groups), kind="stable")])
    outcome = pd.concat([outcome, *after], ignore_index=True)
    pupils = pd.concat([pupils, *copies], ignore_index=True)
    return pupils.assign(outcome=_not_chosen_first(pupils, outcome, ready, cycle)).sort_values(
        ["school_number", "year", "true_upn", "planted"], ignore_index=True
    )


def _write_like_others(pupils: pd.DataFrame, left: pd.Index) -> None:
    """Plant the kinds of `_LIKE_ANOTHER` in place, among the first of the remaining learners."""
    count = {kind: max(1, round(share * len(pupils))) for kind, share in _LIKE_ANOTHER.items()}
    # Two learners of the same year and sex: the second gets the first's names and birthday, and keeps home, school and UPN.
    few = pupils.loc[left[: 8 * count["namesake"] + 8]].sort_values(["year", "gender", "true_upn"])
    fits = (few["year"] == few["year"].shift(-1)) & (few["gender"] == few["gender"].shift(-1))
    firsts = np.flatnonzero(fits & (np.arange(len(few)) % 2 == 0))[: count["namesake"]]
    originals, others = few.index[firsts], few.index[firsts + 1]
    shared = ["forename", "surname", "dob"]
    pupils.loc[others, shared] = pupils.loc[originals, shared].to_numpy()
    pupils.loc[others, "planted"] = "namesake"
    left = left[~left.isin(originals.union(others))]
    swapped, left = left[: count["names-swapped"]], left[count["names-swapped"] :]
    pupils.loc[swapped, ["forename", "surname"]] = pupils.loc[swapped, ["surname", "forename"]].to_numpy()
    pupils.loc[swapped, "planted"] = "names-swapped"
    # Another day of the same month, so that the year group stays right.
    slips, left = left[: count["dob-slip"]], left[count["dob-slip"] :]
    day = pupils.loc[slips, "dob"].str[8:].astype("int64")
    slip = day.where(day > 10, day + 20) - 10
    pupils.loc[slips, "dob"] = pupils.loc[slips, "dob"].str[:8] + slip.astype("str").str.zfill(2)
    pupils.loc[slips, "planted"] = "dob-slip"
    short = pupils.loc[left, "forename"].map(SHORT_NAMES)
    shortened = short.dropna().index[: count["short-name"]]
    pupils.loc[shortened, "forename"] = short[shortened]
    pupils.loc[shortened, "planted"] = "short-name"


def _not_chosen_first(pupils: pd.DataFrame, outcome: pd.Series, ready: pd.Series, cycle: Cycle) -> pd.Series:
    """Replace outcomes by the reasons for not being chosen; the last that applies counts (`schemas.states.NotChosen`)."""
    outcome = outcome.mask(~pupils["school_number"].isin(ready) & (outcome != "uln_held"), "school_not_ready")
    if cycle.born_on_or_before is not None:
        real = pupils["dob"].str.fullmatch(r"\d{4}-\d\d-\d\d").eq(True) & (pupils["planted"] != "dob-unreal")
        outcome = outcome.mask(real & (pupils["dob"] > cycle.born_on_or_before.isoformat()).fillna(False), "age")
    outcome = outcome.mask(~pupils["year"].isin(cycle.year_groups), "year_group")
    return outcome.mask(pupils["enrol_status"].isin(["S", "G"]), "enrolment_status")


def _far_ulns(rows: pd.DataFrame) -> pd.Series:
    """Return ULNs far above those that the stand-in allots. One number in eleven has no check digit."""
    nine = pd.Series(range(900_000_000, 900_000_000 + 2 * len(rows) + 11), dtype="int64").astype("str")
    return (nine + uln_check_digit(nine)).dropna().iloc[: len(rows)].set_axis(rows.index)


#: Values that are worked out from the record.
_WORKED_OUT: dict[str | None, Callable[[pd.DataFrame], pd.Series]] = {
    "*shape": lambda rows: rows["upn"].str[:1] + rows["upn"].str[2:],
    "*letter": lambda rows: (
        rows["upn"].str[:1].eq("A").map({True: "B", False: "A"}).astype("str") + rows["upn"].str[1:]
    ),
    "*small": lambda rows: rows["upn"].str.lower(),
    "*blanks": lambda rows: " " + rows["upn"] + " ",
    "*day-first": lambda rows: rows["dob"].str[8:] + "/" + rows["dob"].str[5:7] + "/" + rows["dob"].str[:4],
    "*year": lambda rows: "Year " + rows["nc_year"],
    "*older": lambda rows: (
        (rows["dob"].str[:4].astype("int64") - 3).astype("str") + rows["dob"].str[4:].str.replace("-29", "-28")
    ),
    "*uln": _far_ulns,
}


def _registration(schools: pd.DataFrame) -> pd.DataFrame:
    """Return the registration, dated before the first cycle, so the same in every cycle."""
    takes_part = schools["readiness"].eq("not-taking-part").map({True: "N", False: "Y"})
    table = pd.DataFrame(
        {
            "school_number": schools["school_number"],
            # Not the school's real UKPRN: 1 and its seven-digit school number.
            "ukprn": "1" + schools["school_number"],
            "ukrlp_name": schools["school_name"],
            "ukrlp_postcode": schools["postcode"],
            # The two registers use capitals differently; that is no mismatch.
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
