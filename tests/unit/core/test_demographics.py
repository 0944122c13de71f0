"""Whom an answer fits by the five demographics: one, none or several; and whom it nearly fits."""

import pandas as pd
import pytest

from schemas.tables import DEMOGRAPHICS
from tasks.core.demographics import fitted, names_nobody, near_misses

SENT = {"given_name": "Sian", "family_name": "Prys Jones", "dob": "1996-11-05", "gender": "2", "postcode": "LL77 7NG"}
UPN, OTHER_UPN = "M660402510001", "R681404209123"


def sent(*changes):
    return pd.DataFrame([{"ukprn": "10000001", "upn": UPN} | SENT | c for c in ({}, *changes)]).astype("str")


def answer(**changes):
    row = {"ukprn": "10000001", "mis_identifier": None} | SENT | changes
    return pd.DataFrame([row], index=[7]).astype("str")


def test_one_who_has_all_five_fits_whatever_the_capitals_and_blanks():
    assert list(fitted(answer(), sent())) == [UPN]
    typed = answer(given_name=" SIAN", family_name="prys  jones", postcode="ll777ng", ukprn=" 10000001 ")
    assert fitted(typed, sent()).to_dict() == {7: UPN}
    # Who went out several times is one learner.
    assert list(fitted(answer(), sent({}, {"postcode": "x"}))) == [UPN]


@pytest.mark.parametrize("field", DEMOGRAPHICS)
def test_another_value_or_none_in_one_of_the_five_fits_nobody(field):
    for value in ("other", "", None, " "):
        assert fitted(answer(**{field: value}), sent({field: value} if value is None else {})).isna().all()


def test_two_who_have_all_five_or_one_of_another_school_fit_not():
    assert fitted(answer(), sent({"upn": OTHER_UPN})).isna().all()
    assert fitted(answer(ukprn="10000002"), sent()).isna().all()
    assert fitted(answer(ukprn=None), sent()).isna().all()


def test_another_upn_is_another_learner_and_a_school_s_own_number_is_nobody():
    identifiers = pd.Series([None, " ", "4711", OTHER_UPN, f" {OTHER_UPN.lower()} ", "A66040251000B"], dtype="str")
    assert list(names_nobody(identifiers)) == [True, True, True, False, False, False]
    assert fitted(answer(mis_identifier=OTHER_UPN), sent()).isna().all()
    assert list(fitted(answer(mis_identifier="4711"), sent())) == [UPN]


@pytest.mark.parametrize("field", DEMOGRAPHICS)
def test_who_agrees_in_all_but_one_is_a_near_miss_by_that_one(field):
    for value in ("other", None):
        [found] = near_misses(answer(**{field: value}), sent()).fillna("").to_dict("records")
        assert found == {"at": 7, "upn": UPN, "differs": field, "answered": value or "", "sent": SENT[field]}


def test_who_agrees_in_all_is_one_too_and_is_listed_once_and_who_differs_in_two_is_none():
    both = near_misses(answer(), sent({"upn": OTHER_UPN}, {"postcode": "x"}))
    assert list(both["upn"]) == [UPN, OTHER_UPN] and both["differs"].isna().all()
    assert near_misses(answer(gender="1", dob="x"), sent()).empty
    assert near_misses(answer(gender="1", ukprn="10000002"), sent()).empty
    assert near_misses(answer()[:0], sent()).empty and near_misses(answer(), sent()[:0]).empty


def test_of_a_learner_who_went_out_twice_each_difference_is_listed():
    found = near_misses(answer(postcode="new"), sent({"postcode": "older"}))
    assert list(found["sent"]) == ["LL77 7NG", "older"]
