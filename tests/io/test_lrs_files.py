"""Batch files to the letter, result files whatever their order, and the round trip."""

import datetime as dt
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.faults import ConfigurationFault, Refused
from schemas.lrs_profiles import all_profiles, parse_profile
from tasks.io.lrs_files import batch_file_name, read_result, write_batch

GOLDEN = Path(__file__).parents[1] / "golden"
ROWS = pd.DataFrame(
    {
        "upn": ["M660402510001", "R681404209123"],
        "given_name": ["Sian", "Llyr"],
        "family_name": ["ap Prwf", "O'Brien"],
        "middle_name": [None, "Haf"],
        "dob": ["1996-11-05", "1995-01-31"],
        "gender": ["2", "1"],
        "postcode": ["LL77 7NG", "CF10 1EP"],
        "ability_to_share": ["1", "2"],
    }
).astype("str")
PROFILES = all_profiles()


def written(profile, fmt, rows=ROWS):
    name = batch_file_name("10000001", dt.datetime(2012, 1, 31, 9, 5), fmt)
    return write_batch(rows, profile=PROFILES[profile], fmt=fmt, ukprn="10000001", file_name=name)


def test_file_name_has_a_24_hour_clock_and_capitals():
    assert batch_file_name("10000001", dt.datetime(2012, 1, 31, 21, 5), "CSV") == "LRB_10000001_310120122105.CSV"


@pytest.mark.parametrize(("profile", "fmt"), [("2A", "CSV"), ("2A", "XML"), ("3A", "CSV"), ("3A", "XML")])
def test_golden(profile, fmt):
    assert written(profile, fmt) == (GOLDEN / f"LRB_{profile}.{fmt}").read_bytes()


def test_csv_rules():
    lines = written("2A", "CSV").decode("utf-8").split("\r\n")
    assert lines[-1] == "" and len(lines) == 4
    assert all(cell.startswith('"') and cell.endswith('"') for line in lines[:3] for cell in line.split(","))
    first, second = (line.split(",") for line in lines[1:3])
    assert first[:4] == ['"2A"', '"LRB_10000001_310120120905"', '"10000001"', '"2"']
    assert second[:4] == ['""'] * 4
    assert len(lines[0].split(",")) == 30


def answered(text, encoding="utf-8"):
    return read_result(text.encode(encoding), PROFILES)


def test_headings_by_name_in_any_order_and_case():
    found = answered(
        'RETURN CODE,uln,misidentifier,FamilyName,ukprn,Surprise\nRC007,,U1,"Jones, ""Jac""\n-Owen",10000001,x\n,1000102504,U2,b,,y\n'
    )
    assert list(found["mis_identifier"]) == ["U1", "U2"]
    assert list(found["ukprn"]) == ["10000001", "10000001"]
    assert found["family_name"].iloc[0] == 'Jones, "Jac"\n-Owen'
    assert found["return_code"].iloc[0] == "RC007" and found["uln"].iloc[1] == "1000102504"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiters_and_encodings(delimiter, encoding):
    text = (
        delimiter.join(["UKPRN", "MISIdentifier", "ULN", "GivenName"])
        + "\n"
        + delimiter.join(["1", "U1", "1000102504", "Siôn"])
    )
    assert answered(text, encoding)["given_name"].iloc[0] == "Siôn"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not_a_result"),
        (b"Name,Date\na,b\n", "not_a_result"),
        (b"MISIdentifier,ULN\nU1,\n", "not_a_result"),
        (b"MISIdentifier,ULN\nU1,1000102504\n", "no_ukprn"),
        (b"<a><b></a>", "not_xml"),
        (b"<a/>", "not_a_result"),
        (b"a\x00b\x81", "undecodable"),
    ],
    ids=["empty", "other-table", "a-batch-that-was-not-answered", "no-ukprn", "broken-xml", "other-xml", "not-text"],
)
def test_refused(content, reason):
    with pytest.raises(Refused) as caught:
        read_result(content, PROFILES)
    assert caught.value.reason == reason


def test_our_own_unanswered_batch_is_never_taken_for_answers():
    for profile in PROFILES:
        for fmt in ("CSV", "XML"):
            with pytest.raises(Refused, match="not_a_result"):
                read_result(written(profile, fmt), PROFILES)


TEXT = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(
    lambda s: s.strip() == s and s
)


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=5))
def test_names_come_back_from_a_csv_as_they_went(names):
    rows = pd.DataFrame(
        [ROWS.iloc[0].to_dict() | {"family_name": n, "upn": f"U{i}"} for i, n in enumerate(names)]
    ).astype("str")
    csv_text = written("2A", "CSV", rows).decode("utf-8").replace('"ULN"', '"ULN","ReturnCode"', 1)
    lines = csv_text.split("\r\n")
    content = "\r\n".join([lines[0], *(line.replace(',"","U', ',"","RC007","U', 1) for line in lines[1:])])
    assert list(read_result(content.encode(), PROFILES)["family_name"]) == names


def test_profile_faults_are_told_at_once():
    with pytest.raises(ConfigurationFault) as caught:
        parse_profile('version = "4A"\nheadings = []\n', "4A.toml")
    assert "'headings'" in str(caught.value) and "'columns'" in str(caught.value)


def test_a_profile_in_the_data_root_takes_the_shipped_one_s_place(tmp_path):
    shipped = (Path(__file__).parents[2] / "schemas" / "lrs" / "3A.toml").read_text(encoding="utf-8")
    (tmp_path / "3A.toml").write_text(shipped.replace("limit = 5000", "limit = 7"), encoding="utf-8")
    assert all_profiles(tmp_path)["3A"].limit == 7
    assert all_profiles()["3A"].limit == 5000
