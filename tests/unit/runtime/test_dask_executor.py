"""The executor of a Dask cluster: which scheduler may be joined, what travels, and what a lost or unfit worker costs.

Dask's own executor is played here; the same over a real scheduler and workers is `tests/scenarios/test_more_machines.py`.
"""

import datetime as dt
import pickle
import socket
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future

import pandas as pd
import pytest

from schemas.texts.faults import ConfigurationFault, ServiceFault
from tasks.core.masking import masked
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.run_lock import is_held, one_run_at_a_time
from tasks.io.lake.lake import Lake
from tasks.runtime import dask_executor as module
from tasks.runtime.context import moment
from tasks.runtime.dask_executor import DaskExecutor, Sealed, dask_executor, do_sealed, runner_named
from tasks.runtime.executor import WorkerError, Workers, workers_for

UPN = "M660402510001"


class Cluster(Executor):
    """Dask's executor, with a worker that is this process."""

    def __init__(self):
        self.asked, self.answers, self.work = [], [], do_sealed

    def submit(self, function, /, *given, **_):
        """Does the call as it is submitted; what travels is pickled."""
        assert function is do_sealed
        self.asked.append(given)
        future = Future()
        try:
            self.answers.append(pickle.dumps(self.work(*pickle.loads(pickle.dumps(given)))))
            future.set_result(pickle.loads(self.answers[-1]))
        except Exception as error:  # noqa: BLE001 - comes back as the call's
            future.set_exception(error)
        return future


joined = []


def join(data):
    """As a worker becomes one of the service."""
    joined.append(data)


@pytest.fixture
def cluster(monkeypatch):
    module._join.cache_clear()
    monkeypatch.setattr(module, "_BETWEEN_LOOKS_SECONDS", 0)
    joined.clear()
    return Cluster()


@pytest.fixture
def root(tmp_path):
    """A data root that a run holds."""
    root = DataRoot(tmp_path / "root").create()
    with one_run_at_a_time(str(root.path)):
        yield root


@pytest.fixture
def workers(root, cluster):
    return Workers(2, DaskExecutor(cluster, str(root.path), join))


def evidence(root):
    return [p.read_text(encoding="utf-8") for p in sorted(root.reports("process").glob("faults/machines-*.txt"))]


def test_results_and_faults_come_in_the_order_of_the_calls(workers, root, cluster):
    assert list(workers.map(masked, [f"of {UPN}", "of nobody"])) == ["of [UPN]", "of nobody"]
    day, fault, strange = workers.map(moment, ["2012-01-29", "never", None])
    assert (day, type(fault), type(strange)) == (dt.datetime(2012, 1, 29), ServiceFault, WorkerError)
    assert len(cluster.asked) == 5 and not evidence(root)
    assert joined == [str(root.path)], "a worker joins once"


def test_a_worker_that_two_data_roots_share_keeps_its_evidence_where_its_call_comes_from(root, cluster, tmp_path):
    other = DataRoot(tmp_path / "other").create()
    with one_run_at_a_time(str(other.path)):
        for path in (root.path, root.path, other.path, root.path):
            assert list(Workers(1, DaskExecutor(cluster, str(path), join)).map(masked, [UPN])) == ["[UPN]"]
    assert joined == [str(root.path), str(other.path), str(root.path)]


def test_nothing_that_dask_is_given_shows_what_it_holds(workers, cluster):
    assert list(workers.map(masked, [f"of {UPN}"])) == ["of [UPN]"]
    (given,) = cluster.asked
    assert UPN not in repr(given) and UPN not in str(given) and UPN.encode() in given[-1].content
    assert repr(Sealed.of(UPN)) == "Sealed()" and Sealed.of(UPN).open() == UPN
    assert all(isinstance(pickle.loads(answer), Sealed) for answer in cluster.answers)


@pytest.mark.parametrize(
    "lost", [CancelledError("scheduler-connection-lost"), OSError("closed"), "killed", "deserted", "deserted before"]
)
def test_where_the_cluster_is_lost_the_run_does_what_is_left_and_keeps_the_evidence(workers, root, cluster, lost):
    from distributed.scheduler import KilledWorker, NoValidWorkerError, NoWorkerError

    faults = {
        "killed": KilledWorker("do_sealed-1", None, 4),
        "deserted": NoWorkerError("do_sealed-1", 60),
        "deserted before": NoValidWorkerError("do_sealed-1", set(), set(), {}, 60),
    }

    def work(*_):
        raise faults.get(lost, lost)

    cluster.work = work
    assert list(workers.map(masked, [UPN, "x"])) == ["[UPN]", "x"]
    asked = len(cluster.asked)
    assert list(workers.map(masked, [UPN])) == ["[UPN]"] and len(cluster.asked) == asked, "it is not asked again"
    assert len(evidence(root)) == 1


@pytest.mark.parametrize("why", ["edition", "root", "lock", "late", "not the service"])
def test_a_worker_that_cannot_be_used_is_named_and_ends_the_work(workers, root, cluster, monkeypatch, why):
    def work(*given):
        with monkeypatch.context() as elsewhere:
            if why == "edition":
                elsewhere.setattr(module, "edition", lambda: "older")
            if why == "root":
                empty = root.path / "mount point"
                empty.mkdir(exist_ok=True)
                given = (str(empty), *given[1:])
            if why == "lock":
                elsewhere.setattr(module, "is_held", lambda _: False)
            if why == "late":
                elsewhere.setattr(module, "_LAKE_LOOKS", 2)
                elsewhere.setattr(Lake, "reached", lambda *_: False)
            if why == "not the service":
                raise ModuleNotFoundError("No module named 'tasks'")
            return do_sealed(*given)

    cluster.work = work
    with pytest.raises(ServiceFault) as told:
        list(workers.map(masked, [UPN]))
    named = "machines-unfit" if why == "not the service" else socket.gethostname()
    assert named in str(told.value) and UPN not in str(told.value) and " / " in str(told.value)
    assert why != "root" or not list((root.path / "mount point").iterdir()), "nothing is made on the wrong disk"
    assert (joined == []) == (why in ("edition", "root", "lock", "not the service"))


def unpicklable(_):
    return lambda: UPN


def test_a_result_that_cannot_travel_is_evidence_and_no_exception_of_dask_s(workers, root, cluster):
    with pytest.raises(ServiceFault, match="machines-unfit") as told:
        list(workers.map(unpicklable, [UPN]))
    assert UPN not in str(told.value) and len(cluster.answers) == 1
    assert any("pickle" in text.lower() for text in evidence(root))


def test_a_worker_waits_until_it_sees_the_lake_as_the_run_has_seen_it(workers, root, monkeypatch):
    looks = iter([False, False, True])
    wanted = []

    def reached(_, versions):
        wanted.append(versions)
        return next(looks)

    monkeypatch.setattr(Lake, "reached", reached)
    assert list(workers.map(masked, [UPN])) == ["[UPN]"]
    assert len(wanted) == 3 and wanted[0] == Lake(root.lake).versions()


def test_a_lake_is_reached_where_no_table_is_older(tmp_path):
    lake = Lake(tmp_path)
    before = lake.versions()
    assert lake.reached(before) and not lake.reached({**before, "shared_upns": 0})
    lake.append("shared_upns", pd.DataFrame({"cycle": ["2012-01"], "upn": [UPN]}))
    assert lake.reached({**before, "shared_upns": 0}) and lake.reached(before)
    assert not lake.reached({"shared_upns": 1})


def test_whether_a_run_holds_the_root_is_seen_from_another_handle(tmp_path):
    DataRoot(tmp_path).create()
    assert not is_held(str(tmp_path))
    with one_run_at_a_time(str(tmp_path)):
        assert is_held(str(tmp_path))
    assert not is_held(str(tmp_path))


@pytest.mark.parametrize(
    "named", ["", "dask", "tcp://127.0.0.1:8786", "tcp://localhost:1", "tcp://[::1]:8786", "tls://far:8786"]
)
def test_who_may_be_joined(monkeypatch, named):
    monkeypatch.setenv("ULN_RUNNER", named)
    assert runner_named() == named


@pytest.mark.parametrize(
    "named", ["ray", "http://far:8786", "tcp://", "tcp://10.0.0.1:8786", "tcp://127.0.0.1.far:1", "tcp://0.0.0.0:8786"]
)
def test_who_may_not_be_joined_is_told_before_anything_is_done(monkeypatch, tmp_path, named):
    monkeypatch.setenv("ULN_RUNNER_OPEN", "1")  # once let an open way pass
    monkeypatch.setenv("ULN_RUNNER", named)
    with pytest.raises(ConfigurationFault) as told, workers_for(str(tmp_path), 2):
        pass
    assert told.value.source == "ULN_RUNNER" and ("docs/machines.md" in str(told.value)) == (named.count(".") > 1)


def test_without_certificates_a_guarded_scheduler_is_not_even_asked(tmp_path):
    address = "tls://127.0.0.1:9"
    with pytest.raises(ConfigurationFault, match="Certificates"), dask_executor(address, 1, str(tmp_path), print):
        pass


def test_where_nobody_answers_a_run_says_so_and_does_not_begin(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_JOIN_SECONDS", 0.2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(ServiceFault, match=address), dask_executor(address, 1, str(tmp_path), print):
            pass


@pytest.mark.parametrize("own", [None, 0.2], ids=["default", "its own"])
def test_a_standing_scheduler_without_workers_fails_a_call_and_keeps_its_own_limit(root, monkeypatch, own):
    import distributed
    from dask import config

    monkeypatch.setattr(module, "_NO_WORKERS_SECONDS", 0.1)
    here = {"n_workers": 1, "threads_per_worker": 1, "processes": False, "host": "127.0.0.1", "dashboard_address": None}
    quiet = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
    with config.set({**quiet, "distributed.scheduler.no-workers-timeout": own}):
        cluster = distributed.LocalCluster(protocol="tcp://", silence_logs=60, **here)
    with cluster, dask_executor(cluster.scheduler_address, 1, str(root.path), join) as (executor, count):
        assert count == 1 and cluster.scheduler.no_workers_timeout == (own or 0.1)
        cluster.sync(cluster.workers[0].close)
        with pytest.raises(BrokenExecutor):
            executor.submit(masked, UPN).result(timeout=30)


def test_an_executor_that_has_lost_its_cluster_takes_nothing_more(root, cluster):
    executor = DaskExecutor(cluster, str(root.path), join)
    cluster.work = lambda *_: (_ for _ in ()).throw(OSError("closed"))
    with pytest.raises(BrokenExecutor):
        executor.submit(masked, UPN).result()
    with pytest.raises(BrokenExecutor):
        executor.submit(masked, UPN)
