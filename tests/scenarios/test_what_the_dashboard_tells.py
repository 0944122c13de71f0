"""What everybody who uses the engine may see of a cycle, from the lake: true where it is told, and of no few learners."""

import datetime as dt

import pandas as pd
import pytest
from disclosure_audit import ranges

from schemas.states import RowState
from schemas.views import CYCLE_BY_AUTHORITY
from tasks import overview
from tasks.core.suppression import SMALL, TOTAL
from tasks.hand_over import batches_shown
from tasks.overview import PARTS, overview_of, rules_told
from tasks.publish import conserve
from tasks.status import counts_of

CYCLE, TUESDAY, LATER = "2012-01", "2012-01-31T02:30", "2012-05-31T02:30"


def by_code(told):
    return told.frame.set_index("la_code")


def test_the_cycle_by_authority_is_true_where_it_is_told_and_nothing_small_can_be_worked_out(sent):
    told = by_code(overview_of(str(sent), CYCLE, TUESDAY, conserved=False).authorities)
    counts = counts_of(str(sent), CYCLE)
    whole = {state.value: int(counts[state.value].sum()) for state in RowState} | {
        "records": int(counts["records"].sum())
    }
    assert list(told.columns) == [column.name for column in CYCLE_BY_AUTHORITY.columns if column.name != "la_code"]
    assert len(told) == 23 and told.index[-1] == TOTAL and told.loc["660", "schools"] == 2
    small = [name for name, n in whole.items() if 0 < n < SMALL]
    assert small, "somebody is held"
    for la in ("660", TOTAL):
        for name, n in whole.items():
            assert (
                pd.isna(told.loc[la, name])
                if name in small
                else told.loc[la, name] in (n, None) or pd.isna(told.loc[la, name])
            )
    assert (told.drop(["660", TOTAL]).drop(columns="schools") == 0).all(axis=None)
    for cell, least, most in ranges(told.drop(columns="schools"), PARTS, TOTAL):
        assert most - least >= 1, cell
        if cell[1] in small:
            assert least <= 1 and most >= SMALL, cell


def test_the_conservation_check_has_counted_the_same(sent):
    counted = overview_of(str(sent), CYCLE, TUESDAY, conserved=False)
    conserve.fn(data=str(sent), cycle=CYCLE)
    read = overview_of(str(sent), CYCLE, TUESDAY, conserved=True)
    assert by_code(read.authorities).equals(by_code(counted.authorities))


def test_batches_by_reference_with_state_and_age_and_those_that_wait_for_a_person_wait_there(sent):
    fresh = overview_of(str(sent), CYCLE, TUESDAY, conserved=False)
    ledger = batches_shown(str(sent), dt.date(2012, 1, 31), CYCLE).frame
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
        # Of two schools somebody is held, so that their totals are hidden with it: a part of a hidden one is too.
        ({"to_correct_on_portal": 0, "conflicts": 9}, {"conflicts": 9}),
        ({"changed_while_waiting": 50}, {"changed_while_waiting": None}),
    ],
    ids=["files", "learners", "of-a-total-that-is-told", "of-a-hidden-total"],
)
def test_what_waits_for_a_person_tells_of_no_few_learners(sent, monkeypatch, found, told):
    monkeypatch.setattr(overview, "attention", lambda *_: found)
    seen = overview_of(str(sent), CYCLE, TUESDAY, conserved=False)
    total = by_code(seen.authorities).loc[TOTAL]
    assert pd.isna(total["sent"]) and total["uln"] == 0
    assert {row["what"]: row["number"] for row in seen.waiting.rows()} == told


def test_rules_are_told_in_rounded_numbers_and_in_an_order_that_tells_no_more():
    rules = {
        "UPN02": {"tried": 36049, "failed": 3},
        "UPN01": {"tried": 36049, "failed": 4},
        "GEN01": {"tried": 36040, "failed": 0},
        "PCD01": {"tried": 36049, "failed": 122},
    }
    rows = rules_told(rules, CYCLE).rows()
    assert [(row["rule"], row["tried"], row["failed"]) for row in rows] == [
        ("PCD01", 36000, 120),
        ("UPN01", 36000, None),
        ("UPN02", 36000, None),
        ("GEN01", 36000, 0),
    ]
    assert rules_told({}, CYCLE).rows() == []
