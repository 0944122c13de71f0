"""What everybody who uses the engine may see of a cycle, from the lake: true where it is told, and of no few learners."""

import datetime as dt

import pandas as pd
import pytest

from schemas.states import RowState
from schemas.views import CYCLE_BY_AUTHORITY
from tasks.core.suppression import SMALL, TOTAL
from tasks.ledger.standing import counts_of
from tasks.reports import overview
from tasks.reports.batches import visible_batches
from tasks.reports.overview import PARTS, overview_of, visible_rules
from tasks.stages.conserve import conserve
from tests.support.audit import ranges

CYCLE, TUESDAY, LATER = "2012-01", "2012-01-31T02:30", "2012-05-31T02:30"


def by_code(told):
    return told.frame.set_index("la_code")


@pytest.fixture
def three_held(sent, monkeypatch):
    """The cycle as it stands, but that of all who are held three are left and the others were sent; counts by school."""
    counts = counts_of(str(sent), CYCLE)
    more = counts["held"] - [3, *[0] * (len(counts) - 1)]
    counts = counts.assign(held=counts["held"] - more, sent=counts["sent"] + more)
    assert counts["held"].sum() == 3 and (counts["sent"] > SMALL).all()
    monkeypatch.setattr(overview, "counts_of", lambda *_: counts)
    return counts


def test_the_cycle_by_authority_is_true_where_it_is_told_and_nothing_small_can_be_worked_out(sent, three_held):
    told = by_code(overview_of(str(sent), CYCLE, TUESDAY, conserved=False).authorities)
    assert list(told.columns) == [column.name for column in CYCLE_BY_AUTHORITY.columns if column.name != "la_code"]
    assert len(told) == 23 and told.index[-1] == TOTAL and told.loc["660", "schools"] == 2
    whole = three_held[["records", *(state.value for state in RowState)]].sum()
    for la in ("660", TOTAL):
        row = told.loc[la].dropna()
        assert "held" not in row and len(row) > 5
        assert [row[name] for name in whole.index if name in row] == [n for name, n in whole.items() if name in row]
    assert (told.drop(["660", TOTAL]) == 0).all(axis=None)
    for (la, name), least, most in ranges(told.drop(columns="schools"), PARTS, TOTAL):
        assert most - least >= 1, (la, name)
        if name == "held":
            assert least <= 1 and most >= SMALL, la


def test_the_conservation_check_has_counted_the_same(sent):
    counted = overview_of(str(sent), CYCLE, TUESDAY, conserved=False)
    conserve.fn(data=str(sent), cycle=CYCLE)
    read = overview_of(str(sent), CYCLE, TUESDAY, conserved=True)
    assert by_code(read.authorities).equals(by_code(counted.authorities))


def test_batches_by_reference_with_state_and_age_and_those_that_wait_for_a_person_wait_there(sent):
    fresh = overview_of(str(sent), CYCLE, TUESDAY, conserved=False)
    ledger = visible_batches(str(sent), dt.date(2012, 1, 31), CYCLE).frame
    assert sorted(fresh.batches.frame["batch_ref"]) == sorted(ledger["batch_ref"])
    assert set(fresh.batches.frame["state"]) == {"SENT"} and set(fresh.batches.frame["age"]) == {1}
    assert not {"file_name", "rows", "answered"} & set(fresh.batches.frame.columns)
    late = overview_of(str(sent), CYCLE, LATER, conserved=False)
    assert late.batch_states.rows() == [{"state": "STUCK", "number": len(ledger)}]
    assert {"what": "stuck_batches", "number": len(ledger)} in late.waiting.rows()


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ({"quarantined": 3, "misplaced": ["a", "b"], "unread": []}, {"quarantined": 3, "misplaced": 2}),
        ({"untied_answers": 4, "untied_near_misses": 5}, {"untied_answers": None, "untied_near_misses": 5}),
        # What would give away how many are held is hidden with it; then a part of that is, too.
        ({"to_correct_on_portal": 0, "conflicts": 9}, {"conflicts": 9}),
        ({"changed_while_waiting": 50}, {"changed_while_waiting": None}),
    ],
    ids=["files", "learners", "of-a-total-that-is-told", "of-a-hidden-total"],
)
@pytest.mark.usefixtures("three_held")
def test_what_waits_for_a_person_tells_of_no_few_learners(sent, monkeypatch, found, told):
    monkeypatch.setattr(overview, "attention", lambda *_: found)
    seen = overview_of(str(sent), CYCLE, TUESDAY, conserved=False)
    total = by_code(seen.authorities).loc[TOTAL]
    assert pd.isna(total["sent"]) and total["uln"] == 0
    assert {row["what"]: row["number"] for row in seen.waiting.rows()} == told


def test_a_part_that_leaves_few_of_a_whole_that_is_told_is_not_told():
    whole = pd.Series({"uln": 100})
    assert [n for n in (94, 95, 96, 99, 100) if overview._gives_away(n, "uln", whole)] == [96, 99]
    assert not overview._gives_away(96, None, whole)


def test_rules_are_told_in_rounded_numbers_and_in_an_order_that_tells_no_more():
    rules = {
        "UPN02": {"tried": 36049, "failed": 3},
        "UPN01": {"tried": 36049, "failed": 4},
        "GEN01": {"tried": 36040, "failed": 0},
        "PCD01": {"tried": 36049, "failed": 122},
    }
    rows = visible_rules(rules, CYCLE).rows()
    assert [(row["rule"], row["tried"], row["failed"]) for row in rows] == [
        ("PCD01", 36000, 120),
        ("UPN01", 36000, None),
        ("UPN02", 36000, None),
        ("GEN01", 36000, 0),
    ]
    assert visible_rules({}, CYCLE).rows() == []
