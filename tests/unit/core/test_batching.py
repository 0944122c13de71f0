"""Which valid rows go into which batch."""

import datetime as dt

import pandas as pd
import pytest

from schemas.lrs.profiles import all_profiles
from schemas.tables import SENT_FIELDS
from tasks.core.batching import build, free_minute, to_send

PROFILE = all_profiles()["2A"]
SENT = dict.fromkeys(SENT_FIELDS, "x") | {"middle_name": None}
NEVER = {"batch_ref": None}


def standing(*rows):
    base = {"row_ref": "r1", "school_number": "6604025", "upn": "U1", "state": "waiting", **NEVER}
    return pd.DataFrame([base | r for r in rows]).astype("str")


def forms(*rows):
    base = {"row_ref": "r1", "upn": "U1", **SENT, "ability_to_share": "1"}
    return pd.DataFrame([base | r for r in rows]).astype("str")


def sent(*rows):
    return pd.DataFrame([{"batch_ref": "B1", "upn": "U1", **SENT} | r for r in rows]).astype("str")


NOTHING_SENT = pd.DataFrame(columns=["batch_ref", "upn", *SENT_FIELDS], dtype="str")
NOBODY = pd.Series([], dtype="str")


@pytest.mark.parametrize(
    ("state", "goes"),
    [("waiting", 1), ("held", 0), ("sent", 0), ("uln", 0), ("exception", 0)],
)
def test_only_who_waits_is_sent(state, goes):
    assert len(to_send(standing({"state": state, "batch_ref": "B1"}), forms({}), sent({}), NOBODY)) == goes


def test_an_exception_goes_again_only_where_what_would_be_sent_has_changed():
    again = standing({"state": "exception", "batch_ref": "B1"})
    assert len(to_send(again, forms({}), sent({}), NOBODY)) == 0
    assert len(to_send(again, forms({"postcode": "corrected"}), sent({}), NOBODY)) == 1
    assert len(to_send(again, forms({"middle_name": "added"}), sent({}), NOBODY)) == 1


def test_what_was_answered_once_is_not_asked_again():
    third = standing({"state": "exception", "batch_ref": "B2"})
    both = sent({}, {"batch_ref": "B2", "postcode": "corrected"})
    assert len(to_send(third, forms({}), both, NOBODY)) == 0


def test_only_those_with_an_exception_are_compared_with_what_was_sent():
    found = to_send(
        standing({}, {"row_ref": "r2", "upn": "U2", "state": "exception"}, {"row_ref": "r3", "upn": "U3", "state": "exception"}),
        forms({}, {"row_ref": "r2", "upn": "U2"}, {"row_ref": "r3", "upn": "U3", "dob": "now"}),
        sent({}, {"upn": "U2"}, {"upn": "U3"}),
        NOBODY,
    )  # fmt: skip
    assert list(found["row_ref"]) == ["r1", "r3"]


def test_a_row_with_a_blocking_finding_is_never_sent():
    corrected = standing({"state": "exception", "batch_ref": "B1"})
    assert len(to_send(corrected, forms({"dob": "now"}), sent({}), pd.Series(["r1"]))) == 0


def test_a_learner_is_sent_once_though_two_rows_wait():
    both = standing({"row_ref": "r2"}, {"row_ref": "r1"})
    found = to_send(both, forms({"row_ref": "r1"}, {"row_ref": "r2"}), NOTHING_SENT, NOBODY)
    assert list(found["row_ref"]) == ["r1"]


@pytest.mark.parametrize("schools", [("6604025", "6604026"), ("6604026", "6604025")])
def test_a_learner_in_two_records_goes_once_under_the_new_upn(schools):
    # The ledger knows both by U1; r1 has got another UPN since.
    rows = [("r1", schools[0], "U2"), ("r2", schools[1], "U1")]
    open_exceptions = standing(*({"row_ref": r, "school_number": s, "state": "exception"} for r, s, _ in rows))
    corrected = forms(*({"row_ref": r, "upn": u, "postcode": "corrected"} for r, _, u in rows))
    assert list(to_send(open_exceptions, corrected, sent({}), NOBODY)["upn"]) == ["U2"]


def test_rows_stand_in_the_order_of_school_and_upn():
    rows = [("r1", "6604026", "U1"), ("r2", "6604025", "U3"), ("r3", "6604025", "U2")]
    found = to_send(
        standing(*({"row_ref": r, "school_number": s, "upn": u} for r, s, u in rows)),
        forms(*({"row_ref": r, "upn": u} for r, _, u in rows)),
        NOTHING_SENT,
        NOBODY,
    )
    assert list(found["upn"]) == ["U2", "U3", "U1"]


def due(*upns, school="6604025"):
    return pd.DataFrame(
        [{"row_ref": u, "school_number": school, "upn": u, **SENT, "ability_to_share": "1"} for u in upns]
    )


def build_all(rows, **changes):
    ukprns = pd.Series({"6604025": "10000001", "6604026": "10000002"})
    given = {"ukprns": ukprns, "profile": PROFILE, "fmt": "CSV", "cycle_id": "2012-01"} | changes
    return build(rows, **given)


def test_a_batch_holds_one_ukprn_in_the_order_of_upn():
    found = build_all(pd.concat([due("U9", school="6604026"), due("U2", "U1")]))
    assert [(b.school_number, b.ukprn, list(b.rows["upn"])) for b in found] == [
        ("6604025", "10000001", ["U1", "U2"]),
        ("6604026", "10000002", ["U9"]),
    ]


def test_a_batch_holds_at_most_the_limit():

    rows = pd.concat([due("U3", "U1", "U2"), due("U9", "U8", school="6604026")])
    found = build_all(rows, profile=PROFILE.model_copy(update={"limit": 2}))
    assert [list(b.rows["upn"]) for b in found] == [["U1", "U2"], ["U3"], ["U8", "U9"]]
    assert [b.school_number for b in found] == ["6604025", "6604025", "6604026"]
    # Each by itself is the same batch, and its rows are counted from 0.
    alone = [build_all(b.rows)[0] for b in found]
    assert [b.ref for b in alone] == [b.ref for b in found]
    for one, other in zip(alone, found, strict=True):
        pd.testing.assert_frame_equal(one.rows, other.rows)


def test_the_reference_comes_from_the_content_and_the_cycle():
    one, other = build_all(due("U1", "U2"))[0].ref, build_all(due("U2", "U1"))[0].ref
    assert one == other
    assert build_all(due("U1"))[0].ref != one
    assert build_all(due("U1", "U2"), cycle_id="2013-01")[0].ref != one
    assert build_all(due("U1", "U2").assign(postcode="y"))[0].ref != one


def test_what_asks_again_after_an_abandoned_batch_is_another_batch_and_always_the_same_other():
    first = build_all(due("U1", "U2"))[0].ref
    second = build_all(due("U1", "U2"), abandoned={first})[0].ref
    third = build_all(due("U1", "U2"), abandoned={first, second})[0].ref
    assert len({first, second, third}) == 3
    assert build_all(due("U1", "U2"), abandoned={first, "B9"})[0].ref == second
    assert build_all(due("U1"), abandoned={first, second})[0].ref == build_all(due("U1"))[0].ref


def test_a_file_name_is_taken_once():
    at = dt.datetime(2012, 2, 20, 9, 15, 42)
    name = "{:%d%m%Y%H%M}".format
    assert free_minute(at, set(), name) == dt.datetime(2012, 2, 20, 9, 15)
    assert free_minute(at, {"200220120915", "200220120916"}, name) == dt.datetime(2012, 2, 20, 9, 17)
