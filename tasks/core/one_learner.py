"""One learner, many records: when two UPNs, or two schools' records of one UPN, are one learner's.

Belongs here: what makes two records one person's, and what follows for who asks and under which name the ledger knows
them. `docs/one-learner.md` tells every case to people. Does not belong here: where a record stands (`standing`), what the
LRS answered for two (`merging`), what schools read (`publication`).

Two people are never taken for one: the given name, the date of birth and the gender must agree in whatever is compared
here, and twins differ in the first. Names compare in the LRS's form, as the LRS compares them.
"""

import pandas as pd

from tasks.core.identifiers import canonical_upn, upn_shape
from tasks.core.lrs_form import lrs_genders
from tasks.core.membership import composite_key, is_in
from tasks.core.name_characters import base_letters
from tasks.core.text_columns import capitals

#: What does not change with a house or a marriage alone, and what may.
_SAME_ALWAYS = ("given_name", "dob", "gender")
_MAY_CHANGE = ("family_name", "postcode")
#: Status of the main school of two registrations, and those of a single one; blank counts as C
#: (docs/reference/sources.md#enrolment-status).
_MAIN, _SINGLE = "M", ("C", "")


def known_as(records: pd.DataFrame, ledger: pd.DataFrame, with_uln: pd.Series | None = None) -> pd.Series:
    """The UPN by which the ledger knows each record's learner.

    That is the record's own; or the former one, where nothing was ever sent under the own one, something was under the
    former one, and the given name, the date of birth and the gender agree with it. So whoever got a permanent UPN is not
    sent a second time, and a twin whose former UPN was typed as the sister's does not become the sister. Of a learner who
    was sent under both it is the former one where that alone has a ULN: the LRS may answer what was sent first last.

    Args:
        records: upn, former_upn (canonical), forename, dob, gender (as sent by the school).
        ledger: upn, given_name, dob, gender; of every row that was sent.
        with_uln: UPNs of which the register holds a ULN; none where None.

    Returns:
        UPNs, null where the record has none.
    """
    by_former = ~is_in(records["upn"], ledger["upn"])
    if with_uln is not None:
        by_former |= is_in(records["former_upn"], with_uln) & ~is_in(records["upn"], with_uln)
    return records["upn"].mask(by_former & _was_sent_as_former(records, ledger), records["former_upn"])


def learner_upns(records: pd.DataFrame, ledger: pd.DataFrame) -> pd.DataFrame:
    """Which UPNs are one learner's, as records name the former one under which something was sent.

    Args:
        records: as for `known_as`.
        ledger: likewise.

    Returns:
        upn, other; each pair once in either order.
    """
    found = records[_was_sent_as_former(records, ledger) & records["upn"].notna()]
    own, former = found["upn"], found["former_upn"]
    pairs = pd.DataFrame({"upn": pd.concat([own, former]), "other": pd.concat([former, own])})
    return pairs[pairs["upn"] != pairs["other"]].drop_duplicates(ignore_index=True)


def _was_sent_as_former(records: pd.DataFrame, ledger: pd.DataFrame) -> pd.Series:
    """Whether something was sent under the former UPN, of the same person."""
    then = ledger[is_in(ledger["upn"], records["former_upn"])]
    now = records[is_in(records["former_upn"], then["upn"])]
    said = now.assign(upn=now["former_upn"], given_name=now["forename"], gender=lrs_genders(now["gender"]))
    return is_in(_named(said).reindex(records.index), _named(then))


def _named(rows: pd.DataFrame) -> pd.Series:
    """A UPN with the person, as one text; null where one of them is."""
    return composite_key(rows["upn"], person(rows))


def person(rows: pd.DataFrame) -> pd.Series:
    """Who somebody is by what does not change, as one text to compare by.

    Of a name only the letters count: with accents as the school spells them, or without as the LRS takes them.

    Args:
        rows: given_name (as a school or the LRS spells it), dob, gender (as the LRS has it).

    Returns:
        Text, null where one of the three is missing.
    """
    plain = {name: "".join(filter(str.isalpha, base_letters(name))).upper() for name in rows["given_name"].dropna()}
    name = rows["given_name"].map(plain).astype("str")
    return composite_key(composite_key(name.mask(name == ""), rows["dob"].str.strip()), rows["gender"])


def former_upns(records: pd.DataFrame, current: pd.Series) -> pd.Series:
    """The former UPNs, as far as a birth date alone may vouch for them.

    Not one that another record of the school's current return has as its own: that is a sister's, who may be a twin, or
    the same learner's twice.

    Args:
        records: school_number, upn, former_upn (as sent).
        current: whether a record is in its school's current return; index of `records`.

    Returns:
        Canonical, null where there is none; index of `records`.
    """
    former = canonical_upn(records["former_upn"])
    own = canonical_upn(records["upn"]).where(current)
    few = is_in(own, former)
    theirs = composite_key(records.loc[few, "school_number"], own[few])
    return former.mask(is_in(composite_key(records["school_number"], former), theirs)).astype("str")


def second_upns(new: pd.DataFrame, sent: pd.DataFrame, current: pd.Series) -> pd.Series:
    """Records that look like a second UPN of a learner who was sent before under another one.

    Either all five that the LRS compares agree with what was sent under the other UPN: to the LRS it is the same learner
    ("already exists"). Or the other UPN is a temporary one of the same school and gone from its return, and with given name,
    date of birth and gender the family name or the postcode agrees: it would be a possible match.

    Args:
        new: row_ref, upn, former_upn (canonical), school_number and the five in the LRS's form; records whose learner the
            ledger knows by no UPN.
        sent: upn, school_number and the five; what was sent under other UPNs.
        current: the UPNs in the current returns of the schools of `new`, canonical.

    Returns:
        row_refs, each once.
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
    """Capitals do not matter; without one of what never changes nothing can be said."""
    five = {name: capitals(rows[name]) for name in (*_SAME_ALWAYS, *_MAY_CHANGE)}
    return rows.assign(**five).dropna(subset=list(_SAME_ALWAYS))


def yielding_records(records: pd.DataFrame) -> pd.Series:
    """Of one learner's records in two schools or more, those that need not ask, as another school does.

    It is one learner where given name, family name, date of birth and gender agree. Then the school asks that says it is
    the main one (M) where the others do not; where none does, all are single registrations (C or blank) and the newest
    return has it: that is where the learner is now. Whatever is not as plain as that is left to the schools: two main
    schools, returns of the same time, a UPN twice in one school, different people.

    Args:
        records: row_ref, upn (canonical), school_number, enrol_status (as sent), given_name, family_name, dob, gender (in
            the LRS's form), at (when the return was made; NaT where it cannot be read); all that would be chosen of UPNs
            that stand in two schools.

    Returns:
        row_refs.
    """
    rows = records.assign(status=capitals(records["enrol_status"].str.strip()).fillna(""))
    who = ["given_name", "family_name", "dob", "gender"]
    rows = rows.assign(person=_person(rows, who), main=rows["status"].eq(_MAIN), single=rows["status"].isin(_SINGLE))
    rows["newest"] = rows["at"].eq(rows.groupby("upn")["at"].transform("max"))
    of_upn = rows.groupby("upn")
    plain = of_upn["person"].transform("nunique").eq(1) & of_upn["person"].transform("count").eq(
        of_upn["upn"].transform("size")
    )
    plain &= ~rows.duplicated(["upn", "school_number"], keep=False).groupby(rows["upn"]).transform("any")
    plain &= (rows["main"] | rows["single"]).groupby(rows["upn"]).transform("all")
    mains, newest = of_upn["main"].transform("sum"), of_upn["newest"].transform("sum")
    by_status, by_time = mains.eq(1), mains.eq(0) & newest.eq(1)
    asks = rows["main"].where(by_status, rows["newest"])
    return rows.loc[plain & (by_status | by_time) & ~asks, "row_ref"]


def _person(rows: pd.DataFrame, fields: list[str]) -> pd.Series:
    """Who a record says that it is, as one text; null where one of the fields is."""
    person = capitals(rows[fields[0]])
    for name in fields[1:]:
        person = composite_key(person, capitals(rows[name]))
    return person
