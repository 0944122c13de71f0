"""Parameters of flows: drop-downs of what there is, and one plain sentence in both languages where a value is wrong."""

import re
from inspect import signature

import pytest
from prefect.exceptions import ParameterTypeError
from prefect.utilities.callables import parameter_schema
from prefect.utilities.schema_tools.validation import validate

from flows import operator
from flows.census import census
from flows.lrs_returns import lrs_returns
from flows.rehearsal import rehearsal
from flows.upkeep import upkeep
from schemas.cycles import all_cycles
from tasks.io.data_root.reference import authorities

FLOWS = [
    *(census, lrs_returns, rehearsal, upkeep),
    *(operator.retry, operator.abandon, operator.release, operator.publish, operator.import_from_inbox),
]
#: What nobody may read of a pupil, typed into the wrong field.
UPN = "M660402510001"


def fields(flow):
    """What the form has of each parameter; of drop-downs what it shows of them, which are texts."""
    found = {}
    for name, field in parameter_schema(flow).properties.items():
        shown = {"enum": [one for one in field["enum"] if isinstance(one, str)]} if "enum" in field else {}
        found[name] = field | shown
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
def test_no_field_asks_for_its_type_first_and_what_is_left_empty_may_be_sent_as_null_or_not_at_all(flow):
    form = parameter_schema(flow).model_dump()
    optional = [name for name in form["properties"] if name not in form["required"]]
    filled = {"ref": "x", "file": "x", "reason": "y", "school": "6604025", "cycle": "2012-01"}
    given = {name: filled[name] for name in form["required"]}
    # Of a field with a default the form sends that default, and the server takes null only where there is none.
    empty = [name for name in optional if "default" not in form["properties"][name]]
    assert all(type(field.get("type")) is str and "anyOf" not in field for field in form["properties"].values())
    assert [form["properties"][name].get("default", 0) for name in optional if name not in empty] == [
        signature(flow.fn).parameters[name].default for name in optional if name not in empty
    ]
    assert validate(given, form) == validate(given | dict.fromkeys(empty), form) == []
    assert flow.validate_parameters(given | dict.fromkeys(empty)) == flow.validate_parameters(given)
    assert all(signature(flow.fn).parameters[name].default is None for name in empty)
    assert all(signature(flow.fn).parameters[name].default is not None for name in optional if name not in empty)


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
