"""Whom the LRS knows from before: otherwise than the return has them in one thing, and in nothing else."""

import pandas as pd
import pytest

from schemas.cycles import cycle_by_id
from schemas.lrs.profiles import all_profiles
from schemas.tables import DEMOGRAPHICS
from tasks.core.identifiers import canonical_upn
from tasks.core.lrs_form import demographics
from tasks.rehearsal.synthetic_wales import plan_wales
from tests.support.learners.wales import plan, whole_wales

FIVE = list(DEMOGRAPHICS)
#: What differs from what the LRS knows; of twins and namesakes it knows nothing before.
DIFFERS = {
    "names_swapped": {"given_name", "family_name"},
    "new_given_name": {"given_name"},
    "new_family_name": {"family_name"},
    "new_birth_or_gender": {"dob"},
    **{cause: {"postcode"} for cause in ("new_postcode", "moved_school", "arrived", "unknown")},
}


@pytest.fixture(scope="module")
def wales():
    return plan_wales(whole_wales(), cycle_by_id("2013-01"), 7, 120)


@pytest.fixture(scope="module")
def compared(wales):
    """The learners of the truth, in the LRS's form."""
    pupils = wales.pupils[wales.pupils["outcome"] == "sent"].reset_index(drop=True)
    form = demographics(pupils, all_profiles()["2A"]).assign(upn=canonical_upn(pupils["upn"]))
    more = pupils[["former_surname", "planted"]]
    return pd.concat([form, more], axis=1).merge(wales.possible_matches, on="upn")


def test_all_causes_are_planted_and_each_learner_has_one(wales):
    truth = wales.possible_matches
    assert set(truth["cause"]) == {*DIFFERS, "twin", "namesake"}
    assert set(truth["trace"]) == {"record", "earlier", "none"}
    assert truth["upn"].is_unique
    assert (truth["trace"].eq("none") == truth["cause"].eq("unknown")).all()


def test_the_lrs_knows_each_otherwise_in_one_thing_alone(wales, compared):
    known = {tuple(row) for row in wales.known_before.to_numpy()}
    assert len(known) == compared["cause"].isin(list(DIFFERS)).sum()
    for cause, fields in DIFFERS.items():
        rows = compared[compared["cause"] == cause]
        assert len(rows), cause
        # Crossed names are the same two; of all others the field that differs is left out on both sides.
        of_known = {tuple(sorted(v) if len(fields) == 2 else v) for v in _without(wales.known_before, fields)}
        of_rows = [tuple(sorted(v) if len(fields) == 2 else v) for v in _without(rows, fields)]
        assert set(of_rows) <= of_known, cause
        assert not {tuple(row) for row in rows[FIVE].to_numpy()} & known, cause


def _without(rows, fields):
    left_out = set() if len(fields) == 2 else fields
    return rows[[f for f in FIVE if f not in left_out]].to_numpy().tolist()


def test_who_took_another_name_is_known_under_the_former_one(wales, compared):
    rows = compared[compared["cause"] == "new_family_name"]
    former = demographics(
        rows.assign(surname=rows["former_surname"], forename=rows["given_name"]), all_profiles()["2A"]
    )["family_name"]
    found = rows.drop(columns="family_name").assign(family_name=former).merge(wales.known_before, on=FIVE)
    assert len(found) == len(rows) > 0


def test_twins_and_namesakes_are_told_of_both(compared):
    twins = compared[compared["cause"] == "twin"].groupby(["family_name", "dob", "gender", "postcode"])["given_name"]
    assert (twins.nunique() >= 2).all() and twins.ngroups > 5
    namesakes = compared[compared["cause"] == "namesake"].groupby(["given_name", "family_name", "dob", "gender"])
    assert (namesakes["postcode"].nunique() >= 2).all() and namesakes.ngroups > 1


def test_the_same_seed_knows_the_same_learners():
    one, two, other = (plan(seed=seed) for seed in (7, 7, 8))
    assert one.known_before.equals(two.known_before) and one.possible_matches.equals(two.possible_matches)
    assert not one.known_before.equals(other.known_before)
