"""The likely cause of a possible match: what shows each, what does not, and which of several is told."""

import pandas as pd
import pyarrow as pa
import pytest

from schemas.codes.possible_match_causes import Cause
from tasks.core.possible_match import Known, causes, lives_like, used_as, with_likely_causes

FIVE = {"given_name": "Mari", "family_name": "Prawf", "dob": "1998-11-05", "gender": "2", "postcode": "LL77 7NG"}
UPN, OTHER, FORMER = "A660402510001", "B660402510002", "C66040251000A"
ASKED = {
    **{"upn": UPN, "batch_ref": "B1", "school_number": "6604025", **FIVE},
    **{"former_upn": None, "former_family_name": None, "nc_year": "9"},
}
USES = [("MARI", 9, 0), ("PRAWF", 0, 9)]


def cause(asked=None, before=None, others=(), former=(), uses=USES, years_since=None):
    """The cause for one learner; `before` says what an earlier return had otherwise, None that there was none."""
    rows = pd.DataFrame([ASKED | (asked or {})]).astype("str").assign(years_since=years_since)
    then = [] if before is None else [{"upn": UPN, "school_number": "6604025", **FIVE} | before]
    known = Known(
        before=pd.DataFrame(then, columns=["upn", "school_number", *FIVE]).astype("str"),
        others=pd.DataFrame([{"upn": OTHER, **FIVE} | o for o in others], columns=["upn", *FIVE]).astype("str"),
        former=pd.Series(list(former), dtype="str"),
        uses=pd.DataFrame(uses, columns=["name", "as_given", "as_family"]).astype({"name": "str"}),
        allotted_here=["660", "661"],
    )
    found = causes(rows, known)
    assert found[["upn", "batch_ref"]].to_numpy().tolist() == [[rows["upn"][0], "B1"]]
    return found["cause"][0]


def test_where_nothing_is_known_that_is_said():
    assert cause() == cause(before={}) == Cause.UNKNOWN


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"family_name": "Jones"}, Cause.NEW_FAMILY_NAME),
        ({"given_name": "Mair"}, Cause.NEW_GIVEN_NAME),
        ({"postcode": "LL77 7NH"}, Cause.NEW_POSTCODE),
        ({"dob": "1998-11-15"}, Cause.NEW_BIRTH_OR_GENDER),
        ({"gender": "1"}, Cause.NEW_BIRTH_OR_GENDER),
        ({"school_number": "6614002"}, Cause.MOVED_SCHOOL),
        ({"given_name": "Prawf", "family_name": "Mari"}, Cause.NAMES_SWAPPED),
        ({"family_name": "PRAWF", "given_name": "MARI"}, Cause.UNKNOWN),
        ({"family_name": None, "given_name": None, "dob": None, "gender": None, "postcode": None}, Cause.UNKNOWN),
    ],
    ids=["family", "given", "postcode", "dob", "gender", "school", "crossed", "capitals-alone", "blank-then"],
)
def test_what_has_changed_since_an_earlier_return(changed, expected):
    assert cause(before=changed) == expected


def test_a_former_family_name_counts_as_new_unless_an_earlier_return_shows_that_it_is_older():
    had = {"former_family_name": "Jones"}
    assert cause(had) == Cause.NEW_FAMILY_NAME
    assert cause(had, before={"family_name": "Jones"}) == Cause.NEW_FAMILY_NAME
    assert cause(had, before={}) == Cause.OLDER_FAMILY_NAME
    assert cause(had, before={"school_number": "6614002"}) == Cause.MOVED_SCHOOL
    assert cause({"former_family_name": "PRAWF"}) == cause({"former_family_name": None}) == Cause.UNKNOWN


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"given_name": "Nia"}, Cause.TWIN),
        ({"given_name": "Huw", "gender": "1"}, Cause.TWIN_OF_OTHER_GENDER),
        ({"postcode": "CF10 1EP"}, Cause.NAMESAKE),
        ({"given_name": "Prawf", "family_name": "Mari", "postcode": "CF10 1EP"}, Cause.NAMES_SWAPPED),
        ({"given_name": "Nia", "postcode": "CF10 1EP"}, Cause.UNKNOWN),
        ({"given_name": "Nia", "dob": "1998-11-06"}, Cause.UNKNOWN),
        ({"given_name": "Nia", "upn": UPN}, Cause.UNKNOWN),
        ({}, Cause.UNKNOWN),
    ],
    ids=["twin", "unlike-twin", "namesake", "crossed", "cousin", "sister", "the-same-upn", "equal-in-all-five"],
)
def test_somebody_else_who_was_sent(other, expected):
    assert cause(others=[other]) == expected


def test_a_former_upn_that_was_sent_is_the_surest():
    formerly = {"former_upn": FORMER}
    assert cause(formerly, former=[FORMER], others=[{"given_name": "Nia"}]) == Cause.FORMER_UPN
    assert cause(formerly) == cause(former=[FORMER]) == Cause.UNKNOWN
    assert cause({"former_upn": UPN}, former=[UPN]) == Cause.UNKNOWN


def test_what_went_out_under_the_former_upn_is_no_namesake_s():
    moved = {"upn": FORMER, "postcode": "CF10 1EP"}
    assert cause({"former_upn": FORMER}, others=[moved]) == Cause.UNKNOWN
    assert cause({"former_upn": OTHER}, others=[moved]) == Cause.NAMESAKE


def test_names_that_are_oftener_the_other_kind_of_name_are_the_wrong_way_round():
    wrong = {"given_name": "Jones", "family_name": "Sian"}
    # The record itself is one of those that were sent.
    assert cause(wrong, uses=[("JONES", 1, 40), ("SIAN", 6, 1)]) == Cause.NAMES_SWAPPED
    assert cause(wrong, uses=[("JONES", 1, 1), ("SIAN", 1, 1)]) == Cause.NAMES_SWAPPED
    # Both are common either way, or one is heard for the first time.
    assert cause({"given_name": "Morgan", "family_name": "Owen"}, uses=[("MORGAN", 9, 30), ("OWEN", 30, 9)]) == (
        Cause.UNKNOWN
    )
    assert cause(wrong, uses=[("JONES", 1, 40), ("SIAN", 0, 1)]) == cause(wrong, uses=[]) == Cause.UNKNOWN


@pytest.mark.parametrize(
    ("asked", "years", "expected"),
    [
        ({"upn": "A66040251000B"}, None, Cause.ARRIVED),
        ({"upn": "A302402510001"}, None, Cause.ARRIVED),
        ({"nc_year": "9"}, 1, Cause.ARRIVED),
        ({"nc_year": "9"}, 2, Cause.UNKNOWN),
        ({"nc_year": "9"}, None, Cause.UNKNOWN),
        ({"nc_year": "Year 9"}, 1, Cause.UNKNOWN),
        ({"nc_year": None}, 1, Cause.UNKNOWN),
    ],
    ids=["temporary", "allotted-elsewhere", "missed", "too-young-then", "no-return-then", "unreadable", "blank"],
)
def test_who_has_come_from_elsewhere(asked, years, expected):
    assert cause(asked, years_since=years) == expected


def test_who_stood_in_an_earlier_return_has_not_just_arrived():
    assert cause(before={}, years_since=1) == Cause.UNKNOWN


def test_of_several_the_likeliest_is_told():
    """Each time the one that is told is taken away, and the next in the order comes."""
    twin, unlike = {"given_name": "Nia"}, {"given_name": "Huw", "gender": "1"}
    asked = {"former_upn": FORMER, "former_family_name": "Jones", "upn": "A30240251000B"}
    moved = {
        "school_number": "6614002",
        "postcode": "LL77 7NH",
        "gender": "1",
        "given_name": "Mair",
        "upn": asked["upn"],
    }
    told_in_turn = [
        cause(asked, moved | {"family_name": "Rees"}, [twin, {"postcode": "CF10 1EP"}], [FORMER]),
        cause(asked, moved | {"family_name": "Rees"}, [twin, {"postcode": "CF10 1EP"}]),
        cause(asked, moved | {"family_name": "Rees"}, [twin, unlike]),
        cause(asked, moved | {"family_name": "Rees"}, [unlike]),
        cause(asked, moved, [unlike]),
        cause(asked, moved | {"given_name": "Mari"}, [unlike]),
        cause(asked, moved | {"given_name": "Mari", "postcode": "LL77 7NG"}, [unlike]),
        cause(asked, moved | {"given_name": "Mari", "postcode": "LL77 7NG", "gender": "2"}, [unlike]),
        cause(asked | {"former_family_name": None}, None, [unlike]),
        cause({"former_family_name": "Jones"}, {}, [unlike]),
        cause(None, {}, [unlike]),
        cause(None, {}),
    ]
    assert told_in_turn == [c for c in Cause if c != Cause.NAMES_SWAPPED]


@pytest.mark.parametrize("at_once", [2_000, 1])
def test_each_learner_has_the_cause_of_their_own_however_many_are_looked_at_together(monkeypatch, at_once):
    monkeypatch.setattr("tasks.core.possible_match._AT_ONCE", at_once)
    rows = pd.DataFrame([ASKED, ASKED | {"upn": OTHER, "given_name": "Nia"}]).astype("str").assign(years_since=None)
    known = Known(
        before=pd.DataFrame(
            [
                {"upn": UPN, "school_number": "6604025", **FIVE, "postcode": "LL77 7NH"},
                {"upn": UPN, "school_number": "6604025", **FIVE},
            ]
        ).astype("str"),
        others=pd.DataFrame([{"upn": OTHER, **FIVE, "postcode": "X"}]).astype("str"),
        former=pd.Series([], dtype="str"),
        uses=pd.DataFrame({"name": [], "as_given": [], "as_family": []}),
        allotted_here=["660"],
    )
    assert list(causes(rows, known)["cause"]) == [Cause.NAMESAKE, Cause.UNKNOWN]
    assert list(causes(rows.iloc[::-1], known)["cause"]) == [Cause.UNKNOWN, Cause.NAMESAKE]
    assert list(causes(rows.head(0), known)["cause"]) == []


SENT = pa.table(
    {
        "upn": ["1", "2", "3", "4", "5"],
        "dob": ["1998-11-05", "1998-11-05", "1998-11-06", "1998-11-05", None],
        "given_name": ["Nia", "MARI", "Mari", "prawf", "Mari"],
        "family_name": ["Prawf", "Rees", "Prawf", "Rees", "Prawf"],
    }
)


def test_of_all_that_was_sent_those_of_the_same_birthday_with_a_name_in_common_are_looked_at():
    asked = pd.DataFrame([ASKED]).astype("str")
    assert lives_like(SENT, asked)["upn"].to_pylist() == ["1", "2", "4"]
    assert len(lives_like(SENT.slice(0, 0), asked)) == 0


def test_how_often_a_name_was_sent_as_which():
    found = used_as(SENT, pd.DataFrame([ASKED]).astype("str")).set_index("name")
    assert found.loc["MARI"].to_dict() == {"as_given": 3, "as_family": 0}
    assert found.loc["PRAWF"].to_dict() == {"as_given": 1, "as_family": 3}
    assert set(found.index) == {"MARI", "PRAWF"}


def test_the_reason_stands_beside_the_possible_match_and_nowhere_else():
    lines = pd.DataFrame({"row_ref": ["r1", "r1", "r2", "r3"], "code": ["RC007", "CHG01", "RC011", "RC007"]})
    standing = pd.DataFrame(
        {"row_ref": ["r1", "r2", "r3"], "upn": [UPN, OTHER, FORMER], "batch_ref": ["B1", "B1", "B2"]}
    )
    found = pd.DataFrame({"upn": [UPN, OTHER, FORMER], "batch_ref": ["B1"] * 3, "cause": ["twin"] * 3})
    texts = pd.DataFrame([{"code": "twin", "why_en": "we", "why_cy": "wc", "check_en": "ce", "check_cy": "cc"}])
    beside = with_likely_causes(lines, standing, found, texts.astype("str"), "RC007")
    assert beside[["why_en", "why_cy", "check_en", "check_cy"]].iloc[0].to_list() == ["we", "wc", "ce", "cc"]
    # Another code of the same learner, another code of another learner, an answer to another batch.
    assert beside[["why_en", "why_cy", "check_en", "check_cy"]].iloc[1:].isna().all(axis=None)
