"""Find what has changed in a record since a batch took it to the LRS, and what its school must know.

| the learner, in this cycle | what is done | the school reads |
|---|---|---|
| waits, in no batch | the values of the newest return are sent | |
| is sent, the LRS has not answered | not sent again | CHG02: changed while waiting |
| has a ULN, of this cycle or an earlier one | not sent again | CHG01: correct it on the LRS portal |
| ended in an exception | sent again, if a sent field differs from all that was sent | the exception, until then |
| was in a batch that was abandoned and not answered | the values of the newest return are sent | |

A record has changed if a sent field, in the LRS's form, differs from the last batch, or if the learner's opt-out has changed
since. A difference that the LRS does not see (another accent, a year group) is no change. A held record has the finding of
its rule instead. If an answer to that batch shows a value that was not sent (somebody corrected it on the portal), the LRS
has that value. So a finding ends when the next answer shows the school's value, or when the school takes its change back.
`batching.to_send` decides who is sent again. `docs/reference/batch-states.md` has the same table.
"""

import pandas as pd

from schemas.states import RowState
from schemas.tables import SENT_FIELDS
from tasks.core.demographics import comparable
from tasks.core.membership import is_in

CORRECT_ON_PORTAL = "CHG01"
CHANGED_WHILE_WAITING = "CHG02"
#: State of a changed record -> the finding for the school. The texts are in `schemas/codes/merge_findings.csv`.
CHANGE_FINDINGS = {RowState.ULN.value: CORRECT_ON_PORTAL, RowState.SENT.value: CHANGED_WHILE_WAITING}
#: AbilityToShare (docs/reference/sources.md#codes-of-a-learner) as compared: has not opted out, has opted out.
SHARES, SHARES_NOT = "1", "2"
_SHARING = "ability_to_share"
_FIELDS = (*SENT_FIELDS, _SHARING)


def changed_values(
    standing: pd.DataFrame,
    forms: pd.DataFrame,
    sent: pd.DataFrame,
    held: pd.Series,
    shown: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Return the records whose values differ from those that the LRS has.

    A chosen record is compared with the last batch of its own school. A record that is not chosen because the learner has a
    ULN is compared with the learner's last batch. If that batch was another school's, or has a former UPN, the date of birth
    must agree, because the record may be somebody else's. A blank in such a record is nothing to correct on the portal.

    Args:
        standing: `standing.derive_states`. Records that are not chosen because the learner has a ULN also have kept (true)
            and by_own_upn.
        forms: row_ref, the sent fields and sharing (`lrs_forms`).
        sent: batch_ref, upn, school_number, the sent fields and ability_to_share of the batches concerned.
        held: row_refs with a blocking finding.
        shown: `last_shown` of these learners, where answers were read.

    Returns:
        row_ref, school_number, rule (a value of CHANGE_FINDINGS), field (the names that differ, separated by `;`).
    """
    reportable = standing[standing["state"].isin(list(CHANGE_FINDINGS)) & ~is_in(standing["row_ref"], held)]
    now = forms[["row_ref", *SENT_FIELDS]].assign(**{_SHARING: forms["sharing"]})
    then = sent[["batch_ref", "upn", "school_number", *_FIELDS]].assign(**{_SHARING: _sharing(sent[_SHARING])})
    rows = reportable.merge(now, on="row_ref").merge(then, on=["batch_ref", "upn"], suffixes=("", "_then"))
    kept = rows["kept"].eq(True) if "kept" in rows else pd.Series(False, index=rows.index)
    same_school = rows["school_number"] == rows["school_number_then"]
    same = same_school
    if kept.any():
        same_person = (same_school & rows["by_own_upn"].eq(True)) | (rows["dob"] == rows["dob_then"])
        same = same_person.where(kept, same_school)
    rows, kept = rows[same], kept[same]
    if shown is not None:
        has = {name: f"{name}_shown" for name in _FIELDS}
        rows = rows.merge(shown.rename(columns=has), on=["batch_ref", "upn"], how="left").set_axis(rows.index)
    field = pd.Series("", index=rows.index, dtype="str")
    for name in _FIELDS:
        ours, theirs = rows[name].fillna(""), rows[f"{name}_then"].fillna("")
        differs = ours != theirs
        if shown is not None:
            lrs_value = rows[f"{name}_shown"]
            differs_now = comparable(rows[name], name).fillna("") != comparable(lrs_value, name).fillna("")
            differs = differs.where(lrs_value.isna(), differs_now)
        unknown = rows[name].isna() if name == _SHARING else kept & _blank(rows[name], name)
        field = field.mask(differs & ~unknown, field + (";" + name))
    rows = rows.assign(rule=rows["state"].map(CHANGE_FINDINGS).astype("str"), field=field.str.removeprefix(";"))
    changes: pd.DataFrame = rows.loc[field != "", ["row_ref", "school_number", "rule", "field"]]
    return changes.reset_index(drop=True)


def _sharing(values: pd.Series) -> pd.Series:
    return values.eq(SHARES_NOT).map({True: SHARES_NOT, False: SHARES}).astype("str")


def _blank(values: pd.Series, name: str) -> pd.Series:
    """Whether the school has no value; gender 0 means none. A removed middle name is a change, not a blank."""
    if name == "middle_name":
        return pd.Series(False, index=values.index)
    return values.isna() | (values.eq("0") & (name == "gender"))


def last_shown(answers: pd.DataFrame, sent: pd.DataFrame) -> pd.DataFrame:
    """Return the values that the newest answer to a batch shows for a learner, if they differ from those sent.

    `answers` has upn, batch_ref, received_at, sha256, ordinal, the sent fields and ability_to_share; `sent` is as for
    `changed_values`.

    Returns:
        batch_ref, upn, and the value shown for each field; null if no answer shows one, or if it is the value sent. Of
        answers received at the same time, one with a different value counts.
    """
    rows = answers.merge(sent[["batch_ref", "upn", *_FIELDS]], on=["batch_ref", "upn"], suffixes=("", "_then"))
    values = rows[["batch_ref", "upn"]].drop_duplicates()
    for name in _FIELDS:
        value, then = comparable(rows[name], name), comparable(rows[f"{name}_then"], name)
        if name == _SHARING:
            value, then = _sharing(value).where(value.notna()), _sharing(then)
        seen = rows[["batch_ref", "upn", "received_at", "sha256", "ordinal"]].assign(
            value=rows[name] if name != _SHARING else value, other=value.fillna("") != then.fillna("")
        )
        seen = seen[value.notna()].sort_values(["batch_ref", "upn", "received_at", "other", "sha256", "ordinal"])
        last = seen.drop_duplicates(["batch_ref", "upn"], keep="last")
        last = last.loc[last["other"], ["batch_ref", "upn", "value"]].rename(columns={"value": name})
        values = values.merge(last, on=["batch_ref", "upn"], how="left")
    return values
