"""A cycle published over a Dask cluster, one worker killed on the way: the same files and lake, no pupil's data with Dask.

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
from tasks.runtime.dask_executor import do_sealed
from tasks.runtime.executor import IN_PLACE, workers_for
from tasks.runtime.process_guard import install_process_guard
from tasks.stages.publish import publish
from tests.support.paths import PROJECT
from tests.support.two_authorities import BACK, CYCLE, equal, make, play, until_published
from tests.support.without_engine import run_stage

pytestmark = pytest.mark.long

SURNAME = "Zzmarkername"
#: What a worker loads first: of a marked pupil its publishing tells all that it can, and fails.
TELLING = f"""
import logging, threading, warnings
import tasks.steps.publish as work
sound = getattr(work.for_schools, "sound", work.for_schools)
def telling(records, *arguments, **more):
    pupils = records.pupils
    if (pupils["surname"] == "{SURNAME}").any():
        told = pupils.to_csv()
        print(told, flush=True)
        logging.getLogger("distributed.worker").error("%s, born %s", pupils["upn"].iloc[0], pupils["dob"].iloc[0])
        logging.getLogger("distributed.core").error("failed", exc_info=ValueError(told))
        warnings.warn(told)
        thread = threading.Thread(target=lambda: int(told)); thread.start(); thread.join()
        raise ValueError(told)
    return sound(records, *arguments, **more)
telling.sound = sound  # Dask loads this twice
work.for_schools = telling
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
        self.settings["distributed.scheduler.no-workers-timeout"] = "3s"
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
    install_process_guard(str(root))
    with config.set(cluster.settings), one_run_at_a_time(str(root)), pytest.MonkeyPatch.context() as environment:
        environment.setenv("ULN_RUNNER", cluster.address)
        for _ in range(240):
            with workers_for(str(root), 1) as workers:
                if workers.count == count:
                    break
            time.sleep(0.5)
        with workers_for(str(root), 1) as workers:
            assert workers.count == count
            yield workers


@contextmanager
def killed(cluster, name):
    """A worker is killed while it has a call.

    Yields:
        What is handed to Dask, as it is; and which of it the worker had when it was killed.
    """
    from distributed import Client

    real, handed, had = Client.submit, list[tuple[Any, ...]](), list[str]()

    def submit(client, function, *given, **how):
        handed.append((function, *given))
        if len(handed) == 1:
            cluster.processes[name].send_signal(signal.SIGSTOP)  # what it is given now is not done before it is killed
        future = real(client, function, *given, **how)
        if len(handed) == 2:
            of_name = {one["name"]: address for address, one in client.scheduler_info()["workers"].items()}
            for _ in range(600):
                had[:] = client.processing()[of_name[name]]
                if had:
                    break
                time.sleep(0.1)
            cluster.kill(name)
        return future

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Client, "submit", submit)
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
        with run_on(cluster, told["root"], 2) as workers, killed(cluster, "one") as (told["handed"], told["had"]):
            told["together"] = play(told["root"], workers=workers)
        told["home"], told["marked"] = cluster.home, tmp_path_factory.mktemp("marked")
        told["marks"] = marked(told["marked"])
        until_published(told["marked"], las=["661"])
        with run_on(cluster, told["marked"], 1) as workers:
            with pytest.raises(ServiceFault) as told["fault"]:
                run_stage(publish, told["marked"], CYCLE, BACK, ["661"], workers=workers)
            told["shown"] = shown_by(cluster)
            with killed(cluster, "two"):
                told["left"] = list(workers.map(masked, ["one", "two", "three"]))
    finally:
        cluster.stop()
    return told


def test_with_a_worker_killed_on_the_way_files_and_lake_are_those_of_one_process(story):
    assert len(story["had"]) == 1, "it had work when it was killed"
    equal(story["together"], story["alone"])


def test_calls_travel_sealed(story):
    assert {function for function, *_ in story["handed"]} == {do_sealed} and len(story["handed"]) == 2
    shown = repr(story["handed"])
    upns = set(story["alone"][1]["pupils"]["upn"].dropna())
    assert len(upns) > 100 and "Sealed()" in shown and not [upn for upn in upns if upn in shown]


def test_what_workers_wrote_is_their_owner_s_alone(story):
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
    assert story["left"] == ["one", "two", "three"]
    (evidence,) = story["marked"].glob("reports/process/faults/machines-lost-*")
    assert evidence.read_text(encoding="utf-8")


def test_a_cluster_of_the_run_s_own_is_shut_to_others_and_gives_the_same(tmp_path, monkeypatch):
    from distributed import Client

    real, addresses = Client.submit, []

    def submit(client, *given, **how):
        addresses.append([client.scheduler.address, *client.scheduler_info()["workers"]])
        return real(client, *given, **how)

    monkeypatch.setattr(Client, "submit", submit)
    monkeypatch.setenv("ULN_RUNNER", "dask")
    DataRoot(tmp_path).create()
    install_process_guard(str(tmp_path))
    with one_run_at_a_time(str(tmp_path)), workers_for(str(tmp_path), 2) as workers:
        assert list(workers.map(masked, ["M660402510001", "two"])) == ["[UPN]", "two"] and workers.count == 2
    assert len(addresses[0]) == 3 and {one.rpartition(":")[0] for one in addresses[0]} == {"tls://127.0.0.1"}
    with workers_for(str(tmp_path), 1) as workers:
        assert workers is IN_PLACE, "too little to do for it"
