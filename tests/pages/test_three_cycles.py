"""The synthetic Wales that the pages are looked at with."""

from schemas.states import BatchShown
from tasks.io.lake.lake import Lake
from tasks.reports.batches import visible_batches
from tasks.runtime.context import moment
from tests.pages.names import HOSTILE_CODE, NAMED
from tests.pages.three_cycles import CYCLES, LAST


def test_learners_grow_older_leave_and_join_over_three_cycles(played):
    lake = Lake(played.root / "lake")
    year = {
        cycle: lake.read("pupils", ["upn", "nc_year"], cycle=cycle)
        .dropna()
        .drop_duplicates("upn")
        .set_index("upn")["nc_year"]
        for cycle in CYCLES
    }
    first, last = year["2012-01"], year[LAST]
    both = first.index.intersection(last.index)
    older = (last[both].astype("str") == (first[both].map(lambda y: str(int(y) + 1) if y.isdigit() else y))).mean()
    assert older > 0.95
    assert len(first.index.difference(last.index)) > 50, "some left"
    assert len(last.index.difference(first.index)) > 50, "some joined"


def test_the_last_cycle_is_looked_at_while_it_is_on(played):
    lake = Lake(played.root / "lake")
    returned = lake.read("received", ["school_number", "received_at"], cycle=LAST, kind="return", status="accepted")
    assert set(NAMED) - set(returned["school_number"]) == {played.sent_nothing}
    assert returned["received_at"].nunique() == 3
    batches = visible_batches(str(played.root), moment(played.looked_at).date(), LAST).frame
    assert {BatchShown.STUCK.value, BatchShown.ANSWERED.value} <= set(batches["state"])
    assert HOSTILE_CODE in set(lake.read("exceptions", ["return_code"], cycle=LAST)["return_code"])


def test_every_school_that_sent_has_its_files_in_each_cycle(played):
    lake = Lake(played.root / "lake")
    # Not all have a sixth form, one is not ready, and one sends nothing in the last cycle.
    for cycle, least in zip(CYCLES, (3, len(NAMED) - 1, len(NAMED) - 2), strict=True):
        delivered = lake.read("deliveries", ["school_number"], cycle=cycle)["school_number"]
        assert len(set(delivered) & set(NAMED)) >= least
