"""`prefect.yaml`: what it names is there, and what is scheduled runs when it should, by Prefect's own schedules."""

import asyncio
import datetime as dt
from importlib import import_module
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
import yaml
from prefect.cli.deploy._models import PrefectYamlModel
from prefect.cli.deploy._schedules import _schedule_config_to_deployment_schedule
from prefect.server.schemas.schedules import CronSchedule
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import validate

from flows.run.schedule import due_cycle
from schemas.cycles import SCHEDULED_KINDS, all_cycles
from tests.support.paths import PROJECT

LONDON = ZoneInfo("Europe/London")
FILE = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))
DEPLOYMENTS = {one["name"]: one for one in FILE["deployments"]}
SCHEDULED = {name: one for name, one in DEPLOYMENTS.items() if "schedules" in one}
#: Cycles that come every year.
YEARLY = [c for c in all_cycles().values() if c.kind in SCHEDULED_KINDS]


def flow_of(deployment):
    path, _, name = deployment["entrypoint"].partition(":")
    assert (PROJECT / path).is_file()
    return getattr(import_module(path.removesuffix(".py").replace("/", ".")), name)


def runs(deployment, start, end):
    """When a deployment runs between two moments of Welsh time, as Prefect's server computes it; in Welsh time."""
    (config,) = deployment["schedules"]
    asked = _schedule_config_to_deployment_schedule(config)["schedule"]
    schedule = CronSchedule.model_validate(asked.model_dump())
    first, last = (dt.datetime.fromisoformat(one).replace(tzinfo=LONDON) for one in (start, end))
    found = asyncio.run(schedule.get_dates(1000, start=first, end=last))
    return [one.astimezone(LONDON) for one in found]


def test_prefect_takes_the_file():
    assert len(PrefectYamlModel.model_validate(FILE).deployments) == len(DEPLOYMENTS) == len(FILE["deployments"])


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_a_deployment_names_a_flow_and_gives_it_what_its_form_takes(name):
    one = DEPLOYMENTS[name]
    flow, given = flow_of(one), one.get("parameters", {})
    validate(given, parameter_schema(flow).model_dump(), raise_on_error=True, ignore_required="schedules" not in one)
    if "schedules" in one:
        flow.validate_parameters(given)
    assert one["work_pool"]["name"] == "uln" and one["tags"] and " / " in one["description"]
    assert one["concurrency_limit"] == {"limit": 1, "collision_strategy": "ENQUEUE"}, (
        "the next one waits, none is dropped"
    )
    assert 3600 <= flow.timeout_seconds <= 8 * 3600, "longer than the half hour for which a run waits for another"
    assert not flow.retries, "a flow that is tried again is the lake's business"


def test_only_what_is_safe_without_a_person_is_scheduled():
    assert set(SCHEDULED) == {"september-census", "january-census", "lrs-returns", "upkeep"}
    nightly = [one["schedules"][0]["timezone"] for name, one in SCHEDULED.items() if name != "lrs-returns"]
    assert set(nightly) == {"Europe/London"}
    assert len({one["schedules"][0]["slug"] for one in SCHEDULED.values()}) == len(SCHEDULED)


@pytest.mark.parametrize("cycle", YEARLY, ids=lambda c: c.id)
def test_each_kind_of_cycle_has_one_deployment_that_runs_every_night_of_its_window_and_on_no_other_day(cycle):
    (own,) = [one for one in DEPLOYMENTS.values() if one.get("parameters", {}).get("kind") == cycle.kind]
    # From the year of the window to the end of the next one's, for a schedule that goes on after its cycle.
    days = [one.date() for one in runs(own, f"{cycle.census_from.year}-01-01", f"{cycle.census_from.year}-12-31T23:59")]
    window = [cycle.census_from + dt.timedelta(n) for n in range((cycle.closes_on - cycle.census_from).days + 1)]
    assert days == window
    for day in days:
        assert due_cycle(None, cycle.kind, f"{day}T02:30") == cycle.id


def test_no_other_kind_has_a_deployment():
    kinds = [one["parameters"]["kind"] for one in DEPLOYMENTS.values() if "kind" in one.get("parameters", {})]
    assert sorted(kinds) == sorted(SCHEDULED_KINDS)
    assert {c.kind for c in all_cycles().values()} - set(SCHEDULED_KINDS) == {"pilot"}, "which came once"


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("january-census", "2027-03-26", "2027-03-30T12:00"),
        ("september-census", "2026-10-23", "2026-10-27T12:00"),
    ],
    ids=["march", "october"],
)
def test_a_census_runs_once_a_night_at_half_past_two_when_the_clocks_change_too(name, start, end):
    found = runs(DEPLOYMENTS[name], start, end)
    assert [one.strftime("%H:%M") for one in found] == ["02:30"] * 5
    assert len({one.date() for one in found}) == 5
    assert len({one.utcoffset() for one in found}) == 2, "the clocks changed in between"


@pytest.mark.parametrize(
    ("start", "end", "hours"),
    [("2027-03-28T00:00", "2027-03-28T23:45", 23), ("2026-10-25T00:00", "2026-10-25T23:45", 25)],
    ids=["march", "october"],
)
def test_answers_are_taken_in_every_half_hour_of_the_short_day_and_of_the_long_one(start, end, hours):
    found = [one.astimezone(dt.UTC) for one in runs(DEPLOYMENTS["lrs-returns"], start, end)]
    assert len(found) == 2 * hours
    assert {(later - one).total_seconds() for one, later in pairwise(found)} == {1800}
