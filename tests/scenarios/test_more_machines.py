"""A cycle over a Dask cluster, one worker killed on the way: the same files and lake, no pupil's data with Dask.

A scheduler and two workers stand as processes of their own, as on machines that share the data root. They are slow to
start, so one story is played and the tests look at what became of it.
"""

import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from contextlib import contextmanager
from typing import Any

import pytest

from schemas.texts.faults import ServiceFault
from tasks.core.masking import masked
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.runtime.dask_executor import carried_out, machines
from tasks.runtime.executor import parts, spread, workers
from tasks.runtime.process_guard import guard
from tasks.stages.read import read
from tasks.stages.receive import receive
from tasks.stages.select import select
from tasks.stages.validate import validate
from tests.support.paths import PROJECT
from tests.support.two_authorities import CYCLE, SENT, equal, make, play
from tests.support.without_engine import walked

pytestmark = pytest.mark.long

SURNAME = "Zzmarkername"
#: What a worker loads first: of a marked pupil its rules tell all that they can, and fail.
TELLING = f"""
import logging, threading, warnings
import tasks.steps.validate as work
sound = getattr(work.apply_rules, "sound", work.apply_rules)
def telling(chosen, *arguments, **more):
    if (chosen["surname"] == "{SURNAME}").any():
        told = chosen.to_csv()
        print(told, flush=True)
        logging.getLogger("distributed.worker").error("%s, born %s", chosen["upn"].iloc[0], chosen["dob"].iloc[0])
        logging.getLogger("distributed.core").error("failed", exc_info=ValueError(told))
        warnings.warn(told)
        thread = threading.Thread(target=lambda: int(told)); thread.start(); thread.join()
        raise ValueError(told)
    return sound(chosen, *arguments, **more)
telling.sound = sound  # Dask loads this twice
work.apply_rules = telling
"""


class Cluster:
    """A scheduler and the workers `one` and `two`, each a process."""

    def __init__(self, home):
        from distributed.security import Security

        self.home, self.processes, own = home, {}, Security.temporary()
        for name, content in (("ca", own.tls_ca_file), ("cert", own.tls_client_cert), ("key", own.tls_client_key)):
            (home / f"{name}.pem").write_text(content, encoding="ascii")
        (home / "telling.py").write_text(TELLING, encoding="utf-8")
        self.settings = {"distributed.comm.tls.ca-file": str(home / "ca.pem")}
        for role in ("client", "scheduler", "worker"):
            of_role = {f"distributed.comm.tls.{role}.{file}": str(home / f"{file}.pem") for file in ("cert", "key")}
            self.settings |= of_role
        shared = ("--scheduler-file", str(home / "scheduler.json"), "--host", "127.0.0.1")
        pages = ("--dashboard-address", "127.0.0.1:0")
        self._start("scheduler", "scheduler", *shared, *pages, "--protocol", "tls", "--port", "0")
        for name in ("one", "two"):
            how = ("--local-directory", str(home / "scratch"), "--preload", str(home / "telling.py"), "--no-nanny")
            self._start(name, "worker", *shared, *pages, *how, "--name", name, "--nthreads", "1")
        for _ in range(1200):
            if (home / "scheduler.json").exists():
                break
            time.sleep(0.2)
        self.address = json.loads((home / "scheduler.json").read_text(encoding="utf-8"))["address"]

    def _start(self, name, command, *arguments):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "PYTEST_", "ULN_", "DASK_"))}
        own = {f"DASK_{k.upper().replace('-', '_').replace('.', '__')}": v for k, v in self.settings.items()}
        own |= {"PYTHONPATH": str(PROJECT), "TMPDIR": str(self.home)}
        with (self.home / f"{name}.log").open("wb") as told:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{command}", *arguments],
                **{"env": kept | own, "stdout": told, "stderr": told, "cwd": self.home, "umask": 0o022},
            )

    def kill(self, name):
        """As a machine ends that loses its power."""
        self.processes[name].kill()
        self.processes[name].wait()

    def stop(self):
        """End all that is left."""
        for name in reversed(self.processes):
            self.kill(name)


@contextmanager
def run_on(cluster, root, count):
    """A run that has so many of the cluster's workers."""
    import distributed  # its settings, before ours
    from dask import config

    assert distributed.Client
    guard(str(root))
    with config.set(cluster.settings), one_run_at_a_time(str(root)), pytest.MonkeyPatch.context() as environment:
        environment.setenv("ULN_RUNNER", cluster.address)
        for _ in range(240):
            with machines(cluster.address, 1, str(root)) as found:
                if found.count == count:
                    break
            time.sleep(0.5)
        with workers(1):
            assert parts() == count
            yield


@contextmanager
def killed(cluster, name, while_it_does):
    """A worker is killed while it does its share of a step.

    Yields:
        What is handed to Dask, as it is; and which of it the worker had when it was killed.
    """
    from prefect_dask.client import PrefectDaskClient

    real, handed, had = PrefectDaskClient.submit, list[tuple[Any, ...]](), list[str]()

    def submit(client, function, *given, **how):
        handed.append((function, *given, how["key"]))
        shares = sum(one[-1].startswith(while_it_does) for one in handed)
        if shares == 1 and cluster.processes[name].poll() is None:
            cluster.processes[name].send_signal(signal.SIGSTOP)  # what it is given now is not done before it is killed
        future = real(client, function, *given, **how)
        if shares == 2 and cluster.processes[name].poll() is None:
            of_name = {one["name"]: address for address, one in client.scheduler_info()["workers"].items()}
            for _ in range(600):
                had[:] = client.processing()[of_name[name]]
                if had:
                    break
                time.sleep(0.1)
            cluster.kill(name)
        return future

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PrefectDaskClient, "submit", submit)
        yield handed, had


def marked(root):
    """One school, with a mark in every name; what else its return tells of its pupils."""
    make(root)
    (source,) = (root / "dewi" / "inbox" / "661").glob("6614003_*.xml")
    for other in [p for p in (root / "dewi" / "inbox").glob("*/*") if p != source]:
        other.unlink()
    content = re.sub("<(Surname|Forename)>[^<]*<", rf"<\1>{SURNAME}<", source.read_text(encoding="utf-8"))
    source.write_text(content, encoding="utf-8")
    return {SURNAME, *(v for tag in ("UPN", "DOB", "PostCode") for v in re.findall(f"<{tag}>([^<]{{6,}})<", content))}


def shown_by(cluster):
    """What Dask shows to whoever may look: kept logs, events, and its pages."""
    import distributed
    from dask import config

    with (
        config.set(cluster.settings),
        distributed.Client(cluster.address, security=distributed.Security(), set_as_default=False) as client,
    ):
        shown = [repr(client.get_scheduler_logs()), repr(client.get_worker_logs()), repr(client.get_events())]
        info = client.scheduler_info()
    port, (worker,) = info["services"]["dashboard"], info["workers"]
    there = urllib.parse.quote_plus(worker)
    pages = ("info/main/workers.html", "info/main/logs.html", f"info/logs/{there}.html", f"info/worker/{there}.html")
    for page in (*pages, f"info/call-stacks/{there}.html", "json/counts.json", "metrics"):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=60) as answer:
            shown.append(answer.read().decode())
    return shown


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    """A cycle, in which one worker is killed; then marked pupils, of whom the other tells; then that one is killed too."""
    told = {"whole": tmp_path_factory.mktemp("whole"), "root": tmp_path_factory.mktemp("root")}
    make(told["whole"])
    told["alone"] = play(told["whole"])
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        make(told["root"])
        with run_on(cluster, told["root"], 2), killed(cluster, "one", "judged") as (told["handed"], told["had"]):
            told["together"] = play(told["root"])
        told["home"], told["marked"] = cluster.home, tmp_path_factory.mktemp("marked")
        told["marks"] = marked(told["marked"])
        with run_on(cluster, told["marked"], 1):
            for stage in (receive, read, select):
                walked(stage, told["marked"], CYCLE, SENT, ["661"])
            with pytest.raises(ServiceFault) as told["fault"]:
                walked(validate, told["marked"], CYCLE, SENT, ["661"])
            told["shown"] = shown_by(cluster)
            with killed(cluster, "two", "masked"):
                told["left"] = (spread(masked, ["one", "two", "three"]), parts())
    finally:
        cluster.stop()
    return told


def test_with_a_worker_killed_on_the_way_files_and_lake_are_those_of_one_process(story):
    assert [key.partition("-")[0] for key in story["had"]] == ["judged"], "it had work when it was killed"
    steps = [one[-1].partition("-")[0] for one in story["handed"]]
    assert {"arrived", "read_returns", "merged_answers", "snapshot_rows"} <= set(steps)
    assert steps.index("judged") < steps.index("batch_files")
    equal(story["together"], story["alone"])


def test_references_alone_travel(story):
    assert {function for function, *_ in story["handed"]} == {carried_out}
    given = [one for _, *given in story["handed"] for one in given]
    assert {type(one) for one in given} == {str} and max(map(len, given)) < 200
    upns = set(story["alone"][1]["pupils"]["upn"].dropna())
    assert len(upns) > 100 and not [upn for upn in upns if any(upn in one for one in given)]


def test_nothing_is_left_on_the_way_and_what_workers_wrote_is_their_owner_s_alone(story):
    for name in ("root", "marked"):
        assert not DataRoot(story[name]).staging.exists()
    faults = DataRoot(story["marked"]).reports("process") / "faults"
    assert [p for p in (faults, *faults.iterdir()) if stat.S_IMODE(p.stat().st_mode) & 0o077] == []


def test_no_pupil_s_data_in_dask_s_logs_on_its_pages_or_in_its_files(story):
    kept = "".join(p.read_text(encoding="utf-8") for p in story["marked"].glob("reports/*/faults/*"))
    assert kept.count(SURNAME) > 100 and "workers.txt" in {p.name for p in story["marked"].glob("reports/*/faults/*")}
    files = {p.name: p.read_bytes() for p in story["home"].rglob("*") if p.is_file() and "telling" not in p.name}
    assert {"scheduler.log", "one.log", "two.log"} <= files.keys()
    shown = [*story["shown"], str(story["fault"].value), *(f"{name} {content!r}" for name, content in files.items())]
    assert any("[UPN], born [date]" in one for one in story["shown"]), "the lines are there, masked"
    assert "failed (reports/process/faults/" in kept, "and of an exception there is a reference"
    assert len(story["marks"]) > 100
    assert [mark for mark in sorted(story["marks"]) if any(mark in one for one in shown)] == []


def test_where_the_last_worker_is_killed_the_run_does_the_rest_itself(story):
    assert story["left"] == (["one", "two", "three"], 1)
    (evidence,) = story["marked"].glob("reports/process/faults/machines-lost-*")
    assert evidence.read_text(encoding="utf-8")


def test_a_cluster_of_the_run_s_own_is_shut_to_others(tmp_path, monkeypatch):
    from prefect_dask.client import PrefectDaskClient

    real, addresses = PrefectDaskClient.submit, []

    def submit(client, *given, **how):
        addresses.append([client.scheduler.address, *client.scheduler_info()["workers"]])
        return real(client, *given, **how)

    monkeypatch.setattr(PrefectDaskClient, "submit", submit)
    monkeypatch.setenv("ULN_RUNNER", "dask")
    root = DataRoot(tmp_path).create()
    guard(str(tmp_path))
    with one_run_at_a_time(str(tmp_path)), workers(2):
        assert (parts(), spread(masked, ["M660402510001", "two"])) == (2, ["[UPN]", "two"])
    assert len(addresses[0]) == 3 and {one.rpartition(":")[0] for one in addresses[0]} == {"tls://127.0.0.1"}
    assert not root.staging.exists()
    with workers(1):
        assert parts() == 1, "too little to do for it"
