"""Which schools are ready to have learners sent, and what each other one still needs (service facts, step 1).

The codes and their texts stand in `schemas/readiness.csv`. To add a check: a code there and a line in `missing_things`.
"""

import pandas as pd

from schemas.cycles import Cycle

_TAKES_PART_BY_CHOICE = ("Special",)


def missing_things(schools: pd.DataFrame, registration: pd.DataFrame, cycle: Cycle) -> pd.DataFrame:
    """What each school of the register lacks before its learners may be sent.

    Args:
        schools: school_number, sector_en; the schools register.
        registration: the columns of `reference/registration.csv`.
        cycle: its closing date bounds the dates of registration and privacy notice.

    Returns:
        school_number, code: a row for each thing that a school lacks, sorted; none for a school that is ready.
    """
    rows = schools[["school_number", "sector_en"]].merge(registration, on="school_number", how="left", indicator=True)
    known = rows["_merge"] == "both"
    by_choice = rows["sector_en"].isin(_TAKES_PART_BY_CHOICE)
    part = known & ((rows["takes_part"] == "Y") | (rows["takes_part"].isna() & ~by_choice))
    ukprn = rows["ukprn"].str.strip()
    shared = ukprn.notna() & ukprn.duplicated(keep=False)
    closes = cycle.closes_on.isoformat()
    checks = {
        "registration_missing": ~known,
        "not_taking_part": known & ~part,
        "ukprn_missing": part & ukprn.isna(),
        "ukprn_malformed": part & ukprn.notna() & ~ukprn.fillna("").str.fullmatch(r"[1-9][0-9]{7}"),
        "ukprn_shared": part & shared,
        "name_differs": part & (_plain(rows["ukrlp_name"]) != _plain(rows["edubase_name"])),
        "postcode_differs": part & (_plain(rows["ukrlp_postcode"]) != _plain(rows["edubase_postcode"])),
        "lrb_missing": part & rows["lrb_registered_on"].isna(),
        "lrb_late": part & (rows["lrb_registered_on"].fillna("") > closes),
        "privacy_notice_missing": part & rows["privacy_notice_on"].isna(),
        "privacy_notice_late": part & (rows["privacy_notice_on"].fillna("") > closes),
    }
    found = [
        pd.DataFrame({"school_number": rows.loc[bad, "school_number"], "code": code}) for code, bad in checks.items()
    ]
    return pd.concat(found).sort_values(["school_number", "code"], ignore_index=True)


def _plain(text: pd.Series) -> pd.Series:
    """Letters and digits only, lower case: UKRLP and Edubase spell capitals, dashes and blanks differently."""
    return text.fillna("").str.lower().str.replace(r"[^0-9a-zà-ÿŵŷ]", "", regex=True)
