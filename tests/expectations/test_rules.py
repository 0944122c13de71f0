"""Every rule: a record that passes, one that fails, one where the field is blank. Ids name rule and case, never a value."""

import pandas as pd
import pytest

from expectations.catalogue import all_rules, parse_rules, rules_for
from expectations.runner import run_rules
from schemas.cycles import cycle_by_id
from schemas.faults import ConfigurationFault, ServiceFault
from schemas.lrs_profiles import all_profiles
from tasks.check import apply_rules
from tasks.core.evidence import shared_upns

CYCLE = cycle_by_id("2012-01")
PROFILE = all_profiles()["2A"]
LONG = "Aberystwyth Bethesda Caernarfon Dolgellau"

#: rule -> (a change that must earn it, what the blank field earns, a change besides the sound record that must not earn it)
CASES = {
    "UPN01": ({"upn": " "}, {"UPN01"}, {}),
    "UPN02": ({"upn": "A123"}, {"UPN01"}, {"upn": "L67441030807A"}),
    "UPN03": ({"upn": "A660402510001"}, {"UPN01"}, {"upn": "m660402510001"}),
    "UPN04": ({"upn": "L67441030807A"}, {"UPN01"}, {}),
    "GIV01": ({"forename": "\t"}, {"GIV01"}, {}),
    "GIV02": ({"forename": LONG}, {"GIV01"}, {"forename": "A" * 35}),
    "GIV03": ({"forename": "S1an"}, {"GIV01"}, {"forename": "Siân"}),
    "GIV04": ({"forename": "--"}, {"GIV01"}, {"forename": "李"}),
    "FAM01": ({"surname": ""}, {"FAM01"}, {}),
    "FAM02": ({"surname": LONG}, {"FAM01"}, {"surname": "A" * 35}),
    "FAM03": ({"surname": "J\x07ones"}, {"FAM01"}, {"surname": "O’Brien-Llŵyd"}),
    "FAM04": ({"surname": "..."}, {"FAM01"}, {"surname": "Ŵ"}),
    "MID01": ({"middle_names": LONG}, set(), {"middle_names": "Haf"}),
    "MID02": ({"middle_names": "A2"}, set(), {"middle_names": "Haf"}),
    "DOB01": ({"dob": None}, {"DOB01"}, {}),
    "DOB02": ({"dob": "1997-02-30"}, {"DOB01"}, {"dob": "1996-02-29"}),
    "DOB03": ({"dob": "1890-01-01"}, {"DOB01"}, {"dob": "1999-01-01"}),
    "DOB04": ({"dob": "1990-01-01"}, {"DOB01"}, {"dob": "1998-01-05"}),
    "GEN01": ({"gender": " "}, {"GEN01"}, {}),
    "GEN02": ({"gender": "X"}, {"GEN01"}, {"gender": "m"}),
    "PCD01": ({"postcode": ""}, {"PCD01"}, {}),
    "PCD02": ({"postcode": "LL77 7CC"}, {"PCD01"}, {"postcode": "ll777ng"}),
    "PCD03": ({"postcode": "zz99 9zz"}, {"PCD01"}, {}),
    "YRG01": ({"nc_year": " "}, {"YRG01"}, {}),
    "YRG02": ({"nc_year": "X"}, {"YRG01"}, {"nc_year": "09"}),
    "ENR01": ({"enrol_status": ""}, {"ENR01"}, {}),
    "ENR02": ({"enrol_status": "F"}, {"ENR01"}, {"enrol_status": "M"}),
    "ULN01": ({"uln": "12345"}, set(), {"uln": "9999999999"}),
    "ULN02": ({"uln": "1000102505"}, set(), {"uln": "1000102504"}),
}


def earned(rows, cycle=CYCLE):
    found = apply_rules(rows, cycle, PROFILE, shared_upns(rows)).findings
    return [set(found.loc[found["row_ref"] == ref, "rule"]) for ref in rows["row_ref"]]


@pytest.fixture(scope="module")
def outcomes():
    """All cases in one run of the rules, each in a school of its own: (failing, blank, passing) by rule."""
    from tests_support import sound_learners  # noqa: PLC0415

    changes = []
    for rule, (failing, _, passing) in CASES.items():
        field = next(r.field for r in all_rules() if r.code == rule)
        changes += [failing, {field: None}, passing]
    rows = sound_learners(*changes)
    rows["school_number"] = [f"{6600000 + n}" for n in range(len(rows))]
    cycle = CYCLE
    found = apply_rules(rows, cycle, PROFILE, pd.Series([], dtype="str")).findings
    sets = [set(found.loc[found["row_ref"] == ref, "rule"]) for ref in rows["row_ref"]]
    return {rule: sets[3 * n : 3 * n + 3] for n, rule in enumerate(CASES)}


@pytest.mark.parametrize("rule", list(CASES))
def test_failing(outcomes, rule):
    # One cause, one finding: a wrong shape says nothing of a check letter. A birth date of 1890 is unlike any year group too.
    also = {"DOB03": {"DOB04"}, "FAM04": set(), "GIV04": set()}.get(rule, set())
    assert outcomes[rule][0] == {rule} | also


@pytest.mark.parametrize("rule", list(CASES))
def test_blank(outcomes, rule):
    assert outcomes[rule][1] == CASES[rule][1]


@pytest.mark.parametrize("rule", list(CASES))
def test_passing(outcomes, rule):
    assert rule not in outcomes[rule][2]


def test_upn_twice_in_a_school_and_in_two_schools(learner):
    assert earned(learner({}, {})) == [{"UPN05"}, {"UPN05"}]
    assert earned(learner({}, {"school_number": "6604026"})) == [{"UPN06"}, {"UPN06"}]
    assert earned(learner({}, {"upn": "R681404209123"})) == [set(), set()]
    assert earned(learner({"upn": None}, {"upn": None})) == [{"UPN01"}, {"UPN01"}]


def test_every_rule_has_its_cases():
    assert {r.code for r in all_rules()} == set(CASES) | {"UPN05", "UPN06"}


def test_every_rule_speaks_both_languages():
    for rule in all_rules():
        assert rule.message_cy != rule.message_en and rule.action_cy != rule.action_en


def test_results_name_rule_and_row_and_no_value(learner):
    result = apply_rules(learner({"surname": "MARKER1"}), CYCLE, PROFILE, pd.Series([], dtype="str"))
    text = result.findings.to_csv() + result.tried.to_csv()
    assert "FAM03" in text and "MARKER1" not in text
    assert list(result.findings.columns) == ["row_ref", "rule", "severity", "field"]


def test_a_crashed_rule_is_our_fault():
    table = pd.DataFrame({"row_ref": ["r1"], "upn": ["MARKER1"]})
    with pytest.raises(ServiceFault, match="UPN02") as caught:
        run_rules(table, rules_for(CYCLE))
    assert "MARKER1" not in str(caught.value)


def test_nothing_to_judge():
    assert run_rules(pd.DataFrame({"row_ref": []}), rules_for(CYCLE)).findings.empty


def test_a_wrong_catalogue_tells_all_its_faults():
    text = "code,severity\nX,deadly\n"
    with pytest.raises(ConfigurationFault, match="'message_cy'"):
        parse_rules(text)
    header = ",".join(r for r in all_rules()[0].__dataclass_fields__)
    row = "X,deadly,upn,upn,e,{,2012-13-01,,,a,b,c,d,e,f,N"
    with pytest.raises(ConfigurationFault) as caught:
        parse_rules(f"{header}\n{row}\n{row}\n")
    assert {"severity", "JSON", "since", "twice"} <= {w for w in ("severity", "JSON", "since", "twice") if w in str(caught.value)}
