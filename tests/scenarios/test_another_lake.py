"""A lake that is said to lie elsewhere: it may know of nobody who was sent, so nothing is read or sent."""

import datetime as dt
import shutil

import pytest

from schemas.texts.faults import ConfigurationFault
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.io.lake.lake import Lake
from tasks.maintenance.doctor import Level, run_checks
from tests.support.diary import census

CYCLE = "2012-01"
MONDAY, TUESDAY = "2012-01-30T02:30", "2012-01-31T02:30"
URL = "ULN_WAY_LAKE__URL"


@pytest.fixture
def built(built_root, tmp_path):
    return shutil.copytree(built_root, tmp_path / "root")


def faults_of(root):
    return [one.message.en for one in run_checks(str(root), dt.date(2012, 1, 31)) if one.level is Level.FAULT]


def test_where_another_lake_is_named_nobody_is_sent_again(built, tmp_path, monkeypatch):
    census(built, CYCLE, MONDAY)
    handed_over = sorted(path.name for path in (built / "lrs" / "outbox").iterdir())
    monkeypatch.setenv(URL, (tmp_path / "another").as_uri())
    with pytest.raises(ConfigurationFault, match=r"nothing was read or sent\. .*lake/\.place"):
        census(built, CYCLE, TUESDAY)
    with pytest.raises(ConfigurationFault), one_run_at_a_time(str(built)):
        pytest.fail("a run began")
    assert sorted(path.name for path in (built / "lrs" / "outbox").iterdir()) == handed_over
    assert not (tmp_path / "another").exists()
    (told,) = faults_of(built)
    assert str(built / "lake") in told and str(tmp_path / "another") in told


@pytest.mark.parametrize("other", [None, "third"])
def test_a_lake_elsewhere_is_remembered_by_the_first_run_and_looked_for_nowhere_else(tmp_path, monkeypatch, other):
    root = DataRoot(tmp_path / "root").create()
    monkeypatch.setenv(URL, (tmp_path / "second").as_uri())
    Lake.of(root)
    assert not (root.lake / ".place").exists(), "who only looks writes nothing"
    with one_run_at_a_time(str(root.path)):
        assert Lake.of(root).place.folder == tmp_path / "second"
    monkeypatch.delenv(URL)
    if other:
        monkeypatch.setenv(URL, (tmp_path / other).as_uri())
    with pytest.raises(ConfigurationFault, match="second"):
        Lake.of(root)
    (root.lake / ".place").write_text(f"{tmp_path / (other or 'root/lake')}\n", encoding="utf-8")
    assert Lake.of(root).place.folder == tmp_path / (other or "root/lake"), "a person has said that it was moved"


def test_one_bucket_s_name_at_two_endpoints_is_two_lakes(tmp_path, monkeypatch):
    root = DataRoot(tmp_path / "root").create()
    places = []
    for endpoint in ("https://one.example", "https://two.example"):
        monkeypatch.setenv(URL, "s3://uln/lake")
        monkeypatch.setenv("ULN_WAY_LAKE__ENDPOINT", endpoint)
        places.append(Lake.of(root).place)
    assert places[0] != places[1] and places[0].uri == places[1].uri
    (root.lake / ".place").write_text(places[0].address, encoding="utf-8")
    with pytest.raises(ConfigurationFault, match=r"one\.example"):
        Lake.of(root)
