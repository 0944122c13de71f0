"""The stage: which records other authorities' records change, and what it writes."""

import pandas as pd
import pytest

from schemas.tables import PUPILS, RECEIVED
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tasks.runtime.chunks import Chunk
from tasks.runtime.context import RunContext
from tasks.stages import select as stage
from tasks.steps import select as step
from tests.support.learners import sound_learners
from tests.support.without_engine import run_stage

CYCLE, AT = "2012-01", "2012-01-30T02:30"
HERE, THERE = "6604025", "6614002"
READY = "{school},1000000{n},School {n},LL77 7NG,School {n},LL77 7NG,2011-09-01,2011-09-01,Y\n"
COLUMNS = (
    "school_number,ukprn,ukrlp_name,ukrlp_postcode,edubase_name,edubase_postcode,lrb_registered_on,privacy_notice_on"
)


@pytest.fixture
def lake(tmp_path):
    place = DataRoot(tmp_path).create()
    rows = [READY.format(school=school, n=n) for n, school in enumerate((HERE, THERE), 1)]
    (place.reference / "registration.csv").write_text(f"{COLUMNS},takes_part\n" + "".join(rows), encoding="utf-8")
    return Lake(place.lake)


def hand_in(lake, ref, school, day, **changes):
    """A return with one record, the same learner each time, lies in the lake."""
    where = {"cycle": CYCLE, "la_code": school[:3], "school_number": school, "sha256": f"file of {ref}"}
    returned = dict.fromkeys((c.name for c in RECEIVED.columns), None) | where
    returned |= {"kind": "return", "status": "accepted", "declared": 1, "layout": "plasc", "header_datetime": day}
    lake.upsert("received", pd.DataFrame([returned]))
    pupil = sound_learners({"upn": "A660402508001", "dob": "1996-11-05", "nc_year": "10", **changes})
    lake.append("pupils", pupil.assign(**where, row_ref=ref, ordinal=1)[[c.name for c in PUPILS.columns]])


def select(lake, *las):
    return run_stage(stage.select, lake.place.folder.parent, CYCLE, AT, las)


def reasons(lake):
    rows = lake.read("dispositions", ["row_ref", "disposition", "reason"])
    return dict(zip(rows["row_ref"], rows["reason"].fillna(rows["disposition"]), strict=True))


def test_two_schools_records_are_written_once_and_again_not_at_all(lake):
    hand_in(lake, "old", HERE, "2012-01-20")
    hand_in(lake, "new", THERE, "2012-01-21")
    counts = {"records": 2, "chosen": 1, "asked_elsewhere": 1}
    assert select(lake, "660", "661") == counts
    assert reasons(lake) == {"old": "asked_elsewhere", "new": "chosen"}
    assert lake.version("dispositions") == 0 and lake.read("shared_upns").empty
    assert select(lake, "660", "661") == counts and lake.version("dispositions") == 0


def test_a_run_for_one_authority_sees_the_others_records_and_changes_who_asks(lake):
    hand_in(lake, "old", HERE, "2012-01-20")
    assert select(lake, "660", "661") == {"records": 1, "chosen": 1, "asked_elsewhere": 0}
    hand_in(lake, "new", THERE, "2012-01-21")
    assert select(lake, "661") == {"records": 1, "chosen": 1, "asked_elsewhere": 0}, "of that authority alone"
    assert reasons(lake) == {"old": "asked_elsewhere", "new": "chosen"}
    hand_in(lake, "left", THERE, "2012-01-22", upn="A661400208001")
    select(lake, "661")
    assert reasons(lake) == {"old": "chosen", "new": "superseded_return", "left": "chosen"}


def test_a_upn_of_two_people_stays_with_both_schools(lake):
    hand_in(lake, "one", HERE, "2012-01-20")
    hand_in(lake, "other", THERE, "2012-01-21", forename="Huw")
    assert select(lake, "660", "661")["chosen"] == 2
    assert list(lake.read("shared_upns")["upn"]) == ["A660402508001"]


def test_an_authority_that_cannot_be_decided_keeps_its_decisions_and_the_others_see_them(lake, monkeypatch):
    hand_in(lake, "old", HERE, "2012-01-20")
    select(lake, "660", "661")
    hand_in(lake, "new", THERE, "2012-01-21")
    decide = stage.decisions_of

    def fails(ctx, chunk):
        if "660" in chunk.las:
            raise KeyError("x")
        return decide(ctx, chunk)

    monkeypatch.setattr(stage, "decisions_of", fails)
    data = str(lake.place.folder.parent)
    result = stage.select.fn(data=data, cycle=CYCLE, las=["660", "661"], as_of=AT)
    assert result.faults.keys() == {"660"} and result.counts.keys() == {"661"}
    assert reasons(lake) == {"old": "asked_elsewhere", "new": "chosen"}


def test_two_upns_with_the_same_hash_are_not_taken_for_one(lake, monkeypatch):
    for ref, school, serial in (("a", HERE, 1), ("b", THERE, 2), ("c", HERE, 3), ("d", THERE, 3)):
        hand_in(lake, ref, school, f"2012-01-2{serial}", upn=f"A66040250800{serial}")
    ctx = RunContext.of(str(lake.place.folder.parent), CYCLE)
    received = lake.read("received")
    lake.upsert("received", received.assign(header_datetime="2012-01-20", layout="ctf"))
    decided = step.decisions_of(ctx, Chunk(("660", "661")))
    monkeypatch.setattr(step, "hash_pandas_object", lambda upns, **_: pd.Series(7, range(len(upns)), "uint64"))
    assert sorted(step.shared_records(decided)["row_ref"]) == ["c", "d"]
