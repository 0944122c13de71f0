"""A stage's walk: what one authority's failure costs, and what is told of it."""

import errno
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import pytest

from schemas.texts.faults import PassingFault, ServiceFault
from tasks.io.data_root import data_root
from tasks.io.data_root.data_root import DataRoot, NotWritten
from tasks.runtime.chunks import Chunk, PartialFailure, StageResult, walk
from tasks.runtime.context import Ground
from tasks.runtime.error_boundary import may_pass
from tasks.runtime.task import RETRY_SECONDS, stage_task

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def ground(tmp_path):
    DataRoot(tmp_path).create()
    return Ground.of(str(tmp_path), "2012-01")


def test_one_walk_does_all_authorities_together(ground):
    seen = []

    def work(_, lot, factor):
        yield
        seen.append(lot.las)
        return {la: {"n": factor} for la in lot.las}

    walked = walk("test", work, ground, ["660", "661"], factor=3)
    assert seen == [("660", "661")]
    assert walked.total() == {"n": 6} and walked.faults == {}


def in_three_lots(monkeypatch):
    own = [Chunk((la,), {}) for la in ("660", "661", "662")]
    monkeypatch.setattr("tasks.runtime.chunks.lots", lambda _ground, las: [lot for lot in own if lot.las[0] in las])
    return [lot.las[0] for lot in own]


def test_the_workers_have_the_next_lot_while_one_is_written(ground, monkeypatch):
    las, happened = in_three_lots(monkeypatch), []

    def work(_, lot):
        happened.append(f"begun {lot.las[0]}")
        yield
        happened.append(f"written {lot.las[0]}")
        return {la: {"n": 1} for la in lot.las}

    assert walk("test", work, ground, las).total() == {"n": 3}
    assert happened == ["begun 660", "begun 661", "written 660", "begun 662", "written 661", "written 662"]


@pytest.mark.parametrize("before", [True, False], ids=["before-the-workers-have-it", "when-it-is-written"])
@pytest.mark.parametrize("fault", [ServiceFault("cy / en"), KeyError("Prawf")], ids=["foreseen", "unforeseen"])
@pytest.mark.parametrize("cut", [True, False], ids=["lot-by-lot", "one-lot"])
def test_one_authority_s_failure_is_its_own_and_names_no_pupil(ground, monkeypatch, fault, before, cut):
    if cut:
        in_three_lots(monkeypatch)

    def work(_, lot: Chunk):
        if before and "661" in lot.las:
            raise fault
        yield
        if "661" in lot.las:
            raise fault
        return {la: {"n": 1} for la in lot.las}

    walked = walk("test", work, ground, ["660", "661", "662"])
    assert walked.total() == {"n": 2} and list(walked.faults) == ["661"]
    told = walked.faults["661"]
    assert "Prawf" not in told
    if isinstance(fault, KeyError):
        (evidence,) = (ground.root.reports("2012-01") / "faults").iterdir()
        assert "Prawf" in evidence.read_text(encoding="utf-8") and evidence.name in told and "661" in told
    else:
        assert told == "cy / en"


def test_what_was_not_foreseen_before_any_authority_is_told_by_reference(ground):
    @stage_task("test", "test {cycle}")
    def broken(data, cycle, las):
        raise KeyError(f"Prawf {data} {cycle} {las}")

    with pytest.raises(ServiceFault, match="test all") as told:
        broken.fn(data=str(ground.root.path), cycle="2012-01", las=["660"])
    assert "Prawf" not in str(told.value)
    assert len(list((ground.root.reports("2012-01") / "faults").iterdir())) == 1


def test_what_was_done_before_an_authority_failed_is_counted_once(ground):
    calls = []

    def work(_, lot):
        calls.append(lot.las)
        yield
        raise PartialFailure({la: {"sent": n} for n, la in enumerate(lot.las, 1)}, {"661": OSError("full")})

    walked = walk("test", work, ground, ["660", "661"])
    assert calls == [("660", "661")] and walked.total() == {"sent": 3} and list(walked.faults) == ["661"]


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.ENOSPC, "ddisg yn llawn.* / .*disk is full"), (errno.EROFS, "hawl.* / .*no right")],
    ids=["full", "closed"],
)
def test_a_file_that_could_not_be_written_is_named_with_what_to_do_and_its_evidence_kept(ground, number, told):
    place = ground.root.lrs_outbox / "LRB.CSV"

    def work(*_):
        yield
        raise NotWritten(number, "as the system says it", str(place))

    walked = walk("test", work, ground, ["660"])
    assert re.search(told, walked.faults["660"]) and walked.faults["660"].count("lrs/outbox/LRB.CSV") == 2
    assert str(ground.root.path) not in walked.faults["660"]
    assert len(list((ground.root.reports("2012-01") / "faults").iterdir())) == 1


def test_a_disk_too_full_for_evidence_still_says_so(ground, monkeypatch):
    @stage_task("test", "test {cycle}")
    def broken(data, cycle, las):
        raise KeyError(f"Prawf {data} {cycle} {las}")

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(data_root.os, "fsync", full)
    with pytest.raises(ServiceFault, match=r"reports/2012-01/faults/test-all-\w+.txt .*No space left") as told:
        broken.fn(data=str(ground.root.path), cycle="2012-01", las=["660"])
    assert told.value.__context__ is None and "Prawf" not in str(told.value)


STAGES = {
    **{"receive": True, "read": True, "select": True, "cross_check": True, "validate": True, "readiness": True},
    **{"collect": True, "merge": True, "conserve": True, "snapshot": True, "compact": True},
    **{"batch": False, "release": False, "publish": False, "purge_decided": False},
}


@pytest.mark.parametrize(("name", "retried"), STAGES.items())
def test_what_reads_and_keeps_is_tried_again_and_what_hands_over_never(name, retried):
    module = {"cross_check": "select", "conserve": "publish", "snapshot": "publish"}.get(name, name)
    module = {"compact": "lake_upkeep", "purge_decided": "lake_upkeep"}.get(name, module)
    stage = getattr(importlib.import_module(f"tasks.{module}"), name)
    assert stage.retries == (len(RETRY_SECONDS) if retried else 0)


@pytest.mark.parametrize(
    ("fault", "passes"),
    [
        (OSError(errno.ESTALE, "stale"), True),
        (NotWritten(errno.EIO, "input", "x"), True),
        (OSError("Generic LocalFileSystem error: (os error 5)"), True),
        (OSError(errno.ENOSPC, "full"), False),
        (PermissionError(errno.EACCES, "shut"), False),
        (FileNotFoundError(errno.ENOENT, "gone"), False),
        (ValueError("Prawf"), False),
        (ServiceFault("cy / en"), False),
        (PassingFault("cy / en"), True),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else str(one),
)
def test_only_storage_that_was_away_or_busy_may_pass(fault, passes):
    assert may_pass(fault) is passes


#: Stages whose storage is away for the first so many tries, in a walk or before it; played on the engine.
PLAY = """
import errno, json, os, sys
from flows.engine import settle
settle(sys.argv[1])
import tasks.runtime.chunks
tasks.runtime.task.RETRY_SECONDS = [0.01, 0.01]
from tasks.ground import Ground
from tasks.stage import stage_task, walk

def played(retried, away, in_walk):
    calls = []
    def work(*_):
        yield
        if in_walk and len(calls) <= away:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), "part.parquet")
        return {"660": {"n": 1}}
    @stage_task("test", "test {cycle}", retried=retried)
    def stage(data, cycle, las):
        calls.append(las)
        if not in_walk and len(calls) <= away:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), "part.parquet")
        return walk("test", work, Ground.of(data, cycle), las)
    ended = stage(data=sys.argv[1], cycle="2012-01", las=["660"], return_state=True)
    found = ended.result(raise_on_failure=False)
    return [len(calls), ended.is_completed(), list(getattr(found, "faults", [type(found).__name__]))]

def ended_in_time():
    import time
    from prefect import flow
    from flows.stages import bounded
    @flow(name="slow", timeout_seconds=1, persist_result=False)
    @bounded
    def slow(data):
        time.sleep(60)
    return slow(data=sys.argv[1], return_state=True).name

print(json.dumps({str(case): played(*case) for case in %s} | {"slow": ended_in_time()}))
"""
CASES = {
    # tried again at once where it was away once, and not where the stage hands over
    (True, 1, True): [2, True, []],
    (True, 1, False): [2, True, []],
    (False, 1, True): [1, False, ["660"]],
    (False, 1, False): [1, False, ["PassingFault"]],
    # away for good: tried so often, then told for whom, so that the flow goes on with the others
    (True, 9, True): [3, False, ["660"]],
    (True, 9, False): [3, False, ["PassingFault"]],
}


def test_a_stage_that_counts_what_is_new_counts_what_its_earlier_tries_did(ground, monkeypatch):
    own, tries = in_three_lots(monkeypatch)[:2], []

    @stage_task("test", "test {cycle}", retried=True, counts_new=True)
    def stage(data, cycle, las):
        return walk("test", work, Ground.of(data, cycle), las)

    def work(_, lot):
        yield
        if lot.las == ("661",) and len(tries) == 1:
            raise OSError(errno.ESTALE, "stale")
        # What the first try has read is nothing new to the second; the odd file is met by each.
        return {la: {"read": 0 if la == "660" and len(tries) > 1 else 5, "faults": 1} for la in lot.las}

    def tried():
        tries.append(run := SimpleNamespace(id=UUID(int=7), run_count=len(tries) + 1))
        monkeypatch.setattr("tasks.runtime.chunks.TaskRunContext.get", lambda: SimpleNamespace(task_run=run))
        return stage.fn(data=str(ground.root.path), cycle="2012-01", las=own)

    with pytest.raises(PassingFault):
        tried()
    assert tried().counts == {"660": {"read": 5, "faults": 1}, "661": {"read": 5, "faults": 1}}
    tries.append(None)
    assert tried().counts["660"]["read"] == 0, "another run of the stage starts from nothing"


@pytest.mark.parametrize("name", ["receive", "read"])
def test_receive_and_read_count_all_their_tries(ground, monkeypatch, name):
    done = iter(
        (
            StageResult({"660": {"n": 2}}, {"661": "cy / en"}, may_pass=True),
            StageResult({"660": {"n": 0}, "661": {"n": 3}}),
        )
    )
    module = importlib.import_module(f"tasks.{name}")
    monkeypatch.setattr(module, "walk", lambda *_, **__: next(done))
    given = {"data": str(ground.root.path), "cycle": "2012-01", "las": ["660", "661"], "as_of": "2012-01-30T02:30"}
    stage, run = getattr(module, name), SimpleNamespace(id=UUID(int=8), run_count=1)
    monkeypatch.setattr("tasks.runtime.chunks.TaskRunContext.get", lambda: SimpleNamespace(task_run=run))
    with pytest.raises(PassingFault):
        stage.fn(**given)
    assert stage.fn(**given).total() == {"n": 5}


@pytest.mark.long
def test_on_the_engine_a_stage_is_tried_again_where_storage_was_away_and_a_flow_ends_in_time(ground):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PYTEST_"))}
    run = subprocess.run(
        [sys.executable, "-c", PLAY % list(CASES), str(ground.root.path)],
        env=kept | {"PYTHONPATH": os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])},
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    told = json.loads(run.stdout.splitlines()[-1])
    assert told.pop("slow") == "TimedOut", "the boundary lets the engine's own end of a run pass"
    assert told == {str(case): one for case, one in CASES.items()}
    assert list((ground.root.reports("2012-01") / "faults").iterdir()), "the evidence is kept all the same"


def test_counts_of_nothing_are_none():
    assert StageResult().total() == {}
