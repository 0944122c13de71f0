"""How a person sees a batch, what may be decided of it, and what the ledger learns by itself."""

import datetime as dt

import pandas as pd
import pytest

from schemas.states import BatchShown, Decision
from tasks.core.hand_over import allowed, by_evidence, reason_fault, shown_states

DAY = dt.date(2012, 3, 1)
WITHIN = {"2012-01": 21}


def ledger(*rows):
    base = {
        "batch_ref": "B1",
        "file_name": "LRB_10000001_300120120230.CSV",
        "cycle": "2012-01",
        "la_code": "660",
        "school_number": "6604025",
        "format": "CSV",
        "state": "SENT",
        "built_at": "2012-01-30T02:30",
        "sent_at": None,
        "reason": None,
    }
    texts = pd.DataFrame([base | row for row in rows], columns=list(base)).astype("str")
    return texts.assign(rows=pd.Series([10] * len(rows), dtype="Int64"))


def answers(count=0, ref="B1"):
    return pd.Series({ref: count} if count else {}, dtype="int64")


@pytest.mark.parametrize(
    ("state", "sent_at", "answered", "seen", "age"),
    [
        ("READY", None, 0, "READY", 31),
        ("READY", None, 1, "STUCK", 31),
        ("SENT_UNCONFIRMED", None, 0, "SENT_UNCONFIRMED", 31),
        ("SENT_UNCONFIRMED", None, 10, "ANSWERED", 31),
        ("SENT", "2012-02-09T02:30", 0, "SENT", 21),
        ("SENT", "2012-02-08T02:30", 0, "STUCK", 22),
        ("SENT", "2012-02-08T02:30", 9, "STUCK", 22),
        ("SENT", "2012-02-08T02:30", 10, "ANSWERED", 22),
        ("SENT", "2012-03-09T02:30", 0, "SENT", 0),
        ("SENT", "2011-02-08T02:30", 0, "STUCK", 31),  # the clock had gone back: as old as it was when it was built
        ("ABANDONED", "2012-02-08T02:30", 0, "ABANDONED", 22),
        ("ABANDONED", "2012-02-08T02:30", 10, "ABANDONED", 22),
    ],
)
def test_a_batch_as_a_person_sees_it(state, sent_at, answered, seen, age):
    one = shown_states(ledger({"state": state, "sent_at": sent_at}), answers(answered), DAY, WITHIN).iloc[0]
    assert (one["state"], one["age"], one["answered"]) == (seen, age, answered)


def test_the_days_are_those_of_the_batch_s_own_cycle_and_the_oldest_stands_first():
    rows = ({"sent_at": "2012-02-20"}, {"batch_ref": "B2", "cycle": "2013-01", "sent_at": "2012-02-10"})
    found = shown_states(ledger(*rows), answers(), DAY, {"2012-01": 5, "2013-01": 50})
    assert list(zip(found["batch_ref"], found["state"], strict=True)) == [("B2", "SENT"), ("B1", "STUCK")]
    assert shown_states(ledger(), answers(), DAY, WITHIN).empty


def test_what_may_be_decided_in_which_state():
    may = {(d, s) for d in Decision for s in BatchShown if allowed(d, s)}
    assert may == {
        (Decision.RETRY, BatchShown.SENT_UNCONFIRMED),
        (Decision.ABANDON, BatchShown.SENT_UNCONFIRMED),
        (Decision.ABANDON, BatchShown.STUCK),
    }


@pytest.mark.parametrize(
    ("state", "answered", "overtaken", "becomes"),
    [
        ("READY", False, False, "READY"),
        ("READY", True, False, "SENT"),
        ("READY", False, True, "ABANDONED"),
        ("READY", True, True, "SENT"),
        ("SENT_UNCONFIRMED", False, False, "SENT_UNCONFIRMED"),
        ("SENT_UNCONFIRMED", True, False, "SENT"),
        ("SENT_UNCONFIRMED", False, True, "SENT_UNCONFIRMED"),
        ("SENT", True, True, "SENT"),
        ("ABANDONED", True, True, "ABANDONED"),
    ],
)
def test_what_the_ledger_learns_by_itself(state, answered, overtaken, becomes):
    refs = {True: pd.Series(["B1"]), False: pd.Series([], dtype="str")}
    found = by_evidence(
        ledger({"state": state}),
        answered=refs[answered],
        overtaken=refs[overtaken],
        by_service=False,
        as_of="2012-03-01",
    )
    one = found.iloc[0]
    assert one["state"] == becomes
    assert (one["sent_at"] == "2012-03-01") == (state != "SENT" and becomes == "SENT")
    assert (one["reason"] == "overtaken") == (state == "READY" and becomes == "ABANDONED")


@pytest.mark.parametrize("state", ["READY", "SENT_UNCONFIRMED", "SENT", "ABANDONED"])
@pytest.mark.parametrize(("fmt", "by_service"), [("CSV", True), ("SOAP", False), ("SOAP", True), ("CSV", False)])
def test_what_is_to_go_is_given_up_where_it_was_built_for_the_other_way(state, fmt, by_service):
    none = pd.Series([], dtype="str")
    batches = ledger({"state": state, "format": fmt})
    one = by_evidence(batches, answered=none, overtaken=none, by_service=by_service, as_of="2012-03-01").iloc[0]
    given_up = state == "READY" and (fmt == "SOAP") != by_service
    assert one["state"] == ("ABANDONED" if given_up else state)
    assert (one["reason"] == "rerouted") is given_up


@pytest.mark.parametrize(
    "reason",
    [
        "not on the portal",
        "asked by telephone on 2012-02-20, ticket 1234567890",
        "Heb gyrraedd: gweler yr e-bost",
        "3 of 3",
    ],
)
def test_a_reason_is_words(reason):
    assert reason_fault(reason) is None


@pytest.mark.parametrize(
    "reason", ["", "  ", "no", "x" * 301, "two\nlines", "a\tb\x00", "=SUM(A1)", "+44 1234", "-", "@x y"]
)
def test_a_reason_of_another_shape_is_not_taken(reason):
    assert reason_fault(reason) == "fault.reason_shape"


@pytest.mark.parametrize(
    "reason",
    [
        "M660402510001 again",
        "upn m660402510001",
        "L67441030807A left",
        "has 1000102504",
        "moved to LL77 7NG",
        "ll777ng",
    ],
)
def test_a_reason_that_looks_like_a_pupil_s_data_is_not_taken(reason):
    assert reason_fault(reason) == "fault.reason_pupil"
