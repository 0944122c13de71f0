"""A stage: what one authority's failure costs, what is said of it, and what is tried again."""

import errno
import importlib
import json
import logging
import os
import re
import subprocess
import sys
from concurrent.futures import Executor, Future

import pytest

from schemas.texts.faults import ServiceFault, TransientFault
from tasks.io.data_root import data_root
from tasks.io.data_root.data_root import DataRoot, NotWritten
from tasks.runtime.chunks import Chunk, PartialFailure, StageResult, run_chunks
from tasks.runtime.context import RunContext
from tasks.runtime.error_boundary import is_transient
from tasks.runtime.executor import Workers
from tasks.runtime.task import stage_task
from tests.support.paths import PROJECT


@pytest.fixture
def ctx(tmp_path):
    DataRoot(tmp_path).create()
    return RunContext.of(str(tmp_path), "2012-01")


#: Three authorities, each a chunk of its own, and all in one.
CUTS = {"chunk-by-chunk": [Chunk((la,)) for la in ("660", "661", "662")], "one-chunk": [Chunk(("660", "661", "662"))]}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_the_counts_of_all_chunks_are_added_up_and_progress_is_told(ctx, cut):
    heard = []

    def write(chunk, sizes):
        return {la: {"n": 1, "size": sizes[la]} for la in chunk.las}

    def compute(_, chunk):
        return {la: int(la) for la in chunk.las}

    done = run_chunks("test", ctx, cut, write, compute=compute, progress=heard.append)
    assert done.total() == {"n": 3, "size": 660 + 661 + 662} and done.faults == {} and not done.is_transient
    assert len(heard) == len(cut) and heard[-1] == 1.0 and heard == sorted(heard)


def test_an_authority_in_several_chunks_is_counted_over_all_of_them(ctx):
    cut = [Chunk(("660",), ("6604001",)), Chunk(("660",), ("6604002", "6604003"))]
    done = run_chunks("test", ctx, cut, lambda chunk: {"660": {"n": len(chunk.schools)}})
    assert done.counts == {"660": {"n": 3}}


@pytest.mark.parametrize("step", ["compute", "write"])
@pytest.mark.parametrize("fault", [ServiceFault("cy / en"), KeyError("Prawf")], ids=["foreseen", "unforeseen"])
@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_one_authority_s_failure_is_its_own_and_names_no_pupil(ctx, fault, step, cut):
    def compute(_, chunk):
        if step == "compute" and "661" in chunk.las:
            raise fault

    def write(chunk, _):
        if step == "write" and "661" in chunk.las:
            raise fault
        return {la: {"n": 1} for la in chunk.las}

    done = run_chunks("test", ctx, cut, write, compute=compute)
    assert done.total() == {"n": 2} and list(done.faults) == ["661"]
    told = done.faults["661"]
    assert "Prawf" not in told
    if isinstance(fault, KeyError):
        (evidence,) = (ctx.root.reports("2012-01") / "faults").iterdir()
        assert "Prawf" in evidence.read_text(encoding="utf-8") and evidence.name in told and "661" in told
    else:
        assert told == "cy / en"


def test_a_worker_that_cannot_be_used_ends_the_stage_and_no_authority_is_tried_alone(ctx):
    asked = []

    class Unfit(Executor):
        def submit(self, *call):
            asked.append(call)
            future = Future()
            future.set_exception(ServiceFault("cy / en"))
            return future

    with pytest.raises(ServiceFault, match="cy / en"):
        run_chunks("test", ctx, CUTS["one-chunk"], dict, compute=dict, workers=Workers(2, Unfit()))
    assert len(asked) == 1


def test_what_was_not_foreseen_before_any_authority_is_told_by_reference(ctx):
    @stage_task("test", "test {cycle}")
    def broken(data, cycle, las):
        raise KeyError(f"Prawf {data} {cycle} {las}")

    with pytest.raises(ServiceFault, match="test all") as told:
        broken.fn(data=str(ctx.root.path), cycle="2012-01", las=["660"])
    assert "Prawf" not in str(told.value)
    assert len(list((ctx.root.reports("2012-01") / "faults").iterdir())) == 1


def test_what_was_done_before_an_authority_failed_is_counted_once(ctx):
    calls = []

    def write(chunk):
        calls.append(chunk.las)
        raise PartialFailure({la: {"sent": n} for n, la in enumerate(chunk.las, 1)}, {"661": OSError("full")})

    done = run_chunks("test", ctx, [Chunk(("660", "661"))], write)
    assert calls == [("660", "661")] and done.total() == {"sent": 3} and list(done.faults) == ["661"]


@pytest.mark.parametrize(
    ("number", "told"),
    [(errno.ENOSPC, "ddisg yn llawn.* / .*disk is full"), (errno.EROFS, "hawl.* / .*no right")],
    ids=["full", "closed"],
)
def test_a_file_that_could_not_be_written_is_named_with_what_to_do_and_its_evidence_kept(ctx, number, told):
    place = ctx.root.lrs_outbox / "LRB.CSV"

    def write(_):
        raise NotWritten(number, "as the system says it", str(place))

    done = run_chunks("test", ctx, [Chunk(("660",))], write)
    assert re.search(told, done.faults["660"]) and done.faults["660"].count("lrs/outbox/LRB.CSV") == 2
    assert str(ctx.root.path) not in done.faults["660"]
    assert len(list((ctx.root.reports("2012-01") / "faults").iterdir())) == 1


def test_a_disk_too_full_for_evidence_still_says_so(ctx, monkeypatch):
    @stage_task("test", "test {cycle}")
    def broken(data, cycle, las):
        raise KeyError(f"Prawf {data} {cycle} {las}")

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(data_root.os, "fsync", full)
    with pytest.raises(ServiceFault, match=r"reports/2012-01/faults/test-all-\w+.txt .*No space left") as told:
        broken.fn(data=str(ctx.root.path), cycle="2012-01", las=["660"])
    assert told.value.__context__ is None and "Prawf" not in str(told.value)


STAGES = {
    **{"receive": True, "read": True, "select": True, "validate": True, "readiness": True},
    **{"collect": True, "merge": True, "conserve": True, "snapshot": True, "compact": True},
    **{"batch": False, "release": False, "publish": False, "purge_decided": False},
}


@pytest.mark.parametrize(("name", "retried"), STAGES.items())
def test_what_reads_and_keeps_is_tried_again_and_what_hands_over_never(name, retried):
    module = "upkeep" if name in ("compact", "purge_decided") else name
    stage = getattr(importlib.import_module(f"tasks.stages.{module}"), name)
    assert stage.retried is retried
    assert stage.retries == 0, "a next try of Prefect's knows nothing of what the one before has counted"


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
        (TransientFault("cy / en"), True),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, Exception) else str(one),
)
def test_only_storage_that_was_away_or_busy_may_pass(fault, passes):
    assert is_transient(fault) is passes


#: Stages whose storage is away for the first so many tries, in a chunk or before it; played on the engine.
PLAY = """
import errno, json, os, sys
from pathlib import Path
from flows.run.engine import configure_engine
configure_engine(sys.argv[1])
import tasks.runtime.task
tasks.runtime.task.RETRY_SECONDS = [0.01, 0.01]
from tasks.runtime.chunks import Chunk, run_chunks
from tasks.runtime.context import RunContext
from tasks.runtime.task import stage_task

class Live:
    def __repr__(self):
        return "Zzlive"
    def __reduce__(self):
        raise TypeError("Zzlive is of this process alone")

def played(retried, away, in_chunk):
    calls = []
    def write(_):
        if in_chunk and len(calls) <= away:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), "part.parquet")
        return {"660": {"n": 1}}
    @stage_task("test", "test {cycle}", retried=retried)
    def stage(data, cycle, las, workers):
        calls.append(las)
        if not in_chunk and len(calls) <= away:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), "part.parquet")
        return run_chunks("test", RunContext.of(data, cycle), [Chunk(tuple(las))], write)
    ended = stage(data=sys.argv[1], cycle="2012-01", las=["660"], workers=Live(), return_state=True)
    found = ended.result(raise_on_failure=False)
    return [len(calls), ended.is_completed(), list(getattr(found, "faults", [type(found).__name__]))]

def ended_in_time():
    import time
    from flows.run.flow_run import service_flow
    @service_flow("slow", longest=1)
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
    (False, 1, False): [1, False, ["TransientFault"]],
    # away for good: tried so often, then told for whom, so that the flow goes on with the others
    (True, 9, True): [3, False, ["660"]],
    (True, 9, False): [3, False, ["TransientFault"]],
}


@pytest.fixture
def on_engine(monkeypatch):
    """The engine runs a stage; its waits between two tries."""
    waits = []
    monkeypatch.setattr("tasks.runtime.task.get_run_logger", lambda: logging.getLogger("a task run"))
    monkeypatch.setattr("tasks.runtime.task.TaskRunContext.get", lambda: "a task run")
    monkeypatch.setattr("tasks.runtime.task.time.sleep", waits.append)
    return waits


def test_a_stage_that_counts_new_rows_adds_up_its_tries_and_logs_the_fault_of_each(ctx, on_engine, caplog):
    tries = []

    @stage_task("test", "test {cycle}", retried=True, counts_new=True)
    def stage(data, cycle, las):
        tries.append(las)
        return run_chunks("test", RunContext.of(data, cycle), [Chunk((la,)) for la in las], write)

    def write(chunk):
        if chunk.las == ("661",) and len(tries) == 1:
            raise OSError(errno.ESTALE, "stale")
        # What the first try has read is nothing new to the second; the odd file is met by each.
        return {la: {"read": 0 if la == "660" and len(tries) > 1 else 5, "faults": 1} for la in chunk.las}

    def run():
        return stage.fn(data=str(ctx.root.path), cycle="2012-01", las=["660", "661"]).counts

    assert run() == {"660": {"read": 5, "faults": 1}, "661": {"read": 5, "faults": 1}}
    assert len(tries) == 2 and on_engine == [5.0]
    # The next try mends the fault, so the log alone can name it.
    [record] = caplog.records
    assert record.levelname == "WARNING" and "reports/2012-01/faults/test-661-" in record.getMessage()
    assert "stage test is tried again in 5 s" in record.getMessage()
    assert run()["660"]["read"] == 0, "another run of the stage starts from nothing"


@pytest.mark.parametrize("name", ["receive", "read"])
@pytest.mark.usefixtures("on_engine")
def test_receive_and_read_count_all_their_tries(ctx, monkeypatch, name):
    done = iter(
        (
            StageResult({"660": {"n": 2}}, {"661": "cy / en"}, is_transient=True),
            StageResult({"660": {"n": 0}, "661": {"n": 3}}),
        )
    )
    module = importlib.import_module(f"tasks.stages.{name}")
    monkeypatch.setattr(module, "run_chunks", lambda *_, **__: next(done))
    given = {"data": str(ctx.root.path), "cycle": "2012-01", "las": ["660", "661"], "as_of": "2012-01-30T02:30"}
    assert getattr(module, name).fn(**given).total() == {"n": 5}


@pytest.mark.long
def test_on_the_engine_a_stage_is_tried_again_where_storage_was_away_and_a_flow_ends_in_time(ctx):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PYTEST_"))}
    run = subprocess.run(
        [sys.executable, "-c", PLAY % list(CASES), str(ctx.root.path)],
        env=kept | {"PYTHONPATH": os.pathsep.join([str(PROJECT), os.environ.get("PYTHONPATH", "")])},
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=280,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr[-2000:]
    told = json.loads(run.stdout.splitlines()[-1])
    assert told.pop("slow") == "TimedOut", "the boundary lets the engine's own end of a run pass"
    assert told == {str(case): one for case, one in CASES.items()}
    assert list((ctx.root.reports("2012-01") / "faults").iterdir()), "the evidence is kept all the same"
    database = b"".join(path.read_bytes() for path in ctx.root.engine.glob("*.db*"))
    assert b"test 2012-01" in database and b"workers" in database, "the engine keeps the names of parameters"
    assert b"Zzlive" not in database


def test_counts_of_nothing_are_none():
    assert StageResult().total() == {}
