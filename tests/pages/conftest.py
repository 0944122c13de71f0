"""One synthetic Wales of three cycles and one Chromium for all of these tests; of the slow kind (`make engine`)."""

import re
from contextlib import ExitStack
from pathlib import Path

import pytest

from tasks.io.data_root.reference import schools
from tests.engine.browser import chromium
from tests.engine.processes import NotInstalled
from tests.pages.names import HOSTILE_CODE, NAMED, NEATH
from tests.pages.three_cycles import LAST, pages_of, three_cycles
from tests.pages.windows import WAYS, served, window_on

#: In the names of the last cycle's first batches: when they were made.
_DAY = "10012013"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """All of this folder is of the slow kind."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("engine")


@pytest.fixture(scope="session")
def played(tmp_path_factory):
    """Three cycles, and the pages of the last one, of schools some of which have hostile names."""
    root = tmp_path_factory.mktemp("pages") / "root"
    register = schools()
    register["school_name"] = register["school_number"].map(NAMED).fillna(register["school_name"])
    (root / "reference").mkdir(parents=True)
    register.to_csv(root / "reference" / "schools.csv", index=False)
    taking = register[register["school_number"].isin(NAMED)].reset_index(drop=True)

    def answered(cycle):
        """One learner of a school with a hostile name has no ULN, and a code that would do something."""
        if cycle == LAST:
            path = min((root / "lrs" / "inbox").glob(f"LRB_1{NEATH}*_{_DAY}*_RESULT.CSV"))
            told = path.read_text(encoding="utf-8")
            path.write_text(
                re.sub(r'"[0-9]{10}"(.*)"RC001"', rf'""\1"{HOSTILE_CODE}"', told, count=1), encoding="utf-8"
            )

    return three_cycles(root, taking, answered=answered)


@pytest.fixture(scope="session")
def site(played):
    """The folder of the last cycle's pages."""
    return pages_of(played)


@pytest.fixture(scope="session")
def browser():
    """The browser; fails, and skips nothing, where it is not installed."""
    with ExitStack() as running:
        try:
            yield running.enter_context(chromium())
        except NotInstalled as missing:
            pytest.fail(str(missing))


@pytest.fixture(scope="session")
def addresses(site):
    """Where the pages are, by the way to open them."""
    with served(site) as address:
        yield {"file": site.as_uri(), "http": address}


@pytest.fixture
def opened(browser, addresses):
    """Opens windows on the pages; fails for what no page may do at all."""
    with ExitStack() as running:
        windows = []

        def open_one(way="file", **own):
            windows.append(running.enter_context(window_on(browser, addresses[way], **own)))
            return windows[-1]

        yield open_one
        for one in windows:
            assert one.troubles == []
            assert one.stopped() == []


@pytest.fixture(params=WAYS)
def window(request, opened):
    """A window of an analyst's screen, once from the file system and once over HTTP."""
    return opened(request.param)
