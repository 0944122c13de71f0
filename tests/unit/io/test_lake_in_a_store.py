"""The lake in an S3 store on loopback: what holds on a disk holds there, and no fault of the line loses or doubles a row."""

import dataclasses
import datetime as dt
import os
import shutil
import subprocess
import sys
import time

import pandas as pd
import pyarrow as pa
import pytest

from schemas.cycles import cycle_by_id
from schemas.tables import SHARED_UPNS, TABLES, Column, Tier
from schemas.texts.faults import ServiceFault
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.io.lake import maintenance
from tasks.io.lake.lake import Lake
from tasks.io.lake.scan import opened_table
from tasks.maintenance.doctor import Level, run_checks
from tasks.rehearsal.s3_stand_in import s3_server
from tasks.runtime.error_boundary import is_transient, sentence_of
from tests.support.cli import alone
from tests.support.faults.faulty_line import FaultyLine
from tests.support.faults.store_line import StoreLine
from tests.support.paths import PROJECT

pytestmark = pytest.mark.engine
#: A writer in a process of its own: the lake's library lets nobody else of a process do anything while it waits for a store.
WRITER = """
import sys
import pandas as pd
from pathlib import Path
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tasks.runtime.error_boundary import is_transient
lake, kind = Lake.of(DataRoot(Path(sys.argv[1]))), sys.argv[2]
for n in map(int, sys.stdin):
    cycle = f"c{n}" if kind == "replace" else "2012-01"
    rows = pd.DataFrame({"cycle": [cycle] * 3, "upn": [f"A{n:09d}{place:03d}" for place in range(3)]})
    for _ in range(30):
        try:
            if kind == "replace":
                lake.replace("shared_upns", rows, cycle=cycle)
            elif kind == "upsert":
                lake.upsert("shared_upns", rows)
            elif not lake.committed("shared_upns", [f"n/{n}"]):
                lake.append("shared_upns", rows, [f"n/{n}"])
            break
        except Exception as error:
            if not is_transient(error):
                raise
    else:
        sys.exit("never")
    print(n, flush=True)
"""


@pytest.fixture(scope="module")
def server():
    with s3_server() as running:
        running.bucket("uln")
        yield running


@pytest.fixture
def root(tmp_path):
    return DataRoot(tmp_path / "root").create()


def leads(server, place, **more):
    said = {"URL": f"s3://uln/{place}", "ENDPOINT": server.endpoint, "REGION": server.region}
    said |= {"ACCESS_KEY": server.access_key, "SECRET_KEY": server.secret_key, "PATIENCE_SECONDS": "20"} | more
    return {f"ULN_WAY_LAKE__{name}": value for name, value in said.items()}


@pytest.fixture
def lake(server, root, tmp_path, monkeypatch):
    for name, value in leads(server, tmp_path.name).items():
        monkeypatch.setenv(name, value)
    return Lake.of(root)


def upns(*numbers):
    return pd.DataFrame({"cycle": "2012-01", "upn": [f"A{n:012d}" for n in numbers]}).astype("str")


def writer(root, ways, kind="append"):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ULN_WAY_")} | ways
    command = [sys.executable, "-W", "ignore", "-c", WRITER, str(root.path), kind]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment, cwd=PROJECT, text=True, **pipes)


def asked(process, *numbers):
    """Let a writer write, and do not wait for it."""
    process.stdin.writelines(f"{n}\n" for n in numbers)
    process.stdin.flush()


def wrote(process, *numbers):
    """Let a writer write, and wait until it has."""
    asked(process, *numbers)
    for n in numbers:
        assert process.stdout.readline() == f"{n}\n", process.communicate()[1][-2000:]


def ended(process):
    """Let a writer come to its end."""
    _, told = process.communicate(timeout=600)
    assert process.returncode == 0, told[-2000:]


def test_a_table_there_is_as_one_on_the_disk(lake, tmp_path, root):
    said = []
    for one in (lake, Lake(tmp_path / "disk")):
        assert one.replace("shared_upns", upns(1, 2, 3), cycle="2012-01")
        assert not one.replace("shared_upns", upns(3, 2, 1), cycle="2012-01")
        assert one.append("shared_upns", upns(4, 5), ["t/1"]) and one.committed("shared_upns", ["t/1", "t/2"]) == {
            "t/1"
        }
        assert one.upsert("shared_upns", upns(5, 6)) and not one.upsert("shared_upns", upns(5, 6))
        assert (
            one.version("shared_upns") == 2
            and one.version("pupils") == -1
            and maintenance.damage(one, "pupils") is None
        )
        assert maintenance.compact(one, "shared_upns") == 2 and maintenance.damage(one, "shared_upns") is None
        maintenance.shorten_logs(one)
        assert maintenance.former_versions(one, pd.Timedelta(0).to_pytimedelta()) == {}
        said.append(
            (one.read("shared_upns"), list(one.distinct("shared_upns", "upn")), one.sizes("shared_upns", "cycle"))
        )
    pd.testing.assert_frame_equal(said[0][0], said[1][0])
    assert said[0][1:] == said[1][1:] and len(said[0][0]) == 6
    assert [path for path in root.lake.rglob("*") if path.is_file()] == []


def test_a_lake_there_gets_the_columns_of_a_newer_service(lake, root, monkeypatch):
    lake.append("shared_upns", upns(1, 2))
    language = Column("language", pa.string(), Tier.INTERNAL, since=2)
    wider = dataclasses.replace(SHARED_UPNS, columns=(*SHARED_UPNS.columns, language))
    with monkeypatch.context() as patch:
        patch.setitem(TABLES, "shared_upns", wider)
        opened_table.cache_clear()  # as in a new process
        assert lake.filled("shared_upns", "language") == 0
        with one_run_at_a_time(str(root.path)):
            lake.append("shared_upns", upns(3).assign(language="cy"))
        assert list(lake.read("shared_upns")["language"].fillna("")) == ["", "", "cy"]
    opened_table.cache_clear()
    with pytest.raises(ServiceFault, match="another version"), one_run_at_a_time(str(root.path)):
        pytest.fail("a run began")


def test_a_file_that_is_gone_is_damage(lake, server, tmp_path):
    lake.append("shared_upns", upns(1))
    client = server.client()
    keys = [one["Key"] for one in client.list_objects_v2(Bucket="uln", Prefix=f"{tmp_path.name}/")["Contents"]]
    client.delete_object(Bucket="uln", Key=next(key for key in keys if key.endswith(".parquet")))
    assert maintenance.damage(lake, "shared_upns") == "files"


@pytest.mark.parametrize("kind", ["append", "upsert", "replace"])
def test_two_writers_at_once_lose_and_double_nothing(lake, server, root, tmp_path, kind):
    lake.append("shared_upns", upns(999_999_999))
    with StoreLine(server, meets=True) as line:
        both = [writer(root, leads(server, tmp_path.name, ENDPOINT=line.endpoint), kind) for _ in range(2)]
        for first, one in zip((0, 100), both, strict=True):
            asked(one, *range(first, first + 6))
        for one in both:
            ended(one)
        assert len([name for name in line.met if "_delta_log" in name]) >= 3, "they hardly met"
    rows = lake.read("shared_upns")
    assert len(rows) == 1 + 2 * 6 * 3 and rows["upn"].is_unique
    assert lake.version("shared_upns") == 12


def test_an_answer_to_a_put_that_is_lost_loses_and_doubles_no_row(lake, server, root, tmp_path):
    with StoreLine(server) as line:
        one = writer(root, leads(server, tmp_path.name, ENDPOINT=line.endpoint))
        lost = [(part, done) for part in ("_delta_log/", ".parquet") for done in (True, False)] * 2
        for n, (part, done) in enumerate(lost):  # the table's first commit, and later ones
            line.lose_answer(part, done=done)
            wrote(one, n)
            assert part in line.lost.pop() and not line.lost
        ended(one)
    rows = lake.read("shared_upns")
    assert len(rows) == 8 * 3 and rows["upn"].is_unique and maintenance.damage(lake, "shared_upns") is None


def test_wherever_a_line_breaks_no_row_is_lost_or_doubled(lake, server, root, tmp_path):
    with FaultyLine("127.0.0.1", server.port) as line:
        ways = leads(server, tmp_path.name, ENDPOINT=f"http://127.0.0.1:{line.port}", PATIENCE_SECONDS="2")
        one = writer(root, ways)
        wrote(one, 0)
        before = line.seen["server"]
        wrote(one, 1)
        of_one = line.seen["server"] - before
        for n in range(2, 14):
            line.swallow_answers(of_one * (n - 2) // 12)
            wrote(one, n)
        ended(one)
    rows = lake.read("shared_upns")
    assert len(rows) == 14 * 3 and rows["upn"].is_unique


def test_a_writer_that_is_killed_anywhere_loses_and_doubles_nothing(lake, server, root, tmp_path):
    with FaultyLine("127.0.0.1", server.port) as line:
        lasts = writer(root, leads(server, tmp_path.name))
        wrote(lasts, 0)
        for n in range(1, 9):
            line.cut_after(600 * n, "server")
            dies = writer(root, leads(server, tmp_path.name, ENDPOINT=f"http://127.0.0.1:{line.port}"))
            asked(dies, n)
            until, there = 600 * n, line.seen["server"]
            while line.seen["server"] - there < until and dies.poll() is None:
                time.sleep(0.002)
            dies.kill()
            dies.communicate()
            wrote(lasts, n)
        ended(lasts)
    rows = lake.read("shared_upns")
    assert len(rows) == 9 * 3 and rows["upn"].is_unique and maintenance.damage(lake, "shared_upns") is None


def met(root):
    return [one for one in run_checks(str(root.path), dt.date(2012, 2, 1)) if one.check in {"store", "lake"}]


def test_the_doctor_tells_a_store_that_lets_a_commit_be_overwritten(server, root, tmp_path, monkeypatch):
    with StoreLine(server, overwrites=True) as careless:
        for name, value in leads(server, tmp_path.name, ENDPOINT=careless.endpoint).items():
            monkeypatch.setenv(name, value)
        (told,) = met(root)
    left = server.client().list_objects_v2(Bucket="uln", Prefix=tmp_path.name).get("Contents", [])
    assert told.level is Level.FAULT and "overwrites what another writer has committed" in told.message.en
    assert not [one["Key"] for one in left if ".uln-" in one["Key"]]


@pytest.mark.usefixtures("lake")
def test_the_doctor_says_that_it_could_not_try_it(root, monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    told, _ = met(root)
    assert told.level is Level.WARNING and "was not tried" in told.message.en and "s3fs" in told.message.en


def test_the_doctor_tells_a_store_that_serves_and_leaves_nothing_there(lake, server, root, tmp_path):
    lake.append("shared_upns", upns(1))
    assert [one.level for one in met(root)] == [Level.OK, Level.OK]
    there = server.client().list_objects_v2(Bucket="uln", Prefix=tmp_path.name)["Contents"]
    assert not [one["Key"] for one in there if ".uln-" in one["Key"]]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"SECRET_KEY": "of-somebody-else"}, "does not let the service in"),
        ({"URL": "s3://no-such-bucket/lake"}, "no such bucket"),
        ({"ENDPOINT": "http://127.0.0.1:9"}, "does not answer"),
    ],
    ids=["key", "bucket", "away"],
)
def test_the_doctor_tells_a_store_that_does_not_serve_and_looks_no_further(server, root, monkeypatch, wrong, says):
    for name, value in (leads(server, "doctor", PATIENCE_SECONDS="2") | leads(server, "doctor", **wrong)).items():
        monkeypatch.setenv(name, value)
    (told,) = met(root)
    assert told.level is Level.FAULT and says in told.message.en and told.action is not None


@pytest.mark.parametrize(
    ("wrong", "says", "passes"),
    [
        ({"SECRET_KEY": "of-somebody-else"}, "does not let the service in", False),
        ({"URL": "s3://no-such-bucket/lake"}, "no such bucket", False),
        ({"ENDPOINT": "http://127.0.0.1:9"}, "does not answer", True),
    ],
    ids=["key", "bucket", "away"],
)
@pytest.mark.parametrize("does", ["append", "damage"])
def test_a_store_that_does_not_serve_is_told_in_one_sentence(server, root, monkeypatch, wrong, says, passes, does):
    for name, value in (leads(server, "told", PATIENCE_SECONDS="2") | leads(server, "told", **wrong)).items():
        monkeypatch.setenv(name, value)
    lake = Lake.of(root)
    if does == "damage" and "URL" in wrong:
        assert maintenance.damage(lake, "shared_upns") is None, "nothing is there yet"
        return
    with pytest.raises(Exception) as met:
        lake.append("shared_upns", upns(1)) if does == "append" else maintenance.damage(lake, "shared_upns")
    told = sentence_of(met.value, data=str(root.path), cycle="2012-01", stage="read", about="all")
    assert says in told and "\n" not in told and is_transient(met.value) is passes
    evidence = "".join(path.read_text(encoding="utf-8") for path in root.path.rglob("read-all-*.txt"))
    assert evidence and server.secret_key not in evidence + repr(lake.place)


def test_a_cycle_ends_in_the_tables_and_snapshots_of_one_on_the_disk(server, root, tmp_path):
    from flows.rehearsal import rehearsal_times

    local, ways = tmp_path / "local", leads(server, tmp_path.name)
    alone("rehearse", "--schools", "4", "--data", str(local), ways={})
    for name in ("reference", "dewi/inbox"):
        shutil.copytree(local / name, root.path / name, dirs_exist_ok=True)
    sent, answered = rehearsal_times(cycle_by_id("2012-01"))
    alone("census", "2012-01", "--as-of", sent, "--data", str(root.path), ways=ways)
    shutil.copytree(local / "lrs" / "inbox", root.lrs_inbox, dirs_exist_ok=True)
    alone("returns", "--as-of", answered, "--data", str(root.path), ways=ways)
    alone("doctor", "--data", str(root.path), ways=ways)
    for name in ("learners.parquet", "exceptions.parquet"):
        ours, theirs = (place / "snapshots" / "2012-01" / name for place in (root.path, local))
        assert ours.read_bytes() == theirs.read_bytes()
    os.environ.update(ways)
    try:
        there = Lake.of(root)
    finally:
        for name in ways:
            del os.environ[name]
    for name in set(TABLES) - {"received"}:
        pd.testing.assert_frame_equal(there.read(name), Lake(local / "lake").read(name))
    assert sorted(path.name for path in root.lake.rglob("*") if path.is_file()) == [".place", ".run.lock"]
