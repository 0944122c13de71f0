"""Calls spread over processes give what they give in place, and no worker outlives its run."""

import errno
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import Executor, Future
from itertools import repeat
from pathlib import Path

import pandas as pd
import pytest

from schemas.texts.faults import ConfigurationFault, Refused, ServiceFault
from tasks.io.data_root.data_root import DataRoot
from tasks.runtime.error_boundary import is_transient
from tasks.runtime.executor import IN_PLACE, WorkerError, Workers, capture, workers_for


@pytest.fixture(params=[1, 2], ids=["in-place", "two-processes"])
def workers(request, tmp_path):
    with workers_for(str(DataRoot(tmp_path).create().path), request.param) as found:
        assert found.count == request.param
        yield found


@pytest.fixture
def two(tmp_path):
    with workers_for(str(DataRoot(tmp_path).create().path), 2) as found:
        yield found


def refused(n):
    if n == 2:
        raise Refused("not_xml", "line 1")
    if n == 3:
        raise ConfigurationFault("x.csv", ["one", "two"])
    if n == 4:
        raise ServiceFault("told")
    if n == 5:
        raise KeyError("a learner's name")
    return pd.DataFrame({"n": [n]})


def test_results_and_faults_come_in_the_order_of_the_calls(workers):
    one, two, three, four, five, six = workers.map(refused, range(1, 7))
    assert list(one["n"]) == [1] and list(six["n"]) == [6]
    assert (two.reason, two.detail) == ("not_xml", "line 1")
    assert (three.source, three.faults) == ("x.csv", ["one", "two"])
    assert str(four) == "told"
    assert type(five) is WorkerError and "KeyError" in str(five), "its traceback, for the evidence"


def dies_elsewhere(parent, n):
    if n == 3 and os.getpid() != parent:
        os._exit(9)
    return n


def test_a_lost_worker_costs_nothing_but_its_help(two):
    assert list(two.map(dies_elsewhere, repeat(os.getpid()), range(8))) == list(range(8))
    assert list(two.map(dies_elsewhere, repeat(os.getpid()), range(4))) == list(range(4)), "the rest of the run too"


def test_in_place_a_call_waits_until_its_result_is_wanted():
    done = []
    results = IN_PLACE.map(done.append, "abc")
    next(results)
    assert done == ["a"]
    assert list(results) == [None, None] and done == ["a", "b", "c"]


class Counting(Executor):
    """Does a call when it is submitted."""

    submitted = 0

    def submit(self, function, /, *arguments, **_):
        """Counts it."""
        self.submitted += 1
        future = Future()
        future.set_result(function(*arguments))
        return future


def test_an_executor_gets_few_calls_in_advance_so_that_results_do_not_pile_up():
    counting = Counting()
    results = Workers(2, counting).map(abs, range(100))
    next(results)
    assert counting.submitted == 5
    assert list(results) == list(range(1, 100))


def test_one_process_starts_no_worker(tmp_path):
    with workers_for(str(DataRoot(tmp_path).create().path), 1) as found:
        assert found is IN_PLACE


def pid(_):
    time.sleep(0.2)
    return os.getpid()


def test_a_run_that_spreads_nothing_starts_no_process(two):
    assert not two.executor._processes
    assert os.getpid() not in two.map(pid, range(2))
    assert len(two.executor._processes) == 2


def test_workers_end_when_the_run_that_they_work_for_is_killed(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        "import os, sys, time\nfrom tasks.runtime.executor import workers_for\n"
        "def pid(_):\n    time.sleep(0.2)\n    return os.getpid()\n"
        "if __name__ == '__main__':\n    with workers_for(sys.argv[1], 2) as workers:\n"
        "        print(*set(workers.map(pid, range(4))), flush=True)\n        time.sleep(60)\n",
        encoding="utf-8",
    )
    root = DataRoot(tmp_path / "root").create()
    run = subprocess.Popen(
        [sys.executable, str(script), str(root.path)], stdout=subprocess.PIPE, text=True, env=_with_project()
    )
    pids = [int(pid) for pid in run.stdout.readline().split()]
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    until = time.monotonic() + 20
    while any(_lives(pid) for pid in pids) and time.monotonic() < until:
        time.sleep(0.05)
    assert pids and not any(_lives(pid) for pid in pids)


def _with_project():
    return os.environ | {"PYTHONPATH": str(Path.cwd())}


def _lives(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _away(number):
    raise OSError(number, "the share", "/nowhere")


def test_a_share_that_was_away_for_a_moment_is_known_by_the_text_of_its_traceback_too():
    assert is_transient(capture(_away, errno.ESTALE)) and not is_transient(capture(_away, errno.ENOSPC))
