"""Two workers on one pool and one data root: runs wait for each other, and nothing is done twice."""

import shutil
from pathlib import Path

from tasks.io.lake.lake import Lake
from tests.crash.acts import differing, ended
from tests.engine import names
from tests.engine.processes import waited

#: Where a returns run leaves what it publishes.
PUBLISHED = ("dewi/outbox/", "snapshots/", "lake: deliveries", "reports/2012-01/site/")


def test_two_runs_at_once_are_done_one_after_the_other_and_nothing_twice(api, worked, undisturbed, tmp_path):
    root = Path(shutil.copytree(undisturbed.waiting, tmp_path / "root"))
    working, hold = worked
    logs = [working(name, limit=1).log for name in ("one", "other")]
    hold.arm_at_hand_over(root, after=1)
    parameters = names.CENSUS_PARAMETERS | {"data": str(root)}
    runs = [api.started(names.CENSUS, parameters) for _ in range(2)]
    held = hold.held()
    (queued,) = waited(
        "the second run is queued, not dropped",
        lambda: [run for run in runs if api.run(run)["state"]["name"] == "AwaitingConcurrencySlot"],
    )
    (going,) = set(runs) - {queued}
    # Another deployment, so that no limit of Prefect's keeps it: the data root itself does.
    returns = api.started(names.RETURNS, names.RETURNS_PARAMETERS | {"data": str(root)})
    hold.another_asks(held)
    hold.release()
    ended_runs = {run: api.over(run) for run in (going, queued, returns)}
    assert {run["state"]["name"] for run in ended_runs.values()} == {"Completed"}
    assert ended_runs[queued]["start_time"] >= ended_runs[going]["end_time"]
    last_of_first = max(task["end_time"] for task in api.task_runs(going))
    assert min(task["start_time"] for task in api.task_runs(returns)) >= last_of_first
    assert all("submitting flow run" in log.read_text(encoding="utf-8") for log in logs), "both workers worked"
    assert Lake(root / "lake").read("batch_rows")["upn"].is_unique
    # The returns run has published the cycle, though nothing is answered yet.
    others = [name for name in differing(ended(root), undisturbed.after_census) if not name.startswith(PUBLISHED)]
    assert others == []
