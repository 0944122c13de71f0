"""Which authorities a run visits, and how many processes it is worth."""

import pytest

from flows.stages import chosen_authorities
from schemas.faults import ConfigurationFault
from tasks.io.data_root import DataRoot
from tasks.workers import processes_for


def test_all_authorities_some_or_those_of_schools():
    assert len(chosen_authorities(None, None)) == 22
    assert chosen_authorities(["681", "660"], None) == ["660", "681"]
    assert chosen_authorities(None, ["6744057"]) == ["674"]
    with pytest.raises(ConfigurationFault, match="999"):
        chosen_authorities(["999"], None)


def test_workers_only_where_there_is_much_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("ULN_WORKERS", "3")
    folder = DataRoot(tmp_path).create().dewi_inbox / "660"
    folder.mkdir()
    assert processes_for(str(tmp_path)) == 1
    with (folder / "much.xml").open("wb") as file:
        file.truncate(21 * 2**20)
    assert processes_for(str(tmp_path)) == 3
