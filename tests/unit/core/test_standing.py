"""Conservation: every record stands in exactly one place."""

import pandas as pd
import pytest

from tasks.core.standing import as_status, count_by_school, derive_states, latest_batch, latest_sent_rows


def frame(**columns):
    return pd.DataFrame(columns).astype("str")


NO_LEARNERS = frame(upn=[], uln=[])
NO_EXCEPTIONS = frame(upn=[], batch_ref=[])
NO_BATCH = frame(upn=[], batch_ref=[], batch_cycle=[], batch_school=[], state=[])
SENT = frame(upn=["U1"], batch_ref=["B1"], batch_cycle=["2012-01"], batch_school=["6604025"], state=["SENT"])


def where(school="6604025", cycle="2012-01", held=(), latest=NO_BATCH, learners=NO_LEARNERS, exceptions=NO_EXCEPTIONS):
    chosen = frame(row_ref=["r1"], school_number=[school], upn=["u1"])
    found = derive_states(
        chosen,
        cycle_id=cycle,
        held=pd.Series(list(held), dtype="str"),
        latest=latest,
        learners=learners,
        exceptions=exceptions,
    )
    return found["state"].iloc[0]


ULN = frame(upn=["U1"], uln=["1000102504"])
OPEN = frame(upn=["U1"], batch_ref=["B1"])


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({}, "waiting"),
        ({"held": ["r1"]}, "held"),
        ({"latest": SENT}, "sent"),
        ({"latest": SENT, "exceptions": OPEN}, "exception"),
        ({"latest": SENT, "learners": ULN}, "uln"),
        ({"latest": SENT, "learners": ULN, "exceptions": OPEN}, "uln"),
        ({"latest": SENT, "held": ["r1"]}, "sent"),
        ({"latest": SENT, "school": "6604026"}, "sent"),
        ({"latest": SENT, "school": "6604026", "held": ["r1"], "learners": ULN}, "held"),
        ({"latest": SENT, "cycle": "2013-01"}, "sent"),
        ({"latest": SENT, "cycle": "2013-01", "exceptions": OPEN}, "waiting"),
    ],
    ids=[
        "nothing-done",
        "finding-blocks",
        "in-a-live-batch",
        "answered-without-a-uln",
        "answered-with-a-uln",
        "answered-with-a-uln-in-the-end",
        "finding-after-it-was-sent",
        "sent-by-another-school",
        "another-school-with-one-upn-for-two",
        "live-since-the-last-cycle",
        "asked-again-after-an-earlier-cycle's-exception",
    ],
)
def test_state(given, state):
    assert where(**given) == state


def test_two_records_of_one_school_under_one_upn_get_no_answer_while_that_is_not_put_right():
    chosen = frame(row_ref=["r1", "r2"], school_number=["6604025"] * 2, upn=["U1"] * 2)
    found = derive_states(
        chosen,
        cycle_id="2012-01",
        held=pd.Series(["r1", "r2"]),
        latest=SENT,
        learners=ULN,
        exceptions=NO_EXCEPTIONS,
    )
    assert list(found["state"]) == ["held", "held"]


CYCLES = ["pilot", "2012-01", "2013-01"]


def last_batch(cycles=CYCLES, state="SENT", first="2012-01", answered=NO_EXCEPTIONS):
    rows = frame(batch_ref=["B1", "B2"], upn=["U1", "U1"], school_number=["s", "s"], cycle=[first, "2013-01"])
    batches = frame(batch_ref=["B1", "B2"], state=["SENT", state], built_at=["2014-02-01", "2013-02-01"])
    return list(latest_batch(latest_sent_rows(rows, batches, answered), batches, cycles)["batch_ref"])


def test_the_last_batch_is_that_of_the_last_cycle_whenever_it_was_built():
    assert last_batch() == last_batch(first="pilot") == ["B2"]
    assert last_batch(first="2013-01") == ["B1"]


def test_an_abandoned_batch_counts_as_never_sent_but_for_those_whom_the_lrs_answered_after_all():
    assert last_batch(state="ABANDONED") == ["B1"]
    assert last_batch(state="ABANDONED", answered=frame(upn=["U1", "U2"], batch_ref=["B1", "B2"])) == ["B1"]
    assert last_batch(state="ABANDONED", answered=frame(upn=["U1"], batch_ref=["B2"])) == ["B2"]


def test_rows_of_a_batch_that_the_ledger_does_not_know_were_not_sent():
    rows = frame(batch_ref=["B1", "B2"], upn=["U1", "U2"])
    assert list(latest_sent_rows(rows, frame(batch_ref=["B1"], state=["READY"]), NO_EXCEPTIONS)["upn"]) == ["U1"]


def test_a_cycle_does_not_see_the_batches_of_a_later_one():
    assert last_batch(cycles=["pilot", "2012-01"]) == ["B1"]


def counted(dispositions, standing, declared=2):
    pupils = frame(row_ref=["r1", "r2"], school_number=["6604025", "6604025"])
    return count_by_school(pupils, dispositions, standing, pd.Series({"6604025": declared}))


CHOSEN = frame(row_ref=["r1", "r2"], school_number=["6604025"] * 2, disposition=["chosen"] * 2).assign(
    reason=pd.Series([None, None], dtype="str")
)


def test_counts_add_up():
    not_chosen = CHOSEN.assign(disposition=["chosen", "not_chosen"], reason=pd.Series([None, "age"], dtype="str"))
    counts = counted(not_chosen, frame(row_ref=["r1"], school_number=["6604025"], state=["uln"]))
    one = as_status("2012-01", counts)["schools"]["6604025"]
    assert one == {
        "records": 2,
        "not_chosen": {"age": 1},
        "held": 0,
        "waiting": 0,
        "sent": 0,
        "uln": 1,
        "exception": 0,
        "balanced": True,
    }


@pytest.mark.parametrize(
    ("states", "declared"),
    [(["uln"], 2), (["uln", "sent"], 3)],
    ids=["a-record-stands-nowhere", "a-record-of-the-return-was-lost"],
)
def test_unbalanced(states, declared):
    refs = ["r1", "r2"][: len(states)]
    standing = frame(row_ref=refs, school_number=["6604025"] * len(refs), state=states)
    assert not counted(CHOSEN, standing, declared)["balanced"].iloc[0]
