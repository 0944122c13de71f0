"""The bounds of a school's volume: shipped, a data root's own, and wrong ones, all faults at once."""

import pytest

from schemas.settings.terms import volume_bounds
from schemas.texts.faults import ConfigurationFault


def of_its_own(tmp_path, content):
    own = tmp_path / "volume.toml"
    own.write_text(content, encoding="utf-8")
    return volume_bounds(own)


def test_a_data_root_s_keys_take_the_place_of_the_shipped_ones(tmp_path):
    own = tmp_path / "volume.toml"
    shipped = volume_bounds(own)
    assert 0 < shipped.far_below < 1 < shipped.far_above
    own.write_text("[bounds]\nleast = 5\n", encoding="utf-8")
    assert volume_bounds(own).least == 5 and volume_bounds(own).far_below == shipped.far_below


@pytest.mark.parametrize(
    "content",
    [
        "far_below = 1.1",
        "far_below = true",
        "far_above = 0.9",
        'far_above = "2"',
        "least = 2.5",
        "least = -1",
        "most = 3",
    ],
)
def test_what_is_wrong_is_refused(content, tmp_path):
    with pytest.raises(ConfigurationFault):
        of_its_own(tmp_path, f"[bounds]\n{content}")


@pytest.mark.parametrize("content", ["bounds = 1", "[limits]", "[bounds"])
def test_what_is_no_block_of_bounds_is_refused(content, tmp_path):
    with pytest.raises(ConfigurationFault):
        of_its_own(tmp_path, content)


def test_all_faults_are_told_at_once(tmp_path):
    with pytest.raises(ConfigurationFault) as caught:
        of_its_own(tmp_path, "[bounds]\nfar_below = 2\nmost = 1\n[limits]\n")
    assert [fault.en for fault in caught.value.faults] == [
        "[bounds] far_below is a share up to 1, far_above one from 1, least a whole number",
        "[bounds] most is not a key that may stand there",
        "limits is not a key that may stand there",
    ]
