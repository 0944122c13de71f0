"""How a decision on a batch is carried out: once, in order, and so that nobody hands the batch over any more."""

import pandas as pd
import pytest

from schemas.states import Decision
from schemas.tables import BATCH_DECISIONS, LEARNERS
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tasks.ledger.hand_over import carry_out_decisions, settle_by_evidence
from tasks.runtime.chunks import Chunk
from tasks.runtime.context import RunContext
from tests.support.small_census import CYCLE, TUESDAY, WEDNESDAY, Killed, die_at, outbox, states

WHY = "not on the portal"


@pytest.fixture
def lake(handed_over):
    return Lake(handed_over / "lake")


def first(lake):
    """The row of the first batch, by file name."""
    return lake.read("batches").sort_values("file_name").iloc[0]


def decided(lake, batch, decision, number=1, before="SENT"):
    """A person's decision on a batch is kept, and not carried out."""
    kept = {name: batch[name] for name in ("batch_ref", "cycle", "la_code")}
    after = "READY" if decision is Decision.RETRY else "ABANDONED"
    kept |= {"number": number, "decision": decision.value, "decided_at": TUESDAY, "reason": WHY}
    kept |= {"state_before": before, "state_after": after}
    lake.append("batch_decisions", pd.DataFrame([kept])[[c.name for c in BATCH_DECISIONS.columns]])


def put_state(lake, state, **where):
    """The ledger has a state for some batches."""
    lake.upsert("batches", lake.read("batches", **where).assign(state=state))


def carry_out(lake):
    return carry_out_decisions(DataRoot(lake.place.folder.parent), lake)


def test_the_file_of_an_abandoned_batch_leaves_the_outbox_and_the_others_stay(handed_over, lake):
    batch, files = first(lake), outbox(handed_over)
    decided(lake, batch, Decision.ABANDON)
    assert carry_out(lake) == {}
    assert outbox(handed_over) == {name: content for name, content in files.items() if name != batch["file_name"]}
    assert states(handed_over) == dict.fromkeys(files, "SENT") | {batch["file_name"]: "ABANDONED"}


def test_another_file_under_the_name_of_an_abandoned_batch_stays(handed_over, lake):
    batch = first(lake)
    decided(lake, batch, Decision.ABANDON)
    (handed_over / "lrs" / "outbox" / batch["file_name"]).write_bytes(b"another")
    assert carry_out(lake) == {} and outbox(handed_over)[batch["file_name"]] == b"another"


def test_the_file_leaves_the_outbox_before_the_ledger_says_that_its_batch_is_abandoned(handed_over, lake, monkeypatch):
    batch = first(lake)
    decided(lake, batch, Decision.ABANDON)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        die_at(patch, "batches")
        carry_out(lake)
    assert batch["file_name"] not in outbox(handed_over) and states(handed_over)[batch["file_name"]] == "SENT"
    carry_out(lake)
    assert states(handed_over)[batch["file_name"]] == "ABANDONED"


def test_a_decision_is_carried_out_once_even_if_its_batch_comes_into_the_same_state_again(handed_over, lake):
    batch = first(lake)
    ref, name = batch["batch_ref"], batch["file_name"]
    put_state(lake, "SENT_UNCONFIRMED", batch_ref=ref)
    decided(lake, batch, Decision.RETRY, before="SENT_UNCONFIRMED")
    carry_out(lake)
    assert states(handed_over)[name] == "READY"
    assert lake.committed("batches", [f"decision/{ref}/1"]) == {f"decision/{ref}/1"}
    put_state(lake, "SENT_UNCONFIRMED", batch_ref=ref)  # the next run died in the hand-over too
    version = lake.version("batches")
    carry_out(lake)
    assert states(handed_over)[name] == "SENT_UNCONFIRMED" and lake.version("batches") == version
    decided(lake, batch, Decision.RETRY, number=2, before="SENT_UNCONFIRMED")
    carry_out(lake)
    assert states(handed_over)[name] == "READY", "a second decision counts"


def test_a_batch_that_is_given_up_by_itself_leaves_the_outbox(handed_over, lake):
    batch = first(lake)
    put_state(lake, "READY", batch_ref=batch["batch_ref"])  # its file is in the outbox all the same
    upn = lake.read("batch_rows", ["upn"], batch_ref=batch["batch_ref"])["upn"]
    register = dict.fromkeys((c.name for c in LEARNERS.columns), None) | {
        "upn": upn,
        "uln": "1000000000",
        "cycle": CYCLE,
    }
    lake.upsert("learners", pd.DataFrame(register))
    settle_by_evidence(RunContext.of(str(handed_over), CYCLE), Chunk((batch["la_code"],)), WEDNESDAY)
    assert states(handed_over)[batch["file_name"]] == "ABANDONED" and batch["file_name"] not in outbox(handed_over)
