"""What `make ways` says of snapshots: the same, and not of nothing."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.same_snapshots import differing

SOUND = {"2012-01/learners": {"upn": ["u1"], "batch_ref": ["b1"]}, "2012-01/exceptions": {"upn": ["u1"]}}


def root_with(place, tables):
    for path, columns in tables.items():
        file = place / "snapshots" / f"{path}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()}), file)
    return place


@pytest.mark.parametrize(
    ("first", "other", "told"),
    [
        (SOUND, SOUND, []),
        (SOUND, SOUND | {"2012-01/learners": {"upn": ["u1"], "batch_ref": ["another"]}}, []),
        (SOUND, SOUND | {"2012-01/learners": {"upn": ["u2"], "batch_ref": ["b1"]}}, ["learners"]),
        (SOUND, {"2012-01/exceptions": {"upn": ["u1"]}}, ["learners"]),
        ({"2012-01/exceptions": {"upn": ["u1"]}}, SOUND, ["learners"]),
        ({"2012-01/exceptions": {"upn": []}}, {"2012-01/exceptions": {"upn": []}}, ["exceptions"]),
        ({}, {}, ["-"]),
    ],
    ids=["same", "batches-apart", "another-learner", "one-less", "one-more", "of-nobody", "none"],
)
def test_what_differs_is_named_and_nothing_is_not_the_same(tmp_path, first, other, told):
    found = differing([root_with(tmp_path / "one", first), root_with(tmp_path / "two", other)])
    assert len(found) == len(told) and all(word in one for word, one in zip(told, found, strict=True))
