"""How authorities are cut into chunks: every school once, memory bounded."""

import pandas as pd
import pytest

from schemas.tables import RECEIVED
from tasks.io.data_root.data_root import DataRoot
from tasks.runtime.chunks import Chunk, all_chunks, chunks, records_by_school, whole_chunks
from tasks.runtime.context import RunContext


def received(root, **declared):
    """A context in which these schools (`s6604025=10`) have sent so many records, each in two returns."""
    ctx = RunContext.of(str(root), "2012-01")
    DataRoot(root).create()
    blank = dict.fromkeys(c.name for c in RECEIVED.columns)
    about = {"kind": "return", "status": "accepted", "cycle": "2012-01"}
    rows = [
        blank
        | about
        | {"sha256": f"{school}-{n}", "la_code": school[1:4], "school_number": school[1:], "declared": part}
        for school, records in declared.items()
        for n, part in enumerate((records // 2, records - records // 2))
    ]
    refused = blank | {"sha256": "x", "kind": "return", "status": "quarantined", "cycle": "2012-01", "la_code": "660"}
    ctx.lake.append("received", pd.DataFrame([*rows, refused]).astype({"declared": "Int64"}))
    return ctx


@pytest.fixture
def bounds(monkeypatch):
    monkeypatch.setattr("tasks.runtime.chunks.CHUNK_RECORDS", 100)
    monkeypatch.setattr("tasks.runtime.chunks.WHOLE_RECORDS", 200)


def test_the_records_of_a_school_are_those_of_all_its_accepted_returns(tmp_path):
    ctx = received(tmp_path, s6614002=7, s6604025=10)
    assert records_by_school(ctx) == {"6604025": 10, "6614002": 7}
    assert records_by_school(ctx, ["661"]) == {"6614002": 7}


@pytest.mark.usefixtures("bounds")
def test_a_chunk_is_whole_authorities_and_of_one_too_large_some_schools(tmp_path):
    ctx = received(tmp_path, s6604025=40, s6604026=20, s6614002=30, s6624001=90, s6624002=90, s6624003=90, s6634001=9)
    las = ["660", "661", "662", "663", "664"]
    assert chunks(ctx, las) == [
        Chunk(("660", "661")),
        *(Chunk(("662",), (school,)) for school in ("6624001", "6624002", "6624003")),
        Chunk(("663", "664")),
    ]
    assert whole_chunks(ctx, las) == [Chunk(("660", "661")), Chunk(("662",)), Chunk(("663", "664"))]
    assert Chunk(("660", "661")).where == {"la_code": ["660", "661"]}
    assert Chunk(("662",), ("6624001",)).where == {"la_code": ["662"], "school_number": ["6624001"]}


@pytest.mark.usefixtures("bounds")
@pytest.mark.parametrize(("count", "las"), [(1, [4]), (2, [2, 2]), (3, [1, 2, 1]), (9, [1, 1, 1, 1])])
def test_each_worker_gets_a_chunk_of_about_the_same_size(tmp_path, count, las):
    ctx = received(tmp_path, s6604025=20, s6614002=20, s6624001=20, s6634001=20)
    assert [len(chunk.las) for chunk in chunks(ctx, ["660", "661", "662", "663"], count=count)] == las


@pytest.mark.usefixtures("bounds")
def test_no_chunk_of_several_authorities_holds_more_than_its_bound(tmp_path):
    ctx = received(tmp_path, **{f"s{la}4001": 51 for la in range(660, 670)})
    assert [len(chunk.las) for chunk in chunks(ctx, [str(la) for la in range(660, 670)])] == [1] * 10


@pytest.mark.usefixtures("bounds")
@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_no_cut_loses_or_doubles_a_school(tmp_path, count):
    sizes = {f"66{la}{school}": (school * 7) % 41 for la in (0, 1, 2, 3) for school in range(4001, 4004 + 9 * la)}
    ctx = received(tmp_path, **{f"s{school}": n for school, n in sizes.items()})
    cut = chunks(ctx, ["660", "661", "662", "663"], count=count)
    held = [school for chunk in cut for school in (chunk.schools or [s for s in sizes if s[:3] in chunk.las])]
    assert held == list(sizes)
    assert {chunk.schools is None for chunk in cut} == {True, False}


def test_authorities_that_sent_nothing_are_in_a_chunk_all_the_same(tmp_path):
    ctx = received(tmp_path, s6604025=4, s6614002=6)
    assert chunks(ctx, ["660", "661", "662"]) == [Chunk(("660", "661", "662"))]
    assert chunks(ctx, ["662", "663"]) == [Chunk(("662", "663"))]
    assert chunks(ctx, []) == []
    assert all_chunks(ctx) == [Chunk(("660", "661"))]
    assert all_chunks(ctx, ["661"]) == [Chunk(("661",))]
