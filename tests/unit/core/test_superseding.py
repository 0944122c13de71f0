"""Who must be told that what the school has now is not what was sent."""

import pandas as pd
import pytest

from schemas.tables import SENT_FIELDS
from tasks.core.superseding import changed_values, last_shown

SENT = dict.fromkeys(SENT_FIELDS, "x") | {"middle_name": None}
NOBODY = pd.Series([], dtype="str")


def told(state="uln", now=None, school="6604025", batch="B1", held=NOBODY, then=None, answers=(), kept=None):
    """The rule and the fields, of a learner who was sent by school 6604025 in batch B1.

    `kept` is whether the record of one who is not chosen, as she has a ULN, has the UPN by which she was sent.
    """
    standing = {"row_ref": "r1", "school_number": school, "upn": "U1", "state": state, "batch_ref": batch}
    forms = {"row_ref": "r1", "upn": "U1", "sharing": "1"} | SENT | (now or {})
    sent = {"batch_ref": "B1", "upn": "U1", "school_number": "6604025", "ability_to_share": "1"} | SENT | (then or {})
    tables = [pd.DataFrame([row]).astype("str") for row in (standing, forms, sent)]
    if kept is not None:
        tables[0] = tables[0].assign(kept=True, by_own_upn=kept)
    shown = None
    if answers:
        blank = dict.fromkeys([*SENT_FIELDS, "ability_to_share"]) | {"batch_ref": "B1", "upn": "U1", "sha256": "f"}
        rows = [blank | {"received_at": f"2012-03-0{n}", "ordinal": n} | answer for n, answer in enumerate(answers, 1)]
        shown = last_shown(pd.DataFrame(rows).astype("str"), tables[2])
    return list(changed_values(*tables, held, shown)[["rule", "field"]].itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("state", "rule"),
    [("uln", "CHG01"), ("sent", "CHG02"), ("exception", None), ("waiting", None), ("held", None)],
)
def test_who_is_told_what(state, rule):
    assert told(state, {"postcode": "new"}) == ([(rule, "postcode")] if rule else [])


@pytest.mark.parametrize("field", SENT_FIELDS)
def test_each_field_that_is_sent_counts(field):
    assert told(now={field: "new"}) == [("CHG01", field)]


def test_several_fields_are_named_in_one_finding_and_none_where_nothing_differs():
    assert told(now={"postcode": "new", "given_name": "new"}) == [("CHG01", "given_name;postcode")]
    assert told() == []
    assert told(now={"family_name": None}) == [("CHG01", "family_name")]


def test_a_record_that_a_rule_holds_is_told_by_the_rule():
    assert told(now={"postcode": "new"}, held=pd.Series(["r1"])) == []


def test_only_the_school_that_asked_and_the_last_batch_count():
    assert told(now={"postcode": "new"}, school="6604026") == []
    assert told(now={"postcode": "new"}, batch="B2") == []


@pytest.mark.parametrize(
    ("then", "now", "listed"),
    [("1", "2", True), ("0", "2", True), ("2", "1", True), ("1", "1", False), ("0", "1", False), ("2", "2", False)],
)
def test_an_opt_out_that_came_or_went_since_is_a_change_and_a_privacy_notice_is_none(then, now, listed):
    found = told(then={"ability_to_share": then}, now={"sharing": now})
    assert found == ([("CHG01", "ability_to_share")] if listed else [])


def test_where_the_layout_does_not_tell_the_lrs_of_opt_outs_none_is_a_change():
    assert told(then={"ability_to_share": "2"}, now={"sharing": None}) == []


CORRECTED = {"postcode": "LL77 7NG", "family_name": "Jones"}


def test_an_answer_that_shows_what_the_school_has_ends_it_field_by_field():
    now = CORRECTED | {"sharing": "2"}
    assert told(now=now) == [("CHG01", "family_name;postcode;ability_to_share")]
    # At the portal people write as they like, and blank columns say nothing.
    shown = {"postcode": "ll777ng", "given_name": "x"}
    assert told(now=now, answers=[shown]) == [("CHG01", "family_name;ability_to_share")]
    assert told(now=now, answers=[shown | {"family_name": "JONES", "ability_to_share": "2"}]) == []
    assert told(now=now, answers=[shown | {"family_name": "Evans", "ability_to_share": "1"}]) == [
        ("CHG01", "family_name;ability_to_share")
    ]


def test_the_newest_answer_counts_and_of_one_moment_the_one_that_shows_another_value():
    now = {"postcode": "LL77 7NG"}
    right, sent_one = {"postcode": "LL77 7NG"}, {"postcode": "x"}
    assert told(now=now, answers=[right, sent_one]) == [("CHG01", "postcode")]
    assert told(now=now, answers=[sent_one, right]) == []
    at_once = [right | {"received_at": "2012-03-01"}, sent_one | {"received_at": "2012-03-01"}]
    assert told(now=now, answers=at_once) == told(now=now, answers=at_once[::-1]) == []


def test_what_was_corrected_on_the_portal_counts_when_the_school_goes_back():
    assert told(answers=[{"postcode": "LL77 7NG"}]) == [("CHG01", "postcode")]
    assert told(answers=[{"postcode": "X "}]) == [], "what the LRS echoes in capitals is what was sent"


def test_of_one_who_is_not_chosen_blanks_are_nothing_to_correct_but_a_middle_name_that_is_gone_is():
    now = {"family_name": "new", "postcode": None, "gender": "0"}
    assert told(kept=True, now=now) == [("CHG01", "family_name")]
    assert told(kept=True, then={"middle_name": "Mair"}) == [("CHG01", "middle_name")]
    assert told(kept=True) == []


@pytest.mark.parametrize(
    ("school", "by_own_upn", "now", "listed"),
    [
        ("6604025", True, {"dob": "new"}, "dob"),
        ("6604026", True, {"postcode": "new"}, "postcode"),
        ("6604026", True, {"postcode": "new", "dob": "new"}, None),
        ("6604025", False, {"postcode": "new"}, "postcode"),
        ("6604025", False, {"postcode": "new", "dob": "new"}, None),
    ],
    ids=["same-school", "moved", "another-birth-elsewhere", "former-upn", "another-birth-by-former-upn"],
)
def test_elsewhere_and_by_a_former_upn_only_the_same_date_of_birth_is_the_same_learner(school, by_own_upn, now, listed):
    assert told(kept=by_own_upn, school=school, now=now) == ([("CHG01", listed)] if listed else [])
