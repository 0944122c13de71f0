"""A census of four learners that takes less than a second: their records are put into the lake, and no rule is tried.

Receiving, reading and validating have tests of their own. What follows them is played here from selection on.
"""

import pandas as pd

from schemas.tables import PUPILS, RECEIVED
from tasks.io.data_root.data_root import DataRoot
from tasks.io.lake.lake import Lake
from tasks.stages.batch import batch
from tasks.stages.release import release
from tasks.stages.select import select
from tests.support.learners import sound_learners
from tests.support.learners.in_schools import A, B, upn
from tests.support.without_engine import run_stage

CYCLE = "2012-01"
MONDAY, TUESDAY, WEDNESDAY = "2012-01-30T02:30", "2012-01-31T02:30", "2012-02-01T02:30"
#: A school of another authority than A and B.
C = "6614002"
LAS = ("660", "661")
_HEAD = (
    "school_number,ukprn,ukrlp_name,ukrlp_postcode,edubase_name,edubase_postcode,lrb_registered_on,privacy_notice_on,"
)
_READY = "{school},1000000{number},School {number},LL77 7NG,School {number},LL77 7NG,2011-09-01,2011-09-01,Y\n"


class Killed(BaseException):
    """The end of a process: no error boundary catches it."""


def die_at(patch, table):
    """Let a run end where it would upsert into a table."""
    upsert = Lake.upsert

    def dies(self, name, *arguments, **more):
        if name == table:
            raise Killed
        return upsert(self, name, *arguments, **more)

    patch.setattr(Lake, "upsert", dies)


def three_schools(root):
    """A data root with three schools that are ready: A and B of authority 660, C of 661."""
    place = DataRoot(root).create()
    rows = [_READY.format(school=school, number=number) for number, school in enumerate((A, B, C), 1)]
    (place.reference / "registration.csv").write_text(f"{_HEAD}takes_part\n{''.join(rows)}", encoding="utf-8")
    return Lake(place.lake)


def hand_in(lake, school, *learners, census=CYCLE, at="2012-01-20T10:00:00"):
    """A school's return lies in the lake: the changes to a sound record, for each learner."""
    where = {"cycle": census, "la_code": school[:3], "school_number": school, "sha256": f"{school} {at}"}
    returned = dict.fromkeys((c.name for c in RECEIVED.columns), None) | where
    returned |= {
        "kind": "return",
        "status": "accepted",
        "layout": "plasc",
        "header_datetime": at,
        "received_at": MONDAY,
    }
    lake.upsert("received", pd.DataFrame([returned | {"declared": len(learners)}]))
    ordinals = range(1, len(learners) + 1)
    pupils = sound_learners(*learners).assign(
        **where, ordinal=ordinals, row_ref=[f"{school} {at} {n}" for n in ordinals]
    )
    lake.append("pupils", pupils[[c.name for c in PUPILS.columns]])


def next_run(root, at, las=LAS):
    """What a census does where no return has come since the last: counts of `batch` and `release`, by stage and name."""
    stages = {stage.name: run_stage(stage, root, CYCLE, at, las) for stage in (batch, release)}
    return {f"{name}.{count}": n for name, counts in stages.items() for count, n in counts.items()}


def four_learners(root):
    """Schools A, B and C have handed in, and their learners are chosen."""
    lake = three_schools(root)
    hand_in(lake, A, {"upn": upn(1), "surname": "Alaw"}, {"upn": upn(2), "surname": "Bedwyr"})
    hand_in(lake, B, {"upn": upn(3, school=B), "surname": "Cadi"})
    hand_in(lake, C, {"upn": upn(4, school=C), "surname": "Deiniol"})
    run_stage(select, root, CYCLE, MONDAY, LAS)
    return lake


def states(root):
    """The states of the batches, by file name."""
    batches = Lake(root / "lake").read("batches", ["file_name", "state"])
    return dict(zip(batches["file_name"], batches["state"], strict=True))


def outbox(root):
    """The batch files that wait for the LRS: name -> bytes."""
    return {path.name: path.read_bytes() for path in (root / "lrs" / "outbox").iterdir()}
