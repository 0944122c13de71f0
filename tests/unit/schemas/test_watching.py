"""How the service is watched: shipped, a data root's own, and wrong ones, all faults at once."""

import pytest

from schemas.settings.watching import FreeSpace, how_watched, parse_watching
from schemas.texts.faults import ConfigurationFault


def test_a_data_root_s_blocks_take_the_place_of_the_shipped_ones(tmp_path):
    own, shipped = tmp_path / "watching.toml", how_watched()
    assert how_watched(own) == shipped
    own.write_text("[free_space]\nwarn_below_gib = 3\nfault_below_gib = 1\n", encoding="utf-8")
    assert how_watched(own).free_space == FreeSpace(3, 1) and how_watched(own).arrivals == shipped.arrivals


def test_all_faults_are_told_at_once():
    with pytest.raises(ConfigurationFault) as told:
        parse_watching("[arrivals]\nsettled_seconds = 0\nmore = 1\n[x]\n[free_space]\nwarn_below_gib = true\n")
    assert [fault.en for fault in told.value.faults] == [
        "x is not a key that may stand there",
        "[arrivals] more is not a key that may stand there",
        "[arrivals] settled_seconds must be a whole number, 1 or more",
        "[arrivals] told_within_rounds must be a whole number, 1 or more",
        "[free_space] warn_below_gib must be a whole number, 1 or more",
        "[free_space] fault_below_gib must be a whole number, 1 or more",
    ]


@pytest.mark.parametrize("content", ["arrivals = 1", "[arrivals", "[notifications]\nagain_after_hours = 1.5"])
def test_what_is_wrong_is_refused(content):
    with pytest.raises(ConfigurationFault):
        parse_watching(content)
