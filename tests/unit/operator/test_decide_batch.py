"""A retry looks into the outbox first: what is there would be sent twice."""

import pytest

from schemas.states import Decision
from schemas.texts.faults import ServiceFault
from tasks.io.lake.lake import Lake
from tasks.operator.decide_batch import decide
from tests.support.small_census import TUESDAY, WEDNESDAY, next_run, outbox, states

WHY = "not on the portal"


@pytest.fixture
def unconfirmed(handed_over):
    """The ledger does not know whether the files were handed over; they are in the outbox."""
    lake = Lake(handed_over / "lake")
    lake.upsert("batches", lake.read("batches").assign(state="SENT_UNCONFIRMED"))
    return handed_over


def retry(root, name, at=TUESDAY):
    return decide(str(root), name, Decision.RETRY, WHY, at)


def test_a_batch_whose_file_is_in_the_outbox_is_not_retried_and_nothing_is_kept(unconfirmed):
    files, lake = outbox(unconfirmed), Lake(unconfirmed / "lake")
    for name in files:
        with pytest.raises(ServiceFault, match="lrs/outbox"):
            retry(unconfirmed, name)
    assert set(states(unconfirmed).values()) == {"SENT_UNCONFIRMED"} and lake.version("batch_decisions") == -1
    assert next_run(unconfirmed, WEDNESDAY)["release.sent"] == 0
    assert set(states(unconfirmed).values()) == {"SENT"} and outbox(unconfirmed) == files


def test_a_batch_whose_file_is_gone_is_retried_and_goes_out_with_the_same_bytes(unconfirmed):
    files = outbox(unconfirmed)
    name = min(files)
    (unconfirmed / "lrs" / "outbox" / name).unlink()
    assert "is ready again" in retry(unconfirmed, name).en and states(unconfirmed)[name] == "READY"
    assert next_run(unconfirmed, WEDNESDAY)["release.sent"] == 1 and outbox(unconfirmed) == files
    assert set(states(unconfirmed).values()) == {"SENT"}
