"""Asks Prefect's server what its pages and its scheduler ask it, in the same words (its REST interface)."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import httpx

from tests.engine.processes import WORD, waited

Answer = dict[str, Any]
_OVER = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@dataclass(frozen=True)
class Api:
    """The server behind an address."""

    address: str

    def _asked(self, method: str, path: str, body: Answer | None = None) -> Any:
        user, _, word = WORD.partition(":")
        answer = httpx.request(method, f"{self.address}{path}", json=body, auth=(user, word), timeout=60)
        if answer.is_error:
            raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text[:1000]}")
        return answer.json() if answer.content else None

    def deployments(self) -> dict[str, Answer]:
        """All deployments by flow/name."""
        flows = {flow["id"]: flow["name"] for flow in self._asked("POST", "/flows/filter", {})}
        return {f"{flows[d['flow_id']]}/{d['name']}": d for d in self._asked("POST", "/deployments/filter", {})}

    def deployment(self, name: str) -> Answer:
        """One deployment, by flow/name."""
        found: Answer = self._asked("GET", f"/deployments/name/{name}")
        return found

    def pause_schedules(self) -> None:
        """Let no deployment start by itself, and take back what the scheduler has already planned."""
        for deployment in self.deployments().values():
            for schedule in deployment["schedules"]:
                self._asked("PATCH", f"/deployments/{deployment['id']}/schedules/{schedule['id']}", {"active": False})

    def started(self, deployment: str, parameters: Answer) -> str:
        """A custom run, as a person starts one from the form; its id."""
        found = self.deployment(deployment)
        body = {"parameters": parameters, "state": {"type": "SCHEDULED", "message": "Run from the Prefect UI"}}
        return str(self._asked("POST", f"/deployments/{found['id']}/create_flow_run", body)["id"])

    def scheduled(self, deployment: str, parameters: Answer, seconds: float = 15.0) -> str:
        """Give a deployment a schedule that comes due in so many seconds, and wait for the run that Prefect makes; its id.

        Where its scheduler is late, that moment is over and the next one comes, two minutes after it.
        """
        found = self.deployment(deployment)
        known = {run["id"] for run in self.runs_of(found["id"])}
        due = dt.datetime.now(tz=dt.UTC) + dt.timedelta(seconds=seconds)
        rule = {"interval": 120, "anchor_date": due.isoformat(), "timezone": "Europe/London"}
        body = [{"active": True, "schedule": rule, "parameters": parameters}]
        schedule = self._asked("POST", f"/deployments/{found['id']}/schedules", body)[0]

        def made() -> list[Answer]:
            mine = [run for run in self.runs_of(found["id"]) if run["id"] not in known and run["auto_scheduled"]]
            return [run for run in mine if run["state"]["type"] != "SCHEDULED"]  # else it goes with its schedule

        run = waited("the scheduler makes a run and a worker takes it", made)[0]
        # Those to come go with it.
        self._asked("DELETE", f"/deployments/{found['id']}/schedules/{schedule['id']}")
        return str(run["id"])

    def runs_of(self, deployment_id: str) -> list[Answer]:
        """The runs of a deployment, the newest first."""
        body = {"deployments": {"id": {"any_": [deployment_id]}}, "sort": "EXPECTED_START_TIME_DESC"}
        found: list[Answer] = self._asked("POST", "/flow_runs/filter", body)
        return found

    def run(self, run_id: str) -> Answer:
        """A run as it stands."""
        found: Answer = self._asked("GET", f"/flow_runs/{run_id}")
        return found

    def over(self, run_id: str, seconds: float = 1800.0) -> Answer:
        """A run, once it has ended in one way or another."""

        def look() -> Answer | None:
            run = self.run(run_id)
            return run if run["state"]["type"] in _OVER else None

        found: Answer = waited(f"run {run_id} ends", look, seconds)
        return found

    def completed(self, run_id: str) -> str:
        """Wait for a run that must end well; its id.

        Raises:
            AssertionError: it did not; the text is what it said.
        """
        state = self.over(run_id)["state"]["name"]
        if state != "Completed":
            raise AssertionError(f"{state}: {self.said(run_id)}")
        return run_id

    def crashed(self, run_id: str) -> None:
        """Wait until a run whose process was killed stands as crashed, and its worker has done with it.

        The worker says so twice: a run that is retried between the two is marked as crashed while it goes on.
        """
        state = self.over(run_id)["state"]["name"]
        if state != "Crashed":
            raise AssertionError(f"{state}: {self.said(run_id)}")
        about = {
            "event": {"name": ["prefect.worker.executed-flow-run"]},
            "related": {"id": [f"prefect.flow-run.{run_id}"]},
        }
        waited(
            "the worker has done with it", lambda: self._asked("POST", "/events/filter", {"filter": about})["events"]
        )

    def states(self, run_id: str) -> list[str]:
        """The names of the states that a run went through, in their order."""
        found = self._asked("GET", f"/flow_run_states/?flow_run_id={run_id}")
        return [state["name"] for state in sorted(found, key=lambda s: s["timestamp"])]

    def retry(self, run_id: str) -> None:
        """What the button `Retry` of a run's page does."""
        state = {"type": "SCHEDULED", "name": "AwaitingRetry", "message": "Retry from the UI"}
        self._asked("POST", f"/flow_runs/{run_id}/set_state", {"state": state, "force": True})

    def artifacts(self, run_id: str) -> dict[str, Answer]:
        """The artifacts of a run, by key."""
        body = {"artifacts": {"flow_run_id": {"any_": [run_id]}}, "sort": "CREATED_DESC"}
        return {a["key"]: a for a in reversed(self._asked("POST", "/artifacts/filter", body))}

    def task_runs(self, run_id: str) -> list[Answer]:
        """The task runs of a run."""
        body = {"flow_runs": {"id": {"any_": [run_id]}}}
        found: list[Answer] = self._asked("POST", "/task_runs/filter", body)
        return found

    def said(self, run_id: str) -> list[str]:
        """The log lines of a run, in their order."""
        body = {"logs": {"flow_run_id": {"any_": [run_id]}}, "sort": "TIMESTAMP_ASC"}
        return [line["message"] for line in self._asked("POST", "/logs/filter", body)]
