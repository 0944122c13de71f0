"""A cycle on a server, by schedule: killed with its worker in mid-run, recovered by people, and the same at the end."""

import json
import shutil
from pathlib import Path

import pytest

from tasks.io.lake.lake import Lake
from tests.crash.acts import answers_arrive, differing, ended, unknown_to_the_lrs
from tests.engine import names
from tests.engine.people import known_in, named_in
from tests.engine.processes import kill


def stood(folder):
    """Every file below a folder, and when it was written."""
    return {p.name: (p.stat().st_ino, p.stat().st_mtime_ns) for p in folder.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def diary(api, undisturbed, worked, tmp_path_factory):
    """What happened, in its order; the tests look at it."""
    root = Path(shutil.copytree(undisturbed.waiting, tmp_path_factory.mktemp("end-to-end") / "root"))
    found = {"root": root}
    working, hold = worked
    # Nightly: the scheduler makes the run, a worker takes it, and all of it dies between two files of the hand-over.
    hold.arm_at_hand_over(root, after=1)
    first = working("first", ULN_DATA=str(root))
    census = found["census"] = api.scheduled(names.CENSUS, names.CENSUS_PARAMETERS)
    held = hold.held()
    found["ledger"] = list(Lake(root / "lake").read("batches")["state"])
    found["handed over"] = stood(root / "lrs" / "outbox")
    kill(first.pid, held)
    hold.release()
    found["after the kill"] = api.run(census)["state"]["name"]
    # The morning after: a new worker, and the button `Retry` on the run's page.
    working("second", ULN_DATA=str(root))
    api.retry(census)
    api.completed(census)
    found["retried"] = stood(root / "lrs" / "outbox")
    # The LRS has none of these: a person says so in the form, and the next run hands them over.
    found["unknown"] = unknown_to_the_lrs(root)
    for name in found["unknown"]:
        api.completed(api.started(names.RETRY, {"ref": name, "reason": "not on the portal"}))
    found["fresh"] = api.completed(api.started(names.CENSUS, names.CENSUS_PARAMETERS))
    found["sent"] = stood(root / "lrs" / "outbox")
    found["after census"] = ended(root)
    # The LRS answers, and the run that publishes dies between two schools' files, its worker not.
    answers_arrive(root)
    hold.arm_at_delivery(root, after=1)
    returns = found["returns"] = api.started(names.RETURNS, names.RETURNS_PARAMETERS)
    kill(hold.held())
    hold.release()
    api.crashed(returns)
    found["delivered"] = stood(root / "dewi" / "outbox")
    api.retry(returns)
    api.completed(returns)
    found["after returns"] = ended(root)
    return found


def test_the_scheduler_made_the_run_and_it_was_killed_in_the_hand_over(api, diary):
    run = api.run(diary["census"])
    assert run["auto_scheduled"] and run["created_by"]["type"] == "SCHEDULE"
    assert diary["ledger"] == ["SENT_UNCONFIRMED"] * 3
    assert [name for name in diary["handed over"] if name.startswith("LRB_")] and len(diary["unknown"]) == 2
    assert diary["after the kill"] == "Running", "nobody was left to tell Prefect"


def test_what_ends_is_what_an_undisturbed_run_ends_with(diary, undisturbed):
    assert differing(diary["after census"], undisturbed.after_census) == []
    assert differing(diary["after returns"], undisturbed.after_returns) == []


def test_nothing_was_sent_twice(diary):
    (first,) = [name for name in diary["handed over"] if name.startswith("LRB_")]
    assert diary["handed over"][first] == diary["retried"][first] == diary["sent"][first], "written once"
    assert list(diary["retried"]) == [first], "what is not known to have been handed over waits for a person"
    assert sorted(diary["sent"]) == sorted([first, *diary["unknown"]])
    learners = Lake(diary["root"] / "lake").read("batch_rows")["upn"]
    assert len(learners) > 100 and learners.is_unique


def test_what_was_delivered_before_the_kill_is_not_made_again(api, diary):
    assert "Crashed" in api.states(diary["returns"]), "its worker was left to tell Prefect"
    assert diary["delivered"], "it was killed after the first file"
    now = stood(diary["root"] / "dewi" / "outbox")
    whole = {name: at for name, at in diary["delivered"].items() if not name.endswith(".part")}
    assert whole and {name: now[name] for name in whole} == whole
    assert api.states(diary["returns"])[-2:] == ["Running", "Completed"]


@pytest.mark.parametrize(
    "run, keys",
    [("census", names.CENSUS_ARTIFACTS), ("fresh", names.CENSUS_ARTIFACTS), ("returns", names.RETURNS_ARTIFACTS)],
)
def test_the_artifacts_of_each_run_can_be_read_and_name_nobody(api, diary, run, keys):
    found = api.artifacts(diary[run])
    assert keys <= found.keys()
    assert all(artifact["data"] for artifact in found.values())
    people = known_in(diary["root"])
    assert len(people) > 300 and named_in(json.dumps(found) + json.dumps(api.said(diary[run])), people) == []
