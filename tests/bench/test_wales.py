"""A larger country is copies of Wales that have nothing in common but the schools' names and authorities."""

import json

import pandas as pd
import pytest

from tasks.io.data_root.reference import registration, schools
from tests.bench.wales import numbered, wales


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    return wales(2, only=3, to=tmp_path_factory.mktemp("twice"))


def test_copies_share_no_school_no_ukprn_and_no_upn(twice):
    parts = [pd.read_parquet(p) for p in sorted((twice / "rehearsal" / "truth" / "2012-01").glob("*pupils.parquet"))]
    one, two = (set(part["true_upn"]) for part in parts)
    assert len(parts) == 2 and one and two and not one & two
    assert not set(parts[0]["school_number"]) & set(parts[1]["school_number"])
    ukprns = registration(twice / "reference")["ukprn"].dropna()
    assert not ukprns.duplicated().any()
    records = json.loads((twice / "made.json").read_text(encoding="utf-8"))["records"]
    assert records == sum(map(len, parts))


def test_the_register_of_schools_knows_the_copies(twice):
    known = schools(twice / "reference")
    assert set(registration(twice / "reference")["school_number"]) <= set(known["school_number"])
    assert not known["school_number"].duplicated().any()


def test_a_copy_adds_files_and_changes_none(twice, tmp_path):
    once = wales(1, only=3, to=tmp_path / "once") / "dewi" / "inbox"
    of_once = {p.relative_to(once): p.read_bytes() for p in once.rglob("*") if p.is_file()}
    inbox = twice / "dewi" / "inbox"
    assert {name: (inbox / name).read_bytes() for name in of_once} == of_once
    assert sum(p.is_file() for p in inbox.rglob("*")) > len(of_once)


def test_twenty_copies_of_every_school_have_numbers_of_their_own():
    register = schools()
    taking = register[register["sector_en"].isin(["Secondary", "Middle", "Special"])].reset_index(drop=True)
    copies = [numbered(taking, register, copy) for copy in range(20)]
    numbers = pd.concat(copies)["school_number"]
    assert numbers.str.fullmatch("[0-9]{7}").all() and not numbers.duplicated().any()
    assert not set(pd.concat(copies[1:])["school_number"]) & set(register["school_number"])
    assert all((copy["school_number"].str[:3] == copy["la_code"]).all() for copy in copies)


def test_a_country_that_stands_there_is_not_made_again(twice):
    before = (twice / "made.json").stat().st_mtime_ns
    assert (wales(2, only=3, to=twice) / "made.json").stat().st_mtime_ns == before
