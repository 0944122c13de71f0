"""The cycles, and that a wrong block is told with all its faults."""

import datetime as dt
import itertools

import pytest

from schemas.cycles import all_cycles, cycle_by_id, parse_cycles
from schemas.faults import ConfigurationFault


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
    assert any("unknown key 'years'" in fault for fault in caught.value.faults)
    assert any(fault.startswith("[y] missing key") for fault in caught.value.faults)


def test_unknown_cycle_names_those_that_exist():
    with pytest.raises(ConfigurationFault, match="2012-01"):
        cycle_by_id("2012-02")
