"""The texts of the causes: each cause has its own, in both languages."""

import pytest

from schemas.codes.possible_match_causes import Cause, parse_causes, possible_match_causes
from schemas.texts.faults import ConfigurationFault
from schemas.texts.translations import Translation

HEAD = "code,why_en,check_en\n"
#: Welsh of every cause, as the tables below have the English.
WELSH = {f"possible_match_causes:{c}:{of}": Translation(of[0], "x", True) for c in Cause for of in ("why", "check")}


def table(rows: str) -> str:
    return HEAD + rows


def test_every_cause_has_texts_of_its_own_in_both_languages():
    rows = possible_match_causes()
    assert [row.code for row in rows] == list(Cause)
    texts = [t for row in rows for t in (row.why_en, row.why_cy, row.check_en, row.check_cy)]
    assert len(set(texts)) == 4 * len(Cause)


def test_a_cause_that_is_none_and_one_that_is_missing_are_told_at_once():
    rows = "".join(f"{cause},w,c\n" for cause in Cause if cause != Cause.TWIN)
    welsh = {key: text for key, text in WELSH.items() if ":twin:" not in key}
    welsh |= {f"possible_match_causes:triplet:{of}": Translation(of[0], "x", True) for of in ("why", "check")}
    with pytest.raises(ConfigurationFault) as told:
        parse_causes(table(rows + "triplet,w,c\n"), catalogue=welsh)
    assert sorted(fault.partition(" ")[0].rstrip(":") for fault in told.value.faults) == ["mae", "triplet"]
    assert any("twin" in fault for fault in told.value.faults)


def test_a_blank_text_is_refused():
    rows = "".join(f"{cause},w,{'' if cause == Cause.TWIN else 'c'}\n" for cause in Cause)
    with pytest.raises(ConfigurationFault, match="twin"):
        parse_causes(table(rows), catalogue=WELSH)
