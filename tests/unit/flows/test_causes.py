"""What a person is told of, and when: causes that must not stand in each other's way, and batches that are late."""

import datetime as dt

import pytest

from flows.services.notify import _causes
from tasks.io.lake.lake import Lake
from tasks.reports.batches import batches_waiting

AGAIN = dt.timedelta(hours=20)


def test_a_run_that_began_late_does_not_keep_its_own_failure_from_being_told():
    triggers = {name: trigger for name, (trigger, *_) in _causes(AGAIN).items()}
    (late,) = [name for name, one in triggers.items() if "prefect.flow-run.Late" in one.expect]
    (failed,) = [name for name, one in triggers.items() if "prefect.flow-run.Failed" in one.expect]
    # Of what one trigger expects the first keeps the second from being told for as long as `within`.
    assert late != failed and triggers[late].expect == {"prefect.flow-run.Late"}
    assert {"prefect.flow-run.Crashed", "prefect.flow-run.TimedOut"} <= triggers[failed].expect
    assert triggers[late].within == triggers[failed].within == AGAIN


@pytest.mark.parametrize(
    ("day", "state", "looked_at"),
    [
        (dt.date(2012, 2, 7), "SENT", False),
        (dt.date(2012, 6, 1), "SENT", True),
        (dt.date(2012, 6, 1), "ABANDONED", False),
        (dt.date(2012, 2, 7), "SENT_UNCONFIRMED", True),
        (dt.date(2014, 6, 1), "SENT", False),
    ],
    ids=["in time", "late", "given up", "not sure", "chased no more"],
)
def test_the_poll_looks_for_answers_of_those_batches_alone_that_may_wait_for_a_person(
    sent, monkeypatch, day, state, looked_at
):
    lake, read, asked = Lake(sent / "lake"), Lake.read, []
    lake.upsert("batches", lake.read("batches").assign(state=state))

    def seen(one, table, *columns, **where):
        if table == "lrs_returns":
            asked.extend(where["batch_ref"])
        return read(one, table, *columns, **where)

    monkeypatch.setattr(Lake, "read", seen)
    found = batches_waiting(str(sent), day).frame
    assert bool(asked) is bool(len(found)) is looked_at
