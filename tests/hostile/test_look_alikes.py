"""Identifiers with signs that look like others, or like none: found and told, never made equal."""

import sys
import unicodedata

import pandas as pd
import pytest

from schemas.cycles import cycle_by_id
from schemas.lrs.profiles import all_profiles
from tasks.core.evidence import KnownUpns
from tasks.core.identifiers import canonical_upn, uln_valid, upn_check_letter_ok, upn_shape
from tasks.core.lrs_form import lrs_rows
from tasks.core.merging import tie
from tasks.core.readiness import unmatched_opt_outs, unmet_requirements
from tasks.core.selection import select
from tasks.core.text_columns import capitals
from tasks.steps.validate import apply_rules
from tests.support.learners import sound_learners

UPN, ULN = "M660402510001", "1000102504"
CYCLE, PROFILE = cycle_by_id("2012-01"), all_profiles()["2A"]
#: What no eye sees, and what looks like a letter or digit of an identifier.
UNSEEN = [chr(c) for c in range(0x80, sys.maxunicode + 1) if unicodedata.category(chr(c)) in ("Cf", "Mn", "Me", "Zs", "Zl", "Zp")]  # fmt: skip
#: All planes on which there are letters, marks or digits of a script.
SIGNS = [chr(c) for c in range(0x80, 0x20000) if not 0xD800 <= c < 0xE000]
ALIKE = {"M": "\u041c\u039c\uff2d\U0001d40c\u216f", "6": "\uff16\u0666\U0001d7d4\u0431", "0": "\uff10\u0660OО\u041eο", "1": "\uff11\u0661lI\u0131\u2160|"}  # fmt: skip


def column(values):
    return pd.Series(list(values), dtype="str")


def test_no_sign_of_unicode_passes_for_one_of_a_upn():
    others = column(sign + UPN[1:] for sign in SIGNS)
    assert not upn_check_letter_ok(others).any() and set(upn_shape(others)) == {"wrong"}
    assert set(upn_shape(column(UPN[:12] + sign for sign in SIGNS))) == {"wrong"}


def test_what_no_eye_sees_makes_a_upn_another_wherever_it_stands():
    for place in (0, 5, 13):
        with_one = column(UPN[:place] + sign + UPN[place:] for sign in UNSEEN)
        assert set(upn_shape(with_one)) == {"wrong"}
        assert not canonical_upn(with_one).eq(UPN).any()
        assert place in (0, 13) or not uln_valid(column(ULN[:place] + sign + ULN[place:] for sign in UNSEEN)).any()


def test_a_upn_or_uln_with_a_sign_that_looks_like_another_is_told():
    spoiled = [UPN.replace(sign, other, 1) for sign, others in ALIKE.items() for other in others]
    spoiled += [UPN[:6] + sign + UPN[6:] for sign in "\u200b\u200d\u202e\u2066\ufeff\u0302\xad\xa0"]
    ulns = [ULN.replace(sign, other, 1) for sign, others in ALIKE.items() if sign in ULN for other in others]
    ulns += [ULN[:6] + sign + ULN[6:] for sign in "\u200b\u202e\u0302\xad"]
    rows = sound_learners(*({"upn": upn} for upn in spoiled), *({"uln": uln} for uln in ulns))
    rows["school_number"] = [f"{6600000 + n}" for n in range(len(rows))]
    found = apply_rules(rows, CYCLE, PROFILE, KnownUpns()).findings
    earned = found.groupby("row_ref")["rule"].agg(set).to_dict()
    assert [earned.get(ref) for ref in rows["row_ref"]] == [{"UPN02"}] * len(spoiled) + [{"ULN01"}] * len(ulns)


TOLD = [
        ("postcode", "\u017fA1 1AA", "PCD02"), ("postcode", "\u0131G1 1AA", "PCD02"), ("postcode", "LL77 7N\u200bG", "PCD02"),
        ("postcode", "L\u041b77 7NG", "PCD02"), ("gender", "\uff26", "GEN02"), ("nc_year", "1\uff10", "YRG02"),
        ("enrol_status", "\u017f", "ENR02"), ("enrol_status", "\u0421", "ENR02"), ("dob", "1996-11-0\u0665", "DOB02"),
        ("dob", "1996\u201011\u201005", "DOB02"), ("dob", "\u202e1996-11-05", "DOB02"),
        ("forename", "Si\u0430n", "GIV06"), ("forename", "Si\u200ban", "GIV05"), ("surname", "\u202eProwf", "FAM05"),
        ("surname", "P\u0337\u0338\u0335rawf", "FAM06"), ("middle_names", "\uff28af", "MID04"), ("middle_names", "Ha\u2066f", "MID03"),
    ]  # fmt: skip


def test_every_other_field_tells_it_by_its_rule_and_the_record_is_chosen():
    rows = sound_learners(*({field: value} for field, value, _ in TOLD))
    rows["school_number"] = [f"{6600000 + n}" for n in range(len(rows))]
    found = apply_rules(rows, CYCLE, PROFILE, KnownUpns()).findings
    earned = found.groupby("row_ref")["rule"].agg(set).to_dict()
    assert [earned.get(ref) for ref in rows["row_ref"]] == [{rule} for _, _, rule in TOLD]
    decided = select(
        rows,
        cycle=CYCLE,
        current=pd.Series("s1", index=rows["school_number"]),
        missing=pd.DataFrame({"school_number": [], "code": []}, dtype="str"),
        held=pd.DataFrame({"upn": [], "uln": [], "dob": []}, dtype="str"),
    )
    assert set(decided["disposition"]) == {"chosen"}


def test_capitals_are_made_of_a_to_z_alone():
    signs = column(SIGNS)
    assert capitals(signs).equals(signs)
    assert capitals(column(["az AZ 09", None])).to_list()[0] == "AZ AZ 09"
    no = pd.Series([False])
    assert lrs_rows(sound_learners({"postcode": "\u017fa1 1aa"}), PROFILE, no, no)["postcode"].tolist() == [
        "\u017fA1 1AA"
    ]


@pytest.mark.parametrize("sign", ["\u200b", "\u202e", "\ufeff", "\u0302", "\xad"], ids=ascii)
def test_an_answer_or_an_opt_out_for_such_a_upn_or_ukprn_is_nobody_s_and_told(sign):
    answers = pd.DataFrame({"mis_identifier": [UPN, UPN + sign, UPN], "ukprn": ["10000001", "10000001", f"1000{sign}0001"], "file_name_cell": "x"}, dtype="str")  # fmt: skip
    sent = pd.DataFrame({"batch_ref": ["B1"], "upn": [UPN], "ukprn": ["10000001"]}, dtype="str")
    batches = pd.DataFrame(
        {"batch_ref": ["B1"], "file_name": ["x.CSV"], "cycle": ["2012-01"], "built_at": ["2012"]}, dtype="str"
    )
    assert tie(answers, sent, batches, ["2012-01"])["tied"].tolist() == ["Y", "N", "N"]
    assert unmatched_opt_outs(pd.DataFrame({"upn": [UPN, sign + UPN]}, dtype="str"), column([UPN])) == 1


@pytest.mark.parametrize("ukprn", ["1000\u200b0001", "１0000001", "1OOOOOO1", "\u202e10000001"], ids=ascii)
def test_a_school_with_such_a_ukprn_is_not_ready(ukprn):
    school = pd.DataFrame({"school_number": ["6604025"], "sector_en": ["Secondary"]}, dtype="str")
    row = {"ukprn": ukprn, "ukrlp_name": "a", "ukrlp_postcode": "b", "edubase_name": "a", "edubase_postcode": "b"}
    row |= {"lrb_registered_on": "2011-09-01", "privacy_notice_on": "2011-09-01", "takes_part": "Y"}
    registered = pd.DataFrame([{"school_number": "6604025", **row}], dtype="str")
    assert unmet_requirements(school, registered, CYCLE)["code"].tolist() == ["ukprn_malformed"]
