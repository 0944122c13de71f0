"""Why the LRS may know a learner very like this one: the likeliest cause, from what the service knows itself. Pure.

The LRS gives the code alone (RC007), so a cause is inferred: it compares given and family name, date of birth, gender and
postcode (docs/reference/sources.md#matching), and a learner of whom all five were equal would have got the ULN. What differs
in one of them is looked for, in this order (`schemas.codes.possible_match_causes.Cause`):

1. Somebody else whom we sent, so that the LRS surely knows them: the learner under the former UPN (the surest: the school
   says itself that it is the same one; but not where the LRS gave that one no ULN either), one with the names the other
   way round, a namesake, a twin. Names that are, among all that were sent, each five times as often the other kind of name
   count as the wrong way round too.
2. What has changed since a return of an earlier cycle: family name, given name, postcode, date of birth or gender; the
   names first, as they are the nearest to a record of another person. A former family name counts as a change here where
   no earlier return shows that the change is older than that.
3. Another school before this one; an arrival from elsewhere (a temporary UPN, one that was allotted outside Wales, or no
   earlier record though the school sent a return when the learner should have been in it). Neither says which of the
   five differs, so they stand after what does.
4. A change of family name that is older than the earlier return: the learner was hardly of an age for a ULN then. A twin of
   the other gender: two of the five differ.

Everything is compared in the LRS's form and without regard to capitals: another accent is no change. All is of the learners
asked about alone; the country is looked through once, piece by piece (`lives_like`, `used_as`).
To add a cause: see `schemas.codes.possible_match_causes`.
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
#: Learners who are held against all that were born on their days together: the pairs grow with the country.
_AT_ONCE = 2_000
#: Names that stand in the wrong order are so many times as often of the other kind.
_TIMES = 5
#: In this year group and above a learner should have been in the earlier return of the school that they are in now.
_SURELY_HERE = 8


@dataclass(frozen=True)
class Known:
    """What is known besides the learners asked about.

    Attributes:
        before: upn (the learner's of now), school_number and the five; their records in returns of earlier cycles.
        others: upn and the five; sent rows, of any cycle, of those who are born on the same day and share a name.
        former: UPNs that were sent, and not answered without a ULN, of those that are somebody's former one.
        uses: name (in capitals), as_given, as_family; how often the names asked about were sent as which.
        allotted_here: numbers of the authorities that allot UPNs in Wales.
    """

    before: pd.DataFrame
    others: pd.DataFrame
    former: pd.Series
    uses: pd.DataFrame
    allotted_here: list[str]


def causes(asked: pd.DataFrame, known: Known) -> pd.DataFrame:
    """The likeliest cause for each learner.

    Args:
        asked: upn, batch_ref, school_number and the five, as sent; former_upn, former_family_name (LRS form), nc_year,
            and years_since (a number: years since the school's last return of an earlier cycle; null where there is none).
        known: what they are held against.

    Returns:
        upn, batch_ref, cause (a word of `Cause`); a row for each row asked, in the given order.
    """
    rows = asked.reset_index(drop=True)
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
    """By row: known (an earlier return has the learner), swapped, and which of the five and the school have changed."""
    compared = [*_FIVE, "school_number"]
    own = rows[["upn", *compared]].reset_index(names="at")
    then = before[["upn", *compared]].assign(**{name: capitals(before[name]) for name in _FIVE})
    pairs = own.merge(then, on="upn", suffixes=("", "_then"))
    found = pd.DataFrame({"at": pairs["at"], "known": True})
    found["swapped"] = _names_crossed(pairs, "_then")
    for name in compared:
        # What stood nowhere then has not changed.
        found[name] = pairs[f"{name}_then"].notna() & (pairs[name] != pairs[f"{name}_then"])
    return _any_by_row(found, rows.index)


def _beside(rows: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """By row: swapped, namesake, twin and unlike_twin; whether such a one was sent under another UPN.

    Args:
        rows: upn, former_upn and the five, in capitals.
        others: likewise, without former_upn.
    """
    own = rows[["upn", "former_upn", *_FIVE]].reset_index(names="at")
    pairs = own.merge(others, on="dob", suffixes=("", "_then"))
    # What went out under the former UPN is the learner's own.
    pairs = pairs[(pairs["upn"] != pairs["upn_then"]) & ~pairs["former_upn"].eq(pairs["upn_then"])]
    same = {name: pairs[name] == pairs[f"{name}_then"] for name in _FIVE if name != "dob"}
    home = same["family_name"] & same["postcode"] & ~same["given_name"]
    found = pd.DataFrame(
        {
            "at": pairs["at"],
            "swapped": _names_crossed(pairs, "_then"),
            "namesake": same["given_name"] & same["family_name"] & same["gender"] & ~same["postcode"],
            "twin": home & same["gender"],
            "unlike_twin": home & ~same["gender"],
        }
    )
    return _any_by_row(found, rows.index)


def _names_crossed(pairs: pd.DataFrame, then: str) -> pd.Series:
    crossed = (pairs["given_name"] == pairs[f"family_name{then}"]) & (
        pairs["family_name"] == pairs[f"given_name{then}"]
    )
    return crossed & (pairs["given_name"] != pairs["family_name"])


def _any_by_row(found: pd.DataFrame, index: pd.Index) -> pd.DataFrame:
    return found.groupby("at").any().reindex(index, fill_value=False).astype(bool)


def _look_swapped(rows: pd.DataFrame, uses: pd.DataFrame) -> pd.Series:
    """Whether both names are, in all that were sent but this record, far oftener the other kind of name."""
    counts = uses.set_index("name")[["as_given", "as_family"]]
    given, family = (
        counts.reindex(rows[name]).fillna(0).set_axis(rows.index) for name in ("given_name", "family_name")
    )
    # Without this record itself.
    one = given["as_family"] > _TIMES * (given["as_given"] - 1).clip(lower=0)
    return one & (family["as_given"] > _TIMES * (family["as_family"] - 1).clip(lower=0))


def _arrived(rows: pd.DataFrame, known: pd.Series, allotted_here: list[str]) -> pd.Series:
    temporary = upn_shape(rows["upn"]).eq("temporary")
    outside = ~rows["upn"].str[1:4].isin(allotted_here)
    year = pd.to_numeric(rows["nc_year"].str.strip(), errors="coerce")
    missed = year - pd.to_numeric(rows["years_since"], errors="coerce") >= _SURELY_HERE
    return temporary | outside | (missed & ~known)


def birth_and_name(rows: pd.DataFrame | pa.Table) -> list[pa.Array]:
    """Date of birth with given name, and with family name, as texts to compare by; for each row, capitals.

    Args:
        rows: dob, given_name, family_name.
    """
    day = _texts(rows["dob"])
    return [_joined(day, pc.ascii_upper(_texts(rows[name]))) for name in ("given_name", "family_name")]


def _texts(column: pd.Series | pa.ChunkedArray) -> pa.Array:
    if isinstance(column, pd.Series):
        column = pa.chunked_array([pa.array(column.astype("str"), pa.large_string(), from_pandas=True)])
    return column.cast(pa.large_string()).combine_chunks()


def _joined(one: pa.Array, other: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(one, other, pa.scalar("|", pa.large_string()))


def lives_like(sent: pa.Table, asked: pd.DataFrame) -> pa.Table:
    """Those sent rows that were born on the day of one of the learners asked about and share a name with them.

    Args:
        sent: dob, given_name, family_name; a piece of all that was sent.
        asked: likewise.

    Returns:
        Rows of `sent`.
    """
    wanted = pa.concat_arrays(birth_and_name(asked)).unique()
    by_given, by_family = (pc.is_in(key, value_set=wanted, skip_nulls=True) for key in birth_and_name(sent))
    return sent.filter(pc.or_(by_given, by_family))


def used_as(sent: pa.Table, asked: pd.DataFrame) -> pd.DataFrame:
    """How often each name of the learners asked about was sent as a given and as a family name.

    Args:
        sent: given_name, family_name; a piece of all that was sent.
        asked: likewise.

    Returns:
        name (capitals), as_given, as_family; to be added up over the pieces.
    """
    given, family = (pc.ascii_upper(_texts(asked[name])) for name in ("given_name", "family_name"))
    wanted = pa.concat_arrays([given, family]).unique().drop_null()
    counts = {}
    for name, column in (("as_given", "given_name"), ("as_family", "family_name")):
        at = pc.index_in(pc.ascii_upper(_texts(sent[column])), value_set=wanted).drop_null()
        counts[name] = np.bincount(at.to_numpy(zero_copy_only=False), minlength=len(wanted))
    return pd.DataFrame({"name": pd.Series(wanted.to_pylist(), dtype="str"), **counts})


def with_likely_causes(
    lines: pd.DataFrame, standing: pd.DataFrame, found: pd.DataFrame, texts: pd.DataFrame, code: str
) -> pd.DataFrame:
    """The lines of a school's list with the likely reason beside each possible match.

    Args:
        lines: row_ref, code and whatever else a line has.
        standing: row_ref, upn, batch_ref.
        found: `causes`.
        texts: code (a cause), why_en, why_cy, check_en, check_cy.
        code: the LRS's code for a possible match.

    Returns:
        `lines` with why_en, why_cy, check_en, check_cy; null beside all other lines, and where no cause was looked for.
    """
    of_row = standing.merge(found, on=["upn", "batch_ref"]).set_index("row_ref")["cause"]
    cause = lines["row_ref"].where(lines["code"] == code).map(of_row)
    by_cause = texts.set_index("code")
    names = [f"{kind}_{lang}" for kind in ("why", "check") for lang in ("en", "cy")]
    return lines.assign(**{name: cause.map(by_cause[name]).astype("str") for name in names})
