"""The doctor's questions to the engine's server: whether it answers, is of our version, has the schedule and a worker.

And whether a run that nobody is at any more holds a place. What needs no engine is `tasks.maintenance.doctor`'s; there
stands how a check is added.
"""

import datetime as dt
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL

from tasks.maintenance.doctor import CheckResult, Level, check_result

DEPLOYMENTS = Path(__file__).resolve().parents[2] / "prefect.yaml"


def run_server_checks(wanted: Path = DEPLOYMENTS) -> Iterator[CheckResult]:
    """Every check of the server.

    Args:
        wanted: which deployments there should be.
    """
    url = PREFECT_API_URL.value()
    if not url:
        yield check_result("server", Level.WARNING, "none")
        return
    with get_client(sync_client=True) as client:
        fault = client.api_healthcheck()
        if fault is not None:
            yield check_result("server", Level.FAULT, "silent", server=url, fault=type(fault).__name__)
            return
        try:
            theirs = client.api_version()
            deployed = {one.name: one for one in client.read_deployments(limit=200)}
        except Exception as refused:  # noqa: BLE001 - 401 without the word, and whatever else it says
            yield check_result("server", Level.FAULT, "refused", server=url, fault=type(refused).__name__)
            return
        ours = version("prefect")
        same = theirs == ours
        yield check_result(
            "server",
            Level.OK if same else Level.WARNING,
            "fit" if same else "version",
            server=url,
            theirs=theirs,
            ours=ours,
        )
        own = yaml.safe_load(wanted.read_text(encoding="utf-8"))["deployments"]
        yield from _schedule(own, deployed)
        yield _left_runs(client, own)
        for pool in sorted({one["work_pool"]["name"] for one in own if "work_pool" in one}):
            yield _worker(client, pool)


def _schedule(own: list[dict[str, Any]], deployed: dict[str, DeploymentResponse]) -> Iterator[CheckResult]:
    missing = [one["name"] for one in own if one["name"] not in deployed]
    there = [(one, deployed[one["name"]]) for one in own if one["name"] in deployed]
    other = [one["name"] for one, theirs in there if _wanted(one) != _found(theirs)]
    paused = [one["name"] for one, theirs in there if theirs.paused or any(not s.active for s in theirs.schedules)]
    for case, names, level in (
        ("missing", missing, Level.FAULT),
        ("other", other, Level.WARNING),
        ("paused", paused, Level.WARNING),
    ):
        if names:
            yield check_result("schedule", level, case, deployments=", ".join(names))
    if not (missing or other or paused):
        yield check_result("schedule", Level.OK, "fit", number=len(own))


def _wanted(deployment: dict[str, Any]) -> set[tuple[str, str]]:
    return {(one["cron"], one.get("timezone", "UTC")) for one in deployment.get("schedules") or () if "cron" in one}


def _found(deployment: DeploymentResponse) -> set[tuple[str, str]]:
    schedules = (one.schedule for one in deployment.schedules)
    return {(one.cron, one.timezone or "UTC") for one in schedules if isinstance(one, CronSchedule)}


#: The states in which a run has its deployment's place.
_AT_WORK = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]


def _left_runs(client: SyncPrefectClient, own: list[dict[str, Any]]) -> CheckResult:
    """No run has its deployment's place for longer than its flow may take: nobody is at such a one any more.

    Where server and run died together nobody was left to say that it is over, and the next ones wait for its place.
    """
    longest = {one["name"]: _longest(one) for one in own if "entrypoint" in one}
    ids = {one.id: one.name for one in client.read_deployments(limit=200) if one.name in longest}
    at_work = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_AT_WORK)))
    left = []
    for run in client.read_flow_runs(flow_run_filter=at_work, limit=200):
        name = ids.get(run.deployment_id) if run.deployment_id is not None else None
        late = run.estimated_start_time_delta if run.start_time is None else dt.timedelta()
        if name is not None and run.estimated_run_time + late > longest[name]:
            left.append(f"{name} ({run.name})")
    if left:
        return check_result("runs", Level.FAULT, "left", runs=", ".join(sorted(left)))
    return check_result("runs", Level.OK, "none")


def _longest(deployment: dict[str, Any]) -> dt.timedelta:
    """For how long the engine lets a run of a deployment go on, and a while for what it does before and after."""
    module = deployment["entrypoint"].partition(":")[0].removesuffix(".py").replace("/", ".")
    return dt.timedelta(seconds=import_module(module).LONGEST_SECONDS) + _BEFORE_AND_AFTER


_BEFORE_AND_AFTER = dt.timedelta(minutes=10)


def _worker(client: SyncPrefectClient, pool: str) -> CheckResult:
    """Somebody carries out what is due."""
    try:
        workers = client.read_workers_for_work_pool(pool)
        paused = client.read_work_pool(pool).is_paused
    except ObjectNotFound:
        return check_result("worker", Level.FAULT, "no_pool", pool=pool)
    online = sum(str(getattr(one.status, "value", one.status)) == "ONLINE" for one in workers)
    if paused or not online:
        return check_result("worker", Level.FAULT, "paused" if paused else "none", pool=pool)
    return check_result("worker", Level.OK, "fit", pool=pool, number=online)
