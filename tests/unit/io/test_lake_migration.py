"""A lake of an earlier or a later version: missing columns read as null and are added once; a newer lake is left alone."""

import dataclasses

import pandas as pd
import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Field, Transaction
from deltalake.exceptions import DeltaError

from schemas.tables import LEARNERS, SHARED_UPNS, TABLES, Column, Table, Tier
from schemas.texts.faults import ServiceFault
from tasks.io.data_root.data_root import DataRoot
from tasks.io.data_root.run_lock import one_run_at_a_time
from tasks.io.lake.lake import SCHEMA_VERSION, Lake
from tasks.io.lake.maintenance import compact, damage, shorten_logs
from tasks.io.lake.migration import migrate, missing_columns, older_tables
from tasks.io.lake.scan import opened_table

#: Two columns that version 2 of a table brings: a text before the others, a number after them.
TEXT = Column("language", pa.string(), Tier.INTERNAL, since=2)
NUMBER = Column("age", pa.int64(), Tier.INTERNAL, since=2)


def wider(table):
    return dataclasses.replace(table, columns=(TEXT, *table.columns, NUMBER))


def upns(*numbers, **more):
    rows = pd.DataFrame({"cycle": "2012-01", "upn": [f"A{n:012}" for n in numbers]})
    return rows.assign(**more)


def learners(*upns):
    names = [c.name for c in LEARNERS.columns]
    return pd.DataFrame({"upn": upns}).reindex(columns=names).astype("str")


@pytest.fixture
def root(tmp_path):
    """A data root of version 1 with two tables; one has an area, which the lake alone knows."""
    place = DataRoot(tmp_path / "root").create()
    lake = Lake.of(place)
    lake.append("shared_upns", upns(1, 2), ["batch/1"])
    lake.append("learners", learners("A660200000001", "Z201200000002"))
    return place


@pytest.fixture
def lake(root):
    return Lake.of(root)


@pytest.fixture
def version_2(lake, monkeypatch):  # noqa: ARG001 - the lake is of before
    """From now on the code is of version 2."""
    for table in (SHARED_UPNS, LEARNERS):
        monkeypatch.setitem(TABLES, table.name, wider(table))
    opened_table.cache_clear()  # as in a new process


def mark(lake, name):
    return DeltaTable(f"{lake.place.uri}/{name}").transaction_version(SCHEMA_VERSION)


def files(root):
    return {
        path.relative_to(root.path).as_posix(): path.read_bytes() for path in root.path.rglob("*") if path.is_file()
    }


@pytest.mark.usefixtures("version_2")
def test_who_only_reads_an_older_lake_finds_nulls_of_the_right_type_and_writes_nothing(root, lake):
    before = files(root)
    rows = lake.read_arrow("shared_upns")
    assert rows.schema == TABLES["shared_upns"].schema and len(rows) == 2
    assert rows["language"].null_count == rows["age"].null_count == 2
    assert len(lake.read("shared_upns", ["upn"], language="cy")) == 0
    assert len(lake.read("learners", ["language"], upn="A660200000001")) == 1
    assert lake.filled("shared_upns", "language") == 0 and list(lake.distinct("learners", "language")) == []
    assert damage(lake, "shared_upns") is damage(lake, "learners") is None
    assert sorted(older_tables(lake)) == ["learners", "shared_upns"]
    assert files(root) == before


@pytest.mark.usefixtures("version_2")
def test_a_run_adds_the_columns_once_before_it_does_anything_and_rewrites_no_file(root, lake):
    data = {path: content for path, content in files(root).items() if path.endswith(".parquet")}
    with one_run_at_a_time(str(root.path)):
        assert lake.version("shared_upns") == lake.version("learners") == 1
        assert lake.append("shared_upns", upns(3, language="cy", age=11))
    assert files(root).items() >= data.items()
    assert mark(lake, "shared_upns") == mark(lake, "learners") == 2
    assert lake.committed("shared_upns", ["batch/1"]) == {"batch/1"}, "nothing is sent twice after it"
    rows = lake.read("shared_upns")
    assert list(rows["language"].fillna("")) == ["", "", "cy"] and list(rows["age"].fillna(0)) == [0, 0, 11]
    versions = lake.versions()
    with one_run_at_a_time(str(root.path)):
        pass
    assert migrate(lake) == [] and lake.versions() == versions


@pytest.mark.usefixtures("version_2")
def test_every_way_of_writing_goes_on_after_it(lake):
    migrate(lake)
    assert not lake.upsert("shared_upns", upns(1, language=None, age=None).astype({"language": "str", "age": "Int64"}))
    assert lake.upsert("shared_upns", upns(2, 4, language="en", age=12))
    assert lake.upsert("learners", learners("A660200000001").assign(language="cy", age=13))
    assert compact(lake, "shared_upns") >= 0
    assert list(lake.read("shared_upns", language="en")["upn"]) == [f"A{n:012}" for n in (2, 4)]
    assert lake.replace("shared_upns", upns(9, language="cy", age=1), cycle="2012-01")
    assert lake.read("shared_upns", ["upn", "language", "age"]).to_numpy().tolist() == [["A000000000009", "cy", 1]]
    found = lake.read("learners", ["upn", "language", "age"]).fillna({"language": "", "age": 0})
    assert found.to_numpy().tolist() == [["A660200000001", "cy", 13], ["Z201200000002", "", 0]]
    shorten_logs(lake)
    assert mark(lake, "shared_upns") == 2 and damage(lake, "shared_upns") is None


@pytest.mark.usefixtures("version_2")
def test_a_commit_that_only_adds_columns_moves_no_row(lake):
    before = lake.version("shared_upns")
    assert not lake.has_moved("shared_upns", before) and lake.has_moved("shared_upns", -1)
    migrate(lake)
    assert lake.version("shared_upns") > before and not lake.has_moved("shared_upns", before)
    assert lake.has_moved("shared_upns", before + 2), "a lake that was put back"
    lake.append("shared_upns", upns(3, language="cy", age=11))
    assert lake.has_moved("shared_upns", before) and not lake.has_moved("pupils", -1)


@pytest.mark.usefixtures("version_2")
def test_one_that_was_killed_between_two_tables_is_completed_by_the_next_run(root, lake, monkeypatch):
    later = TABLES["shared_upns"]
    with monkeypatch.context() as patch:
        patch.setitem(TABLES, "shared_upns", SHARED_UPNS)
        assert migrate(lake) == ["learners"]
    assert TABLES["shared_upns"] is later
    with one_run_at_a_time(str(root.path)):
        assert lake.version("learners") == lake.version("shared_upns") == 1


def test_a_table_that_is_made_by_version_2_says_so_from_its_first_commit(tmp_path, monkeypatch):
    monkeypatch.setitem(TABLES, "shared_upns", wider(SHARED_UPNS))
    for write in ("append", "replace"):
        lake = Lake(tmp_path / write)
        given = {"cycle": "2012-01"} if write == "replace" else {}
        getattr(lake, write)("shared_upns", upns(1, language="cy", age=1), **given)
        assert lake.version("shared_upns") == 0 and mark(lake, "shared_upns") == 2
    assert missing_columns(TABLES["shared_upns"], lake.opened("shared_upns")) == set()


def _set_a_later_version(lake):
    properties = CommitProperties(app_transactions=[Transaction(SCHEMA_VERSION, 3)])
    delta = DeltaTable(f"{lake.place.uri}/shared_upns")
    delta.alter.add_columns([Field(NUMBER.name, "long")], commit_properties=properties)


def _add_an_unknown_column(lake):
    DeltaTable(f"{lake.place.uri}/shared_upns").alter.add_columns([Field("shoe_size", "string")])


def _other_table(lake):
    lake.place.files.delete_dir("shared_upns")
    (lake.place.folder / "learners").rename(lake.place.folder / "shared_upns")


@pytest.mark.usefixtures("version_2")
@pytest.mark.parametrize("does", [_set_a_later_version, _add_an_unknown_column, _other_table])
def test_a_newer_lake_is_refused_in_one_sentence_and_nothing_is_written(root, lake, does):
    does(lake)
    (root.lrs_outbox / ".uln-x.part").write_bytes(b"of a run that was killed")
    before = files(root)
    with pytest.raises(ServiceFault) as refused, one_run_at_a_time(str(root.path)):
        pytest.fail("a run began")
    told = refused.value.args[0]
    for language, words in ((told.en, "another version of the service"), (told.cy, "fersiwn arall o'r gwasanaeth")):
        assert words in language and "shared_upns" in language and "\n" not in language
    assert {path: content for path, content in files(root).items() if not path.endswith(".run.lock")} == before
    assert damage(lake, "shared_upns") == "columns"


@pytest.mark.usefixtures("version_2")
def test_a_damaged_table_stops_no_run_and_when_it_is_put_back_nothing_is_written_before_its_migration(root, lake):
    first = root.lake / "shared_upns" / "_delta_log" / f"{0:020}.json"
    entry = first.read_bytes()
    first.write_bytes(b"damaged")
    with one_run_at_a_time(str(root.path)):
        assert mark(lake, "learners") == 2, "the other tables are migrated"
        with pytest.raises(DeltaError):
            lake.read("shared_upns")
        first.write_bytes(entry)
        before = files(root)
        for write in (lake.append, lake.upsert):
            for number in (1, 3):
                with pytest.raises((DeltaError, ServiceFault)):
                    write("shared_upns", upns(number, language="cy", age=11))
        assert files(root) == before
    with one_run_at_a_time(str(root.path)):
        assert lake.upsert("shared_upns", upns(1, 3, language="cy", age=11))
    assert list(lake.read("shared_upns")["language"].fillna("")) == ["cy", "", "cy"]


@pytest.mark.usefixtures("version_2")
def test_a_newer_table_is_refused_beside_a_damaged_one(root, lake):
    (root.lake / "learners" / "_delta_log" / f"{0:020}.json").write_bytes(b"damaged")
    _set_a_later_version(lake)
    with pytest.raises(ServiceFault, match="shared_upns"), one_run_at_a_time(str(root.path)):
        pytest.fail("a run began")


def test_a_table_s_version_is_that_of_its_newest_column():
    assert Table("t", SHARED_UPNS.columns, ()).version == 1 and wider(SHARED_UPNS).version == 2
