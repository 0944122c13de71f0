"""Changed records: records that differ from what the LRS has, so that the school corrects them on the portal.

Batching compares every record (`changes`). Publishing compares the records with a finding again (`still_changed`): an answer
that shows the school's present values ends the finding. The rules are in `core.superseding`. No engine.
"""

from typing import Any

import pandas as pd

from schemas.cycles import up_to
from schemas.settings.terms import exception_terms
from schemas.states import NotChosen, RowState
from schemas.tables import PUPIL_FIELDS, SENT_FIELDS
from tasks.core.exception_life import exported
from tasks.core.identifiers import canonical_upn
from tasks.core.membership import is_in, lookup
from tasks.core.standing import latest_batch
from tasks.core.superseding import CHANGE_FINDINGS, changed_values, last_shown
from tasks.ledger.lrs_forms import lrs_forms
from tasks.ledger.standing import register_of, rows_held, rows_sent
from tasks.runtime.chunks import Chunk
from tasks.runtime.context import RunContext

#: The columns of sent rows that are compared.
COMPARED = ["batch_ref", "upn", "school_number", *SENT_FIELDS, "ability_to_share"]


def changes(
    ctx: RunContext,
    where: dict[str, Any],
    standing: pd.DataFrame,
    forms: pd.DataFrame,
    sent: pd.DataFrame,
    held: pd.Series,
    only: pd.Series | None = None,
) -> pd.DataFrame:
    """Return the records of some schools that differ from what the LRS has (`superseding.changed_values`).

    Args:
        ctx: data root, lake and cycle.
        where: conditions that select the schools.
        standing: `standing.derive_states` of all or some of their chosen records.
        forms: `lrs_forms` of these records.
        sent: COMPARED; rows of this cycle that were sent for them (`standing.latest_sent_rows`).
        held: row_refs with a blocking finding.
        only: row_refs; of the records that are not chosen, compare only these. None for all.
    """
    compared = standing[standing["state"].isin(list(CHANGE_FINDINGS))].assign(kept=False)
    if ctx.lake.version("learners") >= 0:
        kept, records, before = _with_uln(ctx, where, only)
        compared = pd.concat([compared, kept], ignore_index=True)
        records = records[is_in(records["row_ref"], kept["row_ref"])]
        forms = pd.concat([forms, lrs_forms(ctx, records)], ignore_index=True)
        sent = pd.concat([sent, before], ignore_index=True).drop_duplicates(["batch_ref", "upn"])
    changed = changed_values(compared, forms, sent, held)
    # Answers are read only where they may matter: for records that changed, and for learners in exports.
    upns = compared.loc[is_in(compared["row_ref"], changed["row_ref"]), "upn"]
    upns = pd.concat([upns, _in_exports(ctx, compared["upn"])])
    if upns.empty:
        return changed
    columns = ["upn", "batch_ref", "received_at", "sha256", "ordinal", *SENT_FIELDS, "ability_to_share"]
    answers = ctx.lake.read("lrs_returns", columns, tied="Y", cycle=up_to(ctx.cycle), upn=upns)
    again = compared[is_in(compared["upn"], upns)]
    return changed_values(again, forms, sent, held, last_shown(answers, sent))


def _with_uln(
    ctx: RunContext, where: dict[str, Any], only: pd.Series | None
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the records not chosen because the learner has a ULN that one of our batches brought.

    Returns:
        The records as `superseding.changed_values` takes them; pupil rows, not only theirs; COMPARED of all sent rows.
    """
    lake, cycle = ctx.lake, ctx.cycle
    decided = lake.read("dispositions", ["row_ref"], cycle=cycle.id, reason=NotChosen.ULN_HELD.value, **where)
    refs = decided["row_ref"] if only is None else decided.loc[is_in(decided["row_ref"], only), "row_ref"]
    columns = ["row_ref", "school_number", "sha256", *PUPIL_FIELDS]
    records = lake.read("pupils", columns, cycle=cycle.id, row_ref=refs, **where)
    upn, former = canonical_upn(records["upn"]), canonical_upn(records["former_upn"])
    held = register_of(lake, cycle, upn=pd.concat([upn, former])).dropna(subset="uln")["upn"]
    sent, batches = rows_sent(lake, [*COMPARED, "cycle"], up_to(cycle), held)
    last = latest_batch(sent, batches, up_to(cycle))
    by_own_upn = is_in(upn, last["upn"])
    kept = records[["row_ref", "school_number"]].assign(
        upn=upn.where(by_own_upn, former), state=RowState.ULN.value, kept=True, by_own_upn=by_own_upn
    )
    kept["batch_ref"] = lookup(kept["upn"], last["upn"], last["batch_ref"])
    # Two records of a school with the same UPN may be two people.
    alone = ~kept.duplicated(["school_number", "upn"], keep=False)
    return kept[kept["batch_ref"].notna() & alone], records, sent[COMPARED]


def _in_exports(ctx: RunContext, upns: pd.Series) -> pd.Series:
    """Return the UPNs with an answer in an export of processed exceptions, where people may have typed new values."""
    terms = exception_terms(ctx.root.reference / "exceptions.toml")
    files = ctx.lake.read("received", ["sha256", "file_name"], kind="lrs_result", status="accepted")
    exports = files.loc[exported(files["file_name"], files["file_name"], terms), "sha256"]
    if exports.empty or upns.empty:
        return upns.head(0)
    return ctx.lake.read("lrs_returns", ["upn"], sha256=exports, tied="Y", upn=upns)["upn"]


def still_changed(ctx: RunContext, chunk: Chunk, standing: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """Return the findings with those about changed records brought up to date with the answers.

    `standing` is `standing.derive_states` of the chosen records of the chunk's schools; `findings` are rows of the table.
    """
    about_changes = findings["rule"].isin(list(CHANGE_FINDINGS.values()))
    reported = findings[about_changes]
    if reported.empty:
        return findings
    lake, cycle = ctx.lake, ctx.cycle
    rows = standing[is_in(standing["row_ref"], reported["row_ref"])]
    columns = ["row_ref", "school_number", "sha256", *PUPIL_FIELDS]
    chosen = lake.read("pupils", columns, cycle=cycle.id, row_ref=rows["row_ref"], **chunk.where)
    sent, _ = rows_sent(lake, COMPARED, [cycle.id], rows["upn"])
    held = rows_held(lake, cycle.id, **chunk.where)
    changed = changes(ctx, chunk.where, rows, lrs_forms(ctx, chosen), sent, held, only=reported["row_ref"])
    now = changed.merge(reported.drop(columns=["school_number", "rule", "field"]), on="row_ref")
    return pd.concat([findings[~about_changes], now[list(findings.columns)]], ignore_index=True)
