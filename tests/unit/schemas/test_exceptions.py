"""The terms in which exceptions are told: shipped, a data root's own, and wrong ones, all faults at once."""

import pytest

from schemas.settings.terms import exception_terms
from schemas.texts.faults import ConfigurationFault


def of_its_own(tmp_path, content):
    own = tmp_path / "exceptions.toml"
    own.write_text(content, encoding="utf-8")
    return exception_terms(own)


def test_the_shipped_bounds_make_four_ages():
    assert exception_terms().ages == ("0-7", "8-28", "29-90", "91+")


def test_a_data_root_s_blocks_take_the_place_of_the_shipped_ones(tmp_path):
    own = tmp_path / "exceptions.toml"
    assert exception_terms(own) == exception_terms()
    own.write_text("[ageing]\ndays = [0, 14]\n", encoding="utf-8")
    assert exception_terms(own) == exception_terms().model_copy(update={"ageing": exception_terms(own).ageing})
    assert exception_terms(own).ages == ("0-0", "1-14", "15+")


@pytest.mark.parametrize(
    "content",
    [
        "[ageing]\ndays = [7, 7]",
        "[ageing]\ndays = [28, 7]",
        "[ageing]\ndays = []",
        "[ageing]\ndays = [-1]",
        "[ageing]\ndays = [true]",
        "[ageing]\ndays = [7]\nmore = 1",
        "[ageing]",
        "ageing = 1",
        '[export]\nnamed_like = ["Export"]',
        '[export]\nnamed_like = ["two words"]',
        '[export]\nnamed_like = [""]',
        "[export]\nnamed_like = 1",
        "[ages]\ndays = [7]",
        "[ageing",
    ],
)
def test_what_is_wrong_is_refused(content, tmp_path):
    with pytest.raises(ConfigurationFault):
        of_its_own(tmp_path, content)


def test_all_faults_are_told_at_once(tmp_path):
    with pytest.raises(ConfigurationFault) as told:
        of_its_own(tmp_path, "[ageing]\ndays = []\n[export]\nnamed_like = []\n[x]\n")
    assert len(told.value.faults) == 3
