"""Whether two records are one learner's: yes where it is plain, no for twins and for everything else."""

import pandas as pd
import pytest

from tasks.core.one_learner import former_upns, known_as, learner_upns, second_upns, yielding_records

TEMPORARY, PERMANENT = "L67441030807A", "M660402510001"
OTHER = "R681404209123"
FIVE = {"given_name": "Sian", "family_name": "Prys", "dob": "1996-11-05", "gender": "2", "postcode": "LL77 7NG"}


def table(*rows):
    return pd.DataFrame(list(rows)).astype("str")


#: What was sent under the former UPN; the school spells it with an accent, and has M and F.
SENT = {"upn": TEMPORARY, "given_name": "Sian", "dob": "1996-11-05", "gender": "2"}


@pytest.mark.parametrize(
    ("record", "ledger", "found"),
    [
        ({}, [{}], TEMPORARY),
        ({"dob": " 1996-11-05 ", "forename": " siân", "gender": "f"}, [{}], TEMPORARY),
        ({"forename": "Siân-Mair"}, [{"given_name": "SIAN MAIR"}], TEMPORARY),
        ({"dob": "1996-11-06"}, [{}], PERMANENT),
        ({"forename": "Bet"}, [{}], PERMANENT),
        ({"gender": "M"}, [{}], PERMANENT),
        ({}, [{}, {"upn": PERMANENT}], PERMANENT),
        ({}, [{"upn": OTHER}], PERMANENT),
        ({"former_upn": None}, [{}], PERMANENT),
        ({"dob": None}, [{"dob": None}], PERMANENT),
        ({"forename": " "}, [{"given_name": None}], PERMANENT),
    ],
    ids=[
        *("former", "spelled-otherwise", "hyphen-and-accent", "another-birth-date", "twin", "another-gender"),
        *("both-were-sent", "neither-was", "no-former-upn", "no-birth-date", "no-name"),
    ],
)
def test_the_ledger_knows_a_learner_by_the_former_upn_where_it_was_sent_for_the_same_person(record, ledger, found):
    said = {"upn": PERMANENT, "former_upn": TEMPORARY, "forename": "Siân", "dob": "1996-11-05", "gender": "F"}
    assert list(known_as(table(said | record), table(*(SENT | one for one in ledger)))) == [found]


@pytest.mark.parametrize(
    ("other", "vouched"),
    [
        ({}, [TEMPORARY, None]),
        ({"upn": TEMPORARY.lower()}, [None, None]),
        ({"upn": TEMPORARY, "school_number": "6604026"}, [TEMPORARY, None]),
        ({"upn": TEMPORARY, "current": "N"}, [TEMPORARY, None]),
    ],
    ids=["nobody-has-it", "a-sister-has-it", "in-another-school", "in-an-older-return"],
)
def test_a_birth_date_does_not_vouch_for_a_former_upn_that_another_record_of_the_school_has(other, vouched):
    one = {"school_number": "6604025", "upn": PERMANENT, "former_upn": TEMPORARY, "current": "Y"}
    rows = table(one, one | {"upn": OTHER, "former_upn": None} | other)
    found = former_upns(rows, rows["current"] == "Y")
    assert [None if pd.isna(upn) else upn for upn in found] == vouched


@pytest.mark.parametrize(
    ("with_uln", "born", "found"),
    [
        ([], "1996-11-05", PERMANENT),
        ([TEMPORARY], "1996-11-05", TEMPORARY),
        ([TEMPORARY], "1996-11-06", PERMANENT),
        ([PERMANENT], "1996-11-05", PERMANENT),
        ([TEMPORARY, PERMANENT], "1996-11-05", PERMANENT),
        ([OTHER], "1996-11-05", PERMANENT),
    ],
    ids=["neither", "former", "another-birth-date", "own", "both", "somebody-else"],
)
def test_of_two_upns_that_were_sent_the_ledger_knows_a_learner_by_the_one_that_has_a_uln(with_uln, born, found):
    records = table({"upn": PERMANENT, "former_upn": TEMPORARY, "forename": "Siân", "dob": "1996-11-05", "gender": "F"})
    ledger = table(SENT | {"dob": born}, SENT | {"upn": PERMANENT})
    assert list(known_as(records, ledger, pd.Series(with_uln, dtype="str"))) == [found]


def test_upns_are_one_learner_s_where_the_former_one_was_sent_for_the_same_person():
    record = {"upn": PERMANENT, "former_upn": TEMPORARY, "forename": "Siân", "dob": "1996-11-05 ", "gender": "F"}
    ledger = table(SENT)
    assert set(learner_upns(table(record, record), ledger).itertuples(index=False, name=None)) == {
        (PERMANENT, TEMPORARY), (TEMPORARY, PERMANENT),
    }  # fmt: skip
    for other in (
        {"dob": "1996-11-06"},
        {"dob": None},
        {"forename": "Bet"},
        {"gender": "M"},
        {"former_upn": None},
        {"former_upn": OTHER},
        {"upn": None},
    ):
        assert learner_upns(table(record | other), ledger).empty
    assert learner_upns(table(record | {"upn": TEMPORARY}), ledger).empty


@pytest.mark.parametrize(
    ("new", "before", "current", "held"),
    [
        ({}, {"upn": OTHER}, [OTHER], True),
        ({"family_name": "PRYS"}, {"upn": OTHER}, [], True),
        ({}, {"upn": OTHER, "given_name": "Mair"}, [], False),
        ({}, {"upn": OTHER, "postcode": "LL77 7NH"}, [], False),
        ({}, {"upn": OTHER, "gender": "9"}, [], False),
        ({}, {"upn": OTHER, "dob": "1996-11-06"}, [], False),
        ({}, {"upn": PERMANENT}, [], False),
        ({"postcode": None}, {"upn": OTHER, "postcode": None}, [], False),
        ({"given_name": None}, {"upn": OTHER, "given_name": None}, [], False),
        ({}, {"postcode": "LL77 7NH"}, [], True),
        ({}, {"family_name": "Rhys"}, [], True),
        ({}, {"family_name": "Rhys", "postcode": "LL77 7NH"}, [], False),
        ({}, {"given_name": "Mair"}, [], False),
        ({}, {"postcode": "LL77 7NH"}, [TEMPORARY], False),
        ({}, {"postcode": "LL77 7NH", "school_number": "6604026"}, [], False),
        ({"upn": "L67441030807B"}, {"postcode": "LL77 7NH"}, [], False),
    ],
    ids=[
        *("all-five", "capitals", "twin", "moved-house", "another-gender", "another-birth-date", "the-same-upn"),
        *("no-postcode", "no-name", "temporary-and-moved-house", "temporary-and-married", "temporary-and-both"),
        *("temporary-and-twin", "temporary-and-still-there", "temporary-of-another-school", "temporary-both"),
    ],
)
def test_a_second_upn_is_seen_where_it_is_plain(new, before, current, held):
    row = FIVE | {"row_ref": "r1", "upn": PERMANENT, "former_upn": None, "school_number": "6604025"} | new
    then = FIVE | {"upn": TEMPORARY, "school_number": "6604025"} | before
    found = second_upns(table(row), table(then, then | {"dob": "1990-01-01"}), pd.Series(current, dtype="str"))
    assert list(found) == (["r1"] if held else [])


def asked(*records):
    """Which of one UPN's records ask; by place, the first being in the first school."""
    rows = [
        FIVE
        | {"upn": "U1", "enrol_status": "C", "at": "2012-01-20", "row_ref": str(n), "school_number": f"660402{n}"}
        | one
        for n, one in enumerate(records)
    ]
    frame = table(*rows)
    gives_way = yielding_records(frame.assign(at=pd.to_datetime(frame["at"], errors="coerce")))
    return sorted(set(frame["row_ref"]) - set(gives_way))


LATER = {"at": "2012-01-25"}


@pytest.mark.parametrize(
    ("records", "ask"),
    [
        ([{}, LATER], ["1"]),
        ([LATER, {}], ["0"]),
        ([{"enrol_status": "M"}, LATER], ["0"]),
        ([{"enrol_status": " m "}, LATER | {"enrol_status": None}], ["0"]),
        ([{}, LATER, {}], ["1"]),
        ([{}, {"at": None}], ["0"]),
        ([{}, LATER | {"postcode": "LL77 7NH"}], ["1"]),
        ([{}, {}], ["0", "1"]),
        ([{"at": None}, {"at": None}], ["0", "1"]),
        ([{"enrol_status": "M"}, LATER | {"enrol_status": "M"}], ["0", "1"]),
        ([{"enrol_status": "M"}, LATER | {"enrol_status": "M"}, {}], ["0", "1", "2"]),
        ([{}, LATER | {"enrol_status": "Z"}], ["0", "1"]),
        ([{}, LATER | {"given_name": "Mair"}], ["0", "1"]),
        ([{}, LATER | {"family_name": "Rhys"}], ["0", "1"]),
        ([{}, LATER | {"dob": "1996-11-06"}], ["0", "1"]),
        ([{"gender": None}, LATER | {"gender": None}], ["0", "1"]),
        ([{}, LATER, {"school_number": "6604021"}], ["0", "1", "2"]),
    ],
    ids=[
        *(
            "newer-return",
            "the-other-is-newer",
            "main",
            "main-in-small-letters",
            "three-schools",
            "a-time-that-is-none",
        ),
        *(
            "moved-house",
            "same-time",
            "no-times",
            "two-mains",
            "two-mains-and-a-third",
            "an-unknown-status",
            "twins",
            "another-family-name",
        ),
        *("another-birth-date", "blank-gender", "twice-in-a-school"),
    ],
)
def test_of_one_learner_s_records_in_two_schools_one_asks_where_it_is_plain(records, ask):
    assert asked(*records) == ask


def test_each_upn_is_settled_by_itself():
    rows = [
        FIVE | {"upn": u, "enrol_status": "C", "row_ref": f"{u}{s}", "school_number": s} for u in "AB" for s in "12"
    ]
    at = pd.to_datetime(pd.Series(["2012-01-20", "2012-01-25", "2012-01-25", "2012-01-20"]))
    assert list(yielding_records(table(*rows).assign(at=at))) == ["A1", "B2"]


def test_nobody_gives_way_to_nobody():
    rows = table(FIVE | {"upn": "A", "enrol_status": "C", "row_ref": "1", "school_number": "1"}).iloc[:0]
    assert list(yielding_records(rows.assign(at=pd.to_datetime(pd.Series([], dtype="str"))))) == []
