"""A run that did not end well is started again, in each of the ways in which that happens, and does only what is left."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.acts import differing, ended
from tests.crash.points import stands
from tests.engine import names
from tests.engine.processes import client, kill, uln

#: Tables whose stages were done when the run was killed, and those that it had not come to.
DONE, LEFT = ("received", "pupils", "dispositions", "findings"), ("batches", "batch_rows")


def below(root, *folders):
    """When each file below some folders of a data root was written, but the lock, which every run opens."""
    found = {path: at for path, (_, at) in stands(root).items() if path.startswith(folders)}
    found.pop("lake/.run.lock", None)
    return found


@dataclass(frozen=True)
class Killed:
    """A census run that was killed, its data root in three copies, and a folder for Prefect's own files."""

    run: str
    roots: dict[str, Path]
    home: Path


@pytest.fixture(scope="module")
def killed(api, undisturbed, worked, tmp_path_factory):
    """A census whose process was killed after validate and before batch, its worker not."""
    home = tmp_path_factory.mktemp("reruns")
    root = Path(shutil.copytree(undisturbed.waiting, home / "button"))
    working, hold = worked
    hold.arm_when_table_stands(root, "findings")
    working()
    run = api.started(names.CENSUS, names.CENSUS_PARAMETERS | {"data": str(root)})
    kill(hold.held())
    hold.release()
    api.crashed(run)
    copies = {way: Path(shutil.copytree(root, home / way)) for way in ("uln", "schedule")}
    return Killed(run, {"button": root, **copies}, home)


def by_button(api, killed):
    api.retry(killed.run)
    return killed.run


def by_uln(api, killed):
    """In a terminal that uses the same server; to its end."""
    command = ("census", names.CENSUS_PARAMETERS["cycle"], "--as-of", names.CENSUS_PARAMETERS["as_of"])
    done = uln(*command, "--data", str(killed.roots["uln"]), env=client(api.address, killed.home / "prefect"))
    assert done.returncode == 0, done.stderr


def by_schedule(api, killed):
    return api.scheduled(names.CENSUS, names.CENSUS_PARAMETERS | {"data": str(killed.roots["schedule"])})


@pytest.mark.parametrize("again", [by_button, by_uln, by_schedule], ids=lambda way: way.__name__)
def test_a_run_that_was_killed_half_way_does_only_what_is_left(api, killed, undisturbed, again):
    root = killed.roots[again.__name__.removeprefix("by_")]
    done = below(root, *(f"lake/{table}/" for table in DONE))
    assert done and not below(root, *(f"lake/{table}/" for table in LEFT)), "killed where it was meant to be"
    run = again(api, killed)
    if run is not None:
        api.completed(run)
    assert below(root, *(f"lake/{table}/" for table in DONE)) == done
    assert differing(ended(root), undisturbed.after_census) == []


def test_a_run_that_failed_at_its_last_stage_and_is_retried_takes_the_snapshot_alone(
    api, worked, undisturbed, tmp_path
):
    root = Path(shutil.copytree(undisturbed.answered, tmp_path / "root"))
    in_the_way = root / "snapshots" / names.CENSUS_PARAMETERS["cycle"]
    in_the_way.write_text("a file where a folder should be", encoding="utf-8")
    worked[0]()
    run = api.started(names.RETURNS, names.RETURNS_PARAMETERS | {"data": str(root)})
    assert api.over(run)["state"]["name"] == "Failed"
    delivered, lake = below(root, "dewi/outbox/"), below(root, "lake/")
    assert len(delivered) == 5, "all the schools' and authorities' files"
    in_the_way.unlink()
    shutil.rmtree(root / "reports" / in_the_way.name / "faults")  # the evidence
    api.retry(run)
    api.completed(run)
    assert below(root, "dewi/outbox/") == delivered and below(root, "lake/") == lake
    assert differing(ended(root), undisturbed.after_returns) == []


def test_a_run_after_all_is_done_does_nothing(api, worked, undisturbed, tmp_path):
    root = Path(shutil.copytree(undisturbed.root, tmp_path / "root"))
    before = below(root, "")
    worked[0]()
    run = api.started(names.RETURNS, names.RETURNS_PARAMETERS | {"data": str(root)})
    api.completed(run)
    assert below(root, "") == before
