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
