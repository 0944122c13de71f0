"""The facts that the rules judge: one row of plain columns per chosen record, computed once, vectorised.

A rule judges a column of this table and computes nothing. A column is null where its rule must not apply, so that one cause
gives one finding: no check letter where the shape is wrong, no age where the date is not real.

Does not belong here: thresholds that a rule can hold itself, severities, texts (`expectations/catalogue.csv`).
To add a rule that needs a new fact: a column here, a row in the catalogue.
"""

from dataclasses import dataclass, field

import pandas as pd

from schemas.cycles import Cycle
from schemas.lrs.profiles import Profile
from tasks.core.dates import age_on, expected_year
from tasks.core.identifiers import (
    canonical_upn,
    uln_placeholder,
    uln_shape_ok,
    uln_valid,
    upn_check_letter_ok,
    upn_shape,
)
from tasks.core.lrs_form import lrs_names
from tasks.core.membership import composite_key, is_in
from tasks.core.name_characters import look_alike, never_in_a_name, not_kept
from tasks.core.text_columns import BLANK, answers, capitals, map_unique

#: Subsidiary and guest registrations: the learner's main school asks for the ULN.
NOT_SENT_STATUS = ("S", "G")
#: The ages at which the LRS gives a ULN (docs/reference/sources.md#age); outside them a year group is not compared.
_LRS_AGES = (13, 110)
#: The census's full postcodes for "no known home": ZZ99 and an inward part.
_NO_HOME = r"ZZ99 ?[0-9][ABD-HJLNP-UW-Z]{2}"
_NAMES = {"given": "forename", "family": "surname", "middle": "middle_names"}


@dataclass(frozen=True)
class KnownUpns:
    """Facts about UPNs that the chosen records alone do not show.

    Attributes:
        shared: UPNs in more than one school of Wales (`shared_upns`).
        repeated: school_number, upn; UPNs that appear more than once in a school's current return (`repeated_upns`).
        second: row_refs of records that look like a second UPN of a learner sent before (`one_learner.second_upns`).
    """

    shared: pd.Series = field(default_factory=lambda: pd.Series(dtype="str"))
    repeated: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=["school_number", "upn"], dtype="str"))
    second: pd.Series = field(default_factory=lambda: pd.Series(dtype="str"))


def shared_upns(chosen: pd.DataFrame) -> pd.Series:
    """Return the UPNs (canonical, sorted) in more than one school; `chosen`: upn, school_number of all Wales."""
    pairs = chosen[["school_number"]].assign(upn=canonical_upn(chosen["upn"])).dropna().drop_duplicates()
    return pairs.loc[pairs["upn"].duplicated(), "upn"].drop_duplicates().sort_values(ignore_index=True)


def repeated_upns(current: pd.DataFrame) -> pd.DataFrame:
    """Return the UPNs that appear more than once in a school's return, in any year group, chosen or not.

    Rows of status S and G do not count, because the learner's main school asks for the ULN
    (docs/reference/sources.md#enrolment-status): beside an M or C row they are no second learner. If a guest row has another
    learner's UPN by mistake, the learner of the M or C row is still asked for.

    `current` has school_number, upn, enrol_status of current returns. The result has school_number and upn (canonical), each
    pair once, sorted.
    """
    rows = current[~capitals(current["enrol_status"].str.strip()).isin(NOT_SENT_STATUS)]
    pairs = pd.DataFrame({"school_number": rows["school_number"], "upn": canonical_upn(rows["upn"])}).dropna()
    twice = pairs[pairs.duplicated()].drop_duplicates()
    return twice.sort_values(["school_number", "upn"], ignore_index=True)


def evidence(chosen: pd.DataFrame, cycle: Cycle, profile: Profile, known: KnownUpns) -> pd.DataFrame:
    """Return the facts that the rules judge.

    Ages are taken on the last possible census day: a learner who is 13 on the actual day is 13 then too, and a learner of 13
    must not be held. It is not public whether the LRS measures age at submission (docs/reference/sources.md#age). Submission
    is later still, so a learner who is 13 only on that last day is better sent than held.

    Args:
        chosen: row_ref, school_number and the pupil fields, as sent.
        cycle: census days and academic year.
        profile: length and characters of names in the LRS form.
        known: facts about UPNs beyond the chosen records.

    Returns:
        row_ref and the columns that `expectations/catalogue.csv` names, in the order of `chosen`. Text as sent is trimmed,
        null where blank; questions are Y or N, null where they do not apply; age in years; year_gap in year groups (year
        group as sent less the expected one).
    """
    forms = {kind: lrs_names(chosen[field], profile) for kind, field in _NAMES.items()}
    names = {kind: _text(chosen[field]) for kind, field in _NAMES.items()}
    judged = {k: v for kind in _NAMES for k, v in _name_facts(kind, names[kind], forms[kind], profile).items()}
    dob, age = _text(chosen["dob"]), age_on(chosen["dob"], pd.Timestamp(cycle.census_to))
    year = map_unique(lambda years: _code(years).str.replace(r"^0(?=[0-9])", "", regex=True), chosen["nc_year"])
    postcode = map_unique(lambda p: _code(p).str.replace(f"[{BLANK}]+", " ", regex=True), chosen["postcode"])
    gap = map_unique(_numbered, year) - expected_year(chosen["dob"], cycle)
    uln = _text(chosen["uln"]).mask(uln_placeholder(chosen["uln"]))
    return pd.DataFrame(
        {
            "row_ref": chosen["row_ref"],
            **_upn_facts(chosen, known),
            "forename": names["given"],
            "surname": names["family"],
            **judged,
            "given_writable": answers(forms["given"].notna(), where=judged["given_plain"].eq("Y")),
            "family_writable": answers(forms["family"].notna(), where=judged["family_plain"].eq("Y")),
            "dob": dob,
            "dob_real": answers(age.notna(), where=dob.notna()),
            "age": age.astype("float64"),
            "year_gap": gap.where(age.between(*_LRS_AGES).eq(True)).astype("float64"),
            "gender": map_unique(_code, chosen["gender"]),
            "postcode": postcode,
            "postcode_plain": map_unique(_home, postcode),
            "year": year,
            "enrol_status": map_unique(_code, chosen["enrol_status"]),
            "uln": uln,
            "uln_check": answers(uln_valid(uln), where=uln_shape_ok(uln)),
        }
    )


def _upn_facts(chosen: pd.DataFrame, known: KnownUpns) -> dict[str, pd.Series]:
    upn, shape = canonical_upn(chosen["upn"]), upn_shape(chosen["upn"])
    well_shaped = shape.isin(["permanent", "temporary"])
    in_school = composite_key(chosen["school_number"], upn)
    several = composite_key(known.repeated["school_number"], known.repeated["upn"])
    repeated = in_school.duplicated(keep=False) | is_in(in_school, several)
    letter_ok, shared = upn_check_letter_ok(chosen["upn"]), is_in(upn, known.shared)
    return {
        "upn": upn,
        "upn_shape": shape,
        "upn_well_shaped": shape.where(well_shaped),
        "upn_check": answers(letter_ok, where=well_shaped),
        "upn_once_in_school": answers(~repeated, where=well_shaped),
        "upn_in_one_school": answers(~shared, where=well_shaped),
        # A UPN that is wrong, repeated or shared has another finding already.
        "upn_is_the_first": answers(~is_in(chosen["row_ref"], known.second), where=letter_ok & ~repeated & ~shared),
    }


def _text(values: pd.Series) -> pd.Series:
    text = values.astype("str").str.strip()
    return text.mask(text == "")


def _code(values: pd.Series) -> pd.Series:
    return capitals(_text(values))


def _numbered(year: pd.Series) -> pd.Series:
    return pd.to_numeric(year.where(year.str.fullmatch(r"[1-9]|1[0-4]").eq(True)), errors="coerce").astype("Int64")


def _home(postcode: pd.Series) -> pd.Series:
    no_home = postcode.str.fullmatch(_NO_HOME).eq(True)
    return no_home.map({True: "ZZ99", False: "home"}).astype("str").where(postcode.notna())


def _name_facts(which: str, name: pd.Series, form: pd.Series, profile: Profile) -> dict[str, pd.Series]:
    """Whether a kind of name has only characters of names, a short enough LRS form, no lost signs, no look-alike letters.

    The last two are null unless all characters are those of names and the form has letters.
    """
    plain = name.notna() & ~never_in_a_name(name)
    return {
        f"{which}_plain": answers(plain, where=name.notna()),
        f"{which}_length_ok": answers(form.str.len().le(profile.name_length(f"{which}_name")), where=form.notna()),
        f"{which}_kept": answers(~not_kept(name, profile.name_characters), where=plain & form.notna()),
        f"{which}_one_alphabet": answers(~look_alike(name), where=plain & form.notna()),
    }
