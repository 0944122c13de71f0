"""What the LRS is told of a learner's wish not to share, by what the data root records."""

from tasks.ledger.lrs_forms import lrs_forms
from tasks.runtime.context import RunContext
from tests.support.learners import sound_learners

TEMPORARY, PERMANENT, SISTER_S = "M66040251001A", "M660402510001", "A660402510002"


def test_an_opt_out_under_a_former_upn_still_counts(tmp_path):
    ctx = RunContext.of(str(tmp_path), "2012-01")
    ctx.root.create()
    reference = ctx.root.reference
    names = "school_number,ukprn,ukrlp_name,ukrlp_postcode,edubase_name,edubase_postcode"
    (reference / "registration.csv").write_text(f"{names},lrb_registered_on,privacy_notice_on,takes_part\n")
    (reference / "opt_outs.csv").write_text(f"upn,recorded_on\n{TEMPORARY.lower()},2011-09-20\n")
    records = sound_learners(
        {"upn": TEMPORARY},
        {"upn": PERMANENT, "former_upn": f" {TEMPORARY}"},
        {"upn": SISTER_S, "former_upn": PERMANENT},
    )
    assert list(lrs_forms(ctx, records)["sharing"]) == ["2", "2", "1"]
