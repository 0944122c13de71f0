"""Each check of the doctor in a case in which it is not well, and all of them in one in which it is."""

import datetime as dt
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import prefect
import pytest
from deltalake import DeltaTable, write_deltalake
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings
from typer.testing import CliRunner

from flows.cli.__main__ import app
from flows.services import doctor as server_doctor
from schemas.texts.catalogue import all_texts
from schemas.texts.faults import ConfigurationFault
from tasks.io.data_root.run_lock import file_system_of
from tasks.io.lake.lake import Lake
from tasks.maintenance import doctor
from tasks.maintenance.doctor import run_checks

CYCLE = "2012-01"
SOON, LATE = dt.date(2012, 2, 7), dt.date(2012, 6, 1)


def met(root, day=SOON):
    """What is not well: by check, the level and the English sentence."""
    found = list(run_checks(str(root), day))
    assert all((one.action is None) == (one.level is doctor.Level.OK) for one in found), "each says what to do"
    return {(one.check, one.level.value): one.message.en for one in found if one.level is not doctor.Level.OK}


def test_where_all_is_well_each_check_says_so(root):
    found = list(run_checks(str(root), SOON))
    assert [one.level.value for one in found] == ["ok"] * 12
    assert len({one.check for one in found}) == 12


def test_packages_of_another_version(root, monkeypatch):
    monkeypatch.setattr(
        doctor, "version", lambda name: "0.1" if name == "pandas" else "999" if name == "tzdata" else "2.0"
    )
    assert "pandas 0.1" in met(root)["versions", "fault"]


def test_a_data_root_that_is_not_there_and_folders_that_are_missing_or_none(root, tmp_path):
    assert list(met(tmp_path / "none")) == [("folders", "fault")]
    shutil.rmtree(root / "lrs" / "outbox")
    assert met(root) == {("folders", "warning"): "missing: lrs/outbox"}
    (root / "lrs" / "outbox").write_text("")
    assert met(root) == {("folders", "fault"): "no folder, or this account may not use it: lrs/outbox"}


def test_a_wrong_file_that_only_one_check_reads_is_reported_too(root, monkeypatch):
    def broken(*_):
        raise ConfigurationFault("other.toml", ["cy / line 1 is wrong"])
        yield

    monkeypatch.setattr(doctor, "CHECKS", (*doctor.CHECKS, broken))
    assert "line 1 is wrong" in met(root)["configuration", "fault"]


def test_every_file_that_is_wrong_is_told(root):
    (root / "reference" / "retention.toml").write_text("[returns]\ndays = -1\ndecided = false\n", encoding="utf-8")
    (root / "reference" / "watching.toml").write_text("[free_space]\nwarn_below_gib = 0\n", encoding="utf-8")
    told = [one.message.en for one in run_checks(str(root), SOON) if one.level is doctor.Level.FAULT]
    assert len(told) == 2 and "reference/retention.toml" in told[0] and "reference/watching.toml" in told[1]


def test_a_registration_that_is_missing(root):
    (root / "reference" / "registration.csv").unlink()
    assert list(met(root)) == [("configuration", "warning")]


def test_a_folder_that_others_may_enter(root):
    (root / "lake").chmod(0o755)
    assert met(root) == {("rights", "warning"): "others may enter: lake"}


@pytest.mark.parametrize(("warn", "fault", "level"), [(10**9, 1, "warning"), (10**9, 10**9, "fault")])
def test_a_disk_that_is_nearly_full(root, warn, fault, level):
    block = f"[free_space]\nwarn_below_gib = {warn}\nfault_below_gib = {fault}\n"
    (root / "reference" / "watching.toml").write_text(block, encoding="utf-8")
    assert list(met(root)) == [("free_space", level)]


def test_evidence_of_what_nobody_foresaw(root):
    kept = root / "reports" / CYCLE / "faults" / "read-660-0.txt"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text("of a pupil", encoding="utf-8")
    assert "1 have left evidence; the newest: reports/2012-01/faults/read-660-0.txt" in met(root)["evidence", "warning"]


def test_a_run_that_lost_its_cluster_is_told_apart_from_what_nobody_foresaw(root):
    kept = root / "reports" / "process" / "faults" / "machines-lost-0.txt"
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text("closed", encoding="utf-8")
    told = met(root)
    assert (
        list(told) == [("machines", "warning")]
        and "reports/process/faults/machines-lost-0.txt" in told["machines", "warning"]
    )


def test_a_data_root_on_storage_that_machines_share(root, tmp_path, monkeypatch):
    mounts = tmp_path / "mounts"
    lines = f"server:/uln {root.parent} nfs4 rw 0 0\n/dev/sda1 / ext4 rw 0 0\nserver:/other {root}x nfs4 rw 0 0\n"
    mounts.write_text(lines, encoding="utf-8")
    monkeypatch.setattr(doctor, "file_system_of", lambda path: file_system_of(path, mounts))
    (told,) = [one for one in run_checks(str(root), SOON) if one.level is doctor.Level.WARNING]
    assert told.check == "locks" and "lies on nfs4" in told.message.en
    assert f"flock -n {root / 'lake' / '.run.lock'} true" in told.action.en and told.action.cy != told.action.en
    mounts.write_text(lines.replace(f"{root.parent} nfs4", f"{root.parent} xfs"), encoding="utf-8")
    assert met(root) == {}


def _a_file(lake, table):
    return Path(sorted(DeltaTable(str(lake / table)).file_uris())[0])


def _lose_a_file(lake):
    _a_file(lake, "batches").unlink()


def _cut_a_file(lake):
    path = _a_file(lake, "learners")
    path.write_bytes(path.read_bytes()[:-1])


def _lose_a_log(lake):
    shutil.rmtree(lake / "deliveries", ignore_errors=True)
    shutil.rmtree(lake / "received" / "_delta_log")


def _break_a_log(lake):
    for path in (lake / "received" / "_delta_log").glob("*.json"):
        path.write_text("{", encoding="utf-8")


def _other_columns(lake):
    shutil.rmtree(lake / "exceptions")
    write_deltalake(str(lake / "exceptions"), pd.DataFrame({"upn": ["x"]}))


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_lose_a_file, "files of table batches"),
        (_cut_a_file, "files of table learners"),
        (_lose_a_log, "table received cannot be opened"),
        (_break_a_log, "table received cannot be opened"),
        (_other_columns, "table exceptions has other columns"),
    ],
)
def test_a_lake_that_was_harmed(root, harm, told):
    harm(root / "lake")
    assert told in met(root)["lake", "fault"]


def test_tables_of_different_moments(root):
    kept = shutil.copytree(root / "lake" / "learners", root / "kept")
    shutil.rmtree(root / "lake" / "learners")
    assert met(root) == {("lake", "warning"): "the answers of 1 result files are not merged yet"}
    shutil.copytree(kept, root / "lake" / "learners")
    shutil.rmtree(root / "lake" / "lrs_returns")
    assert "1 result files count as taken in" in met(root)["lake", "fault"]


def test_batches_without_their_learners(root):
    lake = Lake(root / "lake")
    ref = lake.read("batches")["batch_ref"].iloc[0]
    lake.replace("batch_rows", lake.read("batch_rows").head(1), cycle=CYCLE, la_code="660")
    assert f"the first is {ref}" in met(root)["lake", "fault"]


def test_batches_that_wait_for_a_person(root):
    lake = Lake(root / "lake")
    batches, answers = lake.read("batches"), lake.read("lrs_returns")
    lake.upsert("lrs_returns", answers.assign(tied="N"))
    told = met(root, LATE)["batches", "warning"]
    assert batches["batch_ref"].iloc[0] in told and "has not answered" in told and "for 123 days" in told
    lake.upsert("batches", batches.assign(state="SENT_UNCONFIRMED"))
    assert "nobody knows whether 1 were handed over" in met(root)["batches", "warning"]


def test_the_terminal_tells_it_with_what_to_do_and_fails_where_there_is_a_fault(root, monkeypatch):
    monkeypatch.setattr("flows.cli.service_commands.user_has_a_server", lambda: False)
    run, at = CliRunner(), ["--data", str(root), "--as-of", "2012-02-07"]
    well = run.invoke(app, ["doctor", *at])
    assert well.exit_code == 0 and "no server is named" in well.output
    _lose_a_file(root / "lake")
    ill = run.invoke(app, ["--lang", "cy", "doctor", *at])
    assert ill.exit_code == 1 and "copi wrth gefn" in ill.output
    told = json.loads(run.invoke(app, ["doctor", "--json", *at]).output)
    (fault,) = [one for one in told if one["level"] == "fault"]
    assert fault["check"] == "lake" and fault["action_cy"] != fault["action_en"]


PREFECT_YAML = """
deployments:
  - {name: lrs-returns, entrypoint: "flows/lrs_returns.py:lrs_returns", work_pool: {name: uln}, schedules: [{cron: "*/30 * * * *", timezone: Europe/London}]}
  - {name: retry, work_pool: {name: uln}}
"""


def deployment(name, cron=None, *, paused=False, active=True):
    schedules = (
        [SimpleNamespace(schedule=CronSchedule(cron=cron, timezone="Europe/London"), active=active)] if cron else []
    )
    return SimpleNamespace(id=name, name=name, schedules=schedules, paused=paused)


def at_work(hours, *, pending=False, of="lrs-returns"):
    """A run that began, or since it was due has not begun, so many hours ago."""
    zero, gone = dt.timedelta(), dt.timedelta(hours=hours)
    ran, late = (zero, gone) if pending else (gone, zero)
    about = {"estimated_run_time": ran, "estimated_start_time_delta": late, "start_time": None if pending else 1}
    return SimpleNamespace(deployment_id=of, name="lrs-returns", **about)


class Client:
    """A server as the doctor asks it."""

    def __init__(
        self, *deployments, workers=("ONLINE",), paused=False, version=prefect.__version__, fault=None, runs=()
    ):
        self.read_flow_runs = lambda **_: list(runs)
        self.read_deployments = lambda **_: list(deployments)
        self.read_workers_for_work_pool = lambda _: [SimpleNamespace(status=status) for status in workers]
        self.read_work_pool = lambda _: SimpleNamespace(is_paused=paused)
        self.api_version = lambda: version
        self.api_healthcheck = lambda: fault

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Nothing to be put away."""


SOUND = (deployment("lrs-returns", "*/30 * * * *"), deployment("retry"))


@pytest.mark.parametrize(
    ("client", "ill"),
    [
        (Client(*SOUND), set()),
        (Client(*SOUND, fault=ConnectionError()), {("server", "fault", "does not answer")}),
        (Client(*SOUND, version="3.0.0"), {("server", "warning", "is of version 3.0.0")}),
        (Client(SOUND[0]), {("schedule", "fault", "not deployed: retry")}),
        (Client(deployment("lrs-returns", "0 * * * *"), SOUND[1]), {("schedule", "warning", "other times")}),
        (Client(deployment("lrs-returns"), SOUND[1]), {("schedule", "warning", "other times")}),
        (
            Client(deployment("lrs-returns", "*/30 * * * *", active=False), SOUND[1]),
            {("schedule", "warning", "paused: lrs-returns")},
        ),
        (Client(SOUND[0], deployment("retry", paused=True)), {("schedule", "warning", "paused: retry")}),
        (Client(*SOUND, workers=("OFFLINE",)), {("worker", "fault", "no worker")}),
        (Client(*SOUND, workers=()), {("worker", "fault", "no worker")}),
        (Client(*SOUND, paused=True), {("worker", "fault", "is paused")}),
        (Client(*SOUND, runs=[at_work(1), at_work(99, of="other")]), set()),
        (Client(*SOUND, runs=[at_work(3)]), {("runs", "fault", "wait for their place: lrs-returns")}),
        (Client(*SOUND, runs=[at_work(3, pending=True)]), {("runs", "fault", "wait for their place: lrs-returns")}),
    ],
)
def test_the_server_the_schedule_and_the_worker(client, ill, tmp_path, monkeypatch):
    (tmp_path / "prefect.yaml").write_text(PREFECT_YAML, encoding="utf-8")
    monkeypatch.setattr(server_doctor, "get_client", lambda **_: client)
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        found = list(server_doctor.run_server_checks(tmp_path / "prefect.yaml"))
    told = {(one.check, one.level.value): one.message.en for one in found if one.action is not None}
    assert set(told) == {key[:2] for key in ill} and all(words in told[check, level] for check, level, words in ill)


def test_a_server_that_refuses_and_a_pool_that_is_not_there(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError

    def no_pool(_):
        raise ObjectNotFound(LookupError())

    (tmp_path / "prefect.yaml").write_text(PREFECT_YAML, encoding="utf-8")
    for attribute, does, told in (
        ("api_version", refuse, ("server", "refuses us")),
        ("read_work_pool", no_pool, ("worker", "there is no work pool uln")),
    ):
        client = Client(*SOUND)
        setattr(client, attribute, does)
        monkeypatch.setattr(server_doctor, "get_client", lambda client=client, **_: client)
        with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
            (ill,) = [
                one for one in server_doctor.run_server_checks(tmp_path / "prefect.yaml") if one.action is not None
            ]
        assert ill.check == told[0] and ill.level is doctor.Level.FAULT and told[1] in ill.message.en


def test_every_case_that_is_not_well_says_what_to_do():
    keys = {key for key in all_texts() if key.startswith("doctor.") and key.count(".") == 2}
    cases = {key for key in keys if not key.endswith("_do")}
    well = {key for key in cases if f"{key}_do" not in keys}
    assert {key.rpartition(".")[2] for key in well} == {"fit", "none", "older"}


def test_each_way_to_another_machine_is_tried_and_leaves_nothing_there(root, tmp_path, monkeypatch):
    far = tmp_path / "far"
    for way in ("dewi_inbox", "lrs_outbox"):
        (far / way).mkdir(parents=True)
        monkeypatch.setenv(f"ULN_WAY_{way.upper()}__URL", (far / way).as_uri())
    (far / "dewi_inbox" / "660").mkdir()
    told = {one.message.en for one in run_checks(str(root), SOON) if one.check == "ways"}
    assert told == {
        f"dewi_inbox: {(far / 'dewi_inbox').as_uri()} can be used, and nothing was handed over; names there: 1",
        f"lrs_outbox: {(far / 'lrs_outbox').as_uri()} can be used, and nothing was handed over; names there: 0",
    }
    assert list((far / "lrs_outbox").iterdir()) == []
    (far / "lrs_outbox").rmdir()
    assert "lrs_outbox cannot be used" in met(root)["ways", "fault"] and "no such folder" in met(root)["ways", "fault"]


def test_ways_that_cannot_be_read(root, monkeypatch):
    monkeypatch.setenv("ULN_WAY_LRS_OUTBOX__URL", "gopher://lrs.example")
    assert list(met(root)) == [("configuration", "fault")]
