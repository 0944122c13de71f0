"""What the rules look at: one row of plain columns per chosen record, made once, vectorised.

A rule judges a column of this table; it computes nothing. Where a rule must not speak (a check letter where the shape is
wrong already) its column is null. To add a rule that needs a new fact: a column here, a row in the catalogue.
"""

import pandas as pd

from schemas.cycles import Cycle
from tasks.core.identifiers import (
    ULN_PLACEHOLDER,
    canonical_upn,
    uln_shape_ok,
    uln_valid,
    upn_check_letter_ok,
    upn_shape,
)


def iso_dates(text: pd.Series) -> pd.Series:
    """Real dates written YYYY-MM-DD; NaT for everything else."""
    stripped = text.astype("str").str.strip()
    shaped = stripped.where(stripped.str.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}").eq(True))
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
    before = (born.dt.month * 100 + born.dt.day) > on.month * 100 + on.day
    return (on.year - born.dt.year - before.where(born.notna())).astype("Int64")


def shared_upns(chosen: pd.DataFrame) -> pd.Series:
    """The UPNs that stand in more than one school.

    Args:
        chosen: upn, school_number; the chosen records of all Wales.
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
        given_form, family_form, middle_form: the names as they would go to the LRS.

    Returns:
        row_ref and the columns that `expectations/catalogue.csv` names, in the order of `chosen`.
    """
    upn, shape = canonical_upn(chosen["upn"]), upn_shape(chosen["upn"])
    in_school = pd.DataFrame({"upn": upn, "school": chosen["school_number"]})
    born = iso_dates(chosen["dob"])
    expected = expected_year(chosen["dob"], cycle)
    year = _text(chosen["nc_year"]).str.upper().str.replace(r"^0(?=[0-9])", "", regex=True)
    given_year = pd.to_numeric(year.where(year.str.fullmatch(r"[0-9]+").eq(True)), errors="coerce").astype("Int64")
    dob, postcode, uln = _text(chosen["dob"]), _text(chosen["postcode"]).str.upper(), _text(chosen["uln"])
    uln = uln.mask(uln == ULN_PLACEHOLDER)
    given, family, middle = _text(chosen["forename"]), _text(chosen["surname"]), _text(chosen["middle_names"])
    return pd.DataFrame(
        {
            "row_ref": chosen["row_ref"],
            "upn": upn,
            "upn_shape": shape,
            "upn_well_shaped": shape.where(shape != "wrong"),
            "upn_check": _yes(upn_check_letter_ok(chosen["upn"])).where(shape.isin(["permanent", "temporary"])),
            "upn_once_in_school": _yes(~in_school.duplicated(keep=False)).where(upn.notna()),
            "upn_in_one_school": _yes(~upn.isin(shared_upns)).where(upn.notna()),
            "forename": given,
            "surname": family,
            "middle_names": middle,
            "given_form": given_form,
            "family_form": family_form,
            "middle_form": middle_form,
            "given_writable": _yes(given_form.notna()).where(given.notna()),
            "family_writable": _yes(family_form.notna()).where(family.notna()),
            "dob": dob,
            "dob_real": _yes(born.notna()).where(dob.notna()),
            "age": _age(born, pd.Timestamp(cycle.census_from)).astype("float64"),
            "year_gap": (given_year - expected).astype("float64"),
            "gender": _text(chosen["gender"]).str.upper(),
            "postcode": postcode,
            "postcode_plain": postcode.where(
                ~postcode.str.startswith("ZZ99").eq(True) & postcode.notna(), "ZZ99"
            ).where(postcode.notna()),
            "year": year,
            "enrol_status": _text(chosen["enrol_status"]).str.upper(),
            "uln": uln,
            "uln_check": _yes(uln_valid(uln)).where(uln_shape_ok(uln)),
        }
    )


def _text(values: pd.Series) -> pd.Series:
    """Trimmed text, null where blank."""
    text = values.astype("str").str.strip()
    return text.mask(text == "")


def _yes(truth: pd.Series) -> pd.Series:
    return truth.astype(bool).map({True: "Y", False: "N"}).astype("str")
