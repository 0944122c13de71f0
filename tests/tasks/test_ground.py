"""How a stage's work is cut: every school once, memory bounded, and the same results however it is cut."""

import pandas as pd
import pytest

from schemas.tables import RECEIVED
from tasks.io.data_root.data_root import DataRoot
from tasks.runtime.chunks import Chunk, all_portions, lots, records_by_school
from tasks.runtime.context import Ground


def received(root, **declared):
    """A ground in which these schools (`s6604025=10`) have sent so many records, each in two returns."""
    ground = Ground.of(str(root), "2012-01")
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
    ground.lake.append("received", pd.DataFrame([*rows, refused]).astype({"declared": "Int64"}))
    return ground


def test_the_records_of_a_school_are_those_of_all_its_accepted_returns(tmp_path):
    ground = received(tmp_path, s6614002=7, s6604025=10)
    assert records_by_school(ground) == {"6604025": 10, "6614002": 7}
    assert records_by_school(ground, ["661"]) == {"6614002": 7}


def test_a_lot_holds_whole_authorities_and_a_bounded_number_of_records(tmp_path):
    ground = received(tmp_path, s6604025=40, s6604026=20, s6614002=50, s6624001=300, s6634001=10)
    found = lots(ground, ["660", "661", "662", "663", "664"], most=110)
    assert [lot.las for lot in found] == [("660", "661"), ("662",), ("663", "664")]
    assert found[0].sizes == {"6604025": 40, "6604026": 20, "6614002": 50}
    assert found[0].where == {"la_code": ["660", "661"]}


def test_portions_hold_every_school_once_and_about_as_many_records_each():
    lot = Chunk(("660", "661"), {"6604025": 10, "6604026": 30, "6614002": 20, "6614003": 20})
    one, two = lot.portions(2)
    assert (one, two) == (Chunk(("660",)), Chunk(("661",)))
    assert one.where == {"la_code": ["660"]}
    three = Chunk(("660",), {"6604025": 1, "6604026": 1, "6604027": 8}).portions(3)
    assert [p.schools for p in three] == [("6604025", "6604026"), ("6604027",)]
    assert three[1].where == {"la_code": ["660"], "school_number": ["6604027"]}
    assert lot.portions(1) == [Chunk(("660", "661"))]
    assert Chunk(("660",), {}).portions(2) == []


def test_a_large_authority_is_cut_so_that_no_worker_has_much_at_a_time(monkeypatch):
    monkeypatch.setattr("tasks.runtime.chunks.PORTION_RECORDS", 100)
    sizes = {f"660{number}": 40 for number in range(4001, 4013)}  # 480 records
    held = [len(portion.schools or sizes) * 40 for portion in Chunk(("660",), sizes).portions(2)]
    assert held == [80] * 6  # for two workers, three each: with two each 120 would be too many


@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_no_cut_loses_or_doubles_a_school(count):
    sizes = {f"66{la}{school}": (school * 7) % 11 for la in (0, 1, 2) for school in range(4001, 4012)}
    lot = Chunk(("660", "661", "662"), sizes)
    held = [
        school
        for portion in lot.portions(count)
        for school in (portion.schools or [s for s in sizes if s[:3] in portion.las])
    ]
    assert held == list(sizes)


def test_all_portions_are_those_of_the_authorities_that_sent_something(tmp_path):
    ground = received(tmp_path, s6604025=4, s6614002=6)
    assert all_portions(ground) == [Chunk(("660", "661"))]
    assert all_portions(ground, ["661"]) == [Chunk(("661",))]
