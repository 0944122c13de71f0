"""The lake: typed, atomic, and silent where nothing changed."""

import os
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from schemas.texts.faults import ServiceFault
from tasks.io.lake.lake import Lake
from tasks.io.lake.maintenance import compact
from tests.support.paths import PROJECT


def dispositions(*refs, la="660", disposition="chosen"):
    return pd.DataFrame(
        {
            "row_ref": refs,
            "cycle": "2012-01",
            "la_code": la,
            "school_number": "6604025",
            "disposition": disposition,
            "reason": None,
            "detail": None,
        }
    ).astype({"reason": "str", "detail": "str"})


def learners(**ulns):
    rows = pd.DataFrame({"upn": list(ulns), "uln": list(ulns.values())}).astype({"uln": "str"})
    return rows.assign(
        other_ulns=None,
        other_upns=None,
        conflict=None,
        dob="1996-11-05",
        cycle="2012-01",
        la_code="660",
        school_number="s",
        batch_ref="B",
    )


def test_replace_touches_its_slice_only_and_only_when_it_differs(tmp_path):
    lake = Lake(tmp_path)
    where = {"cycle": "2012-01", "la_code": "660"}
    assert lake.replace("dispositions", dispositions("a", "b"), **where)
    assert lake.replace("dispositions", dispositions("c", la="661"), cycle="2012-01", la_code="661")
    version = lake.version("dispositions")
    assert not lake.replace("dispositions", dispositions("b", "a"), **where)
    assert lake.version("dispositions") == version
    assert lake.replace("dispositions", dispositions("b"), **where)
    assert list(lake.read("dispositions")["row_ref"]) == ["b", "c"]
    assert list(lake.read("dispositions", ["row_ref"], la_code="661")["row_ref"]) == ["c"]


def test_upsert_by_key_and_transactions_once(tmp_path):
    lake = Lake(tmp_path)
    assert lake.upsert("learners", learners(U1=None, U2="1000102504"), ["merge/f1"])
    version = lake.version("learners")
    assert not lake.upsert("learners", learners(U1=None, U2="1000102504"), ["merge/f1"])
    assert lake.version("learners") == version
    assert lake.upsert("learners", learners(U1="9276308686"), ["merge/f2"])
    assert dict(lake.read("learners", ["upn", "uln"]).to_numpy()) == {"U1": "9276308686", "U2": "1000102504"}
    assert lake.committed("learners", ["merge/f1", "merge/f2", "merge/f3"]) == {"merge/f1", "merge/f2"}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (dispositions("a").drop(columns="detail"), "detail"),
        (dispositions("a").assign(surprise="x"), "surprise"),
        (dispositions("a").assign(school_number=None), "school_number is empty"),
        (dispositions("a", "a"), "stands twice"),
    ],
    ids=["column-missing", "column-not-known", "required-value-missing", "key-twice"],
)
def test_a_wrong_table_is_refused_by_column_and_never_by_value(tmp_path, rows, told):
    with pytest.raises(ServiceFault, match=told):
        Lake(tmp_path).append("dispositions", rows)
    assert Lake(tmp_path).version("dispositions") == -1


def test_several_slices_are_replaced_in_one_commit(tmp_path):
    lake = Lake(tmp_path)
    both = {"cycle": "2012-01", "la_code": ["660", "661"]}
    lake.append(
        "dispositions", pd.concat([dispositions("a"), dispositions("b", la="661"), dispositions("c", la="662")])
    )
    assert lake.replace("dispositions", dispositions("d", la="661"), **both)
    assert lake.version("dispositions") == 1
    assert list(lake.read("dispositions", ["row_ref"])["row_ref"]) == ["d", "c"]
    assert not lake.replace("dispositions", dispositions("d", la="661"), **both)


def test_new_rows_are_added_and_nothing_that_stands_is_written_again(tmp_path):
    lake = Lake(tmp_path)
    lake.upsert("learners", learners(U1="1000102504"), ["merge/f1"])
    before = set((tmp_path / "learners").rglob("*.parquet"))
    lake.upsert("learners", learners(U1="1000102504", U2="9276308686"), ["merge/f2"])
    files = set(DeltaTable(str(tmp_path / "learners")).file_uris())
    assert {str(path) for path in before} < files
    assert list(lake.read("learners", ["upn"])["upn"]) == ["U1", "U2"]


def test_a_changed_row_may_move_to_another_slice_and_is_there_once(tmp_path):
    lake = Lake(tmp_path)
    lake.upsert("learners", pd.concat([learners(U1=None, U2=None), learners(U3=None).assign(la_code="661")]))
    moved = learners(U1="1000102504").assign(cycle="2013-01", la_code="662")
    assert lake.upsert("learners", pd.concat([moved, learners(U4=None)]), ["merge/f2"])
    found = lake.read("learners", ["upn", "uln", "cycle", "la_code"]).fillna("").sort_values("upn")
    assert found.to_numpy().tolist() == [
        ["U1", "1000102504", "2013-01", "662"],
        ["U2", "", "2012-01", "660"],
        ["U3", "", "2012-01", "661"],
        ["U4", "", "2012-01", "660"],
    ]


def test_what_is_read_is_in_order_whichever_commit_wrote_it(tmp_path):
    lake = Lake(tmp_path)
    for refs, la in ((("d", "b"), "661"), (("c", "a"), "661"), (("e",), "660")):
        lake.append("dispositions", dispositions(*refs, la=la))
    assert list(lake.read("dispositions", ["row_ref"])["row_ref"]) == ["e", "a", "b", "c", "d"]
    assert list(lake.read("dispositions", ["row_ref"], la_code="661", row_ref=["c", "a"])["row_ref"]) == ["a", "c"]


def test_a_table_is_looked_through_piece_by_piece_with_the_same_result(tmp_path, monkeypatch):
    lake = Lake(tmp_path)
    for n in range(4):
        lake.append("dispositions", dispositions(*(f"{n}{m}" for m in range(5)), la=f"66{n}"))
    monkeypatch.setattr("tasks.io.lake.scan._PIECE", 3)
    wanted = pd.Series(["00", "14", "32", None, "zz"])
    assert list(lake.read("dispositions", ["row_ref"], row_ref=wanted)["row_ref"]) == ["00", "14", "32"]
    assert list(lake.distinct("dispositions", "la_code")) == ["660", "661", "662", "663"]
    assert list(lake.distinct("dispositions", "row_ref", la_code="662")) == ["20", "21", "22", "23", "24"]
    assert lake.filled("dispositions", "row_ref", la_code=["660", "661"]) == 10
    assert lake.filled("dispositions", "detail") == lake.filled("learners", "upn") == 0
    assert list(lake.distinct("dispositions", "detail")) == [] == list(lake.distinct("learners", "upn"))


def test_learners_lie_by_the_authority_that_allotted_their_upn_and_only_there_are_they_looked_for(tmp_path):
    lake = Lake(tmp_path)
    upns = {"A660200000001": "660", "Z201200000002": "201", "A66": "none", "ZÉ01200000002": "none"}
    lake.upsert("learners", learners(**dict.fromkeys(upns)))
    found = {path.name for path in (tmp_path / "learners").iterdir() if path.is_dir() and path.name != "_delta_log"}
    assert found == {f"area={area}" for area in upns.values()}
    for upn in upns:
        assert list(lake.read("learners", ["upn"], upn=upn)["upn"]) == [upn]
    shutil.rmtree(tmp_path / "learners" / "area=201")
    assert list(lake.read("learners", ["upn"], upn=["A660200000001", "A66"])["upn"]) == ["A66", "A660200000001"]
    assert "area" not in lake.read("learners", upn="A66").columns


def test_a_table_that_was_removed_and_made_again_is_another(tmp_path):
    lake = Lake(tmp_path)
    for refs in (("a", "b"), ("c",)):
        lake.append("dispositions", dispositions(*refs))
        assert list(lake.read("dispositions", ["row_ref"])["row_ref"]) == list(refs)
        shutil.rmtree(tmp_path / "dispositions")


@pytest.mark.parametrize("piece", [1_000_000, 1], ids=["small-table", "great-table"])
def test_one_long_text_among_those_looked_for_does_not_make_all_as_wide(tmp_path, monkeypatch, piece):
    lake = Lake(tmp_path)
    lake.upsert("learners", learners(A660200000001=None, A660200000002=None))
    monkeypatch.setattr("tasks.io.lake.scan._PIECE", piece)
    wanted = pd.Series([f"A66{n:010}" for n in range(20_000)] + ["A660" + 100_000 * "9", "A660200000001"], dtype="str")
    tracemalloc.start()
    assert list(lake.read("learners", ["upn"], upn=wanted)["upn"]) == ["A660200000001"]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100 * 2**20


def test_how_many_rows_hold_each_value(tmp_path, monkeypatch):
    lake = Lake(tmp_path)
    assert lake.sizes("dispositions", "la_code") == {}
    for n, refs in enumerate((("a", "b"), ("c",))):
        lake.append("dispositions", dispositions(*refs, la=f"66{1 - n}"))
    monkeypatch.setattr("tasks.io.lake.scan._PIECE", 1)
    assert lake.sizes("dispositions", "la_code") == {"660": 1, "661": 2}
    assert lake.sizes("dispositions", "row_ref", la_code="660") == {"c": 1}


def test_pieces_hold_what_is_read(tmp_path):
    lake = Lake(tmp_path)
    assert list(lake.pieces("dispositions", ["row_ref"])) == []
    lake.append("dispositions", dispositions("a", "b"))
    lake.append("dispositions", dispositions("c", la="661"))
    pieces = list(lake.pieces("dispositions", ["row_ref", "la_code"], la_code="660"))
    assert all(piece.column_names == ["row_ref", "la_code"] for piece in pieces)
    assert sorted(ref for piece in pieces for ref in piece["row_ref"].to_pylist()) == ["a", "b"]


GROUP = 65_536


def row_groups(lake, name):
    """How many rows each group of each file of a table has that the log names."""
    table = Path(lake.place.folder) / name
    files = [pq.ParquetFile(table / path).metadata for path in DeltaTable(table).get_add_actions()["path"].to_pylist()]
    return [[one.row_group(n).num_rows for n in range(one.num_row_groups)] for one in files]


def test_no_file_has_greater_row_groups_than_readers_hold_whichever_way_it_was_written(tmp_path):
    lake, most = Lake(tmp_path), GROUP + 10
    many = pd.DataFrame({"cycle": "2012-01", "upn": [f"A{n:012}" for n in range(most)]})
    lake.append("shared_upns", many)
    lake.replace("shared_upns", many.iloc[1:], cycle="2012-01")
    lake.append("shared_upns", many.iloc[:1])
    before = row_groups(lake, "shared_upns")
    compact(lake, "shared_upns")
    lake.append("learners", learners(**dict.fromkeys(many["upn"])))
    added = row_groups(lake, "learners")
    lake.upsert("learners", learners(A000000000000="1000102504"))
    assert sorted(before) == [[1], [GROUP, 9]] and added == [[GROUP, 10]]
    assert row_groups(lake, "shared_upns") == row_groups(lake, "learners") == [[GROUP, 10]]


#: Arrow's own memories, of which what is given back stays with the process.
READS_WITHOUT_HOARD = """
from pathlib import Path
from tasks.io.lake.lake import Lake
import pyarrow as pa
assert len(Lake(Path("lake")).read("shared_upns")) == 5_000
hoards = {name: getattr(pa, f"{name}_memory_pool")() for name in pa.supported_memory_backends() if name != "system"}
assert not {name: pool.max_memory() for name, pool in hoards.items() if pool.max_memory()}
"""


def test_arrow_reads_without_a_hoard_of_its_own(tmp_path):
    Lake(tmp_path / "lake").append(
        "shared_upns", pd.DataFrame({"cycle": "2012-01", "upn": [f"A{n:012}" for n in range(5_000)]})
    )
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT)}
    subprocess.run([sys.executable, "-c", READS_WITHOUT_HOARD], check=True, cwd=tmp_path, env=bare)
