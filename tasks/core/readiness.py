"""Find the schools that are ready, and what every other school still needs (docs/reference/sources.md#readiness).

The codes and their texts are in `schemas/codes/readiness.csv`. To add a check: a code, a line in `unmet_requirements`.
"""

import pandas as pd

from schemas.cycles import Cycle
from tasks.core.identifiers import canonical_upn
from tasks.core.membership import is_in

_TAKES_PART_BY_CHOICE = ("Special",)
#: "Pupil Referral Units will not be included in this data upload" (docs/reference/sources.md#schools-that-take-part).
_NOT_INCLUDED = ("PRU", "Pupil Referral Unit")
#: The columns shown beside a lack: what the registration has, and what the two registers have.
_REGISTERED = {
    "ukprn_malformed": "ukprn",
    "ukprn_shared": "ukprn",
    "registration_wrong": "wrong",
    "lrb_late": "lrb_registered_on",
    "privacy_notice_late": "privacy_notice_on",
}
_COMPARED = {
    **dict.fromkeys(("name_differs", "ukrlp_record_missing", "edubase_record_missing"), "name"),
    "postcode_differs": "postcode",
}


def unmet_requirements(schools: pd.DataFrame, registration: pd.DataFrame, cycle: Cycle) -> pd.DataFrame:
    """Return what each school of the register lacks before its learners may be sent.

    Unknown counts as a lack: a record that is blank in one of the two registers cannot be compared. A row that cannot be
    read is reported as such, and nothing else is checked. A date counts up to the cycle's closing date, even if it is after
    the run, so a run in January and its repetition in March decide alike.

    Args:
        schools: school_number, sector_en; the schools register.
        registration: the columns of `reference/registration.csv`, a row per school; `wrong` (unusable columns) where known.
        cycle: its closing date bounds the dates of registration and privacy notice.

    Returns:
        school_number, code: a row for each thing that a school lacks, sorted; none for a school that is ready.
    """
    rows = schools[["school_number", "sector_en"]].merge(registration, on="school_number", how="left", indicator=True)
    included = ~rows["sector_en"].isin(_NOT_INCLUDED)
    known = (rows["_merge"] == "both") & included
    wrong = rows["wrong"].notna() if "wrong" in rows else pd.Series(False, index=rows.index)
    by_choice = rows["sector_en"].isin(_TAKES_PART_BY_CHOICE)
    takes_part = known & ((rows["takes_part"] == "Y") | (rows["takes_part"].isna() & ~by_choice))
    part = takes_part & ~wrong
    ukprn = rows["ukprn"].str.strip()
    # Only the UKPRN of a school that takes part, or of a row that cannot be read, can clash with another.
    ukprn_in_use = ukprn.where(takes_part | wrong)
    registers = ("ukrlp", "edubase")
    name = {register: _plain(rows[f"{register}_name"]) for register in registers}
    postcode = {register: _plain(rows[f"{register}_postcode"]) for register in registers}
    no_record = {register: name[register].eq("") & postcode[register].eq("") for register in registers}
    comparable = part & ~no_record["ukrlp"] & ~no_record["edubase"]
    closes = cycle.closes_on.isoformat()
    checks = {
        "pupil_referral_unit": ~included,
        "registration_missing": included & ~known & ~by_choice,
        "special_not_chosen": by_choice & (~known | (~wrong & rows["takes_part"].isna())),
        "registration_wrong": known & wrong,
        "not_taking_part": known & ~wrong & (rows["takes_part"] == "N"),
        "ukprn_missing": part & ukprn.isna(),
        "ukprn_malformed": part & ukprn.notna() & ~ukprn.fillna("").str.fullmatch(r"[1-9][0-9]{7}"),
        "ukprn_shared": part & ukprn_in_use.notna() & ukprn_in_use.duplicated(keep=False),
        "ukrlp_record_missing": part & no_record["ukrlp"],
        "edubase_record_missing": part & no_record["edubase"],
        "name_differs": comparable & _differ(name["ukrlp"], name["edubase"]),
        "postcode_differs": comparable & _differ(postcode["ukrlp"], postcode["edubase"]),
        "lrb_missing": part & rows["lrb_registered_on"].isna(),
        "lrb_late": part & (rows["lrb_registered_on"].fillna("") > closes),
        "privacy_notice_missing": part & rows["privacy_notice_on"].isna(),
        "privacy_notice_late": part & (rows["privacy_notice_on"].fillna("") > closes),
    }
    unmet = [rows.loc[bad, ["school_number"]].assign(code=code) for code, bad in checks.items()]
    return pd.concat(unmet).astype("str").sort_values(["school_number", "code"], ignore_index=True)


def side_by_side(missing: pd.DataFrame, registration: pd.DataFrame) -> pd.DataFrame:
    """Add to each lack (`unmet_requirements`) the values of the two registers, and the value that is wrong.

    `registration` has the columns of `reference/registration.csv`, and `wrong`, a row per school.

    Returns:
        The columns of `missing`, and ukrlp, edubase (both spellings of a name or postcode that is compared) and found (the
        UKPRN, the date or the columns that are wrong). Null where there is no value or none is checked.
    """
    rows = missing.merge(registration, on="school_number", how="left")
    sources = {name: {code: f"{name}_{field}" for code, field in _COMPARED.items()} for name in ("ukrlp", "edubase")}
    columns = {}
    for column, source_of in (sources | {"found": _REGISTERED}).items():
        cases = [(rows["code"] == code, rows[source].astype("str")) for code, source in source_of.items()]
        columns[column] = pd.Series(None, index=rows.index, dtype="str").case_when(cases).to_numpy()
    return missing.assign(**columns).astype("str")


def unmatched_opt_outs(opt_outs: pd.DataFrame, pupils_upn: pd.Series) -> int:
    """Count the opt-outs that match no pupil: without this count, a recorded preference would be lost in silence.

    `opt_outs` has upn: a repeated one is one opt-out, a row without one matches nobody. `pupils_upn` are the UPNs of all
    pupils of the cycle, also former ones, as sent.
    """
    upns = canonical_upn(opt_outs["upn"])
    repeated = upns.notna() & upns.duplicated()
    return int((~is_in(upns, canonical_upn(pupils_upn)) & ~repeated).sum())


def _differ(left: pd.Series, right: pd.Series) -> pd.Series:
    """Whether two texts differ, or neither is known."""
    return (left != right) | left.eq("")


def _plain(text: pd.Series) -> pd.Series:
    """Keep letters and digits, in lower case: UKRLP and Edubase differ in capitals, dashes and blanks.

    In NFC, because a letter with an accent may be one character in one register and two in the other.
    """
    return text.fillna("").str.normalize("NFC").str.lower().str.replace(r"[^0-9a-zß-öø-ɏḀ-ỿ]", "", regex=True)
