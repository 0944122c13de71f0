"""One PostgreSQL, one server and what was undisturbed, for all of these tests; each test starts its own workers."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.crash.acts import answers_arrive, ended, returns_arrive
from tests.engine import names
from tests.engine.api import Api
from tests.engine.processes import (
    Hold,
    NotInstalled,
    client,
    end_what_is_left,
    postgres,
    prefect,
    server,
    worker,
)


def pytest_collection_modifyitems(items):
    """All of this folder is of the slow kind."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("engine")


@dataclass(frozen=True)
class Undisturbed:
    """A census and a returns run to which nothing happened.

    Attributes:
        root: the data root at the end.
        census: the id of the census run.
        returns: the id of the returns run.
        waiting: the data root with the schools' returns, before the census.
        after_census: what stands after the census, as `acts.ended` tells it.
        answered: the data root when the LRS has answered, before the returns run.
        after_returns: what stands at the end.
    """

    root: Path
    census: str
    returns: str
    waiting: Path
    after_census: dict[str, str]
    answered: Path
    after_returns: dict[str, str]


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """Where the processes keep what is theirs."""
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="session")
def api(home) -> Iterator[Api]:
    """A server on PostgreSQL, with the deployments of `prefect.yaml`, whose schedules rest.

    Fails, and skips nothing, where PostgreSQL is not installed.
    """
    with ExitStack() as running:
        running.callback(end_what_is_left)
        try:
            database = running.enter_context(postgres())
        except NotInstalled as missing:
            pytest.fail(str(missing))
        server_home = home / "server"
        server_home.mkdir()
        address = running.enter_context(server(server_home, database))
        env = client(address, home / "operator")
        prefect("work-pool", "create", names.POOL, "--type", "process", env=env)
        prefect("deploy", "--all", env=env)
        found = Api(address)
        found.pause_schedules()
        yield found


@pytest.fixture(scope="module")
def worked(api, tmp_path_factory):
    """Starts workers, which end with the module, and holds their runs.

    Only one module has workers at a time, as they all take from one pool.
    """
    home = tmp_path_factory.mktemp("workers")
    hold = Hold(home)
    started = {}
    with ExitStack() as running:

        def working(name="one", **own):
            if name not in started:
                started[name] = running.enter_context(worker(home, api.address, hold, name, **own))
            return started[name]

        yield working, hold


@pytest.fixture(scope="session")
def undisturbed(api, home) -> Undisturbed:
    """What everything that is disturbed must come to."""
    root = home / "undisturbed"
    (home / "no-hold").mkdir()
    returns_arrive(root)
    waiting = Path(shutil.copytree(root, home / "waiting"))
    worker_home = home / "worker"
    worker_home.mkdir()
    with worker(worker_home, api.address, Hold(home / "no-hold")):
        census = api.started(names.CENSUS, names.CENSUS_PARAMETERS | {"data": str(root)})
        assert api.over(census)["state"]["name"] == "Completed", api.said(census)
        after_census = ended(root)
        answers_arrive(root)
        answered = Path(shutil.copytree(root, home / "answered"))
        returns = api.started(names.RETURNS, names.RETURNS_PARAMETERS | {"data": str(root)})
        assert api.over(returns)["state"]["name"] == "Completed", api.said(returns)
    return Undisturbed(root, census, returns, waiting, after_census, answered, ended(root))
