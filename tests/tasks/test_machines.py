"""Workers of a cluster: who may be joined, what travels, and what becomes of a run where a worker is lost or of no use.

Dask's client is played here; the same over a real scheduler and workers is `tests/scenarios/test_more_machines.py`.
"""

import datetime as dt
import socket
import stat
from concurrent.futures import CancelledError
from contextlib import contextmanager

import pytest
from tasks.runtime.progress import told_to
from tasks.runtime.worker import WorkFault

from schemas.texts.faults import ConfigurationFault, ServiceFault
from tasks.core.masking import masked
from tasks.io.data_root import staging
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.run_lock import is_held, one_run_at_a_time
from tasks.io.lake.tables import Lake
from tasks.runtime import dask_executor as module
from tasks.runtime import executor as spreading
from tasks.runtime.context import moment
from tasks.runtime.dask_executor import Machines, carried_out, machines, runner_named
from tasks.runtime.executor import attempt, one_by_one, parts, spread, workers

UPN = "M660402510001"


class Future:
    """What a worker will have given back: here it does it as it is asked."""

    def __init__(self, work, forget=lambda: None):
        self.work, self.release = work, forget

    def result(self, **_):
        """Has it done."""
        return self.work()


class Client:
    """Dask's, with workers that are this process."""

    def __init__(self, workers=2):
        self.workers, self.asked, self.forgotten = workers, [], []
        self.work = carried_out

    def nthreads(self):
        """Who is there."""
        return {f"tls://{n}": 1 for n in range(self.workers)}

    def submit(self, function, *given, **how):
        """Notes what is asked."""
        assert function is carried_out
        self.asked.append((given, how))
        return Future(lambda: self.work(*given), lambda: self.forgotten.append(how["key"]))


@pytest.fixture
def client():
    return Client()


@pytest.fixture
def root(tmp_path, monkeypatch, client):
    """A data root that a run holds, with workers of a cluster."""
    root = DataRoot(tmp_path / "root").create()
    monkeypatch.setenv("ULN_RUNNER", "tls://cluster:8786")
    monkeypatch.setattr(module, "_fit_for", set())
    monkeypatch.setattr(module, "become_worker", lambda _: None)
    monkeypatch.setattr(module, "_LOOKS", 2)
    for of_module in (module, staging):
        monkeypatch.setattr(of_module, "_BETWEEN_LOOKS_SECONDS", 0)

    @contextmanager
    def joined(*_):
        held = Machines(client, str(root.path))
        yield held
        held.close()

    monkeypatch.setattr(spreading, "machines", joined)
    with one_run_at_a_time(str(root.path)), workers(1):
        yield root


def evidence(root):
    return [p.read_text(encoding="utf-8") for p in sorted(root.reports("process").glob("faults/machines-*.txt"))]


def test_the_same_results_and_faults_in_the_same_order_and_nothing_is_left(root, client):
    assert (parts(), spread(masked, [f"of {UPN}", "of nobody"])) == (2, ["of [UPN]", "of nobody"])
    day, fault, strange = attempt(moment, ["2012-01-29", "never", None], at_once=2)
    assert (day, type(fault), type(strange)) == (dt.datetime(2012, 1, 29), ServiceFault, WorkFault)
    assert list(one_by_one(masked, map(str, range(5)), at_once=2)) == list("01234")
    assert [how["key"].partition("-")[0] for _, how in client.asked] == ["masked"] * 2 + ["moment"] * 2 + ["masked"] * 3
    assert not list(root.staging.rglob("*.*")) and not evidence(root)
    assert client.forgotten == [how["key"] for _, how in client.asked], "else it is done anew where a worker is lost"


def test_what_travels_names_nobody_and_what_it_stands_for_is_the_owner_s_alone(root, client):
    seen = []

    def looked_at(*given):
        seen.extend(root.staging.rglob("*"))
        done = carried_out(*given)
        seen.extend(root.staging.rglob("*"))
        return done

    client.work = looked_at
    assert spread(masked, [f"of {UPN}"]) == ["of [UPN]"]
    (given, how), *_ = client.asked
    assert all(type(one) is str and UPN not in one for one in (*given, how["key"])) and how["pure"] is False
    assert {p.suffix for p in seen} == {"", ".call", ".result"}


def test_a_staged_file_is_its_owner_s_alone(tmp_path):
    folder = staging.open_staging(DataRoot(tmp_path))
    call = staging.put_call(folder, 1, b"call")
    result = staging.put_result(folder, call, b"result")
    assert {stat.S_IMODE((folder / one.name).stat().st_mode) for one in (call, result)} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert staging.put_result(folder, call, b"result") == result, "two workers that did the same leave one file"
    staging.close_staging(folder)
    assert not DataRoot(tmp_path).staging.exists()


def test_what_a_killed_run_left_on_its_way_goes_when_the_next_begins_and_its_workers_leave_nothing_more(root, client):
    client.work = lambda *given: given
    spreading.begin(masked, [UPN])  # and the run is killed
    ((given, _),) = client.asked
    (left,) = root.staging.iterdir()
    assert list(left.iterdir())
    data_root = DataRoot(root.path)
    from tasks.io.data_root.data_root import clear_parts

    clear_parts(data_root)
    assert not root.staging.exists()
    assert carried_out(*given) == ("", "")
    assert staging.put_result(left, staging.Staged(given[3], given[4]), b"late") is None
    assert not root.staging.exists() and not evidence(root)


@pytest.mark.parametrize(
    "lost", [CancelledError("scheduler-connection-lost"), OSError("closed"), "killed", "deserted", "torn", "gone"]
)
def test_where_the_workers_are_lost_the_run_does_what_is_left_and_keeps_the_evidence(root, client, lost):
    from distributed.scheduler import KilledWorker

    def work(*given):
        if lost == "deserted":
            client.workers = 0
            raise TimeoutError
        if lost == "killed":
            raise KilledWorker("masked-1", None, 4)
        if isinstance(lost, Exception):
            raise lost
        name, sha256 = carried_out(*given)
        file = root.staging / given[2] / name
        file.write_bytes(file.read_bytes()[:-1]) if lost == "torn" else file.unlink()
        return name, sha256

    client.work = work
    assert (parts(), spread(masked, [UPN, "x"]), parts()) == (2, ["[UPN]", "x"], 1)
    asked = len(client.asked)
    assert spread(masked, [UPN]) == ["[UPN]"] and len(client.asked) == asked, "it is not asked again"
    assert len(evidence(root)) == 1


@pytest.mark.usefixtures("root")
def test_a_cluster_that_answers_late_is_waited_for(client):
    late = iter([True] * 5)

    def work(*given):
        if next(late, False):
            raise TimeoutError
        return carried_out(*given)

    client.work = work
    assert (spread(masked, [UPN]), parts()) == (["[UPN]"], 2)


@pytest.mark.parametrize("why", ["edition", "root", "lock", "late", "unfit", "not_ours"])
def test_a_worker_that_is_of_no_use_is_told_at_once_and_no_other_work_is_tried(root, client, monkeypatch, why):
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
            if why == "unfit":
                raise ModuleNotFoundError("No module named 'tasks'")
            return carried_out(*given)

    client.work = work
    function = stat.S_IMODE if why == "not_ours" else masked
    with pytest.raises(ServiceFault) as told:
        spread(function, [1 if why == "not_ours" else UPN])
    named = {"unfit": "machines-unfit", "not_ours": "machines-all"}.get(why, socket.gethostname())
    assert named in str(told.value) and UPN not in str(told.value) and " / " in str(told.value)
    assert why != "root" or not list((root.path / "mount point").iterdir()), "nothing is made on the wrong disk"
    asked = len(client.asked)
    with pytest.raises(ServiceFault) as again:
        spread(masked, [UPN])
    assert str(again.value) == str(told.value)
    assert len(client.asked) == asked


@pytest.mark.usefixtures("root")
def test_what_workers_have_done_is_told_as_it_comes():
    told = []
    with told_to(told.append):
        assert spread(masked, ["a", "b", "c", "d"]) == ["a", "b", "c", "d"] and parts() == 2
    assert told == [0.125, 0.25, 0.375, 0.5]


def test_a_worker_waits_until_it_sees_the_run_s_folder(root, client, monkeypatch):
    looks = []

    def slept(_):
        looks.append(1)
        if len(looks) == 3:
            (root.path / "not shown yet").rename(root.staging)

    def work(*given):
        root.staging.rename(root.path / "not shown yet")
        return carried_out(*given)

    client.work = work
    monkeypatch.setattr(staging.time, "sleep", slept)
    assert (spread(masked, [UPN]), parts()) == (["[UPN]"], 2) and len(looks) == 3
    assert not evidence(root), "the run did not go on alone"


def test_a_worker_waits_until_it_sees_the_lake_as_the_run_has_seen_it(root, monkeypatch):
    looks = iter([False, False, True])
    wanted = []

    def reached(_, versions):
        wanted.append(versions)
        return next(looks)

    monkeypatch.setattr(Lake, "reached", reached)
    assert spread(masked, [UPN]) == ["[UPN]"]
    assert len(wanted) == 3 and wanted[0] == Lake(root.lake).versions()


def test_a_lake_is_reached_where_no_table_is_older(tmp_path):
    import pandas as pd

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
    monkeypatch.delenv("ULN_RUNNER_OPEN", raising=False)
    monkeypatch.setenv("ULN_RUNNER", named)
    assert runner_named() == named


@pytest.mark.parametrize(
    "named", ["ray", "http://far:8786", "tcp://", "tcp://10.0.0.1:8786", "tcp://127.0.0.1.far:1", "tcp://0.0.0.0:8786"]
)
def test_who_may_not_be_joined_is_told_before_anything_is_done(monkeypatch, named):
    monkeypatch.delenv("ULN_RUNNER_OPEN", raising=False)
    monkeypatch.setenv("ULN_RUNNER", named)
    with pytest.raises(ConfigurationFault) as told, workers(2):
        pass
    assert told.value.source == "ULN_RUNNER" and ("docs/machines.md" in str(told.value)) == (named.count(".") > 1)
    if named.count(".") > 1:
        monkeypatch.setenv("ULN_RUNNER_OPEN", "1")
        assert runner_named() == named


def test_without_certificates_a_guarded_scheduler_is_not_even_asked(tmp_path):
    with pytest.raises(ConfigurationFault, match="Certificates"), machines("tls://127.0.0.1:9", 1, str(tmp_path)):
        pass


def test_where_nobody_answers_a_run_says_so_and_does_not_begin(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_JOIN_SECONDS", 0.2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(ServiceFault, match=address), machines(address, 1, str(tmp_path)):
            pass


def test_a_worker_is_warmed_where_it_sees_the_lake(root, client, tmp_path):
    done = []
    client.submit = lambda function, *given, **_: Future(lambda: function(*given))
    for one in Machines(client, str(root.path)).warm(lambda: done.append(1)):
        one.result()
    assert done == [1, 1]
    (tmp_path / "new").mkdir()
    for one in Machines(client, str(tmp_path / "new")).warm(lambda: done.append(2)):
        one.result()
    assert done == [1, 1] and not list((tmp_path / "new").iterdir())


def test_a_worker_becomes_one_of_the_service_s_before_it_does_anything(root, client, monkeypatch):
    order = []
    monkeypatch.setattr(module, "become_worker", order.append)
    monkeypatch.setattr(module, "all_tried", lambda *_: order.append("done") or ["x"])
    spread(masked, ["one", "two"])
    assert order == [str(root.path), "done", "done"] and len(client.asked) == 2
