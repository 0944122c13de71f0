"""Find the records of one learner: two UPNs, or records of one UPN in two schools.

Belongs here: when two records are one person's, which school asks, and by which UPN the ledger knows the learner.
`docs/one-learner.md` explains every case. Does not belong here: the state of a record (`standing`), the LRS's answers for two
UPNs (`merging`), texts for schools (`publication`).

In every comparison given name, date of birth and gender must agree, so that two people are never taken for one; twins differ
in the given name. Names are compared in the LRS's form, as the LRS compares them.
"""

from functools import reduce

import pandas as pd

from tasks.core.identifiers import canonical_upn, upn_shape
from tasks.core.lrs_form import lrs_genders
from tasks.core.membership import composite_key, is_in
from tasks.core.name_characters import base_letters
from tasks.core.text_columns import capitals

#: Fields that a move or a marriage alone does not change, and fields that it may change.
_SAME_ALWAYS = ("given_name", "dob", "gender")
_MAY_CHANGE = ("family_name", "postcode")
#: Status of the main school of two registrations, and of a single registration; blank counts as C
#: (docs/reference/sources.md#enrolment-status).
_MAIN, _SINGLE = "M", ("C", "")


def known_as(records: pd.DataFrame, ledger: pd.DataFrame, with_uln: pd.Series | None = None) -> pd.Series:
    """Return the UPN by which the ledger knows each record's learner.

    Usually it is the record's UPN. It is the former UPN if the same person (given name, date of birth, gender) was sent under
    it, and either nothing was sent under the record's UPN, or only the former UPN has a ULN (the LRS may answer last what was
    sent first). So a learner with a new permanent UPN is not sent a second time. A twin whose return gives the sister's UPN
    as former UPN is not taken for the sister.

    Args:
        records: upn, former_upn (canonical), forename, dob, gender (as sent by the school).
        ledger: upn, given_name, dob, gender; every row that was sent.
        with_uln: UPNs that have a ULN in the register; None means that no UPN has one.

    Returns:
        UPNs, null where the record has none.
    """
    by_former = ~is_in(records["upn"], ledger["upn"])
    if with_uln is not None:
        by_former |= is_in(records["former_upn"], with_uln) & ~is_in(records["upn"], with_uln)
    return records["upn"].mask(by_former & _was_sent_as_former(records, ledger), records["former_upn"])


def learner_upns(records: pd.DataFrame, ledger: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs of UPNs of one learner: a record's UPN, and its former UPN if the learner was sent under it.

    Both tables are as for `known_as`. Columns upn and other; each pair once in each order.
    """
    rows = records[_was_sent_as_former(records, ledger) & records["upn"].notna()]
    current, former = rows["upn"], rows["former_upn"]
    pairs = pd.DataFrame({"upn": pd.concat([current, former]), "other": pd.concat([former, current])})
    return pairs[pairs["upn"] != pairs["other"]].drop_duplicates(ignore_index=True)


def _was_sent_as_former(records: pd.DataFrame, ledger: pd.DataFrame) -> pd.Series:
    """Whether the person of each record was sent under the former UPN."""
    then = ledger[is_in(ledger["upn"], records["former_upn"])]
    now = records[is_in(records["former_upn"], then["upn"])]
    as_lrs = now.assign(given_name=now["forename"], gender=lrs_genders(now["gender"]))
    as_former = composite_key(now["former_upn"], person(as_lrs)).reindex(records.index)
    return is_in(as_former, composite_key(then["upn"], person(then)))


def person(rows: pd.DataFrame) -> pd.Series:
    """Join given name (as a school or the LRS spells it), date of birth and gender (as the LRS has it) into one key.

    Null where one is missing. Only the letters of a name count: the school's spelling with accents equals the LRS's without.
    """
    plain = {name: "".join(filter(str.isalpha, base_letters(name))).upper() for name in rows["given_name"].dropna()}
    name = rows["given_name"].map(plain).astype("str")
    return composite_key(composite_key(name.mask(name == ""), rows["dob"].str.strip()), rows["gender"])


def former_upns(records: pd.DataFrame, current: pd.Series) -> pd.Series:
    """Return the former UPNs that may be trusted if the date of birth also agrees: canonical, index of `records`.

    Null where another record of the school's current return has the former UPN as its UPN. That record may be a sister's,
    even a twin's, or a second record of the same learner. `records` has school_number, upn, former_upn, as sent; `current` is
    whether each is in its school's current return.
    """
    former = canonical_upn(records["former_upn"])
    current_upn = canonical_upn(records["upn"]).where(current)
    is_former = is_in(current_upn, former)
    of_others = composite_key(records.loc[is_former, "school_number"], current_upn[is_former])
    return former.mask(is_in(composite_key(records["school_number"], former), of_others)).astype("str")


def second_upns(new: pd.DataFrame, sent: pd.DataFrame, current: pd.Series) -> pd.Series:
    """Return the row_refs, each once, of records that look like a second UPN of a learner sent under another one.

    There are two cases. All five fields that the LRS compares agree with what was sent under the other UPN: to the LRS it is
    the same learner ("already exists"). Or a permanent UPN follows a temporary one of the same school, no longer in its
    return, and given name, date of birth, gender and one of family name and postcode agree: it would be a possible match.

    Args:
        new: row_ref, upn, former_upn (canonical), school_number and the five in the LRS's form; records whose learner the
            ledger does not know by any UPN.
        sent: upn, school_number and the five; what was sent under other UPNs.
        current: the UPNs in the current returns of the schools of `new`, canonical.
    """
    rows, before = (_comparable(table) for table in (new, sent))
    pairs = rows.merge(before, on=list(_SAME_ALWAYS), suffixes=("", "_then"))
    pairs = pairs[pairs["upn"] != pairs["upn_then"]]
    same = {name: pairs[name].eq(pairs[f"{name}_then"]) & pairs[name].notna() for name in _MAY_CHANGE}
    temporary = upn_shape(pairs["upn_then"]).eq("temporary") & upn_shape(pairs["upn"]).eq("permanent")
    followed = temporary & pairs["school_number"].eq(pairs["school_number_then"]) & ~is_in(pairs["upn_then"], current)
    family, postcode = same["family_name"], same["postcode"]
    return pairs.loc[(family & postcode) | (followed & (family | postcode)), "row_ref"].drop_duplicates()


def _comparable(rows: pd.DataFrame) -> pd.DataFrame:
    """Put the five fields into capitals, and drop rows where one of `_SAME_ALWAYS` is missing: they cannot be compared."""
    fields = {name: capitals(rows[name]) for name in (*_SAME_ALWAYS, *_MAY_CHANGE)}
    return rows.assign(**fields).dropna(subset=list(_SAME_ALWAYS))


def yielding_records(records: pd.DataFrame) -> pd.Series:
    """Return the row_refs of a learner's records that give way because another school asks for the ULN.

    Records of one UPN in two or more schools are one learner's if given name, family name, date of birth and gender agree.
    If one school says that it is the main one (M), that school asks. If none says so and all are single registrations (C or
    blank), the school with the newest return asks, because the learner is there now. Every unclear case is left to the
    schools: two main schools, another status, returns of the same time, a UPN twice in one school, different people.

    Args:
        records: row_ref, upn (canonical), school_number, enrol_status (as sent), given_name, family_name, dob, gender (in
            the LRS's form), at (when the return was made; NaT where unreadable); every record that would be chosen, of UPNs
            that are in two schools.
    """
    rows = records.assign(status=capitals(records["enrol_status"].str.strip()).fillna(""))
    people = reduce(composite_key, (capitals(rows[name]) for name in ("given_name", "family_name", "dob", "gender")))
    rows = rows.assign(person=people, main=rows["status"].eq(_MAIN), single=rows["status"].isin(_SINGLE))
    rows["newest"] = rows["at"].eq(rows.groupby("upn")["at"].transform("max"))
    by_upn = rows.groupby("upn")
    clear = by_upn["person"].transform("nunique", dropna=False).eq(1) & rows["person"].notna()
    clear &= ~rows.duplicated(["upn", "school_number"], keep=False).groupby(rows["upn"]).transform("any")
    clear &= (rows["main"] | rows["single"]).groupby(rows["upn"]).transform("all")
    mains, newest = by_upn["main"].transform("sum"), by_upn["newest"].transform("sum")
    by_status, by_time = mains.eq(1), mains.eq(0) & newest.eq(1)
    asks = rows["main"].where(by_status, rows["newest"])
    return rows.loc[clear & (by_status | by_time) & ~asks, "row_ref"]
