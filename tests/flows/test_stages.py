"""Which authorities a run visits, and how many processes it is worth."""

import pytest

from flows.stages import Tour, artifact_key, chosen_authorities
from schemas.faults import ConfigurationFault
from tasks.io.data_root import DataRoot
from tasks.workers import processes_for


def test_all_authorities_some_or_those_of_schools():
    assert len(chosen_authorities(None, None)) == 22
    assert chosen_authorities(["681", "660"], None) == ["660", "681"]
    assert chosen_authorities(None, ["6744057"]) == ["674"]
    with pytest.raises(ConfigurationFault, match="999"):
        chosen_authorities(["999"], None)


def test_a_key_as_the_engine_takes_it():
    assert artifact_key("lrs-returns 2012-01", "660") == "lrs-returns-2012-01-660"


def test_a_tour_without_faults_has_none_after_its_artifacts(monkeypatch):
    made = []
    monkeypatch.setattr("flows.dashboard.create_table_artifact", lambda _, **about: made.append(about["key"]))
    tour = Tour(["660", "661"])
    tour.publish_artifacts("census 2012-01")
    assert made == ["census-2012-01-660", "census-2012-01-661"]
    assert tour.faults == {} and tour.total()["faults"] == 0


def test_workers_only_where_there_is_much_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("ULN_WORKERS", "3")
    folder = DataRoot(tmp_path).create().dewi_inbox / "660"
    folder.mkdir()
    assert processes_for(str(tmp_path)) == 1
    with (folder / "much.xml").open("wb") as file:
        file.truncate(21 * 2**20)
    assert processes_for(str(tmp_path)) == 3
