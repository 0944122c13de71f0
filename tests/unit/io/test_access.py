"""Who may open what the service writes: its owner alone, unless a group is let in."""

import os
import stat

import pytest

from schemas.settings.access import Access, parse_access
from schemas.texts.faults import ConfigurationFault
from tasks.io.data_root.data_root import DataRoot, write_whole
from tasks.io.lake.lake import Lake


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def open_handed():
    """The usual mask of a terminal, under which others may read: what is explicit must not need another."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_handed")
def test_folders_and_files_are_their_owner_s_alone(tmp_path):
    root = DataRoot(tmp_path / "root").create()
    write_whole(root.dewi_outbox / "660" / "6604025" / "a.zip", b"x")
    write_whole(root.reports("2012-01") / "faults" / "a.txt", b"x")
    for path in [root.path, *root.path.rglob("*")]:
        assert mode(path) == (0o700 if path.is_dir() else 0o600), path.relative_to(root.path)


@pytest.mark.usefixtures("open_handed")
def test_a_file_written_before_the_data_root_is_made_is_private_too(tmp_path):
    write_whole(tmp_path / "root" / "reports" / "terminal" / "a.txt", b"x")
    assert mode(tmp_path / "root") == 0o700 and mode(tmp_path / "root" / "reports" / "terminal" / "a.txt") == 0o600


@pytest.mark.usefixtures("open_handed")
def test_a_data_root_that_was_open_is_closed_with_all_that_is_in_it(tmp_path):
    old = tmp_path / "root"
    (old / "dewi" / "inbox" / "660").mkdir(parents=True)
    (old / "dewi" / "inbox" / "660" / "a.xml").write_bytes(b"x")
    (old / "lake" / "pupils").mkdir(parents=True)
    (old / "prefect").mkdir()
    (old / "prefect" / "prefect.db").write_bytes(b"x")
    root = DataRoot(old).create()
    assert not [p for p in [old, *old.rglob("*")] if mode(p) & 0o077]
    assert root.open_places() == []


def test_a_folder_that_is_everybody_s_is_not_closed_but_told(tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root").chmod(0o1777)
    root = DataRoot(tmp_path / "root").create()
    assert mode(root.path) == 0o1777 and root.open_places() == ["."]
    assert mode(root.lake) == 0o700


@pytest.mark.usefixtures("open_handed")
def test_a_group_is_let_in_where_it_is_named_and_nowhere_else(tmp_path):
    root = DataRoot(tmp_path / "root").create()
    text = 'group_reads = ["lrs/outbox"]\ngroup_writes = ["lrs/inbox"]\n'
    (root.reference / "access.toml").write_text(text, encoding="utf-8")
    root.create()
    write_whole(root.lrs_outbox / "LRB.csv", b"x")
    write_whole(root.lake / "x" / "y", b"x")
    found = {p: mode(root.path / p) for p in (".", "lrs", "lrs/outbox", "lrs/inbox", "lrs/outbox/LRB.csv", "dewi")}
    assert {p: oct(m) for p, m in found.items()} == {
        ".": "0o710",
        "lrs": "0o710",
        "lrs/outbox": "0o2750",
        "lrs/inbox": "0o2770",
        "lrs/outbox/LRB.csv": "0o640",
        "dewi": "0o700",
    }
    assert mode(root.lake / "x" / "y") == 0o600 and mode(root.lake / "x") == 0o700
    assert root.open_places() == []


def test_others_are_let_in_nowhere():
    every = Access(group_reads=("dewi/outbox", "lrs/outbox", "snapshots"), group_writes=("dewi/inbox", "lrs/inbox"))
    for place in ("", "dewi", "dewi/outbox", "lrs/outbox", "lrs/inbox", "snapshots", "lake", "quarantine", "reports"):
        assert not every.mode(place) & 0o007
    assert every.mode("lake") == every.mode("quarantine") == every.mode("reports") == 0o700


def test_all_faults_of_the_access_file_are_told_at_once():
    with pytest.raises(ConfigurationFault) as told:
        parse_access('group_reads = ["lake", "lrs/outbox"]\ngroup_writes = "lrs/inbox"\nothers = 7\n')
    assert len(told.value.faults) == 3


def test_the_library_that_writes_the_lake_obeys_the_mask(tmp_path, learner):
    from tasks.io.data_root.data_root import keep_private

    before = os.umask(0o022)
    try:
        keep_private()
        rows = learner({}).assign(cycle="2012-01", la_code="660", ordinal=1)
        Lake(tmp_path / "lake").append("pupils", rows)
    finally:
        os.umask(before)
    written = list((tmp_path / "lake").rglob("*"))
    assert written and not [p for p in written if mode(p) & 0o077]
