"""The doctor's checks of the engine's server: it answers, has our version, our schedule and a worker, and no abandoned run.

Does not belong here: checks without the engine (`tasks.maintenance.doctor`, which also says how to add a check).
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
    """Yield the result of every check of the server, which should have the deployments of the file `wanted`."""
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
            their_version = client.api_version()
            deployed = {deployment.name: deployment for deployment in client.read_deployments(limit=200)}
        except Exception as error:  # noqa: BLE001 - 401 without the password, or any other answer
            yield check_result("server", Level.FAULT, "refused", server=url, fault=type(error).__name__)
            return
        versions = {"theirs": their_version, "ours": version("prefect")}
        level, case = (Level.OK, "fit") if their_version == versions["ours"] else (Level.WARNING, "version")
        yield check_result("server", level, case, server=url, **versions)
        ours = yaml.safe_load(wanted.read_text(encoding="utf-8"))["deployments"]
        yield from _schedule(ours, deployed)
        yield _left_runs(client, ours, deployed)
        for pool in sorted({deployment["work_pool"]["name"] for deployment in ours if "work_pool" in deployment}):
            yield _worker(client, pool)


def _schedule(ours: list[dict[str, Any]], deployed: dict[str, DeploymentResponse]) -> Iterator[CheckResult]:
    missing = [our["name"] for our in ours if our["name"] not in deployed]
    pairs = [(our, deployed[our["name"]]) for our in ours if our["name"] in deployed]
    other = [our["name"] for our, their in pairs if _our_crons(our) != _their_crons(their)]
    paused = [our["name"] for our, their in pairs if their.paused or any(not s.active for s in their.schedules)]
    for case, names in {"missing": missing, "other": other, "paused": paused}.items():
        if names:
            level = Level.FAULT if case == "missing" else Level.WARNING
            yield check_result("schedule", level, case, deployments=", ".join(names))
    if not (missing or other or paused):
        yield check_result("schedule", Level.OK, "fit", number=len(ours))


def _our_crons(deployment: dict[str, Any]) -> set[tuple[str, str]]:
    schedules = deployment.get("schedules") or ()
    return {(entry["cron"], entry.get("timezone", "UTC")) for entry in schedules if "cron" in entry}


def _their_crons(deployment: DeploymentResponse) -> set[tuple[str, str]]:
    schedules = (entry.schedule for entry in deployment.schedules)
    return {(cron.cron, cron.timezone or "UTC") for cron in schedules if isinstance(cron, CronSchedule)}


#: The states in which a run takes up its deployment's one slot.
_AT_WORK = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]


def _left_runs(
    client: SyncPrefectClient, ours: list[dict[str, Any]], deployed: dict[str, DeploymentResponse]
) -> CheckResult:
    """Check that no run takes up its deployment's slot for longer than its flow may take: such a run is dead.

    If server and run died together, nothing ended the run on the server, and the next runs wait for its slot.
    """
    longest = {our["name"]: _longest(our) for our in ours if "entrypoint" in our}
    ids = {their.id: name for name, their in deployed.items() if name in longest}
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
    """Return the time limit of a deployment's runs, and ten minutes for the engine's work before and after."""
    module = deployment["entrypoint"].partition(":")[0].removesuffix(".py").replace("/", ".")
    return dt.timedelta(seconds=import_module(module).LONGEST_SECONDS, minutes=10)


def _worker(client: SyncPrefectClient, pool: str) -> CheckResult:
    """Check that a work pool is not paused and has a worker online."""
    try:
        workers = client.read_workers_for_work_pool(pool)
        paused = client.read_work_pool(pool).is_paused
    except ObjectNotFound:
        return check_result("worker", Level.FAULT, "no_pool", pool=pool)
    online = sum(str(getattr(worker.status, "value", worker.status)) == "ONLINE" for worker in workers)
    if paused or not online:
        return check_result("worker", Level.FAULT, "paused" if paused else "none", pool=pool)
    return check_result("worker", Level.OK, "fit", pool=pool, number=online)
