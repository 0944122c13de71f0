"""Infer why the LRS may know a learner very like this one, from what the service itself knows. Pure.

The LRS gives only the code (RC007). It compares given and family name, date of birth, gender and postcode
(docs/reference/sources.md#matching), and a learner with all five equal would have got the ULN. So something differs in one of
the five; the causes are tried in this order (`schemas.codes.possible_match_causes.Cause`):

1. Another learner whom we sent, so the LRS surely knows them: the learner under the former UPN (the surest, because the
   school itself says that it is the same one; but not if the LRS gave that UPN no ULN either), a learner with the names the
   other way round, a namesake, a twin. Names also count as swapped if each, among all sent, was sent as the other kind of
   name more than five times as often.
2. A change since a return of an earlier cycle: family name, given name, postcode, date of birth or gender. Names come first,
   because they are nearest to a record of another person. A former family name counts as a change here unless an earlier
   return shows that the change is older.
3. Another school before this one; or an arrival (a temporary UPN, a UPN allotted outside Wales, or no earlier record though
   the school sent a return that should have had the learner). Neither says which of the five differs, so they come after
   the causes that do.
4. A change of family name before the earlier return: at that age a learner hardly has a ULN yet. A twin of the other
   gender: two of the five differ.

All is compared in the LRS's form, in capitals: another accent is no change. Only the learners in question are looked at; the
country is read once, in pieces (`lives_like`, `used_as`). To add a cause: see `schemas.codes.possible_match_causes`.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from schemas.codes.possible_match_causes import Cause
from schemas.tables import DEMOGRAPHICS
from tasks.core.identifiers import upn_shape
from tasks.core.membership import is_in
from tasks.core.text_columns import capitals

_FIVE = list(DEMOGRAPHICS)
#: Learners compared at one time with everybody born on the same days; bounded, as the pairs grow with the country.
_AT_ONCE = 2_000
#: Names count as swapped if each was sent more than this many times as often as the other kind of name.
_TIMES = 5
#: A learner in this year group or above at the time of their present school's earlier return should have been in it.
_SURELY_HERE = 8


@dataclass(frozen=True)
class Known:
    """What is known besides the learners in question.

    Attributes:
        before: upn (the learner's present one), school_number and the five; records in returns of earlier cycles.
        others: upn and the five; sent rows of any cycle with the same day of birth and a shared name.
        former: UPNs that are a learner's former one, were sent, and were not answered without a ULN.
        uses: name (in capitals), as_given, as_family; how often the names were sent as each kind.
        allotted_here: numbers of the authorities that allot UPNs in Wales.
    """

    before: pd.DataFrame
    others: pd.DataFrame
    former: pd.Series
    uses: pd.DataFrame
    allotted_here: list[str]


def causes(learners: pd.DataFrame, known: Known) -> pd.DataFrame:
    """Return the likeliest cause for each learner.

    Args:
        learners: upn, batch_ref, school_number and the five, as sent; former_upn, former_family_name (LRS form), nc_year,
            and years_since (a number: years since the school's last return of an earlier cycle; null where there is none).
        known: what to compare them with.

    Returns:
        upn, batch_ref, cause (a word of `Cause`); a row for each row of `learners`, in the same order.
    """
    rows = learners.reset_index(drop=True)
    rows[_FIVE] = rows[_FIVE].apply(capitals)
    changed = _since_earlier(rows, known.before)
    others = known.others[["upn", *_FIVE]].assign(**{name: capitals(known.others[name]) for name in _FIVE})
    at_once = range(0, max(1, len(rows)), _AT_ONCE)
    beside = pd.concat([_beside(rows.iloc[first : first + _AT_ONCE], others) for first in at_once])
    former_name = capitals(rows["former_family_name"])
    had_other_name = former_name.notna() & (former_name != rows["family_name"])
    holds = {
        Cause.FORMER_UPN: is_in(rows["former_upn"], known.former) & (rows["former_upn"] != rows["upn"]),
        Cause.NAMES_SWAPPED: changed["swapped"] | beside["swapped"] | _look_swapped(rows, known.uses),
        Cause.NAMESAKE: beside["namesake"],
        Cause.TWIN: beside["twin"],
        Cause.NEW_FAMILY_NAME: changed["family_name"] | (had_other_name & ~changed["known"]),
        Cause.NEW_GIVEN_NAME: changed["given_name"],
        Cause.NEW_POSTCODE: changed["postcode"],
        Cause.NEW_BIRTH_OR_GENDER: changed["dob"] | changed["gender"],
        Cause.MOVED_SCHOOL: changed["school_number"],
        Cause.ARRIVED: _arrived(rows, changed["known"], known.allotted_here),
        Cause.OLDER_FAMILY_NAME: had_other_name,
        Cause.TWIN_OF_OTHER_GENDER: beside["unlike_twin"],
        Cause.UNKNOWN: pd.Series(True, index=rows.index),
    }
    truths = np.column_stack([holds[cause].to_numpy(dtype=bool) for cause in Cause])
    words = np.array([cause.value for cause in Cause])
    return rows[["upn", "batch_ref"]].assign(cause=pd.Series(words[truths.argmax(axis=1)], dtype="str"))


def _since_earlier(rows: pd.DataFrame, before: pd.DataFrame) -> pd.DataFrame:
    """By row: known (in an earlier return), swapped, and whether each of the five and the school has changed."""
    compared = [*_FIVE, "school_number"]
    now = rows[["upn", *compared]].reset_index(names="at")
    then = before[["upn", *compared]].assign(**{name: capitals(before[name]) for name in _FIVE})
    pairs = now.merge(then, on="upn", suffixes=("", "_then"))
    changes = pd.DataFrame({"at": pairs["at"], "known": True})
    changes["swapped"] = _names_crossed(pairs)
    for name in compared:
        # A value that was missing then has not changed.
        changes[name] = pairs[f"{name}_then"].notna() & (pairs[name] != pairs[f"{name}_then"])
    return _any_by_row(changes, rows.index)


def _beside(rows: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """By row, whether such a learner was sent under another UPN: swapped, namesake, twin and unlike_twin.

    Both tables have upn and the five, in capitals; `rows` also former_upn.
    """
    now = rows[["upn", "former_upn", *_FIVE]].reset_index(names="at")
    pairs = now.merge(others, on="dob", suffixes=("", "_then"))
    # Rows under the former UPN are the learner's own.
    pairs = pairs[(pairs["upn"] != pairs["upn_then"]) & ~pairs["former_upn"].eq(pairs["upn_then"])]
    same = {name: pairs[name] == pairs[f"{name}_then"] for name in _FIVE if name != "dob"}
    home = same["family_name"] & same["postcode"] & ~same["given_name"]
    likenesses = pd.DataFrame(
        {
            "at": pairs["at"],
            "swapped": _names_crossed(pairs),
            "namesake": same["given_name"] & same["family_name"] & same["gender"] & ~same["postcode"],
            "twin": home & same["gender"],
            "unlike_twin": home & ~same["gender"],
        }
    )
    return _any_by_row(likenesses, rows.index)


def _names_crossed(pairs: pd.DataFrame) -> pd.Series:
    given, family = pairs["given_name"], pairs["family_name"]
    return (given == pairs["family_name_then"]) & (family == pairs["given_name_then"]) & (given != family)


def _any_by_row(truths: pd.DataFrame, index: pd.Index) -> pd.DataFrame:
    return truths.groupby("at").any().reindex(index, fill_value=False).astype(bool)


def _look_swapped(rows: pd.DataFrame, uses: pd.DataFrame) -> pd.Series:
    """Whether both names were sent far more often as the other kind of name, without counting this record."""
    counts = uses.set_index("name")[["as_given", "as_family"]]
    names = (rows["given_name"], rows["family_name"])
    given, family = (counts.reindex(name).fillna(0).set_axis(rows.index) for name in names)
    # One less, because this record is counted too.
    swapped = given["as_family"] > _TIMES * (given["as_given"] - 1).clip(lower=0)
    return swapped & (family["as_given"] > _TIMES * (family["as_family"] - 1).clip(lower=0))


def _arrived(rows: pd.DataFrame, known: pd.Series, allotted_here: list[str]) -> pd.Series:
    temporary = upn_shape(rows["upn"]).eq("temporary")
    outside = ~rows["upn"].str[1:4].isin(allotted_here)
    year = pd.to_numeric(rows["nc_year"].str.strip(), errors="coerce")
    missed = year - pd.to_numeric(rows["years_since"], errors="coerce") >= _SURELY_HERE
    return temporary | outside | (missed & ~known)


def _birth_and_name(rows: pd.DataFrame | pa.Table) -> list[pa.Array]:
    """Join dob with given_name, and dob with family_name, as keys in capitals, row by row."""
    day, between = _texts(rows["dob"]), pa.scalar("|", pa.large_string())
    names = [pc.ascii_upper(_texts(rows[name])) for name in ("given_name", "family_name")]
    return [pc.binary_join_element_wise(day, name, between) for name in names]


def _texts(column: pd.Series | pa.ChunkedArray) -> pa.Array:
    if isinstance(column, pd.Series):
        column = pa.chunked_array([pa.array(column.astype("str"), pa.large_string(), from_pandas=True)])
    return column.cast(pa.large_string()).combine_chunks()


def lives_like(sent: pa.Table, learners: pd.DataFrame) -> pa.Table:
    """Return the rows of `sent`, a piece of all that was sent, that share dob and a name with one of `learners`.

    Both have dob, given_name and family_name; a given name also matches an equal family name.
    """
    wanted = pa.concat_arrays(_birth_and_name(learners)).unique()
    by_given, by_family = (pc.is_in(key, value_set=wanted, skip_nulls=True) for key in _birth_and_name(sent))
    return sent.filter(pc.or_(by_given, by_family))


def used_as(sent: pa.Table, learners: pd.DataFrame) -> pd.DataFrame:
    """Count how often each name of the learners in question was sent as a given and as a family name.

    Both tables have given_name and family_name; `sent` is a piece of all that was sent. Returns name (capitals), as_given,
    as_family, to be summed over the pieces.
    """
    given, family = (pc.ascii_upper(_texts(learners[name])) for name in ("given_name", "family_name"))
    wanted = pa.concat_arrays([given, family]).unique().drop_null()
    counts = {}
    for name, column in (("as_given", "given_name"), ("as_family", "family_name")):
        at = pc.index_in(pc.ascii_upper(_texts(sent[column])), value_set=wanted).drop_null()
        counts[name] = np.bincount(at.to_numpy(zero_copy_only=False), minlength=len(wanted))
    return pd.DataFrame({"name": pd.Series(wanted.to_pylist(), dtype="str"), **counts})


def with_likely_causes(
    lines: pd.DataFrame, standing: pd.DataFrame, likely: pd.DataFrame, texts: pd.DataFrame, code: str
) -> pd.DataFrame:
    """Return the lines of a school's list with why_* and check_*: the likely cause of each possible match, null elsewhere.

    Args:
        lines: row_ref, code and any other columns.
        standing: row_ref, upn, batch_ref.
        likely: `causes`.
        texts: code (a cause), why_en, why_cy, check_en, check_cy.
        code: the LRS's code for a possible match.
    """
    of_row = standing.merge(likely, on=["upn", "batch_ref"]).set_index("row_ref")["cause"]
    cause = lines["row_ref"].where(lines["code"] == code).map(of_row)
    by_cause = texts.set_index("code")
    names = [f"{kind}_{lang}" for kind in ("why", "check") for lang in ("en", "cy")]
    return lines.assign(**{name: cause.map(by_cause[name]).astype("str") for name in names})
