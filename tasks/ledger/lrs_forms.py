"""The LRS form of a cycle's records, with the data root's privacy notices and opt-outs."""

import pandas as pd

from schemas.lrs.profiles import all_profiles
from tasks.core.identifiers import canonical_upn
from tasks.core.lrs_form import lrs_rows
from tasks.core.membership import is_in
from tasks.core.superseding import SHARES, SHARES_NOT
from tasks.io.data_root.reference import opt_outs, registration
from tasks.runtime.context import RunContext


def lrs_forms(ctx: RunContext, records: pd.DataFrame) -> pd.DataFrame:
    """Return the LRS form of the records. A privacy notice counts as seen if it was issued by the return's census day.

    `records` has row_ref, school_number, sha256 and the pupil fields.

    Returns:
        upn, the sent fields, ability_to_share, row_ref, and sharing (whether the learner has opted out, even if no privacy
        notice was issued; null if the cycle's layout does not send ability_to_share).
    """
    profile = all_profiles(ctx.root.reference / "lrs")[ctx.cycle.lrs_profile]
    received = ctx.lake.read("received", ["sha256", "census_date"], cycle=ctx.cycle.id)
    day = records["sha256"].map(received.set_index("sha256")["census_date"]).astype("str")
    register = registration(ctx.root.reference).set_index("school_number")
    notice = records["school_number"].map(register["privacy_notice_on"]).astype("str")
    # An opt-out under a temporary UPN, or under another UPN in a former school, is still an opt-out.
    recorded = canonical_upn(opt_outs(ctx.root.reference)["upn"])
    opted_out = is_in(canonical_upn(records["upn"]), recorded) | is_in(canonical_upn(records["former_upn"]), recorded)
    seen = notice.notna() & (notice.fillna("9999") <= day.fillna(""))
    forms = lrs_rows(records, profile, seen, opted_out)
    sharing = opted_out.map({True: SHARES_NOT, False: SHARES}).astype("str")
    if profile.sharing != "ability_to_share":
        sharing[:] = None
    return forms.assign(row_ref=records["row_ref"].to_numpy(), sharing=sharing)
