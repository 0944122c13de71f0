"""The five fields by which the LRS compares learners (docs/reference/sources.md#matching), and whom an answer fits by them.

An answer that names nobody by its MISIdentifier is tied by these where exactly one sent learner has all five: to the LRS
that is the same learner. Whom it nearly fits is only listed, for a person to look at: a wrong tie is worse than none.

Values compare without regard to capitals and to blanks more or less: what somebody types at the portal is no batch file.
"""

import pandas as pd

from schemas.tables import DEMOGRAPHICS
from tasks.core.identifiers import canonical_upn, upn_shape
from tasks.core.text_columns import BLANK, capitals, map_unique


def comparable(values: pd.Series, field: str) -> pd.Series:
    """A field of answers, or of what was sent, as it compares; null where blank.

    Args:
        values: as they stand there.
        field: one of the sent fields.
    """
    between = "" if field == "postcode" else " "

    def form(texts: pd.Series) -> pd.Series:
        text = capitals(texts).str.replace(f"[{BLANK}]+", between, regex=True).str.strip(" ")
        return text.mask(text == "").astype("str")

    return map_unique(form, values)


def names_nobody(mis_identifiers: pd.Series) -> pd.Series:
    """Whether a MISIdentifier leaves it open who is meant: it is blank, or no UPN. Another UPN is another learner."""
    return ~upn_shape(mis_identifiers).isin(["permanent", "temporary"]) | canonical_upn(mis_identifiers).isna()


def fitted(answers: pd.DataFrame, sent: pd.DataFrame) -> pd.Series:
    """The one sent learner of the answer's UKPRN who has all five fields of it.

    Args:
        answers: ukprn, mis_identifier and the five.
        sent: ukprn, upn and the five; what was sent, a row for each time.

    Returns:
        The UPN, index of `answers`; null where none fits or several do, a field is blank, or the MISIdentifier is a UPN.
    """
    rows = _keys(answers)[names_nobody(answers["mis_identifier"]).to_numpy()].dropna()
    key = ["ukprn", *DEMOGRAPHICS]
    pairs = rows.reset_index(names="at").merge(_keys(sent).assign(upn=sent["upn"]), on=key)
    pairs = pairs[["at", "upn"]].drop_duplicates()
    one = pairs[~pairs["at"].duplicated(keep=False)].set_index("at")["upn"]
    return one.reindex(answers.index).astype("str")


def near_misses(answers: pd.DataFrame, sent: pd.DataFrame) -> pd.DataFrame:
    """The sent learners of an answer's UKPRN who agree with it in all of the five but one, or in all.

    Args:
        answers: ukprn and the five; with a unique index.
        sent: ukprn, upn and the five; what was sent, a row for each time.

    Returns:
        at (index of the answer), upn, differs (the field; null where all agree), answered, sent (its two values as they
        stand); sorted, of each pair of answer and learner the nearest.
    """
    ours, theirs = _keys(answers), _keys(sent)
    at, upn = pd.Series(answers.index, index=answers.index), sent["upn"]
    found = [
        ours.assign(at=at).dropna(subset=list(DEMOGRAPHICS)).merge(theirs.assign(upn=upn), on=["ukprn", *DEMOGRAPHICS])
    ]
    for field in DEMOGRAPHICS:
        others = [name for name in DEMOGRAPHICS if name != field]
        left = ours[["ukprn", *others]].assign(at=at, answered=answers[field], compared=ours[field])
        right = theirs[["ukprn", *others]].assign(upn=upn, sent=sent[field], other=theirs[field])
        pairs = left.dropna(subset=others).merge(right, on=["ukprn", *others])
        found.append(pairs[~pairs["compared"].eq(pairs["other"])].assign(differs=field))
    columns = ["at", "upn", "differs", "answered", "sent"]
    rows = pd.concat([one.reindex(columns=columns) for one in found], ignore_index=True)
    rows = rows.astype(dict.fromkeys(columns[1:], "str")).drop_duplicates()
    rows = rows.sort_values(columns, na_position="first", ignore_index=True)
    nearest = rows["differs"].isna().groupby([rows["at"], rows["upn"]]).transform("max")
    return rows[rows["differs"].isna() | ~nearest.astype(bool)].reset_index(drop=True)


def _keys(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {"ukprn": rows["ukprn"].str.strip(), **{name: comparable(rows[name], name) for name in DEMOGRAPHICS}},
        index=rows.index,
    )
