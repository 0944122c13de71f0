"""The rules of the systems that import a transfer file: for each a learner who passes, one who fails, and a blank."""

import pandas as pd
import pytest

from schemas.codes.merge_findings import merge_findings
from tasks.core.mis_rules import BASIC_DETAILS, LEARNER_RULES, broken_rules, file_faults

#: The published ULN example, and another that its rule makes valid (docs/reference/sources.md#uln).
ULN, OTHER_ULN = "1000102504", "9276308686"


def codes(learner, **change):
    return list(broken_rules(learner(change).assign(held_uln=change.get("held_uln", ULN)).astype("str"))["code"])


CASES = [
    # code, passes, fails, blank
    ("MIS01", {"upn": " l67441030807a "}, {"upn": "M66040251000"}, {"upn": None}),
    ("MIS02", {"surname": "Ŵ"}, {"forename": "\u00a0"}, {"surname": None}),
    ("MIS03", {"surname": "  " + "Ŵ" * 35 + " "}, {"forename": "A" * 36}, None),
    ("MIS04", {"dob": " 1996-02-29 "}, {"dob": "1997-02-29"}, {"dob": " "}),
    ("MIS05", {"gender": " u "}, {"gender": "X"}, {"gender": None}),
    ("MIS06", {"held_uln": ULN}, {"held_uln": "1000102505"}, {"held_uln": ""}),
    ("REG03", {"uln": f" {ULN} "}, {"uln": OTHER_ULN}, {"uln": None}),
    ("MIS07", {"uln": ULN}, {"uln": "9999999999"}, {"uln": " "}),
]
#: Of these a blank is what the rule asks for, or what another rule speaks of.
BLANK_PASSES = {"REG03", "MIS07"}


@pytest.mark.parametrize(("code", "passes", "fails", "blank"), CASES, ids=[case[0] for case in CASES])
def test_each_rule_has_who_passes_and_who_fails(learner, code, passes, fails, blank):
    assert codes(learner, **passes) == []
    assert codes(learner, **fails) == [code]
    if blank is not None:
        assert codes(learner, **blank) == ([] if code in BLANK_PASSES else [code])


def test_no_name_is_too_long_where_there_is_none(learner):
    assert codes(learner, surname=None) == ["MIS02"]


def test_every_rule_is_tested_has_a_source_and_its_texts():
    assert {case[0] for case in CASES} == {rule.code for rule in LEARNER_RULES}
    assert {rule.code for rule in LEARNER_RULES} <= {finding.code for finding in merge_findings()}
    assert all(rule.source for rule in LEARNER_RULES)


def test_who_breaks_several_rules_is_told_each_and_the_others_are_not_touched(learner):
    rows = (
        learner({}, {"gender": None, "forename": ""}, {"dob": None}).assign(held_uln=ULN).set_index(pd.Index([7, 8, 9]))
    )
    found = broken_rules(rows)
    assert list(found[["row", "code"]].itertuples(index=False, name=None)) == [(8, "MIS02"), (9, "MIS04"), (8, "MIS05")]
    assert broken_rules(rows.head(1)).empty and broken_rules(rows.head(0)).empty


def test_only_what_stands_in_the_uln_field_leaves_a_learner_in_the_file():
    assert {rule.code for rule in LEARNER_RULES if rule.stays} == {"MIS07"}


NAME, UPN = "660LLLL_CTF_6604025_001.xml", "m660402510001"
SOUND = {
    "school_number": "6604025",
    "destination": "6604025",
    "encoding": "UTF-8",
    "elements": {(*BASIC_DETAILS, "Gender")},
    "upns_and_ulns": [(UPN, ULN)],
    "due": pd.DataFrame({"upn": [UPN], "uln": [ULN]}, dtype="str"),
}


def faults(name=NAME, **change):
    return file_faults(name, **(SOUND | change))


@pytest.mark.parametrize("name", [NAME, "660LLLL_CTF_6604025_012.xml", "660LLLL_CTF_6604025_1000.xml"])
def test_a_sound_file_has_no_faults(name):
    assert faults(name) == []
    assert faults(elements={(*BASIC_DETAILS, "Sex")}) == []


@pytest.mark.parametrize(
    "name",
    [
        "660LLLL_CTF_6604026_001.xml",
        "661LLLL_CTF_6604025_001.xml",
        "660LLLL_CTF_6604025_001 (1).xml",
        "660LLLL_CTF_6604025_001.XML",
        "",
    ],
    ids=["another-school", "another-authority", "a-browser-s-suffix", "capitals", "blank"],
)
def test_a_name_that_is_not_the_school_s_own_is_refused(name):
    assert faults(name) == ["name"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"destination": "6604026"}, "destination"),
        ({"destination": ""}, "destination"),
        ({"encoding": "ISO-8859-1"}, "encoding"),
        ({"encoding": None}, "encoding"),
        ({"elements": {(*BASIC_DETAILS, "Gender"), (*BASIC_DETAILS, "Gender", "Address")}}, "details"),
        ({"elements": {("UPN", "Surname", "UniqueLearnerNumber", "Forename", "DOB", "Gender")}}, "details"),
        ({"elements": {BASIC_DETAILS}}, "details"),
        ({"upns_and_ulns": [(UPN.upper(), ULN)]}, "upn"),
        ({"upns_and_ulns": [(f" {UPN}", ULN)]}, "upn"),
        ({"upns_and_ulns": [(UPN, OTHER_ULN)]}, "upn"),
        ({"upns_and_ulns": []}, "upn"),
        ({"upns_and_ulns": [(UPN, ULN), ("M660402510002", OTHER_ULN)]}, "upn"),
        ({"upns_and_ulns": [(None, ULN)]}, "upn"),
    ],
)
def test_a_file_that_would_be_refused_is_told_why(change, fault):
    assert faults(**change) == [fault]


@pytest.mark.parametrize("uln", ["", " ", None])
def test_a_pupil_without_a_uln_is_refused(uln):
    assert faults(upns_and_ulns=[(UPN, uln)]) == ["empty_uln", "upn"]
