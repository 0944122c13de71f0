"""The operator's diary of hand-overs that did not come out. Pupils who change meanwhile have theirs in `test_pupils_who_change`.

Each entry does what an operator would do, at the terminal, and looks at what that person would look at.
"""

import hashlib
import io
import json
import shutil
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from flows.cli.__main__ import app
from flows.run.schedule import now
from schemas.states import Decision
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.io.lake.lake import Lake
from tasks.io.remote import folders as places
from tasks.operator import decide_batch
from tasks.operator.decide_batch import decide
from tasks.reports.status import attention, status_of
from tasks.runtime.context import RunContext
from tasks.stages import release
from tasks.stages.batch import batch
from tasks.stages.collect import collect
from tasks.stages.merge import merge
from tasks.steps.batch import batch_files
from tests.support.cli import uln
from tests.support.diary import CYCLE, MONDAY, TUESDAY, WEDNESDAY, answered_by_lrs, census, outbox
from tests.support.without_engine import run_stage

pytestmark = pytest.mark.long

IN_MARCH = "2012-03-01T02:30"
WHY = "not on the LRS portal, asked by telephone"


class Killed(BaseException):
    """What no boundary catches, as SIGKILL."""


def killed(*_, **__):
    raise Killed


@pytest.fixture(scope="module")
def died_root(built_root, tmp_path_factory):
    """Monday's run was killed when the ledger had said that it would hand over, and before any file was written."""
    root = Path(shutil.copytree(built_root, tmp_path_factory.mktemp("died") / "root"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "write_each", killed)
        with pytest.raises(Killed):
            census(root, CYCLE, MONDAY)
    return root


@pytest.fixture
def died(died_root, tmp_path):
    return Path(shutil.copytree(died_root, tmp_path / "died"))


def next_run(root, at):
    """What the next census does where no return has come since: batch and release."""
    stages = {stage.name: run_stage(stage, root, CYCLE, at) for stage in (batch, release.release)}
    return {f"{name}.{count}": n for name, counts in stages.items() for count, n in counts.items()}


def taken_in(root, at):
    """What the returns run does before it publishes: collect and merge."""
    return collect.fn(data=str(root), as_of=at) | {f"merge.{k}": n for k, n in merge.fn(data=str(root)).items()}


def listed(root, *arguments, at=TUESDAY):
    return json.loads(uln(root, "batches", CYCLE, "--json", "--as-of", at, *arguments))


def states(root, at=TUESDAY):
    return [one["state"] for one in sorted(listed(root, at=at), key=lambda b: b["school_number"])]


def times_sent(root):
    """How often each learner stands in the files of the outbox."""
    files = [pd.read_csv(io.BytesIO(content), dtype="str") for content in outbox(root).values()]
    return pd.concat([pd.DataFrame({"MISIdentifier": []}), *files])["MISIdentifier"].value_counts()


def test_killed_before_the_ledger_confirmed_the_hand_over(died, sent):
    lake = Lake(sent / "lake")
    lake.upsert(
        "batches", lake.read("batches").assign(state="SENT_UNCONFIRMED", sent_at=None).astype({"sent_at": "str"})
    )
    assert next_run(sent, TUESDAY)["release.unconfirmed"] == 0, "the files are there"
    found = next_run(died, TUESDAY)
    # The LRS may have taken the files: they are not written again, a person decides.
    assert (found["release.unconfirmed"], found["batch.batches"]) == (2, 0) and not outbox(died)
    assert set(states(died)) == {"SENT_UNCONFIRMED"}


def test_the_list_of_batches_says_which_wait_for_a_person(died):
    everything = uln(died, "batches", "--as-of", TUESDAY)
    one = listed(died, "--state", "SENT_UNCONFIRMED")[0]
    assert set(one) >= {"batch_ref", "state", "age", "rows", "answered", "school_number", "file_name", "decided"}
    assert (one["age"], one["answered"], one["decided"]) == (1, 0, None)
    assert "6604025" in everything and one["batch_ref"] not in everything
    assert "retry" in uln(died, "status", CYCLE)
    assert "no batches" in uln(died, "batches", "2013-01") and listed(died, "--state", "STUCK") == []


def test_abandoned_by_the_operator_its_learners_go_out_once_with_the_next_run(died):
    for one in listed(died):
        said = uln(died, "abandon", one["file_name"], "--reason", WHY, "--as-of", TUESDAY)
        assert "uln census 2012-01" in said and one["batch_ref"] in said
    assert set(states(died)) == {"ABANDONED"}
    assert status_of(str(died), CYCLE)["total"]["sent"] == 0
    due = status_of(str(died), CYCLE)["total"]["waiting"]
    assert census(died, CYCLE, WEDNESDAY)["release.learners"] == due > 0
    assert next_run(died, WEDNESDAY)["release.learners"] == 0
    assert set(times_sent(died)) == {1} and len(times_sent(died)) == due
    ledger = Lake(died / "lake").read("batches")
    assert sorted(ledger["state"]) == ["ABANDONED", "ABANDONED", "SENT", "SENT"]
    assert ledger["file_name"].is_unique
    kept = Lake(died / "lake").read("batch_decisions")
    assert set(kept["decided_at"]) == {TUESDAY} and set(kept["reason"]) == {WHY} and len(kept) == 2
    assert set(zip(kept["state_before"], kept["state_after"], strict=True)) == {("SENT_UNCONFIRMED", "ABANDONED")}
    report = pd.read_csv(died / "reports" / CYCLE / "decisions.csv", encoding="utf-8-sig")
    assert len(report) == 2 and all(" / " in heading for heading in report.columns)


def test_retried_it_goes_out_with_the_next_run_under_the_same_name_and_with_the_same_bytes(died):
    one, other = listed(died)
    assert "uln census 2012-01" in uln(died, "retry", one["batch_ref"], "--reason", WHY, "--as-of", TUESDAY)
    assert [b["decided"] for b in listed(died)] == [f"retry {TUESDAY}", None]
    assert next_run(died, WEDNESDAY)["release.sent"] == 1
    built = Lake(died / "lake").read("batches").set_index("file_name")["file_sha256"]
    assert {name: hashlib.sha256(content).hexdigest() for name, content in outbox(died).items()} == {
        one["file_name"]: built[one["file_name"]]
    }
    assert states(died, at=WEDNESDAY) == ["SENT", "SENT_UNCONFIRMED"]
    # Killed in the hand-over again, it may be retried again.
    uln(died, "retry", other["batch_ref"], "--reason", WHY, "--as-of", WEDNESDAY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "write_each", killed)
        with pytest.raises(Killed):
            next_run(died, "2012-02-02T02:30")
    assert next_run(died, "2012-02-02T03:30")["release.unconfirmed"] == 1, "no decision is carried out twice"
    uln(died, "retry", other["batch_ref"], "--reason", WHY, "--as-of", "2012-02-03T02:30")
    next_run(died, "2012-02-04T02:30")
    assert set(times_sent(died)) == {1} and len(outbox(died)) == 2
    numbers = Lake(died / "lake").read("batch_decisions", batch_ref=other["batch_ref"])["number"]
    assert list(numbers) == [1, 2]


@pytest.mark.parametrize("decision", ["retry", "abandon"])
def test_the_same_command_again_changes_nothing_and_says_so(died, decision):
    ref = listed(died)[0]["batch_ref"]
    uln(died, decision, ref, "--reason", WHY, "--as-of", TUESDAY)
    before = Lake(died / "lake").versions()
    assert "nothing was changed" in uln(died, decision, ref, "--reason", "another one", "--as-of", WEDNESDAY)
    assert Lake(died / "lake").versions() == before


def refused(root, decision, ref, at=TUESDAY, reason=WHY):
    said = CliRunner().invoke(app, [decision, ref, "--reason", reason, "--as-of", at, "--data", str(root)])
    assert said.exit_code == 1 and "Traceback" not in said.output
    return " ".join(said.output.split())


def test_a_wrong_state_is_refused_with_one_sentence(died, sent):
    before = Lake(sent / "lake").versions()
    one = listed(sent)[0]["file_name"]
    assert "within 21 days" in refused(sent, "abandon", one)
    assert "within 21 days" in refused(sent, "retry", one)
    assert "is not retried" in refused(sent, "retry", one, at=IN_MARCH)
    answered_by_lrs(sent, outbox(sent))
    taken_in(sent, WEDNESDAY)
    assert "has answered" in refused(sent, "abandon", one, at=IN_MARCH)
    assert Lake(sent / "lake").versions()["batches"] == before["batches"]
    assert Lake(sent / "lake").version("batch_decisions") == -1
    one, other = (b["batch_ref"] for b in listed(died))
    uln(died, "retry", one, "--reason", WHY, "--as-of", TUESDAY)
    assert "has not been handed over" in refused(died, "abandon", one)
    uln(died, "abandon", other, "--reason", WHY, "--as-of", TUESDAY)
    assert "was abandoned" in refused(died, "retry", other)


def test_what_is_no_batch_or_no_reason_is_refused_and_makes_nothing(died, tmp_path):
    assert "uln batches" in refused(died, "retry", "LRB_1_2.CSV")
    assert "uln batches" in refused(tmp_path / "nowhere", "retry", "LRB_1_2.CSV")
    assert not (tmp_path / "nowhere").exists()
    ref = listed(died)[0]["batch_ref"]
    assert "without pupils' data" in refused(died, "abandon", ref, reason="M660402510001 did not arrive")
    assert "letter or a digit" in refused(died, "abandon", ref, reason="=1+1")
    uln(died, "abandon", ref, expect=2)
    assert Lake(died / "lake").version("batch_decisions") == -1


def test_nothing_is_decided_while_a_run_is_on_the_data_root(died, monkeypatch):
    monkeypatch.setattr(decide_batch, "one_run_at_a_time", partial(one_run_at_a_time, patience=0.05))
    ref = listed(died)[0]["batch_ref"]
    with one_run_at_a_time(str(died)):
        assert "another run" in refused(died, "abandon", ref)
    assert states(died) == ["SENT_UNCONFIRMED", "SENT_UNCONFIRMED"]


def cut_short(patch, at):
    """Kill the process at one of the places of a decision where something changes outside memory."""
    if at == "file":
        patch.setattr(places.LrsOutbox, "take_away", killed)
        return
    real = getattr(Lake, {"decision": "append", "ledger": "upsert"}[at])
    table = {"decision": "batch_decisions", "ledger": "batches"}[at]

    def dies(self, name, *arguments, **more):
        if name == table:
            raise Killed
        return real(self, name, *arguments, **more)

    patch.setattr(Lake, real.__name__, dies)


@pytest.mark.parametrize(
    ("at", "then"),
    [("decision", "again"), ("file", "again"), ("file", "a-run"), ("ledger", "again"), ("ledger", "a-run")],
)
def test_a_decision_that_was_cut_short_is_carried_out_once(sent, at, then):
    one = listed(sent)[0]
    with pytest.MonkeyPatch.context() as patch:
        cut_short(patch, at)
        with pytest.raises(Killed):
            decide(str(sent), one["batch_ref"], Decision.ABANDON, WHY, IN_MARCH)
    if then == "again":
        decide(str(sent), one["batch_ref"], Decision.ABANDON, WHY, IN_MARCH)
    lake = Lake(sent / "lake")
    assert next_run(sent, IN_MARCH)["release.learners"] == one["rows"]
    assert len(lake.read("batch_decisions")) == 1
    ledger = lake.read("batches").set_index("file_name")
    assert ledger.loc[one["file_name"], "state"] == "ABANDONED" and one["file_name"] not in outbox(sent)
    assert set(times_sent(sent)) == {1}
    version = lake.version("batches")
    assert next_run(sent, "2012-03-02T02:30")["release.sent"] == 0 and lake.version("batches") == version


def test_a_batch_without_an_answer_shows_as_stuck_after_the_days_of_its_cycle_and_may_be_abandoned(sent):
    assert set(states(sent, at="2012-02-20T02:30")) == {"SENT"}
    assert set(states(sent, at="2012-02-21T02:30")) == {"STUCK"}
    ledger = Lake(sent / "lake").read("batches")
    assert set(ledger["state"]) == {"SENT"}, "it is not stored"
    files = outbox(sent)
    one, other = listed(sent)
    uln(sent, "abandon", one["file_name"], "--reason", WHY, "--as-of", IN_MARCH)
    assert outbox(sent) == {other["file_name"]: files[other["file_name"]]}, "nobody hands it over still"
    assert "uln abandon" in uln(sent, "status", CYCLE)


def test_a_file_in_the_outbox_that_is_not_the_batch_s_own_stays(sent):
    one = listed(sent)[0]["file_name"]
    (sent / "lrs" / "outbox" / one).write_text("something else", encoding="utf-8")
    uln(sent, "abandon", one, "--reason", WHY, "--as-of", IN_MARCH)
    assert outbox(sent)[one] == b"something else"


def test_an_answer_to_an_abandoned_batch_ties_and_merges_and_nobody_it_answered_is_sent_again(sent):
    files = outbox(sent)
    rows = sum(one["rows"] for one in listed(sent))
    for name in files:
        uln(sent, "abandon", name, "--reason", WHY, "--as-of", IN_MARCH)
    answered_by_lrs(sent, files)
    back = taken_in(sent, "2012-03-02T09:15")
    assert (back["rows"], back["untied"]) == (rows, 0)
    total = status_of(str(sent), CYCLE)["total"]
    assert total["uln"] == back["merge.ulns"] > 0 and total["exception"] == back["merge.exceptions"] > 0
    assert total["waiting"] == 0 and total["balanced"]
    assert next_run(sent, "2012-03-03T02:30")["batch.learners"] == 0
    assert set(states(sent, at="2012-03-03T02:30")) == {"ABANDONED"}


def test_an_answer_that_comes_when_its_learners_are_out_again_is_taken_and_the_second_adds_nothing(sent):
    first = outbox(sent)
    for name in first:
        uln(sent, "abandon", name, "--reason", WHY, "--as-of", IN_MARCH)
    next_run(sent, "2012-03-02T02:30")
    second = outbox(sent)
    assert not set(first) & set(second)
    answered_by_lrs(sent, first)
    taken_in(sent, "2012-03-03T02:30")
    ulns = status_of(str(sent), CYCLE)["total"]["uln"]
    assert ulns > 0 and next_run(sent, "2012-03-04T02:30")["batch.learners"] == 0
    answered_by_lrs(sent, second)
    taken_in(sent, "2012-03-05T02:30")
    total = status_of(str(sent), CYCLE)["total"]
    assert total["uln"] == ulns and total["sent"] == 0 and attention(str(sent), CYCLE)["conflicts"] == 0


def abandoned_and_built_again(root, monkeypatch):
    """The files of the batches that went out first; their learners' next ones are built and not handed over."""
    files = outbox(root)
    for name in files:
        uln(root, "abandon", name, "--reason", WHY, "--as-of", IN_MARCH)
    with monkeypatch.context() as patch:
        patch.setattr("tasks.stages.release.batch_files", killed)
        with pytest.raises(Killed):
            next_run(root, "2012-03-02T02:30")
    return files


def test_a_learner_who_gets_a_uln_while_the_next_batch_is_still_to_go_is_not_sent(sent, monkeypatch):
    files = abandoned_and_built_again(sent, monkeypatch)
    assert sorted(states(sent)) == ["ABANDONED", "ABANDONED", "READY", "READY"]
    answered_by_lrs(sent, files)
    taken_in(sent, "2012-03-03T02:30")
    held = set(Lake(sent / "lake").read("learners", ["upn", "uln"]).dropna()["upn"])
    next_run(sent, "2012-03-04T02:30")
    assert held and not held & set(times_sent(sent).index)
    reasons = Lake(sent / "lake").read("batches", ["state", "reason"]).dropna()
    assert set(reasons["reason"]) == {"overtaken"} and set(reasons["state"]) == {"ABANDONED"}
    assert status_of(str(sent), CYCLE)["total"]["waiting"] == 0


def test_a_file_that_lies_in_the_outbox_is_confirmed_and_neither_retried_nor_sent_again(
    built_root, tmp_path, monkeypatch
):
    root = Path(shutil.copytree(built_root, tmp_path / "root"))
    real = places.write_each

    def written_and_killed(files):
        real(files)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(places, "write_each", written_and_killed)
        with pytest.raises(Killed):
            census(root, CYCLE, MONDAY)
    files = outbox(root)
    assert files and set(states(root)) == {"SENT_UNCONFIRMED"}
    for name in files:
        assert "lrs/outbox" in uln(root, "retry", name, "--reason", WHY, "--as-of", TUESDAY, expect=1)
    assert next_run(root, WEDNESDAY)["release.sent"] == 0
    assert set(states(root)) == {"SENT"} and outbox(root) == files and set(times_sent(root)) == {1}


def test_what_is_given_up_by_itself_leaves_the_outbox(sent, monkeypatch):
    files = abandoned_and_built_again(sent, monkeypatch)
    # However its file got there: the ledger says that it is still to go.
    again = RunContext.of(str(sent), CYCLE)
    ready = again.lake.read("batches", state="READY")
    for name, content in batch_files(again, ready).items():
        (sent / "lrs" / "outbox" / name).write_bytes(content)
    answered_by_lrs(sent, files)
    taken_in(sent, "2012-03-03T02:30")
    next_run(sent, "2012-03-04T02:30")
    assert set(states(sent)) == {"ABANDONED"} and outbox(sent) == {}


def test_however_the_time_of_a_run_is_written_the_ledger_has_one_form_of_it(built_root, tmp_path):
    root = Path(shutil.copytree(built_root, tmp_path / "root"))
    census(root, CYCLE, now("20120130"))
    assert set(Lake(root / "lake").read("batches")["built_at"]) == {"2012-01-30T00:00"}
    assert "6604025" in uln(root, "batches", "--as-of", "2012-W05-2")


def test_a_batch_that_the_lrs_answers_had_arrived_whatever_was_decided(died, sent):
    files = outbox(sent)
    one, _ = listed(died)
    uln(died, "retry", one["batch_ref"], "--reason", WHY, "--as-of", TUESDAY)
    answered_by_lrs(died, files)
    taken_in(died, WEDNESDAY)
    assert states(died) == ["ANSWERED", "ANSWERED"]
    assert "uln retry" not in uln(died, "status", CYCLE)
    assert next_run(died, "2012-02-02T02:30")["release.sent"] == 0 and not outbox(died)
    assert set(Lake(died / "lake").read("batches")["state"]) == {"SENT"}


def test_of_a_batch_that_is_answered_in_part_the_others_are_due_when_it_is_abandoned(sent):
    name, content = next(iter(outbox(sent).items()))
    ref, rows = next((b["batch_ref"], b["rows"]) for b in listed(sent) if b["file_name"] == name)
    lines = content.decode().splitlines(keepends=True)
    answered_by_lrs(sent, {name: "".join(lines[:-5]).encode()})
    taken_in(sent, WEDNESDAY)
    before = status_of(str(sent), CYCLE)["total"]
    uln(sent, "abandon", ref, "--reason", WHY, "--as-of", IN_MARCH)
    after = status_of(str(sent), CYCLE)["total"]
    assert rows > 5 and before["sent"] - after["sent"] == after["waiting"] == 5
    assert (after["uln"], after["exception"]) == (before["uln"], before["exception"])
