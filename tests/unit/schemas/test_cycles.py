"""The cycles, and that a wrong block is told with all its faults."""

import datetime as dt
import itertools

import pytest

from schemas.cycles import all_cycles, cycle_by_id, parse_cycles
from schemas.texts.faults import ConfigurationFault
from tests.support.paths import PROJECT


def test_shipped_cycles_and_their_formats():
    formats = {c.id: (c.lrs_profile, c.lrs_format, c.ctf_version) for c in all_cycles().values()}
    assert formats == {
        "pilot": ("2A", "CSV", "11.0"),
        "2011-09": ("2A", "CSV", "11.0"),
        "2012-01": ("2A", "CSV", "11.0"),
        "2013-01": ("2A", "CSV", "12.0"),
        "2026-09": ("3A", "CSV", "25.0"),
        "2027-01": ("3A", "CSV", "25.0"),
    }


def test_no_two_cycles_cover_one_day():
    spans = sorted((c.census_from, c.census_to) for c in all_cycles().values())
    assert all(end < start for (_, end), (start, _) in itertools.pairwise(spans))


def test_standing_rule_counts_14_on_1_september():
    assert cycle_by_id("2027-01").born_on_or_before == dt.date(2012, 9, 1)
    assert cycle_by_id("2012-01").born_on_or_before is None


def test_all_faults_at_once():
    with pytest.raises(ConfigurationFault) as caught:
        parse_cycles('[x]\nkind = "monthly"\nyears = [9]\n[y]\nkind = "january"\n')
    told = [fault.en for fault in caught.value.faults]
    assert "[x] years is not a key that may stand there" in told
    assert any(fault.startswith("[y] missing key") for fault in told)


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "true", '"21"'])
def test_the_days_within_which_the_lrs_answers_are_a_whole_number(days):
    shipped = (PROJECT / "schemas" / "cycles.toml").read_text(encoding="utf-8")
    sound = "answer_within_days = 21"
    assert parse_cycles(shipped)["2012-01"].answer_within_days == 21
    with pytest.raises(ConfigurationFault) as caught:
        parse_cycles(shipped.replace(sound, f"answer_within_days = {days}", 1))
    assert [f.en for f in caught.value.faults] == ["[pilot] answer_within_days is a whole number from 1"]


def faults_of(content):
    with pytest.raises(ConfigurationFault) as caught:
        parse_cycles(content)
    return [fault.en for fault in caught.value.faults]


def test_every_fault_of_a_block_is_told_whatever_else_is_wrong_and_no_value_is_shown():
    shipped = (PROJECT / "schemas" / "cycles.toml").read_text(encoding="utf-8")
    block = shipped[shipped.index("[2026-09]") : shipped.index("[2027-01]")]
    for sound, wrong in {
        'kind = "september"': 'kind = "MARKER"',
        "academic_year = 2026": 'academic_year = "MARKER"',
        "census_to = 2026-10-31": "census_to = 2026-08-31",
        "closes_on = 2026-12-31": 'closes_on = "MARKER"',
        "[10, 11, 12, 13, 14]": "[10, 15]",
        'lrs_format = "CSV"': 'lrs_format = "MARKER"',
        'lrs_profile = "3A"': "lrs_profile = 3",
        "minimum_age = 14": 'id = "MARKER"',
    }.items():
        assert sound in block
        block = block.replace(sound, wrong)
    assert faults_of(block) == [
        f"[2026-09] {fault}"
        for fault in (
            "id is not a key that may stand there",
            "kind is one of pilot, september, january",
            "academic_year is of the wrong kind",
            "census_from is after census_to",
            "closes_on must be a date like 2024-01-16",
            "year_groups are 1 to 14",
            "lrs_profile must be a text that is not blank",
            "lrs_format is one of CSV, XML",
        )
    ]


def test_a_rule_of_age_is_whole_and_a_key_outside_a_block_is_told():
    shipped = (PROJECT / "schemas" / "cycles.toml").read_text(encoding="utf-8")
    block = shipped[shipped.index("[2026-09]") : shipped.index("[2027-01]")].replace("minimum_age = 14\n", "")
    assert faults_of(f"kind = 1\n{block}") == [
        "kind must be a block: [kind] and its keys below it",
        "[2026-09] minimum_age and minimum_age_on go together",
    ]


def test_unknown_cycle_names_those_that_exist():
    with pytest.raises(ConfigurationFault, match="2012-01"):
        cycle_by_id("2012-02")


def test_windows_of_one_kind_do_not_overlap():
    shipped = (PROJECT / "schemas" / "cycles.toml").read_text(encoding="utf-8")
    with pytest.raises(ConfigurationFault) as caught:
        parse_cycles(shipped.replace("closes_on = 2012-07-31", "closes_on = 2013-01-01"))
    assert [f.en for f in caught.value.faults] == [
        "the windows of 2012-01 and 2013-01 overlap: a scheduled january run could be for either"
    ]
    assert len(faults_of(shipped.replace("closes_on = 2012-07-31", "closes_on = 2013-01-01") + "[x]\n")) == 11
