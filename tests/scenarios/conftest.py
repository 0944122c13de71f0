"""Two schools' returns, before and after Monday's census: where the diaries of the hand-over begin."""

import shutil
from pathlib import Path

import pytest

from schemas.cycles import cycle_by_id
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.reference import schools
from tasks.rehearsal.synthetic_returns import write_wales
from tasks.rehearsal.synthetic_wales import plan_wales
from tests.support.diary import CYCLE, MONDAY, census


@pytest.fixture(scope="module")
def built_root(tmp_path_factory):
    """Two schools' returns in the inbox, and nothing done yet."""
    root = tmp_path_factory.mktemp("hand-over")
    DataRoot(root).create()
    taking = schools().query("school_number in ['6604025', '6604026']").reset_index(drop=True)
    write_wales(plan_wales(taking, cycle_by_id(CYCLE), seed=7, pupils_per_school=60), root, cycle_by_id(CYCLE))
    return root


@pytest.fixture(scope="module")
def sent_root(built_root, tmp_path_factory):
    """Monday's run went well; the LRS has not answered."""
    root = Path(shutil.copytree(built_root, tmp_path_factory.mktemp("sent") / "root"))
    census(root, CYCLE, MONDAY)
    return root


@pytest.fixture
def sent(sent_root, tmp_path):
    return Path(shutil.copytree(sent_root, tmp_path / "sent"))
