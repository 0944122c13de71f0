"""The operator's diary of schools and files: a hold and its release, files published again, an export taken in.

Decisions of batches have theirs in `test_operators_decisions`. Two schools with thirty learners each in January 2012; a year
later one of them hands in ten.
"""

import csv
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from schemas.cycles import cycle_by_id
from schemas.states import OperatorDecision
from schemas.texts.faults import ServiceFault
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tasks.ledger import operator_decisions as decisions
from tasks.ledger.exception_life import exceptions_seen
from tasks.ledger.holds import on_hold
from tasks.ledger.operator_decisions import last_decided
from tasks.ledger.snapshots import published
from tasks.operator import decide_school
from tasks.operator.import_export import import_export
from tasks.reports.status import attention, status_of
from tasks.runtime.context import RunContext
from tasks.stages.batch import batch
from tasks.stages.collect import collect
from tasks.stages.read import read
from tasks.stages.receive import receive
from tasks.stages.release import release
from tasks.stages.select import select
from tests.support.cli import uln as terminal
from tests.support.diary import census, returns
from tests.support.learners.in_schools import A, B, got, hand_in, learner, lrs_answers, sent, two_schools, uln, upn
from tests.support.without_engine import run_stage

FIRST, SECOND = "2012-01", "2013-01"
MONDAY, TUESDAY, WEDNESDAY = "2013-01-28T02:30", "2013-01-29T02:30", "2013-01-30T02:30"
WHY = "the school has closed two classes, asked by telephone"


def learners(school, first, last):
    return [learner(upn(n, school=school)) for n in range(first, last)]


def next_run(root, at):
    """What the next census does where no return has come since."""
    return {stage.name: run_stage(stage, root, SECOND, at) for stage in (batch, release)}


def schools_sent(root):
    return {school for school, _ in sent(root)}


@pytest.fixture(scope="module")
def fallen_root(tmp_path_factory):
    """January 2013's first census has run: school A handed in ten learners, where it had thirty."""
    root = two_schools(tmp_path_factory.mktemp("fallen") / "root")
    for school in (A, B):
        hand_in(root, school, "2012-01-20", *learners(school, 100, 130))
    for stage in (receive, read, select):
        run_stage(stage, root, FIRST, "2012-01-30T02:30")
    hand_in(root, A, "2013-01-18", *learners(A, 200, 210), census_day="2013-01-15")
    hand_in(root, B, "2013-01-18", *learners(B, 200, 230), census_day="2013-01-15")
    census(root, SECOND, MONDAY)
    return root


@pytest.fixture
def fallen(fallen_root, tmp_path):
    return Path(shutil.copytree(fallen_root, tmp_path / "root"))


def test_a_school_far_below_its_last_cycle_waits_and_wales_goes_on(fallen):
    assert schools_sent(fallen) == {B}
    status = status_of(str(fallen), SECOND)
    assert status["schools"][A]["waiting"] == 10 and status["schools"][B]["sent"] == 30
    assert all(one["balanced"] for one in status["schools"].values())
    assert next_run(fallen, TUESDAY)["batch"] == {"batches": 0, "learners": 0, "changed": 0, "on_hold": 1}
    assert attention(str(fallen), SECOND)["on_hold"] == [f"{A}: 10 (2012-01: 30)"]
    told = terminal(fallen, "status", SECOND)
    assert "uln release" in told and f"{A}: 10 (2012-01: 30)" in told


def test_released_by_a_person_it_goes_with_the_next_run_once(fallen):
    told = terminal(fallen, "release", A, "--cycle", SECOND, "--reason", WHY, "--as-of", TUESDAY)
    assert "uln census 2013-01" in told and "10" in told
    assert next_run(fallen, WEDNESDAY)["release"]["learners"] == 10 and schools_sent(fallen) == {A, B}
    assert next_run(fallen, "2013-01-31T02:30")["release"]["learners"] == 0
    kept = Lake(fallen / "lake").read("operator_decisions").iloc[0]
    assert (kept["decision"], kept["reason"], kept["decided_at"], kept["counted"]) == ("release", WHY, TUESDAY, 10)
    report = (fallen / "reports" / "operator_decisions.csv").read_text(encoding="utf-8-sig")
    assert [WHY in ",".join(row) for row in csv.reader(report.splitlines())] == [False, True]
    again = terminal(fallen, "release", A, "--cycle", SECOND, "--reason", WHY, "--as-of", WEDNESDAY)
    assert "nothing was changed" in again and len(Lake(fallen / "lake").read("operator_decisions")) == 1


def test_a_batch_built_before_the_hold_waits_for_its_release_and_one_that_went_is_not_touched(fallen):
    root = fallen
    lake = Lake(root / "lake")
    hand_in(root, A, "2013-01-19", *learners(A, 200, 230), census_day="2013-01-15")
    for stage in (receive, read, select, batch):
        run_stage(stage, root, SECOND, TUESDAY)
    (built,) = lake.read("batches", school_number=A).to_dict("records")
    assert (built["state"], built["rows"]) == ("READY", 30), "the run died before it could hand it over"
    hand_in(root, A, "2013-01-20", *learners(A, 200, 210), census_day="2013-01-15")
    for stage in (receive, read, select):
        run_stage(stage, root, SECOND, WEDNESDAY)
    before = lake.read("batches", school_number=B)
    assert next_run(root, WEDNESDAY) == {
        "batch": {"batches": 0, "learners": 0, "changed": 0, "on_hold": 1},
        "release": {"sent": 0, "learners": 0, "unconfirmed": 0},
    }
    assert list(lake.read("batches", school_number=A)["state"]) == ["READY"]
    assert not (root / "lrs" / "outbox" / built["file_name"]).exists()
    status = status_of(str(root), SECOND)["schools"]
    # Whoever is in a live batch counts as sent, that nobody is batched twice; the list of who waits names the school.
    assert status[A]["balanced"] and status[A]["sent"] == 10 and attention(str(root), SECOND)["on_hold"]
    pd.testing.assert_frame_equal(lake.read("batches", school_number=B), before)
    terminal(root, "release", A, "--cycle", SECOND, "--reason", WHY, "--as-of", WEDNESDAY)
    assert next_run(root, "2013-01-31T02:30")["release"]["sent"] == 1
    assert (root / "lrs" / "outbox" / built["file_name"]).exists() and status_of(str(root), SECOND)["total"][
        "waiting"
    ] == 0


@pytest.mark.parametrize("run", ["census", "returns", "decision"])
def test_a_decision_cut_short_before_its_report_stands_there_after_the_next_run_or_decision(fallen, monkeypatch, run):
    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(decisions, "write_report", killed)
    terminal(fallen, "release", A, "--cycle", SECOND, "--reason", WHY, "--as-of", TUESDAY, expect=1)
    monkeypatch.undo()
    report = fallen / "reports" / "operator_decisions.csv"
    assert len(Lake(fallen / "lake").read("operator_decisions")) == 1 and not report.exists()
    if run == "census":
        next_run(fallen, WEDNESDAY)
    elif run == "returns":
        collect.fn(data=str(fallen), as_of=WEDNESDAY)
    else:
        decisions.save_decision(DataRoot(fallen), OperatorDecision.IMPORT, "x", WHY, WEDNESDAY, 0)
    assert report.read_text(encoding="utf-8-sig").count(f"{SECOND}/{A}") == 1


def test_a_later_return_that_is_whole_ends_the_hold_and_one_with_far_fewer_begins_it_again(fallen):
    terminal(fallen, "release", A, "--cycle", SECOND, "--reason", WHY, "--as-of", TUESDAY)
    ctx = RunContext.of(str(fallen), SECOND)
    for made, many, held in (("2013-01-21", 4, [A]), ("2013-01-22", 28, [])):
        hand_in(fallen, A, made, *learners(A, 200, 200 + many), census_day="2013-01-15")
        for stage in (receive, read, select):
            run_stage(stage, fallen, SECOND, WEDNESDAY)
        assert on_hold(ctx) == held


def test_what_is_not_on_hold_is_not_released_and_a_reason_is_required(fallen):
    for arguments in ((B, "--cycle", SECOND, "--reason", WHY), (A, "--cycle", FIRST, "--reason", WHY)):
        assert "not on hold" in terminal(fallen, "release", *arguments, expect=1)
    terminal(fallen, "release", A, "--cycle", SECOND, expect=2)
    terminal(fallen, "release", A, "--reason", WHY, expect=2)
    refused = terminal(fallen, "release", A, "--cycle", SECOND, "--reason", "M660402510001 left", expect=1)
    assert "M660402510001" not in refused
    assert Lake(fallen / "lake").version("operator_decisions") < 0


def test_where_nothing_is_nothing_is_made(tmp_path):
    root = tmp_path / "none"
    for command, of in (("release", A), ("publish", A)):
        terminal(root, command, of, "--cycle", SECOND, "--reason", WHY, expect=1)
    terminal(root, "import", str(tmp_path / "export.csv"), "--reason", WHY, expect=1)
    assert not root.exists()


@pytest.fixture(scope="module")
def answered_root(fallen_root, tmp_path_factory):
    """The LRS has answered school B: a ULN for each but one, who is an exception; published."""
    root = Path(shutil.copytree(fallen_root, tmp_path_factory.mktemp("answered") / "root"))
    says = {upn(n, school=B): uln(n) for n in range(201, 230)} | {upn(200, school=B): "RC007"}
    lrs_answers(root, "result.csv", says)
    returns(root, SECOND, "2013-02-10T09:15")
    return root


@pytest.fixture
def answered(answered_root, tmp_path):
    return Path(shutil.copytree(answered_root, tmp_path / "root"))


def zips(root, school=B):
    return sorted(path.name for path in (root / "dewi" / "outbox" / "660" / school).glob("*.zip"))


def test_a_school_gets_its_files_again_under_the_next_number_and_nobody_else_does(answered):
    before, others = got(answered, B), sorted(p.name for p in (answered / "dewi" / "outbox" / "660").glob("*.*"))
    assert len(zips(answered)) == 1
    told = terminal(answered, "publish", B, "--cycle", SECOND, "--reason", WHY, "--as-of", "2013-02-11T09:15")
    assert "2" in told and len(zips(answered)) == 2 and got(answered, B) == before
    assert sorted(p.name for p in (answered / "dewi" / "outbox" / "660").glob("*.*")) == others
    # Nothing is due any more; the next one that a person wants is.
    assert returns(answered, SECOND, "2013-02-12T09:15")["publish.zips"] == 0
    terminal(answered, "publish", B, "--cycle", SECOND, "--reason", WHY, "--as-of", "2013-02-13T09:15")
    assert len(zips(answered)) == 3
    assert list(last_decided(Lake(answered / "lake"), OperatorDecision.PUBLISH)["number"]) == [2]


def test_cut_short_after_it_was_decided_the_next_returns_run_publishes_once(answered, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(decide_school, "publish_authorities", killed)
    terminal(answered, "publish", B, "--cycle", SECOND, "--reason", WHY, "--as-of", "2013-02-11T09:15", expect=1)
    monkeypatch.undo()
    assert len(zips(answered)) == 1 and not published(str(answered), SECOND), "the returns run does not pass it by"
    assert returns(answered, SECOND, "2013-02-12T09:15")["publish.zips"] == 1
    assert returns(answered, SECOND, "2013-02-13T09:15")["publish.zips"] == 0 and len(zips(answered)) == 2


def test_a_school_that_has_had_nothing_is_not_published_again(answered):
    for school, cycle in ((A, SECOND), (B, FIRST)):
        assert "nothing" in terminal(answered, "publish", school, "--cycle", cycle, "--reason", WHY, expect=1)
    assert Lake(answered / "lake").version("operator_decisions") < 0


def export(root, name, number):
    ukprn = Lake(root / "lake").read("batch_rows", ["ukprn", "upn"], upn=[number])["ukprn"].iloc[0]
    path = root.parent / name
    path.write_text(
        f"FileName,UKPRN,MISIdentifier,ULN,ReturnCode\nx,{ukprn},{number},{uln(300)},RC001\n", encoding="utf-8"
    )
    return path


def test_what_a_person_names_as_an_export_counts_as_one_whatever_it_is_called(answered):
    number = upn(200, school=B)
    file = export(answered, "from the portal.csv", number)
    told = terminal(
        answered, "import", str(file), "--reason", "the portal's list of 11 February", "--as-of", "2013-02-11T09:15"
    )
    assert "1 answers" in told and "0 of them" in told and "uln returns" in told and number not in told
    life = exceptions_seen(str(answered), cycle_by_id(SECOND)).iloc[0]
    assert (life["state"], life["cause"]) == ("resolved", "export")
    assert returns(answered, SECOND, "2013-02-12T09:15")["publish.zips"] == 1
    assert got(answered, B)[0][number] == uln(300)
    # Again, it changes nothing.
    rows = len(Lake(answered / "lake").read("lrs_returns"))
    terminal(answered, "import", str(file), "--reason", "once more, by mistake", "--as-of", "2013-02-13T09:15")
    assert len(Lake(answered / "lake").read("lrs_returns")) == rows
    assert len(Lake(answered / "lake").read("operator_decisions")) == 1


def test_an_export_that_is_none_is_refused_and_another_s_place_is_not_taken(answered):
    broken = answered.parent / "broken.csv"
    broken.write_text("nothing,of,this\n1,2,3\n", encoding="utf-8")
    assert "refused" in terminal(answered, "import", str(broken), "--reason", WHY, expect=1)
    file = export(answered, "result.csv", upn(200, school=B))
    assert "another name" in terminal(answered, "import", str(file), "--reason", WHY, expect=1)
    assert "no such file" in terminal(answered, "import", "none.csv", "--reason", WHY, expect=1)


@pytest.mark.parametrize("name", ["../../reference/registration.csv", "/etc/hostname", "sub/x.csv", "none.csv"])
def test_from_the_engine_only_a_name_in_the_inbox_is_looked_at(answered, name):
    with pytest.raises(ServiceFault) as caught:
        import_export(str(answered), name, WHY, "2013-02-11T09:15", from_inbox=True)
    assert name not in str(caught.value)
    kept = json.loads(Lake(answered / "lake").read("operator_decisions").to_json())
    assert not kept["ref"]
