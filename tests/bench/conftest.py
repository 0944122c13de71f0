"""A small Wales that the service has finished, for the tests of the parts that look at one."""

import pytest

from tests.bench import stages
from tests.bench.common import fresh
from tests.bench.wales import wales


@pytest.fixture(scope="package")
def made(tmp_path_factory):
    """Four schools as a short rehearsal has them, nothing done yet."""
    return wales(1, only=4, to=tmp_path_factory.mktemp("bench") / "made")


@pytest.fixture(scope="package")
def finished(made, tmp_path_factory):
    """The same after a cycle, and what its stages took."""
    root = fresh(made, tmp_path_factory.mktemp("bench") / "run")
    return root, stages.run(root, processes=1, answer=stages.answer)
