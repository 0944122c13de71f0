"""The stage: which rows of the lake the rules see."""

import pandas as pd

from schemas.tables import DISPOSITIONS, PUPILS, RECEIVED
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tasks.stages.validate import validate
from tests.support.learners import sound_learners
from tests.support.without_engine import run_stage

WHERE = {"cycle": "2012-01", "la_code": "660"}


def findings(root, changes, reasons):
    """The findings on rows of which those without a reason are chosen."""
    pupils = sound_learners(*changes).assign(**WHERE, ordinal=range(1, len(changes) + 1))
    decided = pupils[["row_ref", "school_number"]].assign(
        **WHERE,
        disposition=["not_chosen" if reason else "chosen" for reason in reasons],
        reason=pd.Series(reasons, dtype="str"),
        detail=pd.Series(None, index=pupils.index, dtype="str"),
    )
    lake = Lake(DataRoot(root).lake)
    lake.append("pupils", pupils[[c.name for c in PUPILS.columns]])
    lake.append("dispositions", decided[[c.name for c in DISPOSITIONS.columns]])
    received = dict.fromkeys((c.name for c in RECEIVED.columns), None) | WHERE
    received |= {"sha256": "s1", "kind": "return", "status": "accepted", "school_number": "6604025", "declared": 2}
    lake.append("received", pd.DataFrame([received]))
    run_stage(validate, root, "2012-01", "2012-02-20")
    found = lake.read("findings", **WHERE)
    return dict(zip(found["row_ref"], found["rule"], strict=True))


def test_a_upn_of_another_year_in_the_current_return_is_seen_and_that_of_an_older_return_is_not(tmp_path):
    year_8 = {"nc_year": "8", "dob": "1999-05-05"}
    assert findings(tmp_path / "now", [year_8, {}], ["year_group", None]) == {"r1": "UPN05"}
    assert findings(tmp_path / "before", [year_8, {}], ["superseded_return", None]) == {}
