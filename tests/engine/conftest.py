"""One PostgreSQL, one server and what was undisturbed, for all of these tests; each module starts its own workers."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.engine.processes import Hold, NotInstalled, worker
from tests.engine.undisturbed import deployed, play


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """All of this folder is of the slow kind."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("engine")


@pytest.fixture(scope="session")
def home(tmp_path_factory):
    """Where the processes keep what is theirs."""
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="session")
def service(home):
    """The service on a server; fails, and skips nothing, where PostgreSQL is not installed."""
    with ExitStack() as running:
        try:
            yield running.enter_context(deployed(home))
        except NotInstalled as missing:
            pytest.fail(str(missing))


@pytest.fixture(scope="session")
def api(service):
    """What the server answers."""
    return service.api


@pytest.fixture(scope="session")
def undisturbed(api, home):
    """What everything that is disturbed must come to."""
    return play(api, home)


@pytest.fixture(scope="module")
def worked(api, tmp_path_factory):
    """Starts workers, which end with the module, and holds their runs.

    Only one module has workers at a time, as they all take from one pool.
    """
    home = tmp_path_factory.mktemp("workers")
    hold = Hold(home)
    started = {}
    with ExitStack() as running:

        def working(name="one", limit=None, **own):
            if name not in started:
                started[name] = running.enter_context(worker(home, api.address, hold, name, limit, **own))
            return started[name]

        yield working, hold
