"""Answers matched to sent learners by the five fields that the LRS compares (docs/reference/sources.md#matching).

An answer whose MISIdentifier names no learner is tied by these fields if exactly one sent learner has all five: to the LRS
that is the same learner. Near misses are only listed for a person to check, because a wrong tie is worse than none.

Case and extra blanks do not count: values typed at the portal are less regular than a batch file.
"""

import pandas as pd

from schemas.tables import DEMOGRAPHICS
from tasks.core.identifiers import upn_shape
from tasks.core.text_columns import BLANK, capitals, map_unique


def comparable(values: pd.Series, field: str) -> pd.Series:
    """Return values of a sent field, as answered or sent, in the form in which they are compared; null where blank."""
    between = "" if field == "postcode" else " "

    def form(texts: pd.Series) -> pd.Series:
        text = capitals(texts).str.replace(f"[{BLANK}]+", between, regex=True).str.strip(" ")
        return text.mask(text == "").astype("str")

    return map_unique(form, values)


def names_nobody(mis_identifiers: pd.Series) -> pd.Series:
    """Whether a MISIdentifier names no learner: it is blank or not a UPN. A different UPN means a different learner."""
    return ~upn_shape(mis_identifiers).isin(["permanent", "temporary"])


def fitted(answers: pd.DataFrame, sent: pd.DataFrame) -> pd.Series:
    """Return the UPN of the only sent learner of each answer's UKPRN who has all five fields of the answer.

    `answers` has ukprn, mis_identifier and the five; `sent` ukprn, upn and the five, a row for each time a learner was sent.
    Null where none fits or several do, a field is blank, or the MISIdentifier is a UPN.
    """
    rows = _keys(answers)[names_nobody(answers["mis_identifier"]).to_numpy()].dropna()
    key = ["ukprn", *DEMOGRAPHICS]
    pairs = rows.reset_index(names="at").merge(_keys(sent).assign(upn=sent["upn"]), on=key)
    pairs = pairs[["at", "upn"]].drop_duplicates()
    single = pairs[~pairs["at"].duplicated(keep=False)].set_index("at")["upn"]
    return single.reindex(answers.index).astype("str")


def near_misses(answers: pd.DataFrame, sent: pd.DataFrame) -> pd.DataFrame:
    """Return the sent learners of each answer's UKPRN who agree with the answer in at least four of the five fields.

    Both tables are as for `fitted`; the answers' index is unique.

    Returns:
        at (index of the answer), upn, differs (the field; null where all agree), answered, sent (its two values, unchanged);
        sorted. If a learner fits an answer in all five fields, rows that differ are left out for that pair.
    """
    answer_keys, sent_keys = _keys(answers), _keys(sent)
    at, upn = pd.Series(answers.index, index=answers.index), sent["upn"]
    matches = [
        answer_keys.assign(at=at)
        .dropna(subset=list(DEMOGRAPHICS))
        .merge(sent_keys.assign(upn=upn), on=["ukprn", *DEMOGRAPHICS])
    ]
    for field in DEMOGRAPHICS:
        others = [name for name in DEMOGRAPHICS if name != field]
        left = answer_keys[["ukprn", *others]].assign(at=at, answered=answers[field], compared=answer_keys[field])
        right = sent_keys[["ukprn", *others]].assign(upn=upn, sent=sent[field], other=sent_keys[field])
        pairs = left.dropna(subset=others).merge(right, on=["ukprn", *others])
        matches.append(pairs[~pairs["compared"].eq(pairs["other"])].assign(differs=field))
    columns = ["at", "upn", "differs", "answered", "sent"]
    rows = pd.concat([part.reindex(columns=columns) for part in matches], ignore_index=True)
    rows = rows.astype(dict.fromkeys(columns[1:], "str")).drop_duplicates()
    rows = rows.sort_values(columns, na_position="first", ignore_index=True)
    nearest = rows["differs"].isna().groupby([rows["at"], rows["upn"]]).transform("max")
    return rows[rows["differs"].isna() | ~nearest.astype(bool)].reset_index(drop=True)


def _keys(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {"ukprn": rows["ukprn"].str.strip(), **{name: comparable(rows[name], name) for name in DEMOGRAPHICS}},
        index=rows.index,
    )
