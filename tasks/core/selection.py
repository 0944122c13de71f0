"""Select: one disposition for every pupil record, chosen or not chosen with its reason.

Sources: docs/reference/sources.md (#year-groups, #the-14-rule, #enrolment-status). To add a reason: a word in
`schemas.states.NotChosen`, its place in the order there, its test.
"""

import numpy as np
import pandas as pd

from schemas.cycles import Cycle
from schemas.plasc.layouts import request_layouts
from schemas.states import Disposition, NotChosen
from tasks.core.dates import expected_year, iso_dates
from tasks.core.evidence import NOT_SENT_STATUS
from tasks.core.identifiers import canonical_upn, uln_valid
from tasks.core.membership import composite_key, is_in
from tasks.core.one_learner import former_upns
from tasks.core.text_columns import capitals, chosen_texts, map_unique

#: The parts of xs:date or xs:dateTime. Without a zone it is UTC; digits beyond microseconds are cut off.
_MOMENT = r"(?P<day>\d{4}-\d\d-\d\d)(T(?P<time>\d\d:\d\d:\d\d(\.\d{1,6})?)\d*)?(Z|(?P<sign>[+-])(?P<zone>\d\d:\d\d))?"


def current_returns(returns: pd.DataFrame) -> pd.Series:
    """Return the files that count for each school: the newest return by header DateTime, then SerialNo.

    Files in place of a return (CTFs) count where the school has sent no return. All of a school's CTFs count together,
    because a CTF may hold one year group or a single learner; for a learner in two of them, see `replaced_records`.

    `returns` has sha256, school_number, header_datetime (xs:date or xs:dateTime), serial_no, layout, of a cycle's accepted
    returns. The result has sha256, indexed by school_number.
    """
    order = oldest_first(returns)
    returned = ~order["layout"].isin(request_layouts())
    has_return = returned.groupby(order["school_number"]).transform("any").astype(bool)
    counts = ~order.duplicated("school_number", keep="last") | ~has_return
    return order[counts].set_index("school_number")["sha256"]


def replaced_records(records: pd.DataFrame, requests: pd.DataFrame) -> pd.Series:
    """Return the row_refs of records that a newer file of the school replaces, among files in place of returns (`requests`).

    A learner is the same by UPN, or by name and date of birth, because the UPN may be what was wrong. `records` of these
    files have row_ref, school_number, sha256, upn, surname, forename, dob, as sent.
    """
    order = oldest_first(requests)["sha256"].drop_duplicates(keep="last")
    at = records["sha256"].map(pd.Series(range(len(order)), index=order)).astype("float64")
    surname, forename, dob = (capitals(records[name].str.strip()) for name in ("surname", "forename", "dob"))
    person = composite_key(surname, composite_key(forename, dob)).mask(surname.eq("") | forename.eq("") | dob.eq(""))
    older = pd.Series(False, index=records.index)
    for learner in (canonical_upn(records["upn"]), person):
        newest = at.groupby(composite_key(records["school_number"], learner)).transform("max")
        older |= at < newest
    return records.loc[older, "row_ref"]


def oldest_first(returns: pd.DataFrame) -> pd.DataFrame:
    """Sort accepted returns by school, then header DateTime, then SerialNo, the newest last.

    In each school, files in place of returns come first. Columns: sha256, school_number, header_datetime, serial_no, layout.
    """
    order = returns.assign(
        is_return=~returns["layout"].isin(request_layouts()),
        at=moments(returns["header_datetime"]),
        serial=pd.to_numeric(returns["serial_no"], errors="coerce"),
    ).sort_values(["school_number", "is_return", "at", "serial", "sha256"], na_position="first")
    return order[list(returns.columns)]


def moments(texts: pd.Series) -> pd.Series:
    """Return when returns were made; NaT where the text is no xs:date or xs:dateTime."""
    parts = texts.str.extract(f"^{_MOMENT}$")
    day = pd.to_datetime(parts["day"], errors="coerce", format="%Y-%m-%d").dt.as_unit("us")
    time = pd.to_timedelta(parts["time"].fillna("00:00:00"), errors="coerce").dt.as_unit("us")
    zone = pd.to_timedelta(parts["zone"].fillna("00:00") + ":00", errors="coerce").dt.as_unit("us")
    return day + time - zone * parts["sign"].map({"+": 1, "-": -1}).fillna(0).astype("int64")


def select(
    pupils: pd.DataFrame,
    *,
    cycle: Cycle,
    current: pd.Series,
    missing: pd.DataFrame,
    held: pd.DataFrame,
    replaced: pd.Series | None = None,
) -> pd.DataFrame:
    """Decide for every pupil record whether to ask for a ULN; `one_learner` compares with other schools.

    If a record's year group cannot be read, the date of birth gives its year. If that cannot be read either, the record is
    chosen, so that validation holds it and a person sees it: nobody is dropped because a value is unreadable.

    Args:
        pupils: row_ref, school_number, sha256, upn, former_upn, uln, dob, nc_year, enrol_status, as sent.
        cycle: year groups and rule of age.
        current: sha256 of the files that count (`current_returns`).
        missing: school_number, code; what schools lack (`readiness.unmet_requirements`).
        held: upn, uln, dob; what earlier cycles left in the learner register. A ULN from this cycle does not undo the
            choice. A former UPN also identifies the learner, if the date of birth agrees.
        replaced: row_refs of records that a newer one of the school replaces (`replaced_records`).

    Returns:
        row_ref, school_number, disposition, reason, detail, in the order of `pupils`.
    """
    school, dob = pupils["school_number"], pupils["dob"]
    superseded = ~is_in(pupils["sha256"], current)
    if replaced is not None:
        superseded |= is_in(pupils["row_ref"], replaced)
    years = map_unique(_year_group, pupils["nc_year"]).fillna(expected_year(dob, cycle))
    wrong_year = years.notna() & ~years.isin(cycle.year_groups)
    limit = cycle.born_on_or_before
    too_young = iso_dates(dob) > pd.Timestamp(limit) if limit else pd.Series(False, index=pupils.index)
    has_uln = uln_valid(pupils["uln"]) | _is_held(pupils, held, ~superseded)
    lacks = missing.groupby("school_number")["code"].agg(";".join)
    detail = map_unique(lambda s: s.map(lacks).astype("str"), school)
    tests = {
        NotChosen.SUPERSEDED_RETURN: superseded,
        NotChosen.ENROLMENT_STATUS: map_unique(_not_sent, pupils["enrol_status"]),
        NotChosen.YEAR_GROUP: wrong_year,
        NotChosen.AGE: too_young,
        NotChosen.ULN_HELD: has_uln,
        NotChosen.SCHOOL_NOT_READY: detail.notna(),
    }
    # The first reason that holds, in the order of NotChosen, is the record's reason.
    order = [name for name in NotChosen if name in tests]
    holds = np.column_stack([tests[name].to_numpy(dtype=bool) for name in order])
    place = np.where(holds.any(axis=1), holds.argmax(axis=1), -1)
    reason = chosen_texts([name.value for name in order], place, pupils.index)
    dispositions = [Disposition.CHOSEN.value, Disposition.NOT_CHOSEN.value]
    return pd.DataFrame(
        {
            "row_ref": pupils["row_ref"],
            "school_number": school,
            "disposition": chosen_texts(dispositions, (place >= 0).astype(np.int64), pupils.index),
            "reason": reason,
            "detail": detail.where(reason == NotChosen.SCHOOL_NOT_READY.value),
        }
    )


def _is_held(pupils: pd.DataFrame, held: pd.DataFrame, current: pd.Series) -> pd.Series:
    """Whether the register holds a ULN for a pupil's UPN, or for the former one with the same date of birth."""
    upn, former = canonical_upn(pupils["upn"]), former_upns(pupils, current)
    # The register may hold millions; few of them are in these returns, so look up only those.
    entries = held[is_in(held["upn"], pd.concat([upn, former])) & held["uln"].notna()]
    has_former = former.notna().to_numpy()
    born_as = former[has_former].map(entries.set_index("upn")["dob"])
    by_former = np.zeros(len(pupils), dtype=bool)
    by_former[has_former] = (born_as == pupils.loc[has_former, "dob"].str.strip()).to_numpy(dtype=bool)
    return is_in(upn, entries["upn"]) | by_former


def _not_sent(enrol_status: pd.Series) -> pd.Series:
    return capitals(enrol_status.str.strip()).isin(NOT_SENT_STATUS)


def _year_group(nc_year: pd.Series) -> pd.Series:
    """Return NCyearActual, as sent, as a number; null where it is none of 1 to 14 (N1, N2 and R count as 0)."""
    text = capitals(nc_year.str.strip())
    numbers = pd.to_numeric(text.where(text.str.fullmatch(r"0?[1-9]|1[0-4]")), errors="coerce").astype("Int64")
    return numbers.mask(text.isin(["N1", "N2", "R"]).astype(bool), 0)
