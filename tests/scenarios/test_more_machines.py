"""A cycle over workers of a Dask cluster: the same files and the same lake, whoever is lost, and no pupil's data on the way.

A scheduler and two workers stand as processes of their own, as on two machines that share the data root.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from test_cut_to_size import CYCLE, LAS, SENT, equal, make, play
from tests_support import walked

from schemas.faults import ServiceFault
from tasks import machines as module
from tasks.boundary import guard
from tasks.core.masking import masked
from tasks.io.data_root import DataRoot
from tasks.io.lake import Lake
from tasks.io.run_lock import one_run_at_a_time
from tasks.machines import Machines, carried_out
from tasks.read import read
from tasks.receive import receive
from tasks.select import select
from tasks.validate import validate
from tasks.workers import parts, spread, workers

PROJECT = Path(__file__).resolve().parents[2]
SURNAME, UPN, BORN, POSTCODE = "Zzmarkername", "M660402510001", "1996-11-05", "LL99 9ZZ"
#: What a worker loads first: of a marked pupil its rules tell all that they can, and die.
TELLING = f"""
import logging, threading, warnings
import tasks.census_work as work
sound = getattr(work.apply_rules, "sound", work.apply_rules)
def telling(chosen, *arguments, **more):
    if (chosen["surname"] == "{SURNAME}").any():
        told = chosen.to_csv()
        print(told, flush=True)
        logging.getLogger("distributed.worker").error("of %s, born %s", chosen["upn"].iloc[0], "{BORN}")
        logging.getLogger("distributed.core").error("failed", exc_info=ValueError(told))
        warnings.warn(told)
        thread = threading.Thread(target=lambda: int(told)); thread.start(); thread.join()
        raise ValueError(told)
    return sound(chosen, *arguments, **more)
telling.sound = sound  # Dask loads this twice
work.apply_rules = telling
"""


class Cluster:
    """A scheduler and two workers, each a process."""

    def __init__(self, home):
        from distributed.security import Security

        self.home, own = home, Security.temporary()
        files = {"ca.pem": own.tls_ca_file, "cert.pem": own.tls_client_cert, "key.pem": own.tls_client_key}
        for name, content in files.items():
            (home / name).write_text(content, encoding="ascii")
        (home / "telling.py").write_text(TELLING, encoding="utf-8")
        self.settings = {"DASK_DISTRIBUTED__COMM__TLS__CA_FILE": str(home / "ca.pem")}
        for role in ("CLIENT", "SCHEDULER", "WORKER"):
            self.settings |= {
                f"DASK_DISTRIBUTED__COMM__TLS__{role}__CERT": str(home / "cert.pem"),
                f"DASK_DISTRIBUTED__COMM__TLS__{role}__KEY": str(home / "key.pem"),
            }
        self.processes = {}
        shared = ("--scheduler-file", str(home / "scheduler.json"), "--host", "127.0.0.1")
        self._start("scheduler", *shared, "--protocol", "tls", "--port", "0", "--dashboard-address", "127.0.0.1:0")
        for name in ("one", "two"):
            scratch = ("--local-directory", str(home / "scratch"), "--preload", str(home / "telling.py"))
            self._start("worker", *shared, *scratch, "--name", name, "--nthreads", "1", "--no-nanny", log=name)
        until = time.monotonic() + 240
        while not (home / "scheduler.json").exists() and time.monotonic() < until:
            time.sleep(0.1)
        self.address = json.loads((home / "scheduler.json").read_text(encoding="utf-8"))["address"]

    def _start(self, what, *arguments, log=None):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PYTEST_", "ULN_"))}
        with (self.home / f"{log or what}.log").open("wb") as told:
            self.processes[log or what] = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{what}", *arguments],
                env=kept | self.settings | {"PYTHONPATH": str(PROJECT), "TMPDIR": str(self.home)},
                stdout=told,
                stderr=told,
                cwd=self.home,
            )

    def lives(self, name):
        return self.processes[name].poll() is None

    def kill(self, name):
        """As a machine is that loses its power."""
        self.processes[name].kill()
        self.processes[name].wait()

    def stop(self):
        for process in reversed(self.processes.values()):
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    standing = Cluster(tmp_path_factory.mktemp("cluster"))
    yield standing
    standing.stop()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The cycle as one process plays it."""
    root = tmp_path_factory.mktemp("whole")
    make(root)
    return play(root)


@contextmanager
def run(root, cluster, monkeypatch, wait_for=2):
    """A run that works on the cluster."""
    import distributed  # its defaults first
    from dask import config

    del distributed
    # What a process that is started finds in its environment.
    dotted = {name.removeprefix("DASK_").lower().replace("__", "."): v for name, v in cluster.settings.items()}
    monkeypatch.setenv("ULN_RUNNER", cluster.address)
    guard(str(root))
    with config.set(dotted), one_run_at_a_time(str(root)), ExitStack() as held:
        for _ in range(100):
            held.enter_context(workers(1))
            if parts() >= wait_for:
                break
            held.close()
            time.sleep(0.5)
        assert parts() == wait_for
        yield


def travelled(monkeypatch):
    """What was handed to Dask, as it was handed over."""
    seen = []
    submit = Machines.submit

    def noted(self, function, calls):
        if not seen:
            real = self.client.submit
            self.client.submit = lambda *given, **how: (seen.append((given, how)), real(*given, **how))[1]
        return submit(self, function, calls)

    monkeypatch.setattr(Machines, "submit", noted)
    return seen


def test_the_same_over_two_workers_and_references_alone_travel(whole, tmp_path, cluster, monkeypatch):
    make(tmp_path)
    seen = travelled(monkeypatch)
    with run(tmp_path, cluster, monkeypatch):
        equal(play(tmp_path), whole)
    assert len(seen) > 10 and {given[0] for given, _ in seen} == {carried_out}
    assert {type(one) for given, _ in seen for one in given[1:]} == {str}
    assert max(len(one) for given, _ in seen for one in given[1:]) < 200
    assert not list(DataRoot(tmp_path).staging.iterdir())
