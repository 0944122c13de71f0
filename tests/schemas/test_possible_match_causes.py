"""The texts of the causes: each cause has its own, in both languages."""

import pytest

from schemas.faults import ConfigurationFault
from schemas.possible_match_causes import Cause, parse_causes, possible_match_causes

HEAD = "code,why_en,why_cy,check_en,check_cy,cy_review\n"


def test_every_cause_has_texts_of_its_own_in_both_languages():
    rows = possible_match_causes()
    assert [row.code for row in rows] == list(Cause)
    texts = [t for row in rows for t in (row.why_en, row.why_cy, row.check_en, row.check_cy)]
    assert len(set(texts)) == 4 * len(Cause)


def test_all_faults_of_a_table_are_told_at_once():
    rows = "".join(f"{cause},a,b,c,d,N\n" for cause in Cause if cause != Cause.TWIN)
    with pytest.raises(ConfigurationFault) as told:
        parse_causes(HEAD + rows + "triplet,a,b,c,d,?\n")
    assert all(t in str(told.value) for t in ("triplet: is no cause", "twin: is missing", "triplet: cy_review"))


def test_a_blank_text_is_refused():
    rows = "".join(f"{cause},a,b,c,{'' if cause == Cause.TWIN else 'd'},N\n" for cause in Cause)
    with pytest.raises(ConfigurationFault, match="twin: check_cy is empty"):
        parse_causes(HEAD + rows)
