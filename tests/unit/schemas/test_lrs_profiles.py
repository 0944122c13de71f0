"""LRS layouts and return codes: what is shipped, what overrides it, and that every fault is told at once."""

import pandas as pd
import pytest

from schemas.codes.return_codes import ReturnCode, all_return_codes, code_table, normalise_code
from schemas.lrs.profiles import all_profiles, parse_profile
from schemas.texts.faults import ConfigurationFault
from tests.support.paths import PROJECT

SHIPPED = PROJECT / "schemas" / "lrs"
P2A, P3A = all_profiles()["2A"], all_profiles()["3A"]
TEXT = (SHIPPED / "2A.toml").read_text(encoding="utf-8")
CODES = (SHIPPED.parent / "codes" / "return_codes.csv").read_text(encoding="utf-8")
#: A table of one's own, with its Welsh.
OWN = code_table(all_return_codes()).to_csv(index=False)

#: The heading row of 2A in real use: docs/reference/sources.md#lrs-2a.
HEADINGS_2A = [
    *("FileVersion", "FileName", "UKPRN", "LearnerRecordCount", "ULN"),
    *("MISIdentifier", "Title", "GivenName", "PreferredGivenName", "MiddleOtherName"),
    *("FamilyName", "PreviousFamilyName", "FamilyNameAt16", "SchoolAtAge16", "LastKnownAddressLine1"),
    *("LastKnownAddressLine2", "LastKnownAddressTown", "LastKnownAddressCountyorCity", "LastKnownPostCode"),
    "DateOfAddressCapture",
    *("DateOfBirth", "PlaceOfBirth", "EmailAddress", "Gender", "Nationality"),
    *("ScottishCandidateNumber", "AbilityToShare", "VerificationType", "OtherVerificationDescription", "Notes"),
]


def test_2a_is_the_heading_row_in_use():
    assert [c.heading for c in P2A.columns] == HEADINGS_2A
    assert (P2A.limit, P2A.sharing) == (5000, "ability_to_share")


def test_3a_is_2a_with_the_published_changes_and_says_that_its_order_is_not_public():
    changed = {"MiddleOtherName": "MiddleNames", "AbilityToShare": "PrivacyNoticeSeen"}
    assert [c.heading for c in P3A.columns] == [changed.get(h, h) for h in HEADINGS_2A] + ["UCI", "UPN"]
    assert P3A.sharing == "privacy_notice_seen"
    assert "not public" in P3A.note_en and "Nid yw" in P3A.note_cy


def test_lengths_are_those_of_the_lrs_schema():
    sources = ("given_name", "family_name", "middle_name", "postcode", "dob", "gender", "upn")
    assert [next(c.max_length for c in P2A.columns if c.source == s) for s in sources] == [35, 35, 35, 9, 10, 1, 128]


def test_a_profile_in_the_data_root_takes_the_shipped_one_s_place(tmp_path):
    own = tmp_path / "3A.toml"
    shipped = (SHIPPED / "3A.toml").read_text(encoding="utf-8")
    own.write_text(shipped.replace("limit = 5000", "limit = 7"), encoding="utf-8")
    assert all_profiles(tmp_path)["3A"].limit == 7
    assert all_profiles(tmp_path)["2A"] == P2A
    assert all_profiles()["3A"].limit == 5000


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("limit = 5000", "limit = 5000\nlimits = 1", ["limits is not a key"]),
        ("limit = 5000\n", "", ["missing key 'limit'"]),
        ("limit = 5000", 'limit = "5000"', ["limit is a whole number from 1"]),
        ("limit = 5000", "limit = 0", ["limit is a whole number from 1"]),
        (
            'sharing = "ability_to_share"',
            'sharing = "yes"',
            ["sharing is one of ability_to_share, privacy_notice_seen"],
        ),
        ("A-Za-z '.-", "z-a", ["name_characters"]),
        ('heading = "Notes"', 'heading = "Title"', ["Title: stands twice"]),
        ('source = "upn"\n', "", ["no column has the source 'upn'"]),
        ('source = "upn"', 'source = "ppn"', ["[columns 6] source 'ppn' is not known"]),
        ('root = "SubmitBatch"', 'root = "Submit Batch"', ["'Submit Batch' cannot be an element's name"]),
        ('= "record_count" }', '= "upn" }', ["[xml.header] source 'upn' is not known"]),
        ('UKPRN = "ukprn", ', "", ["[xml.header] no column has the source 'ukprn'"]),
        ("[xml]\n", '[xml]\nspace = "x"\n', ["[xml] space is not a key"]),
        (
            'aliases = ["PostCode"]',
            "aliases = [1]\nalias = 1",
            ["[columns 19] alias is not a key", "[columns 19] aliases must be a list of texts"],
        ),
        ('record = "Learner"', "record = 1", ["[xml] '1' cannot be an element's name"]),
        ("{ UKPRN =", '{ "U K" = "ukprn", UKPRN =', ["[xml.header] 'U K' cannot be an element's name"]),
        ('heading = "Title"', 'heading = " "', ["[columns 7] heading must be a text"]),
        ("max_length = 128", 'max_length = "128"', ["[columns 6] max_length is of the wrong kind"]),
        ('return_code_headings = ["ReturnCode", "Return Code", "RC", "Code"]', "return_code_headings = []", ["a list"]),
        ("limit = 5000", "limit =", ["is not TOML"]),
    ],
)
def test_faults_of_a_profile_are_told(before, after, told):
    assert before in TEXT
    with pytest.raises(ConfigurationFault) as caught:
        parse_profile(TEXT.replace(before, after, 1), "own.toml")
    for fault in told:
        assert fault in str(caught.value)
    assert caught.value.source == "own.toml" and len(caught.value.faults) == len(told)


def test_a_profile_that_is_not_utf_8_is_a_fault_and_not_a_crash(tmp_path):
    (tmp_path / "3A.toml").write_bytes(TEXT.encode("utf-16"))
    with pytest.raises(ConfigurationFault, match=r"3A\.toml"):
        all_profiles(tmp_path)


def test_a_profile_is_asked_for_by_the_name_of_its_file(tmp_path):
    (tmp_path / "3A.toml").write_text(TEXT, encoding="utf-8")
    with pytest.raises(ConfigurationFault, match=r"3A\.toml: 2A yw'r fersiwn .* / the version in the file is 2A"):
        all_profiles(tmp_path)


def test_a_name_without_a_length_of_its_own_has_the_lrs_schema_s():
    free = parse_profile(TEXT.replace('source = "given_name"\nmax_length = 35', 'source = "given_name"'), "own.toml")
    short = parse_profile(
        TEXT.replace('source = "given_name"\nmax_length = 35', 'source = "given_name"\nmax_length = 9'), ""
    )
    assert [p.name_length("given_name") for p in (P2A, free, short)] == [35, 35, 9]


def test_codes_compare_however_they_are_written():
    codes = pd.Series(["RC10", "rc 010", "RC010", "rc\u00a010", "RC1", "XY1", " ", None], dtype="str")
    found = normalise_code(codes)
    assert list(found[:6]) == ["RC010", "RC010", "RC010", "RC010", "RC001", "XY1"]
    assert found[6:].isna().all()


def test_code_table_is_honest_and_bilingual():
    codes = all_return_codes()
    known = {c.code for c in codes.values() if c.confidence == "known"}
    assert known == {"RC006", "RC007", "RC010", "RC011", "RC012", "RC013"}
    assert {"RC001", "RC002", "RC003", "RC004", "RC005", "RC008", "RC009", "UNKNOWN", "NONE"} == set(codes) - known
    assert all(c.label_cy != c.label_en and c.action_cy != c.action_en for c in codes.values())
    assert all(codes[c].outcome == "exception" and codes[c].who_acts == "school" for c in known)
    assert all(codes[c].outcome == "unknown" for c in set(codes) - known)


def test_a_code_that_nobody_knows_is_shown_before_all_others():
    table = code_table(all_return_codes())
    assert table.sort_values("precedence")["code"].iloc[0] == "UNKNOWN"
    assert table["precedence"].dtype == "int64"


def test_a_code_table_of_one_s_own_takes_the_shipped_one_s_place_and_may_be_edited(tmp_path):
    own = tmp_path / "return_codes.csv"
    own.write_text(OWN.replace("Not enough data to create a ULN", "First"), encoding="utf-8-sig")
    assert all_return_codes(tmp_path)["RC006"].label_en == "First"
    own.write_text(OWN.replace("Not enough data to create a ULN", "Second time"), encoding="utf-8")
    assert all_return_codes(tmp_path)["RC006"].label_en == "Second time"


def test_a_code_table_of_one_s_own_needs_welsh_where_its_english_is_not_the_shipped_one(tmp_path):
    own = tmp_path / "return_codes.csv"
    own.write_text(CODES.replace(",70,", ",71,"), encoding="utf-8")
    assert all_return_codes(tmp_path)["RC006"] == all_return_codes()["RC006"]
    own.write_text(CODES.replace("Not enough data to create a ULN", "First"), encoding="utf-8")
    with pytest.raises(ConfigurationFault, match="return_codes:RC006:label: the English has changed") as caught:
        all_return_codes(tmp_path)
    assert len(caught.value.faults) == 1


def test_faults_of_a_code_table_are_told_at_once(tmp_path):
    own = tmp_path / "return_codes.csv"
    row = list(ReturnCode.model_fields)
    odd = {"code": "RC14", "outcome": "maybe", "who_acts": "all", "resubmit": "?", "precedence": "first"}
    odd |= {"confidence": "sure"}
    lines = [line for line in OWN.splitlines() if not line.startswith("NONE")]
    own.write_text("\n".join([*lines, ",".join(odd.get(name, "x") for name in row)]) + "\n", encoding="utf-8")
    with pytest.raises(ConfigurationFault) as caught:
        all_return_codes(tmp_path)
    assert [told.en for told in caught.value.faults] == [
        "line 16, RC14: write it as RC014",
        "line 16, RC14: outcome is one of uln, exception, unknown",
        "line 16, RC14: who_acts is one of school, service, lrs, unknown",
        "line 16, RC14: precedence is a number",
        "line 16, RC14: confidence is one of known, unknown",
        "NONE is missing",
    ]
