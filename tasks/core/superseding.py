"""What becomes of a learner whose record has changed since a batch took it to the LRS.

| the learner, in this cycle | what is done | the school reads |
|---|---|---|
| waits, in no batch | goes with what the newest return says | |
| is sent, the LRS has not answered | not sent again | CHG02: changed while waiting |
| has a ULN, of this cycle or of an earlier one | not sent again | CHG01: correct it on the LRS portal |
| ended in an exception | sent again, if something that is sent differs from all that was sent | the exception, until then |
| was in a batch that was abandoned and not answered | goes with what the newest return says | |

Changed means: one of the fields that are sent differs, in the LRS's form, from what the last batch took, or the learner
has opted out since, or does so no more. What the LRS does not see (another accent, a year group) is no change; a record
that a rule holds is told by the rule instead. An answer to that batch that shows another value than was sent (somebody has
corrected it on the portal) counts as what the LRS has; so what is told ends when the next answer shows what the school has,
and when the school takes its change back.
Who is sent again is decided in `batching.to_send`; here is who must be told. `docs/reference/batch-states.md` has the same
table.
"""

import pandas as pd

from schemas.states import RowState
from schemas.tables import SENT_FIELDS
from tasks.core.demographics import comparable
from tasks.core.membership import is_in

CORRECT_ON_PORTAL = "CHG01"
CHANGED_WHILE_WAITING = "CHG02"
#: Where a changed record stands -> what the school is told. Their texts stand in `schemas/codes/merge_findings.csv`.
CHANGE_FINDINGS = {RowState.ULN.value: CORRECT_ON_PORTAL, RowState.SENT.value: CHANGED_WHILE_WAITING}
#: AbilityToShare (docs/reference/sources.md#codes-of-a-learner) as it is compared: who has not opted out, and who has.
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
    """The records that say something else than the LRS has.

    Of a chosen record that is what its own school's last batch took. One that is not chosen, as the learner has a ULN, is
    compared with the learner's last batch of all; in another school, or by a former UPN, only where the date of birth
    agrees, for else it may be somebody else's. What is blank in such a record is nothing to correct on the portal.

    Args:
        standing: `standing.derive_states`; and kept and own_upn of the records that are not chosen as the learner has a ULN.
        forms: row_ref, the sent fields and sharing (`lrs_forms`).
        sent: batch_ref, upn, school_number, the sent fields and ability_to_share of the batches concerned.
        held: row_refs with a blocking finding.
        shown: `last_shown` of these learners, where answers have been looked at.

    Returns:
        row_ref, school_number, rule (one of TOLD), field (the names of those that differ, with ; between them).
    """
    asked = standing[standing["state"].isin(list(CHANGE_FINDINGS)) & ~is_in(standing["row_ref"], held)]
    now = forms[["row_ref", *SENT_FIELDS]].assign(**{_SHARING: forms["sharing"]})
    then = sent[["batch_ref", "upn", "school_number", *_FIELDS]].assign(**{_SHARING: _sharing(sent[_SHARING])})
    rows = asked.merge(now, on="row_ref").merge(then, on=["batch_ref", "upn"], suffixes=("", "_then"))
    kept = rows["kept"].eq(True) if "kept" in rows else pd.Series(False, index=rows.index)
    same_school = rows["school_number"] == rows["school_number_then"]
    if kept.any():
        same_person = (same_school & rows["own_upn"].eq(True)) | (rows["dob"] == rows["dob_then"])
        rows, kept = rows[same_person.where(kept, same_school)], kept[same_person.where(kept, same_school)]
    else:
        rows, kept = rows[same_school], kept[same_school]
    if shown is not None:
        has = {name: f"{name}_shown" for name in _FIELDS}
        rows = rows.merge(shown.rename(columns=has), on=["batch_ref", "upn"], how="left").set_axis(rows.index)
    field = pd.Series("", index=rows.index, dtype="str")
    for name in _FIELDS:
        ours, theirs = rows[name].fillna(""), rows[f"{name}_then"].fillna("")
        differs = ours != theirs
        if shown is not None:
            instead = rows[f"{name}_shown"]
            told = comparable(rows[name], name).fillna("") != comparable(instead, name).fillna("")
            differs = differs.where(instead.isna(), told)
        unknown = rows[name].isna() if name == _SHARING else kept & _blank(rows[name], name)
        field = field.mask(differs & ~unknown, field + (";" + name))
    rows = rows.assign(rule=rows["state"].map(CHANGE_FINDINGS).astype("str"), field=field.str.removeprefix(";"))
    found: pd.DataFrame = rows.loc[field != "", ["row_ref", "school_number", "rule", "field"]]
    return found.reset_index(drop=True)


def _sharing(values: pd.Series) -> pd.Series:
    return values.eq(SHARES_NOT).map({True: SHARES_NOT, False: SHARES}).astype("str")


def _blank(values: pd.Series, name: str) -> pd.Series:
    """Whether the school has nothing there: no gender is sent as 0; a middle name that is gone is a change."""
    if name == "middle_name":
        return pd.Series(False, index=values.index)
    return values.isna() | (values.eq("0") & (name == "gender"))


def last_shown(answers: pd.DataFrame, sent: pd.DataFrame) -> pd.DataFrame:
    """What the newest answer to a batch shows of a learner where that is not what was sent.

    Args:
        answers: upn, batch_ref, received_at, sha256, ordinal, the sent fields and ability_to_share.
        sent: as for `changed_values`.

    Returns:
        batch_ref, upn, and of each field the value shown; null where no answer shows any, or it is what was sent. Of
        answers of one moment those that show something else count.
    """
    rows = answers.merge(sent[["batch_ref", "upn", *_FIELDS]], on=["batch_ref", "upn"], suffixes=("", "_then"))
    found = rows[["batch_ref", "upn"]].drop_duplicates()
    for name in _FIELDS:
        value, then = comparable(rows[name], name), comparable(rows[f"{name}_then"], name)
        if name == _SHARING:
            value, then = _sharing(value).where(value.notna()), _sharing(then)
        told = rows[["batch_ref", "upn", "received_at", "sha256", "ordinal"]].assign(
            value=rows[name] if name != _SHARING else value, other=value.fillna("") != then.fillna("")
        )
        told = told[value.notna()].sort_values(["batch_ref", "upn", "received_at", "other", "sha256", "ordinal"])
        last = told.drop_duplicates(["batch_ref", "upn"], keep="last")
        last = last.loc[last["other"], ["batch_ref", "upn", "value"]].rename(columns={"value": name})
        found = found.merge(last, on=["batch_ref", "upn"], how="left")
    return found
