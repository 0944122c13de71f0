"""The lake: typed, atomic, and silent where nothing changed."""

import pandas as pd
import pytest

from schemas.faults import ServiceFault
from tasks.io.lake import Lake


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
