"""The operator's diary where batches go by the LRS web service: nothing lost, nothing doubled, whatever becomes of a call."""

import datetime as dt
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from pathlib import Path

import pandas as pd
import pytest

from schemas.lrs.profiles import all_profiles
from schemas.states import Decision
from schemas.texts.faults import ConfigurationFault, ServiceFault, TransientFault
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tasks.io.lrs.web_service import LearnerService, Reply
from tasks.ledger.lrs_jobs import take_up_jobs
from tasks.operator.decide_batch import decide
from tasks.rehearsal.certificates import make_certificates
from tasks.rehearsal.lrs_stand_in import answer_outbox
from tasks.rehearsal.lrs_web_stand_in import PASSWORD, Fault, answer_jobs, serving, settings_of
from tasks.stages import poll_lrs as asking
from tasks.stages.batch import batch
from tasks.stages.collect import collect
from tasks.stages.lrs_check import lrs_check
from tasks.stages.merge import merge
from tasks.stages.read import read
from tasks.stages.receive import receive
from tasks.stages.release import release
from tasks.stages.select import select
from tasks.stages.validate import validate
from tests.support.diary import census
from tests.support.paths import PROJECT
from tests.support.without_engine import run_stage

pytestmark = pytest.mark.long

CYCLE = "2012-01"
MONDAY, TUESDAY, WEDNESDAY, IN_FEBRUARY = "2012-01-30T02:30", "2012-01-31T02:30", "2012-02-01T02:30", "2012-02-12T09:15"
#: The batches of two small schools.
ALL = 7
WHY = "asked the LRS by telephone"


class Killed(BaseException):
    """What no boundary catches, as SIGKILL."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def ready_root(built_root, certificates, tmp_path_factory):
    """Monday's run was to hand over by the web service, which was closed: its batches are READY, none has gone."""
    root = Path(shutil.copytree(built_root, tmp_path_factory.mktemp("ready") / "root"))
    with pytest.MonkeyPatch.context() as patch, serving(root, certificates) as lrs:
        patch.setenv("ULN_LRS_PASSWORD", PASSWORD)
        patch.setattr("tasks.steps.batch.all_profiles", in_small_calls)
        lrs.closed = True
        use(root, lrs, certificates)
        counts = census(root, CYCLE, MONDAY)
    assert counts["release.later"] == counts["batch.batches"] == ALL and counts["release.sent"] == 0
    assert set(ledger(root)["state"]) == {"READY"}
    return root


def in_small_calls(*given):
    """The layouts, with so low a limit in a call that two small schools have some."""
    return {
        name: one.model_copy(update={"limit": 9}) if name == "WS" else one for name, one in all_profiles(*given).items()
    }


@pytest.fixture
def root(ready_root, tmp_path, monkeypatch):
    monkeypatch.setenv("ULN_LRS_PASSWORD", PASSWORD)
    monkeypatch.setattr("tasks.steps.batch.all_profiles", in_small_calls)
    return Path(shutil.copytree(ready_root, tmp_path / "root"))


@pytest.fixture
def lrs(root, certificates):
    with serving(root, certificates) as stand_in:
        use(root, stand_in, certificates)
        yield stand_in


def use(root, stand_in, certificates, **changes):
    said = settings_of(stand_in, certificates) + "".join(f"{key} = {value}\n" for key, value in changes.items())
    (root / "reference" / "lrs_service.toml").write_text(said, encoding="utf-8")


def ledger(root):
    return Lake(root / "lake").read("batches").sort_values(["school_number", "batch_ref"], ignore_index=True)


def states(root):
    return dict(Counter(ledger(root)["state"]))


def next_run(root, at):
    """What the next census does where no return has come since: batch and release."""
    done = {stage.name: stage.fn(data=str(root), cycle=CYCLE, las=["660"], as_of=at) for stage in (batch, release)}
    return {f"{k}.{n}": c for k, w in done.items() for n, c in w.total().items()}, list(done["release"].faults.values())


def given_to_lrs(root):
    """How often the LRS was given each learner."""
    from lxml import etree

    jobs = [p for p in (root / "rehearsal" / "lrs" / "jobs").glob("*.xml") if p.stem.isdigit()]
    return Counter(e.text for p in jobs for e in etree.parse(p).iterfind("Learner/MISIdentifier"))


def all_sent(root):
    return Counter(Lake(root / "lake").read("batch_rows")["upn"])


def taken_in(root, at=IN_FEBRUARY, day=dt.date(2012, 1, 30)):
    """The LRS works, and the returns run asks, collects and merges."""
    answer_jobs(root, day, seed=7)
    asked = asking.ask.fn(data=str(root))
    return asked | collect.fn(data=str(root), as_of=at) | merge.fn(data=str(root))


def registers(root):
    """Register and exceptions, but for the batch that a learner was in."""
    lake = Lake(root / "lake")
    return [
        lake.read(name).drop(columns="batch_ref").sort_values("upn", ignore_index=True)
        for name in ("learners", "exceptions")
    ]


def test_what_keeps_uln_from_being_verified_keeps_no_answer_back(root, lrs, monkeypatch):
    next_run(root, TUESDAY)
    answer_jobs(root, dt.date(2012, 1, 30), seed=7)

    def away(*_):
        raise ServiceFault("away / away")

    monkeypatch.setattr(asking, "open_verifications", lambda _lake: pd.DataFrame({"upn": ["one"]}))
    monkeypatch.setattr(asking, "ask_for_verifications", away)
    with pytest.raises(ServiceFault, match="away"):
        asking.ask.fn(data=str(root))
    assert len(list((root / "lrs" / "inbox").glob("*_RESULT_*"))) == ALL and lrs.taken["GetSubmitBatchOutput"] == ALL


@pytest.mark.usefixtures("lrs")
def test_a_school_on_hold_waits_until_it_is_released(root, monkeypatch):
    held, other = sorted(set(ledger(root)["school_number"]))
    monkeypatch.setattr("tasks.stages.release.on_hold", lambda _ground, **_where: [held])
    counts, faults = next_run(root, TUESDAY)
    rows = Lake(root / "lake").read("batch_rows").merge(ledger(root)[["batch_ref", "school_number", "state"]])
    assert dict(rows[["school_number", "state"]].drop_duplicates().to_numpy()) == {held: "READY", other: "SENT"}
    assert faults == [] and set(given_to_lrs(root)) == set(rows.loc[rows["school_number"] == other, "upn"])
    assert counts["release.sent"] == (ledger(root)["school_number"] == other).sum()
    monkeypatch.setattr("tasks.stages.release.on_hold", lambda _ground, **_where: [])
    next_run(root, WEDNESDAY)
    assert states(root) == {"SENT": ALL} and given_to_lrs(root) == all_sent(root)


def test_each_learner_is_handed_over_once_and_the_registers_are_those_of_files(root, lrs, built_root, tmp_path):
    counts, faults = next_run(root, TUESDAY)
    assert (counts["release.sent"], faults, states(root)) == (ALL, [], {"SENT": ALL})
    assert given_to_lrs(root) == all_sent(root) and set(given_to_lrs(root).values()) == {1}
    assert next_run(root, WEDNESDAY)[0]["release.sent"] == 0 and lrs.taken["SubmitBatch"] == ALL
    assert taken_in(root)["answered"] == ALL
    files = Path(shutil.copytree(built_root, tmp_path / "files"))
    census(files, CYCLE, MONDAY)
    answer_outbox(files, profiles=all_profiles(), seed=7)
    collect.fn(data=str(files), as_of=IN_FEBRUARY)
    merge.fn(data=str(files))
    for ours, theirs in zip(registers(root), registers(files), strict=True):
        pd.testing.assert_frame_equal(ours, theirs)
    assert len(registers(root)[0]) > 40 and len(registers(root)[1]) > 0


def test_out_of_hours_is_no_fault_and_the_next_run_calls_again(root, lrs):
    lrs.closed = True
    counts, faults = next_run(root, TUESDAY)
    assert (counts["release.later"], counts["release.sent"], faults) == (ALL, 0, [])
    assert states(root) == {"READY": ALL} and not lrs.taken
    lrs.closed = False
    counts, _ = next_run(root, WEDNESDAY)
    assert counts["release.sent"] == ALL and "release.later" not in counts


@pytest.mark.parametrize("fault", [Fault.DROPPED_BEFORE, Fault.DROPPED_AFTER, Fault.BROKEN, Fault.ODD, "WSEC0999"])
def test_a_call_of_which_nobody_knows_waits_for_a_person_and_is_not_repeated(root, lrs, certificates, fault):
    use(root, lrs, certificates, calls_at_once=1)
    lrs.planned["SubmitBatch"] = deque([None, fault])
    counts, faults = next_run(root, TUESDAY)
    assert states(root) == {"SENT": 1, "SENT_UNCONFIRMED": 1, "READY": ALL - 2}
    assert (counts["release.sent"], counts["release.unconfirmed"]) == (1, 1)
    assert len(faults) == 1 and " / " in faults[0] and "uln retry" in faults[0]
    assert not Lake(root / "lake").read("lrs_jobs").merge(unsure(root), on="batch_ref").size
    before = given_to_lrs(root)
    counts, _ = next_run(root, WEDNESDAY)
    assert counts["release.sent"] == ALL - 2 and states(root) == {"SENT": ALL - 1, "SENT_UNCONFIRMED": 1}
    assert all(n == 1 for n in given_to_lrs(root).values()) and before.keys() <= given_to_lrs(root).keys()


def unsure(root):
    found = ledger(root)
    return found.loc[found["state"] == "SENT_UNCONFIRMED", ["batch_ref"]]


def test_what_was_dropped_before_it_was_heard_goes_when_a_person_has_asked(root, lrs, certificates):
    use(root, lrs, certificates, calls_at_once=1)
    lrs.planned["SubmitBatch"] = deque([Fault.DROPPED_BEFORE])
    next_run(root, TUESDAY)
    decide(str(root), unsure(root)["batch_ref"].iloc[0], Decision.RETRY, WHY, WEDNESDAY)
    assert next_run(root, WEDNESDAY)[0]["release.sent"] == ALL
    assert given_to_lrs(root) == all_sent(root) and set(given_to_lrs(root).values()) == {1}


def test_a_call_that_was_heard_though_its_answer_was_lost_is_settled_by_a_file_from_the_portal(root, lrs, certificates):
    """Its job is not known, so it is asked for nowhere; a person takes its result from the portal."""
    use(root, lrs, certificates, calls_at_once=1)
    lrs.planned["SubmitBatch"] = deque([Fault.DROPPED_AFTER])
    next_run(root, TUESDAY)
    next_run(root, WEDNESDAY)
    lost = ledger(root).merge(unsure(root), on="batch_ref").iloc[0]
    assert taken_in(root)["answered"] == ALL - 1
    upns = Lake(root / "lake").read("batch_rows", batch_ref=lost["batch_ref"])["upn"]
    lines = "".join(f"{lost['ukprn']},{upn},,RC007\n" for upn in upns)
    (root / "lrs" / "inbox" / "portal.csv").write_text(f"UKPRN,MISIdentifier,ULN,ReturnCode\n{lines}", encoding="utf-8")
    collect.fn(data=str(root), as_of=IN_FEBRUARY)
    next_run(root, IN_FEBRUARY)
    assert states(root) == {"SENT": ALL} and set(given_to_lrs(root).values()) == {1}


@pytest.mark.parametrize(
    ("code", "goes_on"), [("WSEC0003", True), ("WSEC0001", True), ("WSEC0005", False), ("WSEC0006", False)]
)
def test_what_the_lrs_refuses_is_ready_again_and_only_what_concerns_all_stops_the_others(
    root, lrs, certificates, code, goes_on
):
    use(root, lrs, certificates, calls_at_once=1)
    lrs.planned["SubmitBatch"] = deque([code])
    counts, faults = next_run(root, TUESDAY)
    assert counts["release.sent"] == (ALL - 1 if goes_on else 0) and counts["release.unconfirmed"] == 0
    assert len(faults) == 1 and f"({code})" in faults[0]
    assert next_run(root, WEDNESDAY)[0]["release.sent"] == (1 if goes_on else ALL)
    assert set(given_to_lrs(root).values()) == {1}


def test_where_the_lrs_is_away_nothing_is_called(root, certificates):
    with serving(root, certificates) as gone:
        use(root, gone, certificates)
    counts, faults = next_run(root, TUESDAY)
    assert counts["release.sent"] == 0 and states(root) == {"READY": ALL}
    assert len(faults) == 1 and "NOT_REACHED" in faults[0]


def test_settings_that_are_wrong_or_gone_stop_the_run_before_anything_goes(root, lrs, monkeypatch):
    path = root / "reference" / "lrs_service.toml"
    monkeypatch.delenv("ULN_LRS_PASSWORD")
    with pytest.raises(ServiceFault, match="password is needed"):
        run_stage(release, root, CYCLE, TUESDAY)
    path.unlink()
    with pytest.raises(ServiceFault, match="names no address"):
        run_stage(release, root, CYCLE, TUESDAY)
    assert states(root) == {"READY": ALL} and not lrs.taken
    path.write_text('password = "secret"\naddress = "http://x"\nother = 1\n', encoding="utf-8")
    with pytest.raises(ConfigurationFault) as caught:
        batch.fn(data=str(root), cycle=CYCLE, las=["660"], as_of=TUESDAY)
    assert len(caught.value.faults) == 3 and "secret" not in str(caught.value) and "http://x" not in str(caught.value)


def test_batches_that_were_built_for_the_other_way_are_given_up_and_their_learners_go_by_this_one(root, lrs):
    (root / "reference" / "lrs_service.toml").write_text('route = "files"\n', encoding="utf-8")
    counts, faults = next_run(root, TUESDAY)
    assert faults == [] and counts["release.sent"] == 2
    assert states(root) == {"ABANDONED": ALL, "SENT": 2} and not lrs.taken
    assert set(ledger(root).query("state == 'ABANDONED'")["reason"]) == {"rerouted"}
    assert len(list((root / "lrs" / "outbox").glob("*.CSV"))) == 2


#: Every commit of the hand-over, before and after it.
POINTS = [
    (name, n, side)
    for name in ("upsert", "append")
    for n in range(6 if name == "upsert" else 3)
    for side in ("before", "after")
]


@pytest.mark.parametrize(("name", "n", "side"), POINTS)
def test_killed_at_any_commit_of_the_hand_over_nothing_is_lost_or_doubled(
    root, lrs, certificates, monkeypatch, name, n, side
):
    use(root, lrs, certificates, calls_at_once=2)
    real, passed = getattr(Lake, name), iter(range(100))

    def dying(self, *given, **named):
        here = next(passed) == n
        if here and side == "before":
            raise Killed
        done = real(self, *given, **named)
        if here:
            raise Killed
        return done

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Lake, name, dying)
        release.fn(data=str(root), cycle=CYCLE, las=["660"], as_of=TUESDAY)
    heard = given_to_lrs(root)
    next_run(root, WEDNESDAY)
    # What nobody knows of was either heard or not; a person looks, and only what was not heard goes again.
    waits = ledger(root).merge(unsure(root), on="batch_ref")
    assert len(waits) <= 2
    rows = Lake(root / "lake").read("batch_rows")
    for _, one in waits.iterrows():
        upns = set(rows.loc[rows["batch_ref"] == one["batch_ref"], "upn"])
        assert len(upns & heard.keys()) in (0, len(upns))
        if not upns & heard.keys():
            decide(str(root), one["batch_ref"], Decision.RETRY, WHY, WEDNESDAY)
    next_run(root, IN_FEBRUARY)
    assert given_to_lrs(root) == all_sent(root) and set(given_to_lrs(root).values()) == {1}


def test_a_job_that_was_kept_confirms_its_batch_and_forbids_a_retry(root, lrs, certificates, monkeypatch):
    use(root, lrs, certificates, calls_at_once=1)
    real = Lake.append

    def dying(self, *given, **named):
        real(self, *given, **named)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Lake, "append", dying)
        release.fn(data=str(root), cycle=CYCLE, las=["660"], as_of=TUESDAY)
    ref = unsure(root)["batch_ref"].iloc[0]
    with pytest.raises(ServiceFault, match="as job 1001"):
        decide(str(root), ref, Decision.RETRY, WHY, TUESDAY)
    assert next_run(root, WEDNESDAY)[0]["release.sent"] == ALL - 1
    assert states(root) == {"SENT": ALL} and set(given_to_lrs(root).values()) == {1}


RUNS = """
import sys
from tasks.stages.release import release
release.fn(data=sys.argv[1], cycle="2012-01", las=["660"], as_of="2012-01-31T02:30")
"""


def test_a_process_killed_in_mid_call_leaves_what_it_had_begun_to_a_person(root, lrs, certificates):
    use(root, lrs, certificates, calls_at_once=1)
    lrs.planned["SubmitBatch"] = deque([None, Fault.SILENT])
    command = [sys.executable, "-W", "ignore", "-c", RUNS, str(root)]
    running = subprocess.Popen(command, cwd=PROJECT, env=os.environ | {"ULN_WORKERS": "1"})
    try:
        for _ in range(3000):
            if lrs.taken["SubmitBatch"] == 2 or running.poll() is not None:
                break
            time.sleep(0.05)
        assert running.poll() is None and lrs.taken["SubmitBatch"] == 2
    finally:
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
    lrs.let_go.set()
    assert states(root) == {"SENT": 1, "SENT_UNCONFIRMED": 1, "READY": ALL - 2}
    next_run(root, WEDNESDAY)
    assert states(root) == {"SENT": ALL - 1, "SENT_UNCONFIRMED": 1} and set(given_to_lrs(root).values()) == {1}


@pytest.mark.usefixtures("lrs")
def test_answers_are_asked_for_until_they_are_there_and_once(root):
    next_run(root, TUESDAY)
    assert asking.has_jobs(str(root))
    assert asking.ask.fn(data=str(root)) == {"jobs": ALL, "answered": 0, "unfinished": ALL, "failed": 0}
    assert list((root / "lrs" / "inbox").iterdir()) == []
    found = taken_in(root)
    assert (found["answered"], found["files"], found["untied"], found["faults"]) == (ALL, ALL, 0, 0)
    assert not asking.has_jobs(str(root)) and asking.ask.fn(data=str(root))["jobs"] == 0
    assert set(Lake(root / "lake").read("lrs_jobs")["code"]) == {"WSRC0009"}


def test_answers_given_twice_in_one_message_change_nothing(root, lrs):
    next_run(root, TUESDAY)
    lrs.planned["GetSubmitBatchOutput"] = deque([Fault.TWICE] * ALL)
    found = taken_in(root)
    assert found["rows"] == 2 * len(all_sent(root)) and len(registers(root)[0]) == len(set(registers(root)[0]["upn"]))
    assert states(root) == {"SENT": ALL}


def test_an_answer_that_leaves_a_learner_out_is_taken_told_and_asked_for_again(root, lrs):
    next_run(root, TUESDAY)
    answer_jobs(root, dt.date(2012, 1, 30), seed=7)
    lrs.planned["GetSubmitBatchOutput"] = deque([Fault.LEFT_OUT])
    with pytest.raises(ServiceFault, match=r"of 1 jobs the LRS answered for fewer learners .*\(\d{4}\)") as caught:
        asking.ask.fn(data=str(root))
    assert not isinstance(caught.value, TransientFault)
    assert len(list((root / "lrs" / "inbox").iterdir())) == ALL, "what came of all is kept"
    assert len(Lake(root / "lake").read("lrs_jobs", code="WSRC0009")) == ALL - 1, "the job of the one stays open"
    collect.fn(data=str(root), as_of=TUESDAY)
    before = len(Lake(root / "lake").read("lrs_returns", tied="Y"))
    assert asking.ask.fn(data=str(root)) == {"jobs": 1, "answered": 1, "unfinished": 0, "failed": 0}
    collect.fn(data=str(root), as_of=TUESDAY)
    answered = Lake(root / "lake").read("lrs_returns", tied="Y")
    assert len(set(answered["upn"])) == before + 1 == len(all_sent(root)) and not asking.has_jobs(str(root))


def test_a_lake_that_goes_away_as_the_lrs_takes_batches_loses_no_job(root, lrs, monkeypatch):
    append, goes = Lake.append, [True]

    def away(lake, name, *given):
        if name == "lrs_jobs" and goes:
            goes.pop()
            raise TransientFault("y llyn / the lake")
        return append(lake, name, *given)

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "append", away)
        assert next_run(root, TUESDAY)[1] == ["y llyn / the lake"]
    lake, heard = Lake(root / "lake"), lrs.taken["SubmitBatch"]
    assert "SENT_UNCONFIRMED" in states(root) and lake.version("lrs_jobs") == -1 and asking.has_jobs(str(root))
    next_run(root, WEDNESDAY)
    assert states(root) == {"SENT": ALL} and lrs.taken["SubmitBatch"] == ALL > heard, "no batch is called twice"
    jobs = lake.read("lrs_jobs")
    assert len(jobs) == ALL == jobs["job_ref"].nunique() and jobs["code"].isna().all()
    assert list(DataRoot(root).jobs_noted.iterdir()) == []


@pytest.mark.usefixtures("lrs")
def test_a_job_that_was_kept_though_its_note_was_left_is_kept_once_and_as_it_is(root):
    next_run(root, TUESDAY)
    lake = Lake(root / "lake")
    jobs = lake.read("lrs_jobs").assign(code="WSRC0009").astype({"code": "str"})
    lake.upsert("lrs_jobs", jobs)
    DataRoot(root).jobs_noted.mkdir(parents=True, exist_ok=True)
    note = DataRoot(root).jobs_noted / "left.json"
    note.write_text(json.dumps(jobs.assign(code=None).head(1).to_dict("records")), encoding="utf-8")
    take_up_jobs(DataRoot(root), lake)
    assert lake.read("lrs_jobs").equals(jobs) and not note.exists()


@pytest.mark.usefixtures("lrs")
def test_counters_that_speak_of_more_than_are_named_are_told_once_and_close_the_job(root):
    next_run(root, TUESDAY)
    answer_jobs(root, dt.date(2012, 1, 30), seed=7)
    answer = min((root / "rehearsal" / "lrs" / "jobs").glob("*.answer.xml"))
    answer.write_text(re.sub(r"(?<=<NewLearnersCount>)\d+", "999", answer.read_text("utf-8")), encoding="utf-8")
    with pytest.raises(ServiceFault, match=r"in the answers to 1 jobs the LRS counts more"):
        asking.ask.fn(data=str(root))
    assert not asking.has_jobs(str(root)) and len(list((root / "lrs" / "inbox").iterdir())) == ALL


@pytest.mark.parametrize("fault", [Fault.DROPPED_AFTER, Fault.ODD, Fault.GATEWAY, "WSEC0999"])
def test_what_cannot_be_asked_for_is_told_and_asked_again(root, lrs, fault):
    next_run(root, TUESDAY)
    answer_jobs(root, dt.date(2012, 1, 30), seed=7)
    lrs.planned["GetSubmitBatchOutput"] = deque([None, fault])
    with pytest.raises(ServiceFault) as caught:
        asking.ask.fn(data=str(root))
    assert " / " in str(caught.value) and isinstance(caught.value, TransientFault) == (fault != "WSEC0999")
    # Nothing was handed over by it: nobody is sent to the portal, or told to retry.
    assert "uln retry" not in str(caught.value)
    assert ("the next run asks again" in str(caught.value)) == (fault != Fault.GATEWAY)
    assert 1 <= len(list((root / "lrs" / "inbox").iterdir())) < ALL
    found = asking.ask.fn(data=str(root))
    assert found["failed"] == 0 and len(list((root / "lrs" / "inbox").iterdir())) == ALL


def test_out_of_hours_and_failed_jobs_hold_up_nobody_s_answers(root, lrs):
    next_run(root, TUESDAY)
    lrs.closed = True
    assert asking.ask.fn(data=str(root))["unfinished"] == ALL
    lrs.closed = False
    lose_a_job(root)
    with pytest.raises(ServiceFault, match="could not carry out 1 jobs, or does not know them \\(1001\\)"):
        taken_in(root)
    assert len(list((root / "lrs" / "inbox").glob("*_RESULT_*"))) == ALL - 1
    assert sorted(set(Lake(root / "lake").read("lrs_jobs")["code"])) == ["WSRC0009", "WSRC0018"]


def lose_a_job(root):
    """The first job is one that the LRS does not know."""
    job = min((root / "rehearsal" / "lrs" / "jobs").glob("*.xml"))
    job.rename(job.with_suffix(".lost"))


@pytest.mark.parametrize("away", [False, True], ids=["alone", "beside-what-may-pass"])
def test_a_job_that_failed_is_told_once_and_asked_for_no_more_until_the_table_says_otherwise(
    root, lrs, certificates, away
):
    # One after the other: the odd answer is that of the third job, not of whichever call comes third.
    use(root, lrs, certificates, calls_at_once=1)
    next_run(root, TUESDAY)
    lose_a_job(root)
    # A fault that may pass is tried again by the engine: what failed must not be lost with the first try.
    lrs.planned["GetSubmitBatchOutput"] = deque([None, None, Fault.ODD] if away else [])
    with pytest.raises(ServiceFault, match="1001") as caught:
        asking.ask.fn(data=str(root))
    assert not isinstance(caught.value, TransientFault) and ("ODD_ANSWER" in str(caught.value)) == away
    before = lrs.taken["GetSubmitBatchOutput"]
    assert asking.ask.fn(data=str(root)) == {"jobs": ALL - 1, "answered": 0, "unfinished": ALL - 1, "failed": 0}
    assert lrs.taken["GetSubmitBatchOutput"] - before == ALL - 1
    # Who knows better what the code means says so in the table.
    shipped = (PROJECT / "schemas" / "codes" / "service_codes.csv").read_text(encoding="utf-8")
    own = shipped.replace("WSRC0018,result,failed", "WSRC0018,result,unfinished")
    (root / "reference" / "service_codes.csv").write_text(own, encoding="utf-8")
    assert asking.ask.fn(data=str(root))["jobs"] == ALL


def test_the_doctor_tells_of_a_failed_job_until_its_batch_is_abandoned_or_answered_another_way(root, lrs):
    next_run(root, TUESDAY)
    lose_a_job(root)
    with pytest.raises(ServiceFault):
        asking.ask.fn(data=str(root))
    assert "1001" in doctor(root)["warning"]
    lake = Lake(root / "lake")
    [[ref, ukprn]] = lake.read("lrs_jobs", ["batch_ref", "ukprn"], code="WSRC0018")[["batch_ref", "ukprn"]].to_numpy()
    upns = lake.read("batch_rows", batch_ref=ref)["upn"]
    lines = "".join(f"{ukprn},{upn},,RC007\n" for upn in upns)
    answered = Path(shutil.copytree(root, root.with_name("answered")))
    (answered / "lrs" / "inbox" / "portal.csv").write_text(
        f"UKPRN,MISIdentifier,ULN,ReturnCode\n{lines}", encoding="utf-8"
    )
    collect.fn(data=str(answered), as_of=IN_FEBRUARY)
    assert "warning" not in doctor(answered)
    # It is STUCK only when its days are over.
    decide(str(root), ref, Decision.ABANDON, WHY, "2012-06-01T02:30")
    assert "warning" not in doctor(root) and lrs.taken["SubmitBatch"] == ALL


@pytest.mark.usefixtures("lrs")
def test_an_answer_that_brings_nothing_is_none_and_is_asked_for_again(root, monkeypatch):
    next_run(root, TUESDAY)
    answer_jobs(root, dt.date(2012, 1, 30), seed=7)
    with monkeypatch.context() as patch:
        patch.setattr(LearnerService, "output", lambda *_: Reply("WSRC0009"))
        with pytest.raises(TransientFault, match="ODD_ANSWER"):
            asking.ask.fn(data=str(root))
    assert list((root / "lrs" / "inbox").iterdir()) == [] and asking.ask.fn(data=str(root))["answered"] == ALL


@pytest.mark.usefixtures("lrs")
def test_nobody_asks_for_the_answers_of_a_batch_that_was_given_up(root):
    next_run(root, TUESDAY)
    one = ledger(root)["batch_ref"].iloc[0]
    decide(str(root), one, Decision.ABANDON, WHY, "2012-02-25T02:30")
    next_run(root, "2012-02-26T02:30")
    assert dict(zip(*ledger(root)[["batch_ref", "state"]].to_numpy().T, strict=True))[one] == "ABANDONED"
    asked = set(asking.awaited_jobs(DataRoot(root), Lake(root / "lake"))["batch_ref"])
    assert one not in asked and len(asked) >= ALL - 1


@pytest.mark.usefixtures("lrs")
def test_a_run_that_dies_before_it_has_written_down_an_answer_asks_once_more_and_takes_it_in_once(root, monkeypatch):
    next_run(root, TUESDAY)
    answer_jobs(root, dt.date(2012, 1, 30), seed=7)

    def dying(*_given, **_named):
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Lake, "upsert", dying)
        asking.ask.fn(data=str(root))
    found = taken_in(root)
    assert (found["answered"], found["files"], found["rows"]) == (ALL, ALL, len(all_sent(root)))


@pytest.fixture
def checked(built_root, certificates, tmp_path, monkeypatch):
    """A root of whose learners none has been sent, and the web service to check with; batches go as files."""
    monkeypatch.setenv("ULN_LRS_PASSWORD", PASSWORD)
    root = Path(shutil.copytree(built_root, tmp_path / "check"))
    with serving(root, certificates) as stand_in:
        use(root, stand_in, certificates, check_seconds=0)
        text = (root / "reference" / "lrs_service.toml").read_text(encoding="utf-8")
        (root / "reference" / "lrs_service.toml").write_text(text.replace("web-service", "files"), encoding="utf-8")
        for stage in (receive, read, select):
            run_stage(stage, root, CYCLE, MONDAY)
        run_stage(validate, root, CYCLE, MONDAY)
        yield root, stand_in


def test_a_check_sends_nothing_remembers_nothing_as_sent_and_tells_what_the_lrs_would_say(checked):
    root, stand_in = checked
    first = run_stage(lrs_check, root, CYCLE, MONDAY)
    assert first["unfinished"] == first["batches"] == 2 and first["checked"] == 0
    answer_jobs(root, dt.date(2012, 1, 30), seed=7)
    second = run_stage(lrs_check, root, CYCLE, TUESDAY)
    assert stand_in.taken["SubmitBatch"] == 2, "asked once; the second check asks for the answers"
    assert second["unfinished"] == 0 and second["checked"] == second["learners"] > 0 < second["exceptions"]
    assert second["unclear"] == second["checked"] - second["exceptions"], "no code is known to mean success"
    lines = (root / "reports" / CYCLE / "lrs_check" / "660.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 1 + second["exceptions"] and "Beth i'w wneud" in lines[0] and "What to do" in lines[0]
    rows = Lake(root / "lake").read("pupils", ["upn", "surname", "forename"]).dropna()
    assert not [word for word in rows.to_numpy().ravel() if len(word) > 3 and f'"{word}"' in "".join(lines)]
    # Nobody was registered, and nobody counts as sent: all of them go.
    assert not (root / "rehearsal" / "lrs" / "register.parquet").exists()
    lake = Lake(root / "lake")
    assert lake.version("batches") < 0 and lake.version("batch_rows") < 0
    assert next_run(root, WEDNESDAY)[0]["release.learners"] == second["learners"]


@pytest.mark.parametrize("code", ["RC009", "RC099", ""], ids=["no-public-meaning", "not-in-the-table", "none"])
def test_a_check_s_code_that_nobody_knows_is_counted_and_listed_as_such(checked, code):
    root, _ = checked
    run_stage(lrs_check, root, CYCLE, MONDAY)
    answer_jobs(root, dt.date(2012, 1, 30), seed=7)
    answer = min((root / "rehearsal" / "lrs" / "jobs").glob("*.answer.xml"))
    found = answer.read_text("utf-8")
    assert "RC001" in found
    answer.write_text(found.replace("RC001", code), encoding="utf-8")
    counts = run_stage(lrs_check, root, CYCLE, TUESDAY)
    assert counts["unclear"] == counts["checked"] - counts["exceptions"]
    lines = (root / "reports" / CYCLE / "lrs_check" / "660.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 1 + counts["exceptions"] + found.count("RC001")
    assert sum(f'"{code or "NONE"}"' in line or f",{code or 'NONE'}," in line for line in lines) == found.count("RC001")


def test_a_check_that_the_lrs_refuses_is_told_and_asked_anew(checked):
    root, stand_in = checked
    stand_in.planned["SubmitBatch"] = deque(["WSEC0006", "WSEC0006"])
    with pytest.raises(ServiceFault, match="WSEC0006"):
        run_stage(lrs_check, root, CYCLE, MONDAY)
    assert run_stage(lrs_check, root, CYCLE, TUESDAY)["unfinished"] == 2 and stand_in.taken["SubmitBatch"] == 2


@pytest.mark.parametrize("code", ["WSRC0018", "WSRC0010"])
def test_a_check_whose_job_the_lrs_has_lost_is_told_and_asked_about_anew(checked, code):
    root, stand_in = checked
    run_stage(lrs_check, root, CYCLE, MONDAY)
    answer_jobs(root, dt.date(2012, 1, 30), seed=7)
    stand_in.planned["GetSubmitBatchOutput"] = deque([code])
    with pytest.raises(ServiceFault, match=f"1 batches.*{code}.*asked about anew"):
        run_stage(lrs_check, root, CYCLE, TUESDAY)
    assert stand_in.taken["SubmitBatch"] == 2
    third = run_stage(lrs_check, root, CYCLE, TUESDAY)
    assert stand_in.taken["SubmitBatch"] == 3 and third["unfinished"] == 1, "that one alone"
    answer_jobs(root, dt.date(2012, 1, 30), seed=7)
    fourth = run_stage(lrs_check, root, CYCLE, WEDNESDAY)
    assert fourth["unfinished"] == 0 and fourth["checked"] == fourth["learners"] > 0
    assert stand_in.taken["SubmitBatch"] == 3


@pytest.mark.parametrize(("fault", "told"), [("WSEC0006", True), (Fault.ODD, True), ("WSEC0004", False)])
def test_a_check_asks_no_further_where_the_next_question_would_meet_the_same(checked, fault, told):
    root, stand_in = checked
    run_stage(lrs_check, root, CYCLE, MONDAY)
    answer_jobs(root, dt.date(2012, 1, 30), seed=7)
    before = stand_in.taken["GetSubmitBatchOutput"]
    stand_in.planned["GetSubmitBatchOutput"] = deque([fault])
    if told:
        with pytest.raises(ServiceFault, match="WSEC0006" if fault == "WSEC0006" else "ODD_ANSWER"):
            run_stage(lrs_check, root, CYCLE, TUESDAY)
    else:
        assert run_stage(lrs_check, root, CYCLE, TUESDAY)["unfinished"] == 2
    # An odd answer was a question that was heard.
    assert stand_in.taken["GetSubmitBatchOutput"] - before == (fault == Fault.ODD)
    assert run_stage(lrs_check, root, CYCLE, WEDNESDAY)["unfinished"] == 0 and stand_in.taken["SubmitBatch"] == 2


def doctor(root, day=dt.date(2012, 2, 12)):
    from tasks.io.data_root.data_root import DataRoot
    from tasks.maintenance.doctor import _lrs_web_service

    return {one.level.value: one.message.en for one in _lrs_web_service(DataRoot(root), day)}


def test_the_doctor_proves_the_connection_and_tells_of_jobs_that_failed_without_sending_anybody(
    root, lrs, certificates
):
    # Each run of these days found the LRS closed: none of them failed.
    waits = f"{ALL} batches have been built and not handed over since 2012-01-30"
    assert doctor(root) == {"ok": "can be reached with our certificate", "warning": waits} and not lrs.taken
    assert "warning" not in doctor(root, dt.date(2012, 1, 31))
    next_run(root, TUESDAY)
    assert "warning" not in doctor(root)
    lose_a_job(root)
    with pytest.raises(ServiceFault):
        taken_in(root)
    assert doctor(root)["warning"] == "1 jobs could not be carried out, or are not known (1001)"
    with serving(root, certificates) as gone:
        use(root, gone, certificates)
    assert "NOT_REACHED" in doctor(root)["fault"]
    (root / "reference" / "lrs_service.toml").unlink()
    assert doctor(root) == {"ok": "not set up: batches go as files"}
