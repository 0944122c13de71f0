"""Every event in every state of a batch: the allowed one leads to its state, every other is refused."""

from itertools import product

import pandas as pd
import pytest

from schemas.states import BATCH_MOVES, BatchEvent, BatchState
from tasks.core.batch_states import change_state, may_change, state_after

#: By event: the states that allow it, and the state that it leads to. Written out, so that no row of the table goes unseen.
ALLOWED = {
    "built": ({None}, "READY"),
    "hand_over_begun": ({"READY"}, "SENT_UNCONFIRMED"),
    "handed_over": ({"SENT_UNCONFIRMED"}, "SENT"),
    "not_handed_over": ({"SENT_UNCONFIRMED"}, "READY"),
    "confirmed": ({"SENT_UNCONFIRMED"}, "SENT"),
    "answered": ({"READY", "SENT_UNCONFIRMED"}, "SENT"),
    "overtaken": ({"READY"}, "ABANDONED"),
    "rerouted": ({"READY"}, "ABANDONED"),
    "retry": ({"SENT_UNCONFIRMED"}, "READY"),
    "abandon": ({"READY", "SENT_UNCONFIRMED", "SENT"}, "ABANDONED"),
}
STATES = [None, *(state.value for state in BatchState)]
AT = "2012-02-01T02:30"


def batches(*states):
    rows = [{"batch_ref": f"B{n}", "state": state, "sent_at": None, "reason": None} for n, state in enumerate(states)]
    return pd.DataFrame(rows).astype("str")


@pytest.mark.parametrize(("state", "event"), list(product(STATES, BatchEvent)))
def test_every_event_in_every_state(state, event):
    before, after = ALLOWED[event.value]
    ledger = batches(state)
    assert may_change(ledger, event).to_list() == [state in before]
    if state not in before:
        with pytest.raises(ValueError, match=rf"^{event.value} is not allowed for batches \['B0'\]$"):
            change_state(ledger, event, as_of=AT)
        return
    changed = change_state(ledger, event, as_of=AT).iloc[0]
    assert changed["state"] == after == state_after(event).value
    assert (changed["sent_at"] == AT) == (after == "SENT")
    assert (changed["reason"] == event.value) == (event.value in ("overtaken", "rerouted"))


def test_an_event_leads_to_one_state_and_no_move_stands_twice():
    assert {event.value for event in BatchEvent} == set(ALLOWED)
    assert len({(move.before, move.event) for move in BATCH_MOVES}) == len(BATCH_MOVES)
    assert len({(move.event, move.after) for move in BATCH_MOVES}) == len(BatchEvent)


def test_only_the_batches_that_an_event_concerns_change_and_the_given_table_does_not():
    ledger = batches("SENT_UNCONFIRMED", "SENT_UNCONFIRMED", "ABANDONED")
    changed = change_state(ledger, BatchEvent.CONFIRMED, pd.Series([False, True, False]), as_of=AT)
    assert changed["state"].to_list() == ["SENT_UNCONFIRMED", "SENT", "ABANDONED"]
    assert changed["sent_at"].isna().to_list() == [True, False, True]
    pd.testing.assert_frame_equal(ledger, batches("SENT_UNCONFIRMED", "SENT_UNCONFIRMED", "ABANDONED"))
    nothing = change_state(changed, BatchEvent.BUILT, pd.Series([False, False, False]))
    pd.testing.assert_frame_equal(nothing, changed)


def test_one_batch_that_may_not_change_keeps_all_from_changing():
    with pytest.raises(ValueError, match=r"\['B1', 'B2'\]$"):
        change_state(batches("READY", "SENT", "ABANDONED"), BatchEvent.HAND_OVER_BEGUN)
