"""A server with the service's deployments, and a census and a returns run on it to which nothing happens."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.crash.acts import answers_arrive, ended, returns_arrive
from tests.engine import names
from tests.engine.api import Api
from tests.engine.processes import Hold, client, end_what_is_left, on, postgres, prefect, server, worker


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


@dataclass(frozen=True)
class Service:
    """The service on a server.

    Attributes:
        api: what the server answers.
        database: the folder of PostgreSQL's socket.
        home: the server's own folder.
    """

    api: Api
    database: Path
    home: Path


@contextmanager
def deployed(home: Path) -> Iterator[Service]:
    """A server on PostgreSQL, with the pool and the deployments of `prefect.yaml`, whose schedules rest.

    Args:
        home: an empty folder for what the processes keep.

    Raises:
        NotInstalled: there is no PostgreSQL.
    """
    with ExitStack() as running:
        running.callback(end_what_is_left)
        database = running.enter_context(postgres())
        (home / "server").mkdir()
        address = running.enter_context(server(home / "server", on(database)))
        env = client(address, home / "operator")
        prefect("work-pool", "create", names.POOL, "--type", "process", env=env)
        prefect("deploy", "--all", env=env)
        found = Service(Api(address), database, home / "server")
        found.api.pause_schedules()
        yield found


def play(api: Api, home: Path) -> Undisturbed:
    """Let a worker do both runs, and keep what stood before and after each.

    Raises:
        AssertionError: a run did not end well; the text is what it said.
    """
    root = home / "undisturbed"
    for name in ("worker", "no-hold"):
        (home / name).mkdir()
    returns_arrive(root)
    waiting = Path(shutil.copytree(root, home / "waiting"))
    with worker(home / "worker", api.address, Hold(home / "no-hold")):
        census = api.completed(api.started(names.CENSUS, names.CENSUS_PARAMETERS | {"data": str(root)}))
        after_census = ended(root)
        answers_arrive(root)
        answered = Path(shutil.copytree(root, home / "answered"))
        returns = api.completed(api.started(names.RETURNS, names.RETURNS_PARAMETERS | {"data": str(root)}))
    return Undisturbed(root, census, returns, waiting, after_census, answered, ended(root))
