"""How the service is watched: shipped, a data root's own, and wrong ones, all faults at once."""

import pytest

from schemas.settings.terms import FreeSpace, how_watched
from schemas.texts.faults import ConfigurationFault


def of_its_own(tmp_path, content):
    own = tmp_path / "watching.toml"
    own.write_text(content, encoding="utf-8")
    return how_watched(own)


def test_a_data_root_s_blocks_take_the_place_of_the_shipped_ones(tmp_path):
    own, shipped = tmp_path / "watching.toml", how_watched()
    assert how_watched(own) == shipped
    own.write_text("[free_space]\nwarn_below_gib = 3\nfault_below_gib = 1\n", encoding="utf-8")
    assert (
        how_watched(own).free_space == FreeSpace(warn_below_gib=3, fault_below_gib=1)
        and how_watched(own).arrivals == shipped.arrivals
    )


def test_all_faults_are_told_at_once(tmp_path):
    with pytest.raises(ConfigurationFault) as told:
        of_its_own(tmp_path, "[arrivals]\nsettled_seconds = 0\nmore = 1\n[x]\n[free_space]\nwarn_below_gib = true\n")
    assert [fault.en for fault in told.value.faults] == [
        "[arrivals] settled_seconds must be a whole number, 1 or more",
        "[arrivals] missing key 'told_within_rounds'",
        "[arrivals] more is not a key that may stand there",
        "[free_space] warn_below_gib must be a whole number, 1 or more",
        "[free_space] missing key 'fault_below_gib'",
        "x is not a key that may stand there",
    ]


@pytest.mark.parametrize("content", ["arrivals = 1", "[arrivals", "[notifications]\nagain_after_hours = 1.5"])
def test_what_is_wrong_is_refused(content, tmp_path):
    with pytest.raises(ConfigurationFault):
        of_its_own(tmp_path, content)
