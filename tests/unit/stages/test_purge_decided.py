"""The weekly upkeep: fewer files, the same rows; only what was decided goes; and it may be ended at any moment."""

import datetime as dt
import os

import pandas as pd
import pytest

from flows.upkeep import steps
from schemas.settings.terms import Kind
from schemas.tables import SHARED_UPNS
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake import maintenance
from tasks.io.lake.lake import Lake
from tasks.stages.upkeep import purge_decided

TODAY = dt.date.today().isoformat()  # noqa: DTZ011 - the disk's days are the machine's
CYCLES = ("2012-01", "2013-01")


def upkeep(root):
    done = [task.fn(data=str(root), **given) for task, given in steps(TODAY)]
    return {name: n for counts in done for name, n in counts.items()}


@pytest.fixture
def root(tmp_path):
    """A data root whose tables were added to in five commits, one of them with a transaction id."""
    place = DataRoot(tmp_path / "root").create()
    lake = Lake(place.lake)
    for n in range(5):
        rows = pd.DataFrame({"cycle": CYCLES[n % 2], "upn": [f"A66040251000{n}"]})
        lake.append("shared_upns", rows, [f"batch/{n}"])
    return place.path


def files(root):
    return sorted(path.name for path in (root / "lake" / SHARED_UPNS.name).glob("**/part-*.parquet"))


def live(root):
    return len(Lake(root / "lake").opened("shared_upns").file_uris())


def test_small_files_become_one_and_no_row_and_no_transaction_changes(root):
    lake = Lake(root / "lake")
    before = lake.read("shared_upns")
    assert live(root) == 5
    assert upkeep(root)["files"] == 4 and live(root) == 1
    pd.testing.assert_frame_equal(Lake(root / "lake").read("shared_upns"), before)
    ids = [f"batch/{n}" for n in range(5)]
    assert Lake(root / "lake").committed("shared_upns", ids) == set(ids), "nothing is sent twice after it"


def test_again_it_does_nothing(root):
    upkeep(root)
    versions, there = Lake(root / "lake").versions(), files(root)
    assert upkeep(root)["files"] == 0
    assert Lake(root / "lake").versions() == versions and files(root) == there


def test_what_was_put_together_stays_for_its_days_and_then_goes(root):
    upkeep(root)
    assert len(files(root)) == 6, "a reader may have the former ones open"
    old = dt.datetime.now().timestamp() - 40 * 86400  # noqa: DTZ005 - the disk's clock
    for path in (root / "lake" / SHARED_UPNS.name).rglob("*"):
        os.utime(path, (old, old))
    # The log says when a file went; one that stands in no version is known by the disk's clock alone.
    orphan = root / "lake" / SHARED_UPNS.name / "part-left-by-a-run-that-died.parquet"
    orphan.write_bytes(b"x")
    os.utime(orphan, (old, old))
    assert purge_decided.fn(data=str(root), day=TODAY)[Kind.LAKE_VERSIONS.value] >= 1
    assert not orphan.exists() and live(root) == 1 and len(Lake(root / "lake").read("shared_upns")) == 5


def test_ended_in_the_middle_the_next_one_does_the_rest(root, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    before = Lake(root / "lake").read("shared_upns")
    with monkeypatch.context() as patch:
        patch.setattr(maintenance, "forget_versions", killed)
        patch.setattr(maintenance, "shorten_logs", killed)
        with pytest.raises(KeyboardInterrupt):
            upkeep(root)
    assert upkeep(root)["files"] == 4 and live(root) == 1
    pd.testing.assert_frame_equal(Lake(root / "lake").read("shared_upns"), before)


@pytest.mark.parametrize("decided", [True, False])
def test_only_what_was_decided_goes_without_a_person(root, decided):
    evidence = root / "reports" / "2012-01" / "faults" / "read-all-0.txt"
    evidence.parent.mkdir(parents=True)
    evidence.write_text("Traceback", encoding="utf-8")
    os.utime(evidence, (0, 0))
    own = f"[evidence]\ndays = 30\ndecided = {str(decided).lower()}\n"
    (root / "reference" / "retention.toml").write_text(own, encoding="utf-8")
    assert upkeep(root).get(Kind.EVIDENCE.value, 0) == int(decided)
    assert evidence.exists() is not decided
