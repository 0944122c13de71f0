"""What the rules look at: one row of plain columns per chosen record, made once, vectorised.

A rule judges a column of this table; it computes nothing. Where a rule must not speak its column is null, so that no
cause is told twice: no check letter where the shape is wrong, no age where the date is not one.

Does not belong here: thresholds that a rule can hold itself, severities, texts (`expectations/catalogue.csv`).
To add a rule that needs a new fact: a column here, a row in the catalogue.
"""

import pandas as pd

from schemas.cycles import Cycle
from schemas.lrs.profiles import Profile
from tasks.core.identifiers import (
    canonical_upn,
    uln_placeholder,
    uln_shape_ok,
    uln_valid,
    upn_check_letter_ok,
    upn_shape,
)
from tasks.core.membership import among
from tasks.core.name_characters import look_alike, never_in_a_name, not_kept
from tasks.core.text_columns import BLANK, answers, capitals, once_each

#: Subsidiary and guest registrations: the learner's main school asks for the ULN.
NOT_SENT_STATUS = ("S", "G")
#: The ages at which the LRS gives a ULN (docs/reference/sources.md#age); outside them a year group is not compared.
_LRS_AGES = (13, 110)
#: The census's whole postcodes for "no known home": ZZ99 and an inward part.
_NO_HOME = r"ZZ99 ?[0-9][ABD-HJLNP-UW-Z]{2}"


def iso_dates(text: pd.Series) -> pd.Series:
    """Dates as the census writes them.

    Args:
        text: dates as sent.

    Returns:
        datetime64; NaT for everything that is not a real date written YYYY-MM-DD, of the years 1000 to 2999.
    """
    return once_each(_iso_dates, text)


def _iso_dates(text: pd.Series) -> pd.Series:
    stripped = text.str.strip()
    shaped = stripped.where(stripped.str.fullmatch(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}").eq(True))
    return pd.to_datetime(shaped, format="%Y-%m-%d", errors="coerce")


def expected_year(dob: pd.Series, cycle: Cycle) -> pd.Series:
    """The year group that a date of birth leads to: the age on 31 August before the school year, less four (Y9 is 13).

    Args:
        dob: dates of birth as sent.
        cycle: its academic year.

    Returns:
        Int64, null where the date cannot be read.
    """
    return _age(dob, pd.Timestamp(cycle.academic_year, 8, 31)) - 4


def _age(dob: pd.Series, on: pd.Timestamp) -> pd.Series:
    """Age in whole years on a day, Int64; null where the date of birth cannot be read."""

    def age(spellings: pd.Series) -> pd.Series:
        born = _iso_dates(spellings)
        not_yet = (born.dt.month * 100 + born.dt.day) > on.month * 100 + on.day
        years: pd.Series = (on.year - born.dt.year - not_yet.astype("int64")).astype("Int64")
        return years

    return once_each(age, dob)


def shared_upns(chosen: pd.DataFrame) -> pd.Series:
    """The UPNs that stand in more than one school.

    Args:
        chosen: upn, school_number; the chosen records of all Wales.

    Returns:
        Canonical UPNs, each once, sorted.
    """
    pairs = (
        pd.DataFrame({"upn": canonical_upn(chosen["upn"]), "school": chosen["school_number"]})
        .dropna()
        .drop_duplicates()
    )
    return pairs.loc[pairs["upn"].duplicated(), "upn"].drop_duplicates().sort_values(ignore_index=True)


def repeated_upns(current: pd.DataFrame) -> pd.DataFrame:
    """The UPNs that stand twice in a school's return, among all its years and not the chosen ones alone.

    Rows of status S and G do not count: they are registrations of a learner whose main school asks for the ULN
    (docs/reference/sources.md#enrolment-status), so that one beside an M or C row makes no second learner. Where a
    guest has another learner's UPN by mistake, the learner of the M or C row is asked for all the same.

    Args:
        current: school_number, upn, enrol_status; the rows of current returns.

    Returns:
        school_number, upn (canonical), each pair once, sorted.
    """
    own = current[~capitals(current["enrol_status"].str.strip()).isin(NOT_SENT_STATUS)]
    pairs = pd.DataFrame({"school_number": own["school_number"], "upn": canonical_upn(own["upn"])}).dropna()
    twice = pairs[pairs.duplicated()].drop_duplicates()
    return twice.sort_values(["school_number", "upn"], ignore_index=True)


def evidence(
    chosen: pd.DataFrame,
    *,
    cycle: Cycle,
    profile: Profile,
    shared_upns: pd.Series,
    given_form: pd.Series,
    family_form: pd.Series,
    middle_form: pd.Series,
    register_upns: pd.DataFrame | None = None,
    second_upns: pd.Series | None = None,
) -> pd.DataFrame:
    """The facts that the rules judge.

    Ages count on the last day that the cycle's census may fall on: a learner who is 13 on the census day is 13 then
    whichever day that was, and a learner of 13 must not be held. Whether the LRS measures at submission is not public
    (docs/reference/sources.md#age); a submission is later still, so one who is 13 on that day only is better sent than held.

    Args:
        chosen: row_ref, school_number and the pupil fields, as sent.
        cycle: year groups count in its academic year.
        profile: how long a name may be, and which characters it keeps.
        shared_upns: UPNs that stand in two schools, of all Wales.
        given_form: the given name as it would go to the LRS, null where nothing is left of it; index of `chosen`.
        family_form: the family name, likewise.
        middle_form: the middle names, likewise.
        register_upns: `repeated_upns` of these schools' current returns; the chosen rows speak for themselves.
        second_upns: row_refs of those that look like a second UPN of a learner sent before; none where None.

    Returns:
        row_ref and the columns that `expectations/catalogue.csv` names, in the order of `chosen`. Text as sent is
        trimmed and null where blank; questions are Y, N, or null where they do not arise; age in years, year_gap in
        year groups (given less expected).
    """
    upn, shape = canonical_upn(chosen["upn"]), upn_shape(chosen["upn"])
    well_shaped = shape.isin(["permanent", "temporary"])
    in_school = pd.DataFrame({"school_number": chosen["school_number"], "upn": upn})
    given, family, middle = _text(chosen["forename"]), _text(chosen["surname"]), _text(chosen["middle_names"])
    names = {
        **_name_facts("given", given, given_form, profile),
        **_name_facts("family", family, family_form, profile),
        **_name_facts("middle", middle, middle_form, profile),
    }
    repeated = in_school.duplicated(keep=False)
    if register_upns is not None:
        repeated |= among(_pairs(in_school), _pairs(register_upns))
    letter_ok, shared = upn_check_letter_ok(chosen["upn"]), among(upn, shared_upns)
    # A UPN that is wrong, or somebody else's too, is no second one: it has its own finding.
    second = among(chosen["row_ref"], upn[:0] if second_upns is None else second_upns)
    dob, age = _text(chosen["dob"]), _age(chosen["dob"], pd.Timestamp(cycle.census_to))
    year, postcode = once_each(_year, chosen["nc_year"]), once_each(_postcode, chosen["postcode"])
    uln = _text(chosen["uln"]).mask(uln_placeholder(chosen["uln"]))
    return pd.DataFrame(
        {
            "row_ref": chosen["row_ref"],
            "upn": upn,
            "upn_shape": shape,
            "upn_well_shaped": shape.where(well_shaped),
            "upn_check": answers(letter_ok, where=well_shaped),
            "upn_once_in_school": answers(~repeated, where=well_shaped),
            "upn_in_one_school": answers(~shared, where=well_shaped),
            "upn_is_the_first": answers(~second, where=letter_ok & ~repeated & ~shared),
            "forename": given,
            "surname": family,
            **names,
            "given_writable": answers(given_form.notna(), where=names["given_plain"].eq("Y")),
            "family_writable": answers(family_form.notna(), where=names["family_plain"].eq("Y")),
            "dob": dob,
            "dob_real": answers(age.notna(), where=dob.notna()),
            "age": age.astype("float64"),
            "year_gap": (once_each(_numbered, year) - expected_year(chosen["dob"], cycle))
            .where(age.between(*_LRS_AGES).eq(True))
            .astype("float64"),
            "gender": once_each(_code, chosen["gender"]),
            "postcode": postcode,
            "postcode_plain": once_each(_home, postcode),
            "year": year,
            "enrol_status": once_each(_code, chosen["enrol_status"]),
            "uln": uln,
            "uln_check": answers(uln_valid(uln), where=uln_shape_ok(uln)),
        }
    )


def _text(values: pd.Series) -> pd.Series:
    """Trimmed text, null where blank."""
    text = values.astype("str").str.strip()
    return text.mask(text == "")


def _code(values: pd.Series) -> pd.Series:
    return capitals(_text(values))


def _year(values: pd.Series) -> pd.Series:
    return _code(values).str.replace(r"^0(?=[0-9])", "", regex=True)


def _numbered(year: pd.Series) -> pd.Series:
    return pd.to_numeric(year.where(year.str.fullmatch(r"[1-9]|1[0-4]").eq(True)), errors="coerce").astype("Int64")


def _postcode(values: pd.Series) -> pd.Series:
    return _code(values).str.replace(f"[{BLANK}]+", " ", regex=True)


def _home(postcode: pd.Series) -> pd.Series:
    no_home = postcode.str.fullmatch(_NO_HOME).eq(True)
    return no_home.map({True: "ZZ99", False: "home"}).astype("str").where(postcode.notna())


def _name_facts(which: str, name: pd.Series, form: pd.Series, profile: Profile) -> dict[str, pd.Series]:
    """Of one kind of name: whether its characters may be in a name, its form is short enough, and says what the name does.

    Lost signs, and letters taken for others, are questions only where no character is out of place, and letters are left.
    """
    plain = name.notna() & ~never_in_a_name(name)
    return {
        f"{which}_plain": answers(plain, where=name.notna()),
        f"{which}_length_ok": answers(form.str.len().le(profile.name_length(f"{which}_name")), where=form.notna()),
        f"{which}_kept": answers(~not_kept(name, profile.name_characters), where=plain & form.notna()),
        f"{which}_one_alphabet": answers(~look_alike(name), where=plain & form.notna()),
    }


def _pairs(rows: pd.DataFrame) -> pd.Series:
    return rows["school_number"].str.cat(rows["upn"], sep="|")
