"""Who stands in a school's transfer file, and who in its list of exceptions."""

import hashlib

import pandas as pd
import pytest

from tasks.core.mis_rules import LEARNER_RULES
from tasks.core.publication import (
    EXCEPTION_COLUMNS,
    ULN_COLUMNS,
    SchoolRecords,
    by_school,
    content_refs,
    for_schools,
)

ULN = "1000102504"
TEXTS = pd.DataFrame(
    [
        {"code": c, "lrs_code": {"GIV01": "RC010"}.get(c)}
        | {f"{part}_{lang}": f"{part} {lang} {c}" for part in ("wrong", "action", "field") for lang in ("cy", "en")}
        for c in (
            *("UPN01", "GIV01", "LRS01", "LRS02", "REG01", "REG04", "TWO01"),
            *(rule.code for rule in LEARNER_RULES),
            *("LRS03", "CHG01", "CHG02", "RC007", "UNKNOWN"),
        )
    ]
)


def table(columns, *rows):
    return pd.DataFrame(list(rows), columns=columns).astype("str")


def played(learner, *changes, reason=None, state="uln", register=(), findings=(), exceptions=(), sent=()):
    """One school's two tables, for learners whose records, standing and register entries are given."""
    pupils = learner(*(changes or ({},)))
    refs = list(pupils["row_ref"])
    where = "not_chosen" if reason else "chosen"
    dispositions = table(["row_ref", "disposition", "reason"], *((r, where, reason) for r in refs))
    standing = table(
        ["row_ref", "upn", "state", "batch_ref"],
        *((r, u, state, "B1") for r, u in zip(refs, pupils["upn"], strict=True) if not reason),
    )
    records = SchoolRecords(
        pupils,
        dispositions,
        standing,
        table(["upn", "uln", "dob", "school_number", "conflict", "other_upns"], *((*r, None)[:6] for r in register)),
        table(["row_ref", "rule", "severity", "field"], *((*finding, None)[:4] for finding in findings)),
        table(["upn", "batch_ref", "return_code", "school_number"], *((*one, "6604025")[:4] for one in exceptions)),
        table(["batch_ref", "upn", "family_name", "given_name", "middle_name"], *(("B1", *one) for one in sent)),
    )
    return for_schools(records, TEXTS)


def held(conflict=None, school="6604025", upn="M660402510001", uln=ULN):
    return (upn, uln, "1996-11-05", school, conflict)


HELD = held()


def test_who_got_a_uln_is_in_the_file_as_the_school_spells_them(learner):
    ulns, lines = played(learner, {"surname": " Siôn-Prŷs ", "upn": "m660402510001"}, register=[HELD])
    assert ulns["sent"].isna().all()
    assert ulns.drop(columns="sent").to_dict("records") == [
        {
            "school_number": "6604025",
            "upn": "m660402510001",
            "uln": ULN,
            "surname": " Siôn-Prŷs ",
            "forename": "Enghraifft",
            "dob": "1996-11-05",
            "gender": "F",
        }
    ]
    assert lines.empty


@pytest.mark.parametrize("state", ["waiting", "sent", "held", "exception"])
def test_who_has_no_uln_is_not(learner, state):
    assert played(learner, state=state)[0].empty


@pytest.mark.parametrize(("state", "code"), [("uln", "CHG01"), ("sent", "CHG02"), ("exception", None)])
def test_a_record_changed_since_it_was_sent_is_told_by_where_it_stands_now(learner, state, code):
    found = [("r0", "CHG02", "warning", "family_name;postcode")]
    _, lines = played(learner, state=state, register=[HELD], findings=found)
    fields = [] if code is None else [(code, "Family name, Postcode", "Cyfenw, Cod post", "family_name;postcode")]
    assert list(lines[["code", "field_en", "field_cy", "field"]].itertuples(index=False, name=None)) == fields


def test_a_learner_who_came_with_a_uln_that_the_return_lacks_gets_it(learner):
    assert list(played(learner, reason="uln_held", register=[HELD])[0]["uln"]) == [ULN]


def test_a_learner_whose_return_has_the_uln_already_is_sent_none(learner):
    assert played(learner, {"uln": ULN}, reason="uln_held", register=[HELD])[0].empty


@pytest.mark.parametrize("reason", ["superseded_return", "enrolment_status", "year_group", "age", "school_not_ready"])
def test_who_was_not_chosen_for_another_reason_is_sent_none(learner, reason):
    assert played(learner, reason=reason, register=[HELD])[0].empty


def test_who_came_from_elsewhere_with_another_birth_date_than_the_register_s_is_listed_and_not_sent(learner):
    ulns, lines = played(learner, {"dob": "1997-01-01"}, register=[held(school="6604026")])
    assert ulns.empty and list(lines["code"]) == ["REG01"]


def test_the_school_that_asked_may_correct_the_birth_date(learner):
    ulns, lines = played(learner, {"dob": "1997-01-01"}, register=[HELD])
    assert list(ulns["dob"]) == ["1997-01-01"] and lines.empty


def test_a_former_upn_brings_the_uln_along(learner):
    ulns, _ = played(learner, {"former_upn": "L67441030807A"}, reason="uln_held", register=[held(upn="L67441030807A")])
    assert list(zip(ulns["upn"], ulns["uln"], strict=True)) == [("M660402510001", ULN)]


def test_a_former_upn_brings_nobody_the_uln_of_one_born_on_another_day(learner):
    change = {"former_upn": "L67441030807A", "dob": "1996-11-06"}
    ulns, lines = played(learner, change, reason="asked_elsewhere", register=[held(upn="L67441030807A")])
    assert ulns.empty and list(lines["code"]) == ["TWO01"]


def test_a_former_upn_that_is_a_twin_s_own_brings_no_uln(learner):
    rows = {"former_upn": "L67441030807A"}, {"upn": "L67441030807A", "uln": ULN}
    assert played(learner, *rows, reason="uln_held", register=[held(upn="L67441030807A")])[0].empty


def test_another_uln_in_the_return_than_the_register_s_is_shown(learner):
    ulns, lines = played(learner, {"uln": "9276308686"}, reason="uln_held", register=[HELD])
    assert ulns.empty and list(lines["code"]) == ["REG03"]
    assert played(learner, {"uln": ULN}, reason="uln_held", register=[HELD])[1].empty


def test_one_uln_in_two_learners_records_is_shown_with_both(learner):
    two = {"uln": "9276308686"}, {"uln": " 9276308686 ", "upn": "R681404209123"}
    assert list(played(learner, *two, reason="uln_held")[1]["code"]) == ["REG04", "REG04"]
    elsewhere = two[0], two[1] | {"school_number": "6604026"}
    assert played(learner, *elsewhere, reason="uln_held")[1].empty
    assert played(learner, two[0], {"uln": None, "upn": "R681404209123"}, reason="uln_held")[1].empty


def test_a_uln_in_the_return_that_the_register_holds_for_another_learner_of_the_school_is_shown(learner):
    rows = {"uln": ULN, "upn": "R681404209123"}, {}
    assert list(played(learner, *rows, reason="uln_held", register=[HELD])[1]["code"]) == ["REG04"]


def test_whom_another_school_asks_for_is_told_so_and_gets_the_uln_when_it_is_there(learner):
    ulns, lines = played(learner, {}, reason="asked_elsewhere")
    assert ulns.empty and list(lines["code"]) == ["TWO01"]
    ulns, lines = played(learner, {}, reason="asked_elsewhere", register=[held(school="6604026")])
    assert list(ulns["uln"]) == [ULN] and list(lines["code"]) == ["TWO01"]
    born = {"dob": "1996-11-06"}
    ulns, lines = played(learner, born, reason="asked_elsewhere", register=[held(school="6604026")])
    assert ulns.empty and list(lines["code"]) == ["REG01", "TWO01"]


@pytest.mark.parametrize(
    ("former", "codes"),
    [("R681404209123", []), (" r681404209123 ", []), ("L67441030807A", ["LRS03"]), (None, ["LRS03"])],
    ids=["the-other-one", "spelled-otherwise", "a-third", "none"],
)
def test_one_learner_with_two_upns_is_told_until_the_former_one_is_entered(learner, former, codes):
    entry = (*held("LRS03"), "R681404209123")
    ulns, lines = played(learner, {"former_upn": former}, register=[entry])
    assert list(ulns["uln"]) == [ULN] and list(lines["code"]) == codes


@pytest.mark.parametrize("gender", ["m", " F ", "u", "9"])
def test_a_gender_is_taken_as_the_rules_take_it(learner, gender):
    assert list(played(learner, {"gender": gender}, register=[HELD])[0]["gender"]) == [gender]


def test_whom_a_school_s_system_would_refuse_is_listed_with_the_reason_and_not_sent(learner):
    ulns, lines = played(learner, {"surname": "A" * 36, "gender": None}, register=[HELD])
    assert ulns.empty and list(zip(lines["code"], lines["step"], strict=True)) == [("MIS03", "1/2"), ("MIS05", "2/2")]


def test_a_former_upn_brings_no_learner_into_the_file_whose_own_upn_is_none(learner):
    # Such a one would not fit the schema, and the school would get no file at all.
    change = {"upn": "M66040251", "former_upn": "L67441030807A"}
    ulns, lines = played(learner, change, reason="uln_held", register=[held(upn="L67441030807A")])
    assert ulns.empty and list(lines["code"]) == ["MIS01"]


@pytest.mark.parametrize("wrong", ["9999999999", "12345"])
def test_who_has_something_else_in_the_uln_field_is_sent_and_told_to_empty_it(learner, wrong):
    ulns, lines = played(learner, {"uln": wrong}, register=[HELD])
    assert list(ulns["uln"]) == [ULN] and list(lines["code"]) == ["MIS07"]


def test_an_answer_never_goes_over_a_uln_that_the_school_has_typed_in(learner):
    ulns, lines = played(learner, {"uln": "9276308686"}, register=[HELD])
    assert ulns.empty and list(lines["code"]) == ["REG03"]


SENT = ("M660402510001", "Prys", "Sion", None)


@pytest.mark.parametrize(
    ("change", "sent", "told"),
    [
        ({"surname": "Prŷs", "forename": "Siôn"}, SENT, "Prys, Sion"),
        ({"surname": "Prys", "forename": "Sion", "middle_names": "W1n"}, SENT, "Prys, Sion"),
        ({"surname": "Prys", "forename": "Siôn", "middle_names": "Mai"}, (*SENT[:3], "Mai"), "Prys, Sion Mai"),
        ({"surname": " Prys", "forename": "Sion"}, SENT, None),
        ({"surname": "Prŷs", "forename": "Siôn"}, ("R681404209123", "Prys", "Sion", None), None),
    ],
    ids=["accents", "middle-left-out", "middle", "as-spelled", "another-learner"],
)
def test_what_went_to_the_lrs_is_shown_where_it_is_not_as_the_school_spells_it(learner, change, sent, told):
    ulns, _ = played(learner, change, register=[HELD], sent=[sent])
    answer = ("M660402510001", "B1", "RC007")
    _, lines = played(learner, change, state="exception", exceptions=[answer], sent=[sent])
    assert [*ulns["sent"].dropna(), *lines["sent"].dropna()] == [told] * 2 * (told is not None)


def test_a_uln_answered_for_two_learners_is_listed_and_not_sent(learner):
    ulns, lines = played(learner, register=[held("LRS02")])
    assert ulns.empty and list(lines["code"]) == ["LRS02"]


@pytest.mark.parametrize("conflict", ["LRS01", "LRS03", "LRS01;LRS03"])
def test_other_conflicts_are_listed_and_the_held_uln_sent(learner, conflict):
    ulns, lines = played(learner, register=[held(conflict)])
    assert list(ulns["uln"]) == [ULN] and list(lines["code"]) == conflict.split(";")


def test_two_records_of_one_school_with_one_uln_both_wait_for_a_person(learner):
    people = ({}, {"upn": "R681404209123"})
    ulns, lines = played(learner, *people, register=[held("LRS03"), held("LRS03", upn="R681404209123")])
    assert ulns.empty and list(lines["code"]) == ["LRS02", "LRS02"]


def test_what_the_rules_find_after_a_learner_was_sent_stands_beside_the_answer(learner):
    answer = ("M660402510001", "B1", "RC007")
    _, lines = played(learner, state="exception", findings=[("r0", "GIV01", "blocking")], exceptions=[answer])
    assert list(lines["code"]) == ["GIV01", "RC007"]


def test_a_held_row_stands_there_with_each_blocking_finding_and_no_warning(learner):
    findings = [("r0", "UPN01", "blocking"), ("r0", "GIV01", "blocking"), ("r0", "UPN04", "warning")]
    _, lines = played(learner, state="held", findings=findings)
    # First things first: in the order of the texts, and each says which of how many it is.
    assert list(lines["code"]) == ["UPN01", "GIV01"] and list(lines["step"]) == ["1/2", "2/2"]
    assert [code for code in lines["lrs_code"] if isinstance(code, str)] == ["RC010"]
    assert set(lines["wrong_cy"]) == {"wrong cy GIV01", "wrong cy UPN01"}


def test_an_open_exception_of_the_last_batch_is_listed_and_a_resolved_one_is_not(learner):
    open_one = ("M660402510001", "B1", "RC007")
    assert list(played(learner, state="exception", exceptions=[open_one])[1]["code"]) == ["RC007"]
    assert played(learner, state="exception", exceptions=[("M660402510001", "B0", "RC007")])[1].empty
    assert played(learner, register=[HELD], exceptions=[open_one])[1].empty


def test_a_code_that_no_table_knows_keeps_its_name_and_has_texts(learner):
    _, lines = played(learner, state="exception", exceptions=[("M660402510001", "B1", "RC099")])
    assert lines[["code", "wrong_cy", "action_en"]].iloc[0].to_list() == [
        "RC099",
        "wrong cy UNKNOWN",
        "action en UNKNOWN",
    ]


def test_lines_stand_in_the_order_of_names(learner):
    people = ({"surname": "Zoe"}, {"surname": "Abe", "upn": None}, {"surname": "Abe", "forename": "Aaa", "upn": None})
    findings = [(f"r{n}", "UPN01", "blocking") for n in range(3)]
    _, lines = played(learner, *people, state="held", findings=findings)
    assert list(zip(lines["surname"], lines["forename"], strict=True)) == [
        ("Abe", "Aaa"),
        ("Abe", "Enghraifft"),
        ("Zoe", "Enghraifft"),
    ]


def test_the_reference_of_what_a_school_gets_is_that_of_its_content(learner):
    one = content_refs(*played(learner, register=[HELD]))
    assert one == content_refs(*played(learner, register=[HELD]))
    assert one != content_refs(*played(learner, {"surname": "Arall"}, register=[HELD]))


ODD = ["plain", None, "", "a,b", 'a "b"', "a\nb", "a\rb", " ", "Llŷr", "'", ";", "\t"]


@pytest.mark.parametrize("odd", [ODD, ODD[:3], ["a,b", "c"]], ids=["all", "plain", "comma"])
def test_what_each_school_gets_and_its_reference_are_those_of_its_own_rows(odd):
    columns = list(ULN_COLUMNS)
    count = len(odd)
    ulns = pd.DataFrame({c: odd[n % count :] + odd[: n % count] for n, c in enumerate(columns)}, dtype="str")
    lines = pd.DataFrame({c: odd[n % count :] + odd[: n % count] for n, c in enumerate(EXCEPTION_COLUMNS)}, dtype="str")
    ulns.insert(0, "school_number", [("6604026", "6604025")[n % 2] for n in range(count)])
    lines = lines.assign(school_number=[("6604027", "6604025")[n % 2] for n in range(count)], row_ref="r")
    parts, refs = by_school(ulns, lines), content_refs(ulns, lines)
    assert list(parts) == list(refs) == ["6604025", "6604026", "6604027"]
    for school, (own, listed) in parts.items():
        plain = [
            ulns[ulns["school_number"] == school].drop(columns="school_number").reset_index(drop=True),
            lines.loc[lines["school_number"] == school, list(EXCEPTION_COLUMNS)].reset_index(drop=True),
        ]
        pd.testing.assert_frame_equal(own, plain[0])
        pd.testing.assert_frame_equal(listed, plain[1])
        # A likely reason that is known better, or worse, is no reason for another file.
        plain[1] = plain[1].drop(columns=["why_en", "why_cy", "check_en", "check_cy"])
        content = "".join(table.to_csv(index=False, lineterminator="\n") for table in plain)
        assert refs[school] == hashlib.sha256(content.encode()).hexdigest()


def test_where_nothing_is_due_no_school_gets_anything():
    nothing = pd.DataFrame(columns=["school_number", "upn"], dtype="str")
    lines = pd.DataFrame(columns=["school_number", "row_ref", *EXCEPTION_COLUMNS], dtype="str")
    assert by_school(nothing, lines) == {} == content_refs(nothing, lines)


def test_of_a_learner_who_moved_the_line_says_on_whose_portal_the_exception_stands(learner):
    here = ("M660402510001", "B1", "RC007")
    _, [own] = (t.to_dict("records") for t in played(learner, state="exception", exceptions=[here]))
    assert own["action_en"] == "action en RC007" and own["action_cy"] == "action cy RC007"
    _, [moved] = (t.to_dict("records") for t in played(learner, state="exception", exceptions=[(*here, "6604026")]))
    assert moved["action_en"].startswith("action en RC007; ") and "school 6604026" in moved["action_en"]
    assert moved["action_cy"].startswith("action cy RC007; ") and "6604026" in moved["action_cy"]
