"""Parameters of flows: drop-downs of what there is, and one plain sentence in both languages where a value is wrong."""

import re

import pytest
from prefect.exceptions import ParameterTypeError
from prefect.utilities.callables import parameter_schema

from flows import operator
from flows.census import census
from flows.lrs_returns import lrs_returns
from flows.rehearsal import rehearsal
from flows.upkeep import upkeep
from schemas.cycles import all_cycles
from tasks.io.reference import authorities

FLOWS = [
    *(census, lrs_returns, rehearsal, upkeep),
    *(operator.retry, operator.abandon, operator.release, operator.publish, operator.import_from_inbox),
]
#: What nobody may read of a pupil, typed into the wrong field.
UPN = "M660402510001"


def fields(flow):
    """What the form has of each parameter; of one that may be left empty, what it is when it is not."""
    found = {}
    for name, field in parameter_schema(flow).properties.items():
        *filled, empty = field.get("anyOf", [field, None])
        assert (field.get("default", "there") is None) is (empty == {"type": "null"}), "what is empty is sent as null"
        found[name] = field | filled[0]
    return found


def test_a_cycle_and_an_authority_are_chosen_from_what_there_is_and_schools_are_a_list():
    form = fields(census)
    assert form["cycle"]["enum"] == list(all_cycles()) == fields(rehearsal)["cycle"]["enum"]
    assert form["kind"]["enum"] == ["september", "january"]
    assert form["la"]["type"] == "array" and form["la"]["items"]["enum"] == list(authorities()["la_code"])
    assert form["school"]["type"] == "array" and form["school"]["items"]["type"] == "string"
    assert not parameter_schema(census).required


def test_the_server_refuses_what_looks_like_a_pupil_s_before_it_keeps_it():
    form = fields(operator.retry)
    for reason in ("not on the portal, see 1000102504", "portal shows nothing (B1530c56b34370ec5)", "yes"):
        assert re.search(form["reason"]["pattern"], reason)
    for reason in (f"{UPN} left", f"x{UPN.lower()}y", "moved to LL77 7NG", "moved to CF101aa", ""):
        assert not re.search(form["reason"]["pattern"], reason)
    for ref, taken in {"B15303456343706c5": True, "LRB_10000001_2.csv": True, UPN: False, "": False}.items():
        assert bool(re.search(form["ref"]["pattern"], ref)) is taken


@pytest.mark.parametrize("flow", FLOWS, ids=lambda flow: flow.name)
def test_every_field_says_in_both_languages_what_it_is(flow):
    assert " / " in (flow.description or "")
    assert [name for name, field in fields(flow).items() if " / " not in field.get("description", "")] == []


@pytest.mark.parametrize(
    ("flow", "given"),
    [
        (census, {"cycle": UPN}),
        (census, {"cycle": 2012}),
        (census, {"kind": UPN}),
        (census, {"kind": "pilot"}),
        (census, {"cycle": "2012-01", "la": [UPN]}),
        (census, {"cycle": "2012-01", "la": "660"}),
        (census, {"cycle": "2012-01", "school": [UPN]}),
        (census, {"cycle": "2012-01", "school": ["9994025"]}),
        (census, {"cycle": "2012-01", "as_of": UPN}),
        (census, {"cycle": "2012-01", "data": 5}),
        (rehearsal, {"schools_wanted": UPN}),
        (rehearsal, {"seed": -1}),
        (operator.retry, {"ref": "", "reason": "why"}),
        (operator.retry, {"ref": "x", "reason": ""}),
        (operator.abandon, {"ref": "x", "reason": 7}),
        (operator.release, {"school": UPN, "cycle": "2012-01", "reason": "why"}),
        (operator.publish, {"school": "6604025", "cycle": UPN, "reason": "why"}),
        (operator.import_from_inbox, {"file": "", "reason": "why"}),
    ],
    ids=lambda given: given.name if hasattr(given, "name") else "-".join(given),
)
def test_a_wrong_value_is_told_in_both_languages_and_not_repeated(flow, given):
    with pytest.raises(ParameterTypeError) as caught:
        flow.validate_parameters(given)
    (told,) = str(caught.value).splitlines()[1:]
    assert " / " in told and UPN not in told and "input" not in told.lower()


def test_what_is_right_or_left_out_is_taken_as_it_is():
    given = {
        "cycle": "2012-01",
        "la": ["660"],
        "school": ["6604025"],
        "as_of": "2012-02-20",
        "kind": None,
        "data": None,
        "check_only": True,
    }
    assert census.validate_parameters(given) == given
    nothing = dict.fromkeys(given) | {"kind": "january", "check_only": False}
    assert census.validate_parameters({"kind": "january"}) == nothing
