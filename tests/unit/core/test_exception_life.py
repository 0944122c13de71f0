"""What became of an exception: one learner of school 6604025, whom batch B1 of January 2012 took to the LRS."""

import datetime as dt
import itertools

import pandas as pd
import pytest

from schemas.settings.terms import exception_terms
from schemas.tables import EXCEPTION_LIVES
from tasks.core.exception_life import LearnerHistory, by_age, by_code, by_state, exported, lives, milestones

CYCLES = ["2011-09", "2012-01", "2013-01"]
ULN, OTHER_ULN = "1000102504", "9276308686"
HOME, ELSEWHERE = "6604025", "6604026"
TERMS = exception_terms()


def frame(rows, columns):
    return pd.DataFrame(list(rows), columns=columns).astype("str")


def returned(n, cycle="2012-01", school=HOME, at="2012-01-20"):
    return {"sha256": f"s{n}", "cycle": cycle, "school_number": school, "received_at": at}


def record(n, cycle="2012-01", school=HOME, state="exception", batch="B1", uln=None, reason=None):
    chosen = reason is None
    own = {"upn": "U1", "cycle": cycle, "school_number": school, "sha256": f"s{n}", "uln": uln, "reason": reason}
    told = {"disposition": "chosen" if chosen else "not_chosen", "state": state if chosen else None}
    return own | told | {"batch_ref": batch if chosen else None}


def answer(uln=None, at="2012-02-12", batch="B1", export=False, sha="f1"):
    own = {"upn": "U1", "batch_ref": batch, "uln": uln, "received_at": at, "sha256": sha, "ordinal": 1}
    return own | {"exported": export}


WITHOUT = answer()


def life(
    records=None,
    returns=None,
    answers=(WITHOUT,),
    held=None,
    later=(),
    delivered=(),
    turned=False,
    another=(),
    held_of="U1",
):
    """The one life: state, cause, and the days of what has happened."""
    exception = {"upn": "U1", "batch_ref": "B1", "cycle": "2012-01", "la_code": "660", "school_number": HOME}
    exception |= {"row_ref": "r1", "return_code": "RC007", "all_codes": "RC007", "state": "open"}
    built = [{"upn": "U1", "batch_ref": "B1", "cycle": "2012-01", "built_at": "2012-01-30"}, *later]
    tables = {
        "another": frame(another, ["upn", "other"]),
        "answers": frame(answers, list(WITHOUT)).assign(exported=[a["exported"] for a in answers]),
        "held": frame([[held_of, held]] if held else [], ["upn", "uln"]),
        "records": frame([record(1)] if records is None else records, list(record(1))),
        "returns": frame([returned(1)] if returns is None else returns, list(returned(1))),
        "sent": frame(built, ["upn", "batch_ref", "cycle", "built_at"]),
        "deliveries": frame(delivered, ["cycle", "school_number", "delivered_at"]),
    }
    if turned:
        tables = {name: rows if name == "returns" else rows[::-1] for name, rows in tables.items()}
    found = lives(milestones(frame([exception.values()], list(exception)), LearnerHistory(**tables, cycles=CYCLES)))
    assert list(found.columns) == [c.name for c in EXCEPTION_LIVES.columns]
    [row] = found.fillna("").to_dict("records")
    days = {name: row[f"{name}_on"] for name in ("seen", "asked_again", "resolved", "withdrawn") if row[f"{name}_on"]}
    return row["state"], row["cause"], days


def test_until_a_workbook_tells_of_it_it_is_open():
    assert life() == ("open", "", {})
    earlier = ["2012-01", HOME, "2012-02-11"]
    assert life(delivered=[earlier]) == ("open", "", {})
    at_once = ["2012-01", HOME, "2012-02-12"]
    assert life(delivered=[earlier, at_once]) == ("seen", "", {"seen": "2012-02-12"})
    others = [["2013-01", HOME, "2013-02-12"], ["2012-01", ELSEWHERE, "2012-02-12"]]
    assert life(delivered=others) == ("open", "", {})


@pytest.mark.parametrize(
    ("by", "cause"),
    [
        (answer(ULN, "2012-03-01", sha="f2"), "result"),
        (answer(ULN, "2012-03-01", sha="f2", export=True), "export"),
        (answer(ULN, "2012-03-01", sha="f2", batch="B2"), "resubmission"),
    ],
    ids=["result", "export", "resubmission"],
)
def test_an_answer_with_the_uln_resolves_it(by, cause):
    later = [{"upn": "U1", "batch_ref": "B2", "cycle": "2012-01", "built_at": "2012-02-20"}] * (cause == "resubmission")
    again = {"asked_again": "2012-02-20"} if later else {}
    found = life(answers=[WITHOUT, by], held=ULN, later=later, records=[record(1, state="uln")])
    assert found == ("resolved", cause, again | {"resolved": "2012-03-01"})


def test_an_answer_to_an_earlier_batch_is_no_resubmission():
    earlier = [{"upn": "U1", "batch_ref": "B0", "cycle": "2011-09", "built_at": "2011-10-01"}]
    late = answer(ULN, "2012-03-01", sha="f2", batch="B0", export=True)
    assert life(answers=[WITHOUT, late], held=ULN, later=earlier)[1:] == ("export", {"resolved": "2012-03-01"})


ONE = [["U1", "U2"], ["U2", "U1"]]
SENT_AS_U2 = {"upn": "U2", "batch_ref": "B2", "cycle": "2012-01", "built_at": "2012-02-20"}


def test_what_is_said_under_another_upn_of_the_learner_counts():
    returns = [returned(1), returned(2, at="2012-02-19")]
    old = record(1, reason="superseded_return")
    now = record(2) | {"upn": "U2"}
    assert life([old, now], returns, another=ONE)[0] == "open", "the ledger knows U2 as U1"
    assert life([old, now], returns)[0] == "withdrawn", "somebody else"
    sent = [old, now | {"state": "sent", "batch_ref": "B2"}]
    assert life(sent, returns, later=[SENT_AS_U2], another=ONE) == (
        "asked_again", "", {"asked_again": "2012-02-20"},
    )  # fmt: skip
    by = answer(ULN, "2012-03-01", sha="f2", batch="B2") | {"upn": "U2"}
    ended = {"asked_again": "2012-02-20", "resolved": "2012-03-01"}
    found = life(sent, returns, [WITHOUT, by], later=[SENT_AS_U2], another=ONE, held=ULN, held_of="U2")
    assert found == ("resolved", "resubmission", ended)
    assert life(sent, returns, [WITHOUT, by], later=[SENT_AS_U2], held=ULN, held_of="U2")[0] == "withdrawn"


def test_another_uln_than_the_one_that_stands_resolves_nothing():
    answers = [WITHOUT, answer(OTHER_ULN, "2012-02-20", sha="f2", export=True), answer(ULN, "2012-03-01", sha="f3")]
    assert life(answers=answers, held=ULN)[1:] == ("result", {"resolved": "2012-03-01"})
    assert life(answers=answers)[0] == "open", "a later cycle's register is not seen"


def test_a_uln_that_came_first_counts_from_the_day_on_which_the_exception_was_opened():
    early = answer(ULN, "2012-02-01", sha="f2", export=True)
    seen = [["2012-01", HOME, "2012-02-12"]]
    assert life(answers=[early, WITHOUT], held=ULN, delivered=seen) == (
        "resolved",
        "export",
        {"resolved": "2012-02-12"},
    )


HAS_ULN = record(2, uln=ULN, reason="uln_held")


def test_a_uln_in_the_newest_return_resolves_it_on_the_day_on_which_the_first_such_return_came():
    returns = [returned(1), returned(2, at="2012-02-20"), returned(3, at="2012-02-25")]
    older = record(2, uln=ULN, reason="superseded_return")
    newest = record(3, uln=ULN, reason="uln_held")
    records = [record(1, reason="superseded_return"), older, newest]
    assert life(records, returns) == ("resolved", "return", {"resolved": "2012-02-20"})
    # What is in the newest return no more does not count, and what is none does not.
    assert life([record(1, reason="superseded_return"), older, record(3)], returns)[0] == "open"
    assert life([record(2, uln="1000102505", reason="year_group")], returns[:2])[0] == "withdrawn"
    # The LRS says so as well, later: what came first is the cause; on one day it is the LRS.
    for day, cause in (("2012-02-19", "export"), ("2012-02-20", "export"), ("2012-03-01", "return")):
        answers = [WITHOUT, answer(ULN, day, sha="f2", export=True)]
        assert life(records, returns, answers, held=ULN)[1] == cause


def test_a_former_upn_that_has_a_uln_resolves_it():
    returns = [returned(1), returned(2, at="2012-02-20")]
    records = [record(1, reason="superseded_return"), record(2, reason="uln_held")]
    assert life(records, returns) == ("resolved", "return", {"resolved": "2012-02-20"})


def test_who_is_in_no_newest_return_has_left_on_the_day_of_the_first_return_without():
    returns = [returned(1), returned(2, at="2012-02-20"), returned(3, at="2012-02-25")]
    old = record(1, reason="superseded_return")
    assert life([old], returns) == ("withdrawn", "left", {"withdrawn": "2012-02-20"})
    # Gone before the LRS had answered: it ended as it was opened, and stood in no workbook.
    before = [returned(1), returned(2, at="2012-02-01")]
    assert life([old], before, delivered=[["2012-01", HOME, "2012-02-12"]]) == (
        "withdrawn", "left", {"withdrawn": "2012-02-12"},
    )  # fmt: skip
    assert life([record(1)], [returned(1), returned(2, "2013-01", at="2013-01-30")]) == (
        "withdrawn", "left", {"withdrawn": "2013-01-30"},
    )  # fmt: skip


def test_who_moved_is_open_at_the_new_school():
    returns = [returned(1), returned(2, at="2012-02-20"), returned(3, school=ELSEWHERE, at="2012-02-21")]
    records = [record(1, reason="superseded_return"), record(3, school=ELSEWHERE)]
    assert life(records, returns)[0] == "open"
    assert life(records, returns, delivered=[["2012-01", ELSEWHERE, "2012-03-01"]])[0] == "seen"
    # The former school saw it, if its file came before the learner was in the other one's return.
    assert life(records, returns, delivered=[["2012-01", HOME, "2012-02-20"]])[2] == {"seen": "2012-02-20"}
    both = [["2012-01", HOME, "2012-02-22"], ["2012-01", ELSEWHERE, "2012-03-01"]]
    assert life(records, returns, delivered=both[:1])[0] == "open"
    assert life(records, returns, delivered=both)[2] == {"seen": "2012-03-01"}


def test_who_comes_back_is_open_again():
    returns = [returned(1), returned(2, at="2012-02-20"), returned(3, at="2012-02-25")]
    assert life([record(1, reason="superseded_return"), record(3)], returns)[0] == "open"


@pytest.mark.parametrize("reason", ["year_group", "age", "enrolment_status", "school_not_ready"])
def test_who_is_not_chosen_any_more_is_withdrawn(reason):
    returns = [returned(1), returned(2, at="2012-02-20")]
    records = [record(1, reason="superseded_return"), record(2, reason=reason)]
    assert life(records, returns) == ("withdrawn", "not_chosen", {"withdrawn": "2012-02-20"})


def test_of_whom_no_record_is_left_nothing_is_concluded():
    assert life(records=[])[0] == "open"


def test_who_waits_in_a_later_cycle_is_open_and_who_went_out_again_is_asked_for_again():
    returns = [returned(1), returned(2, "2013-01", at="2013-01-29")]
    records = [record(1), record(2, "2013-01", state="waiting", batch=None)]
    assert life(records, returns)[0] == "open"
    later = [{"upn": "U1", "batch_ref": "A9", "cycle": "2013-01", "built_at": "2013-01-30"}]
    sent = [record(1), record(2, "2013-01", state="sent", batch="A9")]
    assert life(sent, returns, later=later) == ("asked_again", "", {"asked_again": "2013-01-30"})
    # An earlier batch is none that asks again.
    before = [{"upn": "U1", "batch_ref": "Z9", "cycle": "2011-09", "built_at": "2011-10-01"}]
    assert life(later=before)[0] == "open"


def test_the_order_in_which_things_stand_does_not_matter():
    answers = [WITHOUT, answer(None, "2012-02-13", sha="f2"), answer(ULN, "2012-03-01", sha="f3", export=True)]
    found = {str(life(answers=list(order), held=ULN)) for order in itertools.permutations(answers)}
    returns = [returned(1), returned(2, at="2012-02-20"), returned(3, school=ELSEWHERE, at="2012-02-21")]
    records = [record(1, reason="superseded_return"), record(2, reason="year_group"), record(3, school=ELSEWHERE)]
    turned = [life(records, returns, turned=turned) for turned in (False, True)]
    assert len(found) == 1 and turned[0] == turned[1]


def told(*rows):
    names = ["cycle", "la_code", "school_number", "return_code", "state", "cause", "since"]
    return frame(rows, names)


def test_ages_are_counted_to_the_day_by_bounds_that_belong_to_the_younger_age():
    day = dt.date(2012, 6, 1)
    since = {days: (day - dt.timedelta(days=days)).isoformat() for days in (-1, 0, 7, 8, 28, 29, 90, 91, 400)}
    rows = [("2012-01", "660", HOME, "RC007", "seen", None, at) for at in since.values()]
    closed = [("2012-01", "660", HOME, "RC007", s, None, since[400]) for s in ("resolved", "withdrawn", "asked_again")]
    found = by_age(told(*rows, *closed), day, TERMS)
    assert list(zip(found["age"], found["number"], strict=True)) == [("0-7", 3), ("8-28", 2), ("29-90", 2), ("91+", 2)]
    assert by_age(told(), day, TERMS).empty


def test_counts_by_state_and_by_code():
    rows = told(
        ("2012-01", "660", HOME, "RC007", "seen", None, "2012-02-12"),
        ("2012-01", "660", HOME, "RC010", "open", None, "2012-02-12"),
        ("2012-01", "660", HOME, "RC007", "open", None, "2012-02-12"),
        ("2012-01", "660", HOME, "RC007", "resolved", "result", "2012-02-12"),
        ("2013-01", "660", HOME, "RC007", "resolved", "export", "2012-02-12"),
    )
    assert [tuple(r) for r in by_state(rows).itertuples(index=False)] == [
        ("2012-01", "resolved", "result", 1),
        ("2012-01", "seen", "", 1),
        ("2012-01", "open", "", 2),
        ("2013-01", "resolved", "export", 1),
    ]
    assert [tuple(r) for r in by_code(rows).itertuples(index=False)] == [("RC007", 2), ("RC010", 1)]


def test_a_file_counts_as_an_export_by_its_own_name_or_by_the_name_in_it():
    names = pd.Series(["a Processed Exceptions.csv", "result.csv", None, "x.csv"], dtype="str")
    cells = pd.Series([None, "LRB_1_2", "EXPORT", None], dtype="str")
    assert list(exported(names, cells, TERMS)) == [True, False, True, False]
