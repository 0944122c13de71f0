"""What the rules look at: one row of plain columns per chosen record, made once, vectorised.

A rule judges a column of this table; it computes nothing. Where a rule must not speak its column is null, so that no
cause is told twice: no check letter where the shape is wrong, no age where the date is not one.

Does not belong here: thresholds that a rule can hold itself, severities, texts (`expectations/catalogue.csv`).
To add a rule that needs a new fact: a column here, a row in the catalogue.
"""

import pandas as pd

from schemas.cycles import Cycle
from tasks.core.identifiers import (
    canonical_upn,
    uln_placeholder,
    uln_shape_ok,
    uln_valid,
    upn_check_letter_ok,
    upn_shape,
)

#: The ages at which the LRS gives a ULN (LRS communication of July 2018); outside them a year group is not compared.
_LRS_AGES = (13, 110)
_DIGIT_OR_CONTROL = r"[0-9\x00-\x1f\x7f-\x9f]"
#: The census's whole postcodes for "no known home": ZZ99 and an inward part.
_NO_HOME = r"ZZ99 ?[0-9][ABD-HJLNP-UW-Z]{2}"


def iso_dates(text: pd.Series) -> pd.Series:
    """Dates as the census writes them.

    Args:
        text: dates as sent.

    Returns:
        datetime64; NaT for everything that is not a real date written YYYY-MM-DD, of the years 1000 to 2999.
    """
    stripped = text.astype("str").str.strip()
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
    return _age(iso_dates(dob), pd.Timestamp(cycle.academic_year, 8, 31)) - 4


def _age(born: pd.Series, on: pd.Timestamp) -> pd.Series:
    """Age in whole years on a day, Int64."""
    not_yet = (born.dt.month * 100 + born.dt.day) > on.month * 100 + on.day
    age: pd.Series = (on.year - born.dt.year - not_yet.astype("int64")).astype("Int64")
    return age


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


def evidence(
    chosen: pd.DataFrame,
    *,
    cycle: Cycle,
    shared_upns: pd.Series,
    given_form: pd.Series,
    family_form: pd.Series,
    middle_form: pd.Series,
) -> pd.DataFrame:
    """The facts that the rules judge.

    Args:
        chosen: row_ref, school_number and the pupil fields, as sent.
        cycle: ages count on the first day that its census may fall on, year groups in its academic year.
        shared_upns: UPNs that stand in two schools, of all Wales.
        given_form: the given name as it would go to the LRS, null where nothing is left of it; index of `chosen`.
        family_form: the family name, likewise.
        middle_form: the middle names, likewise.

    Returns:
        row_ref and the columns that `expectations/catalogue.csv` names, in the order of `chosen`. Text as sent is
        trimmed and null where blank; questions are Y, N, or null where they do not arise; age in years, year_gap in
        year groups (given less expected).
    """
    upn, shape = canonical_upn(chosen["upn"]), upn_shape(chosen["upn"])
    well_shaped = shape.isin(["permanent", "temporary"])
    in_school = pd.DataFrame({"upn": upn, "school": chosen["school_number"]})
    given, family, middle = _text(chosen["forename"]), _text(chosen["surname"]), _text(chosen["middle_names"])
    dob, born = _text(chosen["dob"]), iso_dates(chosen["dob"])
    age = _age(born, pd.Timestamp(cycle.census_from))
    year = _text(chosen["nc_year"]).str.upper().str.replace(r"^0(?=[0-9])", "", regex=True)
    numbered = pd.to_numeric(year.where(year.str.fullmatch(r"[1-9]|1[0-4]").eq(True)), errors="coerce").astype("Int64")
    postcode = _text(chosen["postcode"]).str.upper().str.replace(r"\s+", " ", regex=True)
    no_home = postcode.str.fullmatch(_NO_HOME).eq(True)
    uln = _text(chosen["uln"]).mask(uln_placeholder(chosen["uln"]))
    return pd.DataFrame(
        {
            "row_ref": chosen["row_ref"],
            "upn": upn,
            "upn_shape": shape,
            "upn_well_shaped": shape.where(well_shaped),
            "upn_check": _answer(upn_check_letter_ok(chosen["upn"]), where=well_shaped),
            "upn_once_in_school": _answer(~in_school.duplicated(keep=False), where=well_shaped),
            "upn_in_one_school": _answer(~upn.isin(shared_upns), where=well_shaped),
            "forename": given,
            "surname": family,
            "middle_names": middle,
            "given_form": given_form,
            "family_form": family_form,
            "middle_form": middle_form,
            "given_writable": _answer(given_form.notna(), where=_plain(given)),
            "family_writable": _answer(family_form.notna(), where=_plain(family)),
            "dob": dob,
            "dob_real": _answer(born.notna(), where=dob.notna()),
            "age": age.astype("float64"),
            "year_gap": (numbered - expected_year(chosen["dob"], cycle))
            .where(age.between(*_LRS_AGES).eq(True))
            .astype("float64"),
            "gender": _text(chosen["gender"]).str.upper(),
            "postcode": postcode,
            "postcode_plain": no_home.map({True: "ZZ99", False: "home"}).astype("str").where(postcode.notna()),
            "year": year,
            "enrol_status": _text(chosen["enrol_status"]).str.upper(),
            "uln": uln,
            "uln_check": _answer(uln_valid(uln), where=uln_shape_ok(uln)),
        }
    )


def _text(values: pd.Series) -> pd.Series:
    """Trimmed text, null where blank."""
    text = values.astype("str").str.strip()
    return text.mask(text == "")


def _plain(names: pd.Series) -> pd.Series:
    """Whether there is a name, without digits or controls: only then is its having letters a question of its own."""
    return names.notna() & ~names.str.contains(_DIGIT_OR_CONTROL, regex=True).eq(True)


def _answer(truth: pd.Series, *, where: pd.Series) -> pd.Series:
    """Y or N where the question arises, else null."""
    answers = truth.astype(bool).map({True: "Y", False: "N"}).astype("str")
    return answers.where(where.astype(bool))
