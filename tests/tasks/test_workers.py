"""Work spread over processes gives what it gives in place, and nothing of a lost worker outlives its run."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
from tasks.runtime.worker import WorkFault, tried

from schemas.texts.faults import ConfigurationFault, Refused, ServiceFault
from tasks.runtime.error_boundary import may_pass
from tasks.runtime.executor import attempt, one_by_one, parts, spread, workers


def doubled(n):
    return 2 * n


def refused(n):
    if n == 2:
        raise Refused("not_xml", "line 1")
    if n == 3:
        raise ConfigurationFault("x.csv", ["one", "two"])
    if n == 4:
        raise ServiceFault("told")
    return pd.DataFrame({"n": [n]})


def test_the_same_results_in_the_same_order_with_and_without_workers():
    alone = spread(doubled, range(5))
    with workers(1):
        assert (parts(), spread(doubled, range(5))) == (1, alone)
    with workers(2):
        assert (parts(), spread(doubled, range(5))) == (2, alone)
    assert parts() == 1 and alone == [0, 2, 4, 6, 8]


def test_one_that_fails_does_not_stop_the_others_and_its_fault_comes_back_whole():
    for count in (1, 2):
        with workers(count):
            one, two, three, four, five = attempt(refused, [1, 2, 3, 4, 5])
        assert list(one["n"]) == [1] and list(five["n"]) == [5]
        assert (two.reason, two.detail) == ("not_xml", "line 1")
        assert (three.source, three.faults) == ("x.csv", ["one", "two"])
        assert str(four) == "told"


def dies_elsewhere(parent):
    if os.getpid() != parent:
        os._exit(9)
    return "done here"


def test_a_lost_worker_costs_nothing_but_its_help():
    with workers(2):
        assert attempt(dies_elsewhere, [os.getpid()] * 3) == ["done here"] * 3
        assert (parts(), spread(doubled, range(3))) == (1, [0, 2, 4])


def dies_at_three(parent, n):
    if n == 3 and os.getpid() != parent:
        os._exit(9)
    return n


def test_results_come_one_by_one_in_order_also_where_a_worker_is_lost_on_the_way():
    with workers(2):
        assert list(one_by_one(dies_at_three, [os.getpid()] * 6, range(6), at_once=2)) == list(range(6))
    assert list(one_by_one(doubled, range(5), at_once=2)) == [0, 2, 4, 6, 8]


def unforeseen(_):
    raise KeyError("a learner's name")


def test_what_was_not_foreseen_comes_back_with_its_traceback_for_the_evidence():
    for count in (1, 2):
        with workers(count):
            (fault,) = attempt(unforeseen, [1])
        assert type(fault) is WorkFault and "KeyError" in str(fault)


def test_workers_end_when_the_run_that_they_work_for_is_killed(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        "import os, time\nfrom tasks.runtime.executor import spread, workers\n"
        "def pid(_):\n    time.sleep(0.2)\n    return os.getpid()\n"
        "if __name__ == '__main__':\n    with workers(2):\n"
        "        print(*set(spread(pid, range(4))), flush=True)\n        time.sleep(60)\n",
        encoding="utf-8",
    )
    run = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=_with_project())
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


def test_a_share_that_was_away_for_a_moment_is_known_by_a_worker_s_words_too():
    assert may_pass(tried(_away, errno.ESTALE)) and not may_pass(tried(_away, errno.ENOSPC))
