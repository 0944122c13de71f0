"""Which UPNs are one learner's by their returns; what a key may be; what an event's time is where it has none of its own."""

import pandas as pd
import pytest

from schemas.tables import TABLES
from tasks.core.exception_life import MILESTONES
from tasks.core.learner_story import LearnerLedger, events, key_fault, same_learner, unknown_fault

UPN, FORMER, THIRD = "M660402510001", "L67441030807A", "R681404209123"
BORN = "1996-11-05"
ANN, BET = f"ANN|{BORN}|2", f"BET|{BORN}|2"


def records(*rows):
    return pd.DataFrame(list(rows), columns=["upn", "former_upn", "person"]).astype("str")


@pytest.mark.parametrize(
    ("rows", "asked", "found"),
    [
        ([(UPN, FORMER, ANN), (FORMER, None, ANN)], UPN, {UPN, FORMER}),
        ([(UPN, FORMER, ANN), (FORMER, None, ANN)], FORMER, {UPN, FORMER}),
        ([(UPN, FORMER, ANN), (FORMER, None, BET)], UPN, {UPN}),
        ([(UPN, FORMER, ANN), (FORMER, None, BET)], FORMER, {FORMER}),
        ([(UPN, FORMER, ANN)], UPN, {UPN, FORMER}),
        ([(UPN, None, ANN), (THIRD, FORMER, ANN)], UPN, {UPN}),
        ([(None, FORMER, ANN)], FORMER, {FORMER}),
    ],
    ids=["from-the-new", "from-the-former", "a-twin", "and-back", "nothing-known", "others", "no-upn"],
)
def test_a_former_upn_is_the_learner_s_where_the_person_agrees(rows, asked, found):
    assert same_learner(records(*rows), {asked}) == found


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        (UPN, None), (f" {UPN.lower()}\t", None), (FORMER, None), ("1000102504", None), ("A660402510001", None),
        ("M66040251000", "fault.trace_upn_shape"), ("", "fault.trace_upn_shape"), ("M66040251000\u0661", "fault.trace_upn_shape"),
        ("0000102504", "fault.trace_uln_shape"), ("10001025045", "fault.trace_uln_shape"),
        ("1000102505", "fault.trace_uln_none"), ("9999999999", "fault.trace_uln_none"),
    ],
    ids=[
        *("upn", "spelled-otherwise", "temporary", "uln", "wrong-letter-may-stand-in-a-return", "short", "blank", "odd-digit"),
        *("nought", "long-uln", "wrong-digit", "placeholder"),
    ],
)  # fmt: skip
def test_what_a_learner_may_be_asked_for_by(key, fault):
    assert key_fault(key) == fault


def test_a_wrong_letter_is_told_where_nobody_has_the_upn():
    assert unknown_fault("A660402510001") == "fault.trace_upn_letter"
    assert unknown_fault(UPN) == "fault.trace_upn_unknown"
    assert unknown_fault("1000102504") == "fault.trace_uln_unknown"


def rows_of(name, *rows, more=()):
    columns = [*(c.name for c in TABLES[name].columns), *more]
    table = pd.DataFrame(list(rows), columns=columns)
    numbers = {c.name for c in TABLES[name].columns if str(c.type) == "int64"}
    return table.astype({c: "str" for c in columns if c not in numbers})


MORE = {"deliveries": ["members"], "exceptions": ["cause", *MILESTONES, "asked_by"]}
TABLE_OF = {"decisions": "batch_decisions", "answers": "lrs_returns", "verifications": "uln_checks"}


def held(**given):
    tables = {
        field: rows_of(TABLE_OF.get(field, field), *given.get(field, ()), more=MORE.get(field, []))
        for field in LearnerLedger.__dataclass_fields__
        if field != "opt_outs"
    }
    return LearnerLedger(**tables, opt_outs=pd.DataFrame({"upn": [], "recorded_on": []}, dtype="str"))


PLACE = {"cycle": "2012-01", "la_code": "660", "school_number": "6604025"}
FILE = PLACE | {"kind": "return", "status": "accepted"}
PUPIL = PLACE | {"upn": UPN, "surname": "Prys", "dob": BORN}
SENT = PLACE | {"batch_ref": "B1", "upn": UPN, "row_ref": "r1", "position": 7}


def when(found, kind):
    return list(found.loc[found["kind"] == kind, "at"])


def test_a_superseded_return_is_told_when_the_next_one_of_the_school_came():
    received = [
        FILE | {"sha256": "old", "received_at": "2012-01-20"},
        FILE | {"sha256": "other", "received_at": "2012-01-22", "school_number": "6604026"},
        FILE | {"sha256": "refused", "received_at": "2012-01-23", "status": "quarantined"},
        FILE | {"sha256": "new", "received_at": "2012-01-25"},
        FILE | {"sha256": "newest", "received_at": "2012-01-29"},
    ]
    said = PLACE | {"row_ref": "r1", "disposition": "not_chosen", "reason": "superseded_return"}
    pupil = PUPIL | {"row_ref": "r1", "sha256": "old", "ordinal": 1}
    found = events(held(received=received, pupils=[pupil], dispositions=[said]))
    assert when(found, "returned") == ["2012-01-20"] and when(found, "not_chosen") == ["2012-01-25"]
    year = events(held(received=received, pupils=[pupil], dispositions=[said | {"reason": "year_group"}]))
    assert when(year, "not_chosen") == ["2012-01-20"]


def test_what_the_service_found_itself_is_told_with_the_answer_and_what_a_rule_found_with_the_return():
    answer = {"sha256": "a", "ordinal": 1, "upn": UPN, "batch_ref": "B1", "tied": "Y", "received_at": "2012-02-12"}
    finding = PLACE | {"row_ref": "r1", "field": "uln"}
    found = events(
        held(
            received=[FILE | {"sha256": "s", "received_at": "2012-01-20"}],
            pupils=[PUPIL | {"row_ref": "r1", "sha256": "s", "ordinal": 1}],
            answers=[answer | {"uln": "1000102504"}],
            findings=[
                finding | {"rule": "LRS01", "severity": "warning"},
                finding | {"rule": "PCD01", "severity": "blocking"},
            ],
        )
    )
    assert when(found, "warned") == ["2012-02-12"] and when(found, "held") == ["2012-01-20"]


def test_each_milestone_of_an_exception_is_told_with_its_own_time_and_an_end_with_its_cause():
    life = PLACE | {
        "upn": UPN,
        "batch_ref": "B1",
        "return_code": "RC007",
        "all_codes": "RC007;RC010",
        "cause": "export",
    }
    life |= {"opened": "2012-02-12", "seen": "2012-02-13", "asked_again": "2012-02-20", "resolved": "2012-03-01"}
    found = events(held(exceptions=[life | {"state": "resolved"}]))
    assert list(found[["at", "kind", "detail"]].fillna("").itertuples(index=False, name=None)) == [
        ("2012-02-12", "exception_opened", "RC007;RC010"),
        ("2012-02-13", "exception_seen", ""),
        ("2012-02-20", "exception_asked_again", ""),
        ("2012-03-01", "exception_resolved", "export"),
    ]
    gone = {"opened": "2012-02-12", "withdrawn": "2012-03-01", "cause": "left", "state": "withdrawn"}
    told = events(held(exceptions=[life | dict.fromkeys(("seen", "asked_again", "resolved")) | gone]))
    assert list(told["kind"]) == ["exception_opened", "exception_withdrawn"]
    assert list(told["detail"]) == ["RC007;RC010", "left"]


def test_another_learner_s_upn_is_not_told_and_the_same_learner_s_is():
    entry = {"upn": UPN, "uln": "1000102504", "other_upns": THIRD, "other_ulns": "9276308686"}
    two = events(held(learners=[entry | {"conflict": "LRS01;LRS02"}]))
    assert list(two["code"]) == ["LRS01", "LRS02"] and set(two["detail"]) == {"9276308686"}
    one = events(held(learners=[entry | {"conflict": "LRS03"}]))
    assert list(one["detail"]) == [f"9276308686;{THIRD}"]


def test_of_deliveries_those_that_name_the_learner_are_told_and_those_that_are_gone():
    zipped = PLACE | {"delivered_at": "2012-02-12", "number": 1, "ulns": 1, "exceptions": 1}
    members = {"1": "660LLLL_CTF_6604025_001.xml;list.xlsx", "2": "list.xlsx", "3": "", "4": None}
    rows = [zipped | {"sha256": n, "path": f"{n}.zip", "members": names} for n, names in members.items()]
    found = events(held(deliveries=rows)).sort_values("file")
    assert list(found["kind"]) == ["delivered_uln", "delivered_listed", "delivered_gone"]


def test_a_decision_and_an_untied_answer_stand_where_they_belong():
    ledger = PLACE | {
        "batch_ref": "B1",
        "file_name": "LRB.CSV",
        "state": "ABANDONED",
        "built_at": "2012-01-29",
        "rows": 9,
    }
    decided = {"batch_ref": "B1", "cycle": "2012-01", "decision": "abandon", "decided_at": "2012-03-01", "number": 1}
    stray = {"sha256": "a", "ordinal": 3, "upn": UPN, "tied": "N", "received_at": "2012-04-01"}
    found = events(held(batches=[ledger], batch_rows=[SENT], decisions=[decided], answers=[stray]))
    assert list(found["kind"]) == ["batched", "decided", "answered_untied"] and found["place"].iloc[0] == "7"


def test_of_nothing_there_is_nothing_to_tell():
    assert events(held()).empty
